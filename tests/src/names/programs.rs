//! Programs in the kernel and what they are attached to.

use super::{
    page::{Page, code, read},
    sources::allowed,
};

const PROBES: &str = "ebpf/probes/src/main.rs";
const ATTACHED: &str = "recorder/src/kernel/programs.rs";

/// Program and tracepoint, as the object has them.
fn in_object(text: &str) -> Vec<(String, String)> {
    let lines = text.split("\ntracepoints! {").nth(1).unwrap().split("\n}").next().unwrap().lines();
    let parts = lines.filter_map(|line| line.trim().split_once(", \""));
    parts.map(|(name, rest)| (name.to_owned(), rest.split('"').next().unwrap().to_owned())).collect()
}

/// Program, tracepoint and source, as the recorder attaches them.
fn attached(text: &str) -> Vec<(String, String, String)> {
    let calls = text.split("const TRACEPOINTS").nth(1).unwrap().split("tracepoint(\"").skip(1);
    let parts = calls.map(|call| {
        let mut words = call.split('"');
        let (program, tracepoint) = (words.next().unwrap(), words.nth(1).unwrap());
        let source = words.next().unwrap().trim_start_matches(", ").split(')').next().unwrap();
        (program.to_owned(), tracepoint.to_owned(), source.to_lowercase())
    });
    parts.collect()
}

pub(super) fn write(page: &mut Page) {
    let (probes, recorder) = (read(PROBES), read(ATTACHED));
    let ours = attached(&recorder);
    page.heading(
        "Programs in the kernel",
        "Names in the object (`ebpf/probes`) and in the recorder's list (`recorder/src/kernel/programs.rs`). Besides, on functions of libraries:",
    );
    let calls = recorder.split("Self::").filter_map(|part| part.split_once(" => \""));
    let calls: Vec<&str> = calls.map(|(_, rest)| rest.split('"').next().unwrap()).collect();
    for name in &calls {
        page.holds(probes.contains(&format!("pub fn {name}(")), || {
            format!("{ATTACHED}: CallProgram has `{name}`, {PROBES} has no such program")
        });
    }
    let list: Vec<String> = calls.iter().map(|name| code(name)).collect();
    page.line(&format!("{}.", list.join(", ")));
    page.line("");
    page.table(&["program", "raw tracepoint", "source or kind"]);
    let keys = allowed("probes", "sources", true);
    for (program, tracepoint, source) in &ours {
        page.holds(keys.contains(source), || {
            format!("{ATTACHED}: `{source}` of `{program}` is no name of [probes] sources")
        });
        page.row(&[code(program), code(tracepoint), code(source)]);
    }
    let pairs: Vec<_> = ours.into_iter().map(|(program, tracepoint, _)| (program, tracepoint)).collect();
    for pair in in_object(&probes).iter().filter(|pair| !pairs.contains(pair)) {
        page.faults.push(format!("{PROBES}: {pair:?} is not in {ATTACHED}"));
    }
    for pair in pairs.iter().filter(|pair| !in_object(&probes).contains(pair)) {
        page.faults.push(format!("{ATTACHED}: {pair:?} is not in {PROBES}"));
    }
}
