//! Everything about a trace that judging one thread needs.

use ingero_format::ops::Source;

use super::{
    compilers::Compilers,
    norms::Norms,
    waits::{Wait, Waits},
};
use crate::model::{NONE, OffCpu, Thread, Threads, Trace};

/// A trace, prepared for the engine.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub trace: &'a Trace,
    pub threads: &'a Threads,
    pub norms: Norms,
    pub waits: Waits,
    pub compilers: Compilers,
    /// Times in which scheduler events may be missing; disjoint, rising.
    pub sched_holes: Vec<(i64, i64)>,
    /// Times in which calls may be missing; disjoint, rising.
    pub call_holes: Vec<(i64, i64)>,
}

/// The recorder's thread name, as the kernel keeps it.
const RECORDER: &str = "ingero-recorder";

impl<'a> Scene<'a> {
    pub fn of(trace: &'a Trace, threads: &'a Threads) -> Self {
        Self {
            trace,
            threads,
            norms: Norms::of(trace),
            waits: Waits::of(trace),
            compilers: Compilers::of(trace),
            sched_holes: holes(trace, Source::Sched),
            call_holes: holes(trace, Source::Cuda),
        }
    }

    /// True if an interval's preemptor is this recorder.
    pub fn is_recorder(&self, task: u32) -> bool {
        self.trace.task(task).is_some_and(|t| t.comm == RECORDER)
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
        let Some(waker) = self.threads.by_tid(waker.tid) else { return true };
        let mut waiting = 0;
        for other in waker.off_cpu_in(self.trace, from, to) {
            if matches!(self.waits.kind(other), Wait::Product | Wait::Lock | Wait::Unknown)
                && !other.preempted()
            {
                waiting += other.runnable_from_ns().min(to) - other.ts_ns.max(from);
            }
        }
        waiting * 2 < to - from
    }
}

fn holes(trace: &Trace, source: Source) -> Vec<(i64, i64)> {
    let mut merged: Vec<(i64, i64)> = Vec::new();
    let concerned = trace.losses.iter().filter(|l| l.concerns(source));
    // A loss at one instant still leaves that instant open.
    let mut spans: Vec<_> = concerned.map(|l| (l.from_ns, l.to_ns.max(l.from_ns + 1))).collect();
    spans.sort_unstable();
    for (from, to) in spans {
        match merged.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    merged
}
