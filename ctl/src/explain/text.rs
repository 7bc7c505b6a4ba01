//! An answer for a tired reader: first the sentence, then what happened when, then the numbers.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use ingero_format::units::show_count;
use serde_json::Value;

use super::Answer;
use crate::{
    investigate::{AT_THE_SAME_TIME, Finding},
    printable::printable,
    screen::Screen,
    stats::{OpRow, Stats, ThreadRow},
    time,
};

/// Writes an answer.
///
/// # Errors
/// As `out` does.
pub fn write(answer: &Answer, out: &mut dyn Write) -> io::Result<()> {
    let out = &mut Screen::new(out);
    headline(answer, out)?;
    for finding in &answer.findings {
        writeln!(out)?;
        self::finding(finding, answer, out)?;
    }
    if let Some(stats) = &answer.processes {
        writeln!(out)?;
        processes(stats, out)?;
    }
    writeln!(out)?;
    let window = &answer.window;
    writeln!(
        out,
        "window    {} to {} ({})",
        time::date_and_clock(window.from_ns),
        time::date_and_clock(window.to_ns),
        time::duration(window.dur_ns),
    )?;
    writeln!(
        out,
        "coverage  {}; population: {}",
        printable(&answer.coverage.line()),
        printable(&answer.coverage.population)
    )?;
    if answer.coverage.redacted {
        writeln!(out, "redacted  names are pseudonyms; numbers, times and pids are as recorded")?;
    }
    for clocks in &answer.coverage.clocks {
        writeln!(out, "clocks    {}", printable(clocks))?;
    }
    for note in answer.coverage.notes.iter().chain(&answer.coverage.not_probed) {
        writeln!(out, "note      {}", printable(note))?;
    }
    Ok(())
}

fn headline(answer: &Answer, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", printable(&sentence(answer)))
}

/// The answer in one sentence; its names are as recorded.
#[must_use]
pub fn sentence(answer: &Answer) -> String {
    let Some(first) = answer.findings.first() else {
        if answer.coverage.calls == 0 {
            return format!(
                "Nothing to explain: no CUDA call was recorded in these {}. On the host, `ingeroctl check` says what would be.",
                time::duration(answer.window.dur_ns),
            );
        }
        return format!(
            "Nothing stands out: {} calls in {}, none held up beyond what is usual here.",
            show_count(answer.coverage.calls),
            time::duration(answer.window.dur_ns),
        );
    };
    let more = match answer.findings.len() - 1 {
        0 => String::new(),
        1 => " (and 1 finding more)".to_owned(),
        n => format!(" (and {n} findings more)"),
    };
    format!("{} {}{more}", who(first, answer), first.summary)
}

fn who(f: &Finding, answer: &Answer) -> String {
    let comm = if f.comm.is_empty() { "?" } else { &f.comm };
    let node = if answer.window.nodes.len() > 1 { format!("{}: ", f.node) } else { String::new() };
    printable(&format!("{node}{comm}/{} tid {}", f.pid, f.tid))
}

/// Writes a finding: its first line, then `label text` lines indented by two blanks.
///
/// # Errors
/// As `out` does.
pub fn finding(f: &Finding, answer: &Answer, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "#{} [{}] {}  {}  attributed {}",
        f.rank,
        f.severity.name(),
        f.cause,
        who(f, answer),
        time::duration(f.attributed_ns),
    )?;
    let (from, to) = (time::clock(f.from_ns), time::clock(f.to_ns));
    let calls = match f.calls_total {
        0 => "a thread without CUDA calls".to_owned(),
        total => format!("{} of {} calls slow or late", count(f.calls_affected), count(total)),
    };
    writeln!(out, "  {from} to {to} UTC ({}); {calls}", time::duration(f.to_ns - f.from_ns))?;
    for row in list(&f.evidence, "timeline") {
        writeln!(out, "    {}", timeline_row(row))?;
    }
    for row in list(&f.evidence, "operations").iter().filter(|r| r.get("calls").is_some()) {
        writeln!(out, "  numbers   {}", operation(row))?;
    }
    for (key, name, title) in
        [("actors", "task", "by"), ("kernels", "kernel", "kernels"), ("kernel_stacks", "stack", "waits in")]
    {
        let rows = list(&f.evidence, key);
        if !rows.is_empty() {
            let shown: Vec<String> = rows
                .iter()
                .take(4)
                .map(|r| format!("{} {}", shorten(string(r, name)), time::duration(number(r, "ns"))))
                .collect();
            writeln!(out, "  {title:<9} {}", printable(&shown.join(", ")))?;
        }
    }
    if let Some(said) = f.evidence.get(AT_THE_SAME_TIME) {
        writeln!(out, "  meanwhile {}", printable(&meanwhile(said)))?;
    }
    for row in list(&f.evidence, "wakeup_chains").iter().take(2) {
        writeln!(out, "  chain     {}", printable(&chain(row)))?;
    }
    if let Some(rate) = rate(&f.evidence) {
        writeln!(out, "  rate      {rate}")?;
    }
    writeln!(out, "  compared  {}", baseline(f))?;
    writeln!(out, "  against   {}", counter(&f.counter_evidence))?;
    writeln!(
        out,
        "  undecided {} of {} slow units, {}",
        count(number(&f.coverage, "units_undecidable")),
        count(number(&f.coverage, "units_examined")),
        time::duration(number(&f.coverage, "undecided_ns")),
    )?;
    for line in f.advice.as_array().into_iter().flatten().filter_map(Value::as_str) {
        writeln!(out, "  do        {}", printable(line))?;
    }
    Ok(())
}

