//! Processes that died while they were recorded.

use ingero_format::ops::{self, Source};
use serde_json::{Value, json};

use super::{
    evidence,
    finding::{self, Finding, Severity},
    host,
    scene::Scene,
};
use crate::{
    model::{HostEvent, Thread},
    time::{clock, duration},
};

/// Lowest bits of an exit code: the signal.
const SIGNAL_BITS: u64 = 0x7f;
/// SIGKILL.
const KILL: u64 = 9;
/// A signal this shortly before an end is its cause.
const SIGNAL_BEFORE_END_NS: i64 = 5_000_000_000;

/// Ends of processes with CUDA calls that were not of their own will, or with an error.
pub(super) fn findings(scene: &Scene<'_>) -> Vec<Finding> {
    let exits = scene.trace.host_events.iter().filter(|e| e.op == ops::EXIT && e.arg0 != 0);
    exits.filter_map(|exit| finding(scene, exit)).collect()
}

fn finding(scene: &Scene<'_>, exit: &HostEvent) -> Option<Finding> {
    let trace = scene.trace;
    let pid = trace.pid(exit.task);
    let mut threads: Vec<&Thread> =
        scene.threads.iter().filter(|t| t.pid == pid && !t.calls.is_empty()).collect();
    threads.sort_by_key(|t| (std::cmp::Reverse(t.calls.len()), t.tid));
    let thread = *threads.first()?;
    let oom = trace
        .host_events
        .iter()
        .find(|e| e.op == ops::OOM_KILL && trace.pid(e.task) == pid && e.ts_ns <= exit.ts_ns);
    let cause = if oom.is_some() { "oom" } else { "process_exit" };
    let from_ns = oom.map_or(exit.ts_ns, |e| e.ts_ns);
    let attributed_ns = (trace.to_ns - from_ns).max(0);
    let calls: usize = threads.iter().map(|t| t.calls.len()).sum();
    let sent = sent(scene, exit);
    let how = how(scene, exit, sent);
    // The kernel kills for want of memory in the name of whom that befalls.
    let by_another = sent.is_some_and(|s| host::sender(s).0 != pid);
    let unknown = oom.is_none() && !by_another && may_be_the_kernels(scene, exit);
    let summary = match oom {
        Some(_) => format!(
            "was killed by the kernel for want of memory at {}; nothing ran for the {} left of the window",
            clock(from_ns),
            duration(attributed_ns)
        ),
        None => format!(
            "ended at {}, {how}; nothing ran for the {} left of the window",
            clock(from_ns),
            duration(attributed_ns)
        ),
    };
    Some(Finding {
        id: finding::id(&trace.node, thread, cause, from_ns),
        rank: 0,
        severity: if unknown { Severity::Low } else { Severity::High },
        cause,
        node: trace.node.clone(),
        pid,
        tid: thread.tid,
        comm: thread.comm.clone(),
        from_ns,
        to_ns: trace.to_ns.max(from_ns),
        attributed_ns,
        calls_affected: 0,
        calls_total: calls as i64,
        summary,
        evidence: self::evidence(exit, &how, attributed_ns),
        counter_evidence: json!({
            "slow_units_without_this_cause": 0,
            "units_with_it_that_were_not_slow": 0,
            "first_use_calls_among_slow": 0,
            "second_class": null,
            "second_class_ns": 0,
        }),
        coverage: evidence::coverage_of(scene, (from_ns, trace.to_ns)),
        advice: json!(advice(cause)),
    })
}

/// The signal that ended a process, if it is recorded.
fn sent<'a>(scene: &Scene<'a>, exit: &HostEvent) -> Option<&'a HostEvent> {
    let pid = scene.trace.pid(exit.task);
    scene.trace.host_events.iter().rev().find(|e| {
        e.op == ops::SIGNAL
            && e.arg0 == exit.arg0 & SIGNAL_BITS
            && scene.trace.pid(e.task) == pid
            && (0..=SIGNAL_BEFORE_END_NS).contains(&(exit.ts_ns - e.ts_ns))
    })
}

/// True if a process was killed, and the record of the kernel's doing so for want of memory may be missing.
fn may_be_the_kernels(scene: &Scene<'_>, exit: &HostEvent) -> bool {
    let before = (exit.ts_ns - SIGNAL_BEFORE_END_NS, exit.ts_ns);
    exit.arg0 & SIGNAL_BITS == KILL
        && scene
            .trace
            .losses
            .iter()
            .any(|l| l.concerns(Source::Host) && l.from_ns <= before.1 && l.to_ns >= before.0)
}

/// By which signal of whom, or with which status.
fn how(scene: &Scene<'_>, exit: &HostEvent, sent: Option<&HostEvent>) -> String {
    let number = exit.arg0 & SIGNAL_BITS;
    if number == 0 {
        return format!("with status {}", exit.arg0 >> 8 & 0xff);
    }
    let name = nix::sys::signal::Signal::try_from(number as i32).map_or("a signal", |s| s.as_str());
    let pid = scene.trace.pid(exit.task);
    let by = sent.map(host::sender).filter(|(sender, _)| *sender != pid && *sender != 0);
    let by = by.map_or_else(String::new, |(sender, _)| {
        format!(" sent by {}/{sender}", scene.trace.process_name(sender))
    });
    format!("by {name}{by}")
}

fn evidence(exit: &HostEvent, how: &str, ns: i64) -> Value {
    json!({
        "population": "process ends",
        "measured_ns": ns,
        "usual_ns": 0,
        "exit_code": exit.arg0,
        "how": how,
        "operations": [], "actors": [], "kernels": [], "kernel_stacks": [], "wakeup_chains": [],
        "baseline": {"kind": "none"},
        "timeline": [{"ts_ns": exit.ts_ns, "dur_ns": 0, "what": "EXIT", "op": how}],
    })
}

fn advice(cause: &str) -> &'static [&'static str] {
    if cause == "oom" {
        &[
            "Raise the memory limit of its cgroup, or lower what the process keeps on the host (page-locked buffers, caches, workers).",
            "`samples` has the cgroup's memory events and the host's memory pressure of the time before.",
        ]
    } else {
        &["Look at the process's own log of that moment; the calls before it are in `cuda_calls`."]
    }
}
