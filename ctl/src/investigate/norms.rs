//! How long a call usually takes.

use foldhash::{HashMap, HashMapExt};
use ingero_format::ops::Group;

use crate::limits;
use crate::{
    model::{Call, Thread, Threads, Trace},
    tally::Tally,
};

/// Usual durations, first uses left out.
#[derive(Debug, Default)]
pub(super) struct Norms {
    by_op: HashMap<(u32, u16), Norm>,
    by_kernel: HashMap<(u32, u16, u32), Norm>,
    warm_on_cpu: HashMap<(u32, u16), i64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Norm {
    calls: usize,
    p50_ns: i64,
}

impl Norms {
    pub fn of(trace: &Trace, threads: &Threads) -> Self {
        let mut norms = Self::default();
        let threads: Vec<&Thread> = threads.iter().collect();
        for process in threads.chunk_by(|a, b| a.pid == b.pid) {
            norms.learn(trace, process);
        }
        norms
    }

    /// Takes the calls of a process, which are all in these threads.
    fn learn(&mut self, trace: &Trace, threads: &[&Thread]) {
        let Some(pid) = threads.first().map(|t| t.pid) else { return };
        let mut all: HashMap<(u16, u32), Samples> = HashMap::new();
        let tenth_ns = trace.span_ns() / 10 + 1;
        for thread in threads {
            for call in trace.through(thread.calls).filter(|c| !c.first_use.counts() && c.timed()) {
                let samples = all.entry((call.op, call.kernel)).or_default();
                let tenth = (call.ts_ns - trace.from_ns).clamp(0, trace.span_ns()) / tenth_ns;
                samples.push(tenth, call);
            }
            trace.release(thread);
        }
        let mut ops: HashMap<u16, Samples> = HashMap::new();
        for ((op, kernel), samples) in all {
            ops.entry(op).or_default().append(&samples);
            if trace.kernel(kernel).is_some() {
                self.by_kernel.insert((pid, op, kernel), samples.norm().0);
            }
        }
        for (op, samples) in ops {
            let (norm, on_cpu) = samples.norm();
            if !on_cpu.is_empty() {
                self.warm_on_cpu.insert((pid, op), on_cpu.sorted().median());
            }
            self.by_op.insert((pid, op), norm);
        }
    }

    /// From which duration a call is slow; `None` if nothing is known that it could be compared with.
    pub fn slow_from_ns(&self, pid: u32, call: &Call) -> Option<i64> {
        let by_op = self.by_op.get(&(pid, call.op)).copied().unwrap_or_default();
        if call.readies_code() {
            // Every load is a load; there is no usual one.
            return Some(limits::SLOW_MARGIN_NS);
        }
        let waits = call.waits_for_gpu() || call.group() == Group::Collective;
        if waits && by_op.calls < limits::GPU_NORM_MIN_CALLS {
            return None;
        }
        let own = self.by_kernel.get(&(pid, call.op, call.kernel)).copied().unwrap_or_default();
        let norm = if own.calls >= limits::NORM_MIN_CALLS { own } else { by_op };
        Some((norm.p50_ns * limits::SLOW_FACTOR).max(norm.p50_ns + limits::SLOW_MARGIN_NS))
    }

    /// Median on-CPU time of a launch operation when warm.
    pub fn warm_on_cpu_ns(&self, pid: u32, op: u16) -> i64 {
        self.warm_on_cpu.get(&(pid, op)).copied().unwrap_or(0)
    }

    /// Median duration of an operation.
    pub fn p50_ns(&self, pid: u32, op: u16) -> i64 {
        self.by_op.get(&(pid, op)).map_or(0, |n| n.p50_ns)
    }
}

/// Durations, in the tenths of the window in which they lie.
#[derive(Default)]
struct Samples {
    tenths: [Tally; 10],
    /// Of launches, time on a CPU.
    on_cpu: Tally,
}

impl Samples {
    fn push(&mut self, tenth: i64, call: &Call) {
        if let Some(tenth) = self.tenths.get_mut(tenth as usize) {
            tenth.push(call.dur_ns);
        }
        if call.group() == Group::Launch {
            self.on_cpu.push(call.on_cpu_ns());
        }
    }

    fn append(&mut self, other: &Self) {
        self.tenths.iter_mut().zip(&other.tenths).for_each(|(own, more)| own.merge(more));
        self.on_cpu.merge(&other.on_cpu);
    }

    /// The median; where an incident fills most of the window, that of the quietest tenth instead. Also gives the
    /// times on a CPU.
    fn norm(self) -> (Norm, Tally) {
        let mut all = Tally::default();
        self.tenths.iter().for_each(|tenth| all.merge(tenth));
        let calls = all.len();
        let p50_ns = all.sorted().median();
        let enough = self.tenths.into_iter().filter(|t| t.len() >= limits::NORM_MIN_CALLS);
        let quietest = enough.map(|t| t.sorted().median()).min().unwrap_or(p50_ns);
        let contaminated = p50_ns > quietest.saturating_mul(limits::SLOW_FACTOR);
        (Norm { calls, p50_ns: if contaminated { quietest } else { p50_ns } }, self.on_cpu)
    }
}