fn timeline_row(row: &Value) -> String {
    let at = time::clock(number(row, "ts_ns"));
    let dur = time::duration(number(row, "dur_ns"));
    let what = string(row, "what");
    let text = match what {
        "EXIT" => format!("the process ended, {}", string(row, "op")),
        "CUDA" => {
            let kernel = match row.get("kernel").and_then(Value::as_str) {
                Some(kernel) => format!("  kernel {}", shorten(kernel)),
                None => String::new(),
            };
            let first = row.get("first_use").and_then(Value::as_bool) == Some(true);
            let first = if first { " (first use)" } else { "" };
            format!("{} {dur}{kernel}{first}", string(row, "op"))
        }
        // A thread that makes no CUDA calls: its time off the CPU is what is looked at.
        "GAP" if string(row, "next_op").is_empty() => format!("off the CPU for {dur}"),
        "GAP" => format!("no CUDA call for {dur}, then {}", string(row, "next_op")),
        _ => {
            let actor = row.get("actor").and_then(Value::as_str);
            let stack = row.get("stack").and_then(Value::as_str).filter(|s| !s.is_empty());
            let stack = stack.map_or(String::new(), |s| format!(" in {s}"));
            match (string(row, "class"), actor) {
                ("runnable", Some(actor)) => format!("runnable {dur}, {actor} had the CPU"),
                (class @ ("starved" | "starved_asleep"), Some(actor)) => {
                    format!("{} {dur}{stack}, fed by {actor}", class_name(class))
                }
                ("stopped", Some(actor)) => format!("stopped {dur} by {actor}"),
                (class, Some(actor)) => format!("{} {dur}{stack}, woken by {actor}", class_name(class)),
                (class, None) => format!("{} {dur}{stack}", class_name(class)),
            }
        }
    };
    printable(&format!("{at}  {what:<4}  {text}"))
}

fn class_name(class: &str) -> &str {
    match class {
        "on_cpu" => "on CPU",
        "runnable" | "runnable_alone" => "runnable",
        "recorder" => "runnable, a recorder had the CPU,",
        "lock" => "waits for a lock",
        "io" => "waits for storage",
        "blocked" => "blocked",
        "stopped" => "stopped",
        "gpu_wait" => "waits for the GPU",
        "first_use" => "loads or compiles",
        "allocator" => "in the allocator",
        "throttled" => "kept back by its cgroup's CPU limit",
        "memory" => "waits for memory",
        "collective" => "waits for other ranks",
        "starved" | "starved_asleep" | "waiting" => "waits for work",
        "sleep" => "sleeps",
        other => other,
    }
}

fn operation(row: &Value) -> String {
    format!(
        "{} n={}  p50 {}  p99 {}  max {}  (usually p50 {})",
        printable(string(row, "op")),
        count(number(row, "calls")),
        time::duration(number(row, "p50_ns")),
        time::duration(number(row, "p99_ns")),
        time::duration(number(row, "max_ns")),
        time::duration(number(row, "usual_p50_ns")),
    )
}

