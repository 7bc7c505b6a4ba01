//! Whatever a text is, in whatever place.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::TELLS;
use crate::{
    model::{Annotation, Clocks, Facts, Frame, Process, Sample, Series, Stack, Task, Trace},
    redact::redact,
};

/// Texts that tell, most of them behind or before what would stay.
fn texts() -> impl Strategy<Value = Vec<String>> {
    const BEFORE: [&str; 24] = [
        "",
        "",
        "/",
        "libc.so.",
        "lib",
        "python",
        "kworker/",
        "kswapd0",
        "docker-",
        "pod",
        "/system.slice/",
        "overhead budget: ",
        "segment 3: ",
        "NVIDIA ",
        "0x",
        "6.1.0-",
        "command: ",
        "command",
        "vllm:",
        "bpf_prog_",
        "GPU-",
        "127.",
        "\u{a0}",
        "{\"",
    ];
    const AFTER: [&str; 9] =
        ["", "", ".service", ".so.1", "/libc.so.6x", "_sum", ": x", "\"}", " is missing"];
    let one = (0..BEFORE.len(), "[ -~é\n]{0,6}", 0..AFTER.len());
    let one =
        one.prop_map(|(before, any, after)| format!("{}{any}{TELLS}{any}{}", BEFORE[before], AFTER[after]));
    proptest::collection::vec(one, 40)
}

/// A trace with one of the texts in every place.
fn filled(texts: &[String]) -> Trace {
    let mut next = texts.iter().cycle().cloned();
    let mut text = move || next.next().unwrap();
    let labels = serde_json::json!({text(): text(), "phase": text(), "le": text(), "cgroup": text()});
    let frame = |symbol: String, module: String, file: String, address: String| Frame {
        symbol: Some(symbol),
        module: Some(module),
        file: Some(file),
        address,
        ..Frame::default()
    };
    Trace {
        node: text(),
        facts: Facts {
            file: text(),
            sha256: text(),
            snapshot: text(),
            triggers: vec![text(), text()],
            kernel: text(),
            machine: text(),
            boot_id: text(),
            gpus: vec![text(), text()],
            driver: text(),
            recorder_version: text(),
            config_digest: text(),
            clocks: vec![Clocks { snapshot: text(), ..Clocks::default() }],
            notes: vec![text(), text()],
            not_probed: vec![text()],
            population: text(),
            damage: vec![text(), text()],
            ..Facts::default()
        },
        processes: vec![Process {
            comm: text(),
            exe: text(),
            cgroup: text(),
            libraries: vec![text(), text()],
            ..Process::default()
        }],
        tasks: vec![Task { pid: 1, tid: 1, comm: text() }],
        kernels: vec![text(), text()],
        stacks: vec![
            Stack { kind: "user".into(), frames: vec![frame(text(), text(), text(), text())] },
            Stack { kind: text(), frames: vec![frame(text(), text(), text(), text())] },
        ],
        series: vec![
            Series { pid: 0, name: text(), labels: labels.to_string() },
            Series { pid: 0, name: text(), labels: text() },
        ],
        samples: vec![Sample { ts_ns: 1, series: 1, value: 1.0 }],
        annotations: vec![Annotation { labels: labels.to_string(), ..Annotation::default() }],
        spellings: BTreeMap::from([(1, text())]),
        ..Trace::default()
    }
}

proptest! {
    #[test]
    fn whatever_a_text_is_in_whatever_place_it_is_replaced(texts in texts()) {
        let trace = filled(&texts);
        let before = format!("{trace:?}");
        prop_assert!(before.matches(TELLS).count() > 40);
        let mut traces = [trace.clone()];
        let names = redact(&mut traces);
        let told = format!("{traces:?}");
        prop_assert!(!told.contains(TELLS), "{told}");
        let mut again = [trace];
        redact(&mut again);
        prop_assert_eq!(&traces, &again);
        for (kind, pairs) in names.kinds() {
            let mut shown: Vec<&String> = pairs.iter().map(|(name, _)| name).collect();
            shown.sort();
            shown.dedup();
            prop_assert_eq!(shown.len(), pairs.len(), "{} has two values for one name", kind);
        }
    }
}
