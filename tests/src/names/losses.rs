//! Why events are missing.

use ingero_format::ops::LossCause;

use super::page::{Page, block, code, numbered, read, snake};

const FORMAT: &str = "format/src/ops/loss.rs";
const KERNEL: &str = "ebpf/abi/src/counters.rs: LossCause";

pub(super) fn write(page: &mut Page) {
    page.heading(
        "Causes of losses",
        "`number` is that of LOSS rows on disk; the counters in the kernel have an index instead. The same word in `losses.cause`, in\n\
         `losses[].cause` of `status --json` and `verify --json`, in the label `cause` of `ingero_recorder_events_lost_total`, in\n\
         `INGERO_LOSS_CAUSE` of the journal, in section 14 of FORMAT.md and in TROUBLESHOOT.md.",
    );
    page.table(&["number", "name", "format", "BPF, index"]);
    let kernel = numbered(block(&read("ebpf/abi/src/counters.rs"), "pub enum LossCause"));
    for cause in LossCause::ALL {
        let (number, variant) = (cause as u64, format!("{cause:?}"));
        page.agree(
            "loss cause",
            (&format!("{FORMAT}, variant"), snake(&variant)),
            (FORMAT, cause.name().to_owned()),
        );
        let theirs = kernel.iter().find(|(name, _)| *name == variant);
        if let Some((name, index)) = theirs {
            page.agree(
                &format!("loss cause {name}"),
                (FORMAT, number),
                (&format!("{KERNEL}, index + 1"), index + 1),
            );
        }
        let bpf = theirs.map_or("–".to_owned(), |(name, index)| format!("`LossCause::{name}`, {index}"));
        page.row(&[number.to_string(), code(cause.name()), format!("`ops::LossCause::{variant}`"), bpf]);
    }
    for (name, _) in &kernel {
        page.holds(LossCause::ALL.iter().any(|cause| format!("{cause:?}") == *name), || {
            format!("{KERNEL} has {name}, {FORMAT} has not")
        });
    }
    told(page);
}

/// Documents and the decoder that knows only documents say the same numbers and names.
fn told(page: &mut Page) {
    let (document, help) = (read("docs/FORMAT.md"), read("docs/TROUBLESHOOT.md"));
    let decoder = read("tests/decoder/meta.py");
    let decoder = block(&decoder, "CAUSES = ").split('}').next().unwrap().to_owned();
    for cause in LossCause::ALL {
        let (number, name) = (cause as u64, cause.name());
        page.holds(document.contains(&format!("| {number} | `{name}` |")), || {
            format!("{FORMAT} has {number} `{name}`, docs/FORMAT.md section 14 has not")
        });
        page.holds(help.contains(&format!("\n| `{name}` |")), || {
            format!("{FORMAT} has `{name}`, docs/TROUBLESHOOT.md has not")
        });
        let has = decoder.split(',').any(|entry| entry.trim() == format!("{number}: \"{name}\""));
        page.holds(has, || format!("{FORMAT} has {number} `{name}`, tests/decoder/meta.py: CAUSES has not"));
    }
}
