//! What a number is in: its name's end says so, or it is listed here with the reason.

use super::page::{Page, code};

/// Ends of names, and what they say. The longest that fits counts.
const SUFFIXES: [(&str, &str); 21] = [
    ("ts_ns", "Unix time, ns: the start, see above"),
    ("ns", "nanoseconds: a duration, or with `start_`, `from_`, `to_`, `covered_`, `base_` a Unix time"),
    ("us", "microseconds: as the kernel counts them, in samples only"),
    ("seconds", "seconds: in metrics and in samples that are metrics"),
    ("bytes", "bytes"),
    ("percent", "hundredths of a whole; of one CPU or core, unless the name says of what"),
    ("ratio", "share of one, in metrics only"),
    ("per_second", "events a second"),
    ("per_hour", "events an hour"),
    ("per_mille", "thousandths of a whole"),
    ("per_event", "of what stands before it, for each event"),
    ("count", "how many"),
    ("calls", "how many calls"),
    ("id", "a number that names a row, an entry or the like"),
    ("pid", "process id of the initial namespace"),
    ("tid", "thread id of the initial namespace"),
    ("uid", "user id"),
    ("mhz", "megahertz"),
    ("watts", "watts"),
    ("celsius", "degrees Celsius"),
    ("cores", "CPUs' worth of time"),
];

/// Whole names of numbers that are no quantity with a unit.
const BARE: [(&str, &str); 8] = [
    (
        "count of the things in the name",
        "annotations_refused asked bits calls_affected calls_total calls_undecidable coalesced count depth events evicted \
         failed fired frames held load1 load15 load5 lost min_requests off_cpu probes produced rank segments stored taken \
         tasks_runnable timed twice",
    ),
    (
        "names a row of the table of that name, of `task`, of `stacks`, or a number of this document",
        "cause cpu detail epoch kernel key node op preemptor series source stack state task waker",
    ),
    (
        "copied from the row: the operation says what they are (docs/FORMAT.md section 14)",
        "arg0 arg1 flags ret",
    ),
    ("1 or 0; `detail.first_use` 2 and more for a first use", "first_use open"),
    ("bits, as the driver gives them", "gpu_throttle_reasons"),
    ("its unit ends the sample's name", "value"),
    ("launches a second", "launch_rate_min"),
    ("seconds; a name that the interface has fixed", "seconds_held"),
];

/// True if a name is listed above.
fn bare(name: &str) -> bool {
    BARE.iter().any(|(_, names)| names.split_whitespace().any(|known| known == name))
}

pub(super) fn suffix(name: &str) -> Option<&'static str> {
    let fits = |end: &&str| name == *end || name.strip_suffix(*end).is_some_and(|rest| rest.ends_with('_'));
    SUFFIXES.iter().map(|(end, _)| *end).find(fits)
}

/// Notes a fault unless a name of a number says what it is in.
pub(super) fn check(page: &mut Page, place: &str, name: &str) {
    page.holds(suffix(name).is_some() || bare(name), || {
        format!(
            "{place} does not end in a unit; tests/src/names/units.rs lists them, and in BARE what needs none"
        )
    });
}

/// Notes a fault if a count bears a unit.
pub(super) fn check_count(page: &mut Page, place: &str, name: &str) {
    let units = ["ns", "us", "seconds", "bytes", "percent", "ratio"];
    page.holds(suffix(name).is_none_or(|end| !units.contains(&end)), || {
        format!("{place} ends in a unit, which recorder/src/metrics/family.rs must give as its Unit")
    });
}

/// What times mean, before any table.
pub(super) fn times(page: &mut Page) {
    page.heading("Times", "");
    for line in [
        "`ts_ns` is the **start**, for every source, and an event is `[ts_ns, ts_ns + dur_ns)`. What is no start has another name:",
        "",
        "| name | where | means |",
        "|---|---|---|",
        "| `ts_ns` | all views | start, Unix ns; of a sample the moment it was read; of a loss the earliest it can have been (= `from_ns`) |",
        "| `bucket_ts_ns` | `rates` | start of the bucket |",
        "| `dur_ns` | everywhere | how long; 0 for a moment |",
        "| `end_ns` | rows on disk and records of the kernel | **end**, CLOCK_BOOTTIME: rows are written when they end, and sort by it |",
        "| `from_ns`, `to_ns` | `findings`, `losses`, `node`, `window` | begin and end of a span, Unix ns |",
        "| `from_ts_ns`, `to_ts_ns` | snapshots in JSON | begin and end of the window that is held, Unix ns |",
        "| `oldest_ts_ns`, `newest_ts_ns` | `status --json` | **ends** of the oldest and the newest event held, Unix ns: the recorder keeps by end |",
        "| `last_fired_ts_ns` | `status --json` | that moment |",
        "| `start_ns`, `covered_ns` | `processes` | since when it runs, since when its calls are recorded, Unix ns |",
        "| `first_ns`, `last_ns` | frame headers on disk | `end_ns` of the first and the last row |",
    ] {
        page.line(line);
    }
}

/// Units, after all tables.
pub(super) fn suffixes(page: &mut Page) {
    page.heading(
        "Units",
        "Every number in SQL, in JSON, in metrics, samples and bare numbers of the configuration ends in one of these (before `_total`),",
    );
    page.table(&["end", "means"]);
    for (end, meaning) in SUFFIXES {
        page.row(&[code(&format!("_{end}")), meaning.to_owned()]);
    }
    page.line("");
    page.line("or is one of these. Times and sizes in the configuration and on the command line carry their unit in the value: `250ms`, `4GiB`.");
    page.line("");
    page.table(&["names", "reason"]);
    for (reason, names) in BARE {
        let shown: Vec<String> = names
            .split_whitespace()
            .map(|n| if n.starts_with('(') { n.to_owned() } else { code(n) })
            .collect();
        page.row(&[shown.join(" "), reason.to_owned()]);
    }
}
