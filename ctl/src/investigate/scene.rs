//! Everything about a trace that judging one thread needs.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use ingero_format::{ops::Source, row::flags};

use super::{
    compilers::Compilers,
    host::HostSide,
    norms::Norms,
    spans::{merged, touching},
    throttle::Throttled,
    waits::{Wait, Waits},
};
use crate::model::{NONE, OffCpu, Thread, Threads, Trace};

/// A trace, prepared for the engine.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub trace: &'a Trace,
    pub threads: &'a Threads<'a>,
    pub norms: Norms,
    pub waits: Waits,
    pub compilers: Compilers,
    pub host: HostSide,
    pub throttled: Throttled,
    /// Processes that are recorders.
    recorders: HashSet<u32>,
    /// Processes whose threads' off-CPU intervals are recorded.
    recorded: HashSet<u32>,
    /// Times in which scheduler events may be missing; disjoint, rising.
    pub sched_holes: Vec<(i64, i64)>,
    /// Times in which calls may be missing; disjoint, rising.
    pub call_holes: Vec<(i64, i64)>,
}

/// Names of recorders, as the kernel keeps them: this one, and the agent whose databases are imported.
const RECORDERS: [&str; 2] = ["ingero-recorder", "ingero"];
/// Names of this recorder's threads. Others may use one of them; a process with two of them is a recorder.
const RECORDER_THREADS: [&str; 11] = [
    "annotate", "drain", "seal", "flush", "freeze", "discover", "sample", "nvml", "engines", "symbols",
    "control",
];

impl<'a> Scene<'a> {
    pub fn of(trace: &'a Trace, threads: &'a Threads<'a>) -> Self {
        let with_rows = threads.iter().filter(|t| !t.off_cpu.is_empty()).map(|t| t.pid);
        let recorded = trace.processes.iter().map(|p| p.pid).chain(with_rows).collect();
        Self {
            trace,
            threads,
            norms: Norms::of(trace, threads),
            waits: Waits::of(trace, threads, &recorded),
            compilers: Compilers::of(trace),
            host: HostSide::of(trace),
            throttled: Throttled::of(trace, threads),
            recorders: recorders(trace),
            recorded,
            sched_holes: holes(trace, Source::Sched),
            call_holes: holes(trace, Source::Cuda),
        }
    }

    /// True if an interval's preemptor is this recorder.
    pub fn is_recorder(&self, task: u32) -> bool {
        self.trace.task(task).is_some_and(|t| {
            RECORDERS.contains(&t.comm.as_str()) || (t.pid != 0 && self.recorders.contains(&t.pid))
        })
    }

    /// True if a thread that waited for storage waited for what this recorder did with it. An interrupt that says that
    /// the thread's own request is done may come while the recorder runs, which then looks like the waker.
    pub fn waited_for_recorder(&self, thread: &Thread, off: &OffCpu) -> bool {
        self.is_recorder(off.waker) && !self.host.asked_disk(thread.tid, off.ts_ns, off.runnable_from_ns())
    }

    /// True if it would be known when a process's threads were off-CPU.
    pub fn is_recorded(&self, pid: u32) -> bool {
        self.recorded.contains(&pid)
    }

    /// Who woke a thread that waited for a lock; none if that may be a task whose CPU an interrupt used.
    pub fn named_waker(&self, thread: &Thread, off: &OffCpu) -> u32 {
        let waker = self.trace.task(off.waker);
        let named = waker.is_some_and(|w| w.pid == thread.pid || self.is_recorded(w.pid));
        if named { off.waker } else { NONE }
    }

    /// True if every call is recorded: rates can be told.
    pub fn is_full(&self) -> bool {
        self.trace.facts.population.is_empty()
            && !self.trace.facts.notes.iter().any(|note| note.starts_with(crate::model::BUDGET_NOTE))
    }

    /// True if a futex wait between calls was for somebody who held something up.
    ///
    /// A futex may also be how a thread waits for its next work. What its waker did meanwhile tells: one
    /// that itself waited for input, or another process, brought work; one that worked held a lock.
    pub fn held_up(&self, thread: &Thread, off: &OffCpu) -> bool {
        let Some(waker) = self.trace.task(off.waker) else { return false };
        if waker.pid != thread.pid || off.waker == NONE {
            return false;
        }
        let (from, to) = (off.ts_ns, off.runnable_from_ns());
        if touching(&self.sched_holes, from, to).next().is_some() {
            // It may have waited, and the record of that be missing.
            return false;
        }
        let Some(waker) = self.threads.by_tid(waker.tid) else { return true };
        let mut waiting = 0;
        for other in waker.off_cpu_in(from, to) {
            // A stack is only left out right after another wait: one that waits for its next work has its own.
            let left_out = other.flags & flags::STACK_SKIPPED != 0;
            let waits = match self.waits.kind(other) {
                Wait::Product | Wait::Lock => true,
                Wait::Unknown => !left_out,
                _ => false,
            };
            if waits && !other.preempted() {
                waiting += other.runnable_from_ns().min(to) - other.ts_ns.max(from);
            }
        }
        waiting * 2 < to - from
    }
}

/// True for the name of a recorder or of one of its threads.
pub(super) fn is_of_recorder(comm: &str) -> bool {
    RECORDERS.contains(&comm) || RECORDER_THREADS.contains(&comm)
}

fn recorders(trace: &Trace) -> HashSet<u32> {
    let mut seen: BTreeMap<u32, BTreeSet<&str>> = BTreeMap::new();
    for task in trace.tasks.iter().filter(|t| t.pid != 0) {
        let comm = task.comm.as_str();
        if is_of_recorder(comm) {
            seen.entry(task.pid).or_default().insert(comm);
        }
    }
    let is = |names: &BTreeSet<&str>| names.len() > 1 || names.iter().any(|n| RECORDERS.contains(n));
    seen.into_iter().filter(|(_, names)| is(names)).map(|(pid, _)| pid).collect()
}

fn holes(trace: &Trace, source: Source) -> Vec<(i64, i64)> {
    let concerned = trace.losses.iter().filter(|l| l.concerns(source));
    // A loss at one instant still leaves that instant open.
    merged(concerned.map(|l| (l.from_ns, l.to_ns.max(l.from_ns + 1))).collect())
}