/// Who waited for whom, and what the last one did: `loader <- feeder waited for storage 60 ms`.
fn chain(row: &Value) -> String {
    let path: Vec<&str> = list(row, "woken_by").iter().filter_map(Value::as_str).collect();
    let path = if path.is_empty() { "nobody recorded".to_owned() } else { path.join(" <- ") };
    let stack = row.get("stack").and_then(Value::as_str).filter(|s| !s.is_empty());
    let stack = stack.map_or(String::new(), |s| format!(" in {s}"));
    format!("woken by {path}, which {}{stack} {}", string(row, "did"), time::duration(number(row, "ns")))
}

/// What programs said of the time of the finding.
fn meanwhile(said: &Value) -> String {
    const NAMED: usize = 4;
    let label = |(key, value): (&String, &Value)| format!("{key}={}", value.as_str().unwrap_or_default());
    let span = |row: &Value| {
        let labels = row.get("labels").and_then(Value::as_object);
        let words: Vec<String> = labels.into_iter().flatten().map(label).collect();
        format!("{} {}", shorten(&words.join(" ")), time::duration(number(row, "dur_ns")))
    };
    let named: Vec<String> = list(said, "spans").iter().take(NAMED).map(span).collect();
    let all = count(number(said, "count"));
    format!(
        "{} (of {all} spans that programs told; at the same time, which shows no cause)",
        named.join(", ")
    )
}

/// Launches a second, if there were clearly fewer.
fn rate(evidence: &Value) -> Option<String> {
    const WORTH_TELLING_PERCENT: i64 = 90;
    let rate = evidence.get("launch_rate")?;
    let (usual, during) = (number(rate, "usual_per_second"), number(rate, "per_second"));
    (usual > 0 && during * 100 < usual * WORTH_TELLING_PERCENT).then(|| {
        format!(
            "{}/s before, {}/s then, {} % less; about {} launches fewer",
            count(usual),
            count(during),
            (usual - during) * 100 / usual,
            count(number(rate, "launches_lost")),
        )
    })
}

/// How the attributed time comes about: what was measured, less what is usual.
fn baseline(f: &Finding) -> String {
    let evidence = &f.evidence;
    let (measured, minor) = (number(evidence, "measured_ns"), number(evidence, "in_units_not_slow_ns"));
    let measured = match minor {
        0 => format!("{} measured", time::duration(measured)),
        _ => format!(
            "{} measured ({} in slow units, {} in others)",
            time::duration(measured + minor),
            time::duration(measured),
            time::duration(minor)
        ),
    };
    let b = evidence.get("baseline").unwrap_or(&Value::Null);
    let with = match string(b, "kind") {
        "window_before" => "the window before it",
        "usual_parts" => "the usual parts of the window",
        "quietest_tenth" => "the quietest tenth of the window (nothing long enough lies before it)",
        _ => return format!("{measured}, all of it attributed: nothing in this window says what is usual"),
    };
    let units = count(number(b, "units"));
    format!(
        "{measured} - {} usual = {} attributed; usual is as in {with}, {units} calls and gaps",
        time::duration(number(evidence, "usual_ns")),
        time::duration(f.attributed_ns),
    )
}

fn counter(counter: &Value) -> String {
    let others = list(counter, "same_cause_on_other_threads").len();
    let second = counter.get("second_class").and_then(Value::as_str).unwrap_or("none");
    let switches = number(counter, "voluntary_switches") + number(counter, "involuntary_switches");
    let switches = match switches {
        0 => String::new(),
        n => format!(
            "; {} switches, {} of them of its own will",
            count(n),
            count(number(counter, "voluntary_switches"))
        ),
    };
    let within = match string(counter, "in_the_time_of") {
        "" => String::new(),
        cause => format!("; in the time of a larger {}", printable(cause)),
    };
    format!(
        "{} slow units without this cause; {} with it that were not slow; {} of the slow were first use; \
         next class {} {}; same on {} other threads{switches}{within}",
        count(number(counter, "slow_units_without_this_cause")),
        count(number(counter, "units_with_it_that_were_not_slow")),
        count(number(counter, "first_use_calls_among_slow")),
        class_name(second),
        time::duration(number(counter, "second_class_ns")),
        others,
    )
}

