//! Replaces what names people, customers, machines and models, before anything is derived from it.
//!
//! Promises: of the texts of a trace only those stay that [`kept`] lists; all else becomes a pseudonym of its kind, the
//! same for the same value in all traces. Numbers stay, but the addresses of peers. The same traces give the same
//! pseudonyms, numbered as their values first appear in time, and findings made from a redacted trace are those of the
//! recorded one under other names.
//!
//! | module | step |
//! |---|---|
//! | `names` | values and their pseudonyms |
//! | `kept` | what stays, by name |
//! | `facts` | what a recording says of itself |
//! | `paths` | files, folders, cgroups |
//! | `labels` | labels of samples and annotations |
//! | `map` | the file that leads back |

mod facts;
mod kept;
mod labels;
pub mod map;
mod names;
mod paths;
#[cfg(test)]
pub(crate) mod tests;

use std::net::Ipv4Addr;

use ingero_format::ops;
pub use names::Names;

use crate::{
    investigate::has_role,
    model::{Frame, HostEvent, NONE, Series, Stack, Trace},
};

/// Redacts traces; they come out in the order of their windows. Gives what leads back.
pub fn redact(traces: &mut [Trace]) -> Names {
    traces.sort_by(|a, b| (a.from_ns, &a.node).cmp(&(b.from_ns, &b.node)));
    let mut names = Names::default();
    for trace in traces {
        one(&mut names, trace);
    }
    names
}

fn one(names: &mut Names, trace: &mut Trace) {
    trace.node = names.of("node", &trace.node);
    facts::redact(names, &mut trace.facts);
    trace.tasks.iter_mut().for_each(|task| task.comm = comm(names, &task.comm));
    let mut by_start: Vec<_> = trace.processes.iter_mut().collect();
    by_start.sort_by_key(|p| (p.start_ns, p.pid));
    for process in by_start {
        process.comm = comm(names, &process.comm);
        process.exe = paths::file(names, &process.exe);
        process.cgroup = paths::cgroup(names, &process.cgroup);
        process.libraries.iter_mut().for_each(|path| *path = paths::file(names, path));
    }
    trace.kernels.iter_mut().for_each(|name| *name = names.of("kernel", name));
    trace.stacks.iter_mut().for_each(|stack| self::stack(names, stack));
    trace.host_events.iter_mut().for_each(|event| peer(names, event));
    samples(names, trace);
    trace.annotations.iter_mut().for_each(|a| a.labels = labels::redacted(names, &a.labels));
    for name in trace.spellings.values_mut().filter(|name| !kept::is_operation(name)) {
        *name = names.of("operation", name);
    }
    trace.sort_all_else();
}

/// A thread's or process's name.
fn comm(names: &mut Names, comm: &str) -> String {
    if has_role(comm) || kept::is_of_linux(comm) { comm.to_owned() } else { names.of("process", comm) }
}

fn stack(names: &mut Names, stack: &mut Stack) {
    let kernel = stack.kind == "kernel";
    stack.frames.iter_mut().for_each(|frame| self::frame(names, frame, kernel));
    if !["kernel", "user", "python"].contains(&stack.kind.as_str()) {
        stack.kind = names.of("kind", &stack.kind);
    }
}

fn frame(names: &mut Names, frame: &mut Frame, kernel: bool) {
    let public = frame.module.as_deref().is_some_and(|path| kept::is_public(paths::split(path).1));
    if let Some(symbol) = &mut frame.symbol
        && !public
        && !(kernel && kept::is_kernel_symbol(symbol))
    {
        *symbol = names.of("symbol", symbol);
    }
    if let Some(module) = &mut frame.module {
        *module = paths::file(names, module);
    }
    if let Some(file) = &mut frame.file {
        *file = names.of("source", file);
    }
    if !kept::is_hexadecimal(&frame.address) {
        frame.address = names.of("address", &frame.address);
    }
}

/// The address of a peer: its first byte is the lowest; 0 is not known, or of IPv6.
fn peer(names: &mut Names, event: &mut HostEvent) {
    if event.op != ops::TCP_RETRANSMIT || event.arg0 == 0 {
        return;
    }
    let address = |value: u64| Ipv4Addr::from((value as u32).to_le_bytes());
    let number = |n: usize| u64::from((n as u32).swap_bytes());
    let known = address(event.arg0).to_string();
    event.arg0 = number(names.number("peer", &known, |n| address(number(n)).to_string()));
}

/// Series are numbered by their first value, and come in that order: they were in that of their names.
fn samples(names: &mut Names, trace: &mut Trace) {
    let mut first = vec![i64::MAX; trace.series.len()];
    for sample in &trace.samples {
        first.iter_mut().skip(sample.series as usize).take(1).for_each(|ns| *ns = sample.ts_ns.min(*ns));
    }
    let mut in_time: Vec<(i64, u32, Series)> = first
        .into_iter()
        .zip(0..)
        .zip(std::mem::take(&mut trace.series))
        .map(|((a, b), c)| (a, b, c))
        .collect();
    in_time.sort_by_key(|(first_ns, old, _)| (*first_ns, *old));
    let mut places = vec![NONE; in_time.len()];
    for (new, (_, old, mut series)) in (0..).zip(in_time) {
        places.iter_mut().skip(old as usize).take(1).for_each(|place| *place = new);
        if !kept::is_metric(&series.name) {
            series.name = names.of("metric", &series.name);
        }
        series.labels = labels::redacted(names, &series.labels);
        trace.series.push(series);
    }
    for sample in &mut trace.samples {
        sample.series = places.get(sample.series as usize).copied().unwrap_or(NONE);
    }
}