/// What every process did (shape S2).
fn processes(stats: &Stats, out: &mut dyn Write) -> io::Result<()> {
    const OPS: usize = 6;
    const THREADS: usize = 8;
    let mut ops: BTreeMap<(&str, u32), Vec<&OpRow>> = BTreeMap::new();
    let mut threads: BTreeMap<(&str, u32), Vec<&ThreadRow>> = BTreeMap::new();
    stats.ops.iter().for_each(|r| ops.entry((&r.node, r.pid)).or_default().push(r));
    stats.threads.iter().for_each(|r| threads.entry((&r.node, r.pid)).or_default().push(r));
    let keys: std::collections::BTreeSet<_> = ops.keys().chain(threads.keys()).copied().collect();
    for key in keys {
        let (own_ops, own_threads) = (ops.get(&key), threads.get(&key));
        let name = own_ops.and_then(|o| o.first()).map(|o| o.comm.as_str());
        let name = name.or_else(|| own_threads.and_then(|t| t.first()).map(|t| t.comm.as_str()));
        writeln!(out, "{} {} (all calls and intervals)", printable(name.unwrap_or("?")), key.1)?;
        for t in own_threads.into_iter().flatten().take(THREADS) {
            writeln!(
                out,
                "  thread {} {}: {} off-CPU intervals, {} in all, longest {}, run queue {}",
                t.tid,
                printable(&t.comm),
                count(t.off_cpu_count),
                time::duration(t.off_cpu_ns),
                time::duration(t.max_off_cpu_ns),
                time::duration(t.runqueue_ns),
            )?;
        }
        for o in own_ops.into_iter().flatten().take(OPS) {
            writeln!(
                out,
                "  {} {} avg {} p99 {} max {}",
                printable(&o.op),
                count(o.count),
                time::duration(o.total_ns / o.count.max(1)),
                time::duration(o.p99_ns),
                time::duration(o.max_ns),
            )?;
        }
    }
    Ok(())
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn string<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or("")
}

fn number(value: &Value, key: &str) -> i64 {
    value.get(key).and_then(Value::as_i64).unwrap_or(0)
}

fn count(n: i64) -> String {
    show_count(n.unsigned_abs())
}

/// Mangled kernel names are long; both ends tell them apart.
fn shorten(name: &str) -> String {
    const LONGEST: usize = 64;
    let chars: Vec<char> = name.chars().collect();
    if chars.len() <= LONGEST {
        return name.to_owned();
    }
    let (head, tail) = (chars.iter().take(LONGEST - 20), chars.iter().skip(chars.len() - 17));
    head.collect::<String>() + "..." + &tail.collect::<String>()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::investigate::Severity;

    fn compared(attributed_ns: i64, evidence: Value) -> String {
        baseline(&Finding {
            id: String::new(),
            rank: 1,
            severity: Severity::High,
            cause: "cpu_contention",
            node: String::new(),
            pid: 1,
            tid: 1,
            comm: String::new(),
            from_ns: 0,
            to_ns: 0,
            attributed_ns,
            calls_affected: 0,
            calls_total: 0,
            summary: String::new(),
            evidence,
            counter_evidence: Value::Null,
            coverage: Value::Null,
            advice: Value::Null,
        })
    }

    #[test]
    fn the_line_of_what_is_usual_adds_up_to_what_is_attributed() {
        const MS: i64 = 1_000_000;
        let before = json!({"kind": "window_before", "units": 1_200});
        let evidence = json!({"measured_ns": 1_130 * MS, "in_units_not_slow_ns": 250 * MS, "usual_ns": 300 * MS, "baseline": before});
        assert_eq!(
            compared(1_080 * MS, evidence),
            "1.38 s measured (1.13 s in slow units, 250 ms in others) - 300 ms usual = 1.08 s attributed; usual is as in \
             the window before it, 1,200 calls and gaps"
        );
        let symptom = json!({"measured_ns": 9 * MS, "usual_ns": 4 * MS, "baseline": {"kind": "usual_parts", "units": 2}});
        assert!(
            compared(5 * MS, symptom).starts_with("9.00 ms measured - 4.00 ms usual = 5.00 ms attributed; ")
        );
        let alone = json!({"measured_ns": 7 * MS, "usual_ns": 0, "baseline": {"kind": "none"}});
        assert_eq!(
            compared(7 * MS, alone),
            "7.00 ms measured, all of it attributed: nothing in this window says what is usual"
        );
    }
}
