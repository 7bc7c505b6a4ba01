//! How long a call usually takes.

use foldhash::{HashMap, HashMapExt};
use ingero_format::ops::Group;

use super::limits;
use crate::{
    model::{Call, Trace},
    quantile,
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
    pub fn of(trace: &Trace) -> Self {
        let mut all: HashMap<(u32, u16, u32), Samples> = HashMap::new();
        let tenth_ns = trace.span_ns() / 10 + 1;
        for call in trace.calls.iter().filter(|c| !c.first_use.counts() && c.timed()) {
            let samples = all.entry((trace.pid(call.task), call.op, call.kernel)).or_default();
            let tenth = (call.ts_ns - trace.from_ns).clamp(0, trace.span_ns()) / tenth_ns;
            samples.push(tenth, call);
        }
        let mut norms = Self::default();
        let mut ops: HashMap<(u32, u16), Samples> = HashMap::new();
        for ((pid, op, kernel), samples) in all {
            ops.entry((pid, op)).or_default().append(&samples);
            if trace.kernel(kernel).is_some() {
                norms.by_kernel.insert((pid, op, kernel), samples.norm());
            }
        }
        for (key, mut samples) in ops {
            if !samples.on_cpu.is_empty() {
                norms.warm_on_cpu.insert(key, quantile::median(&mut samples.on_cpu));
            }
            norms.by_op.insert(key, samples.norm());
        }
        norms
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
    tenths: [Vec<i64>; 10],
    /// Of launches, time on a CPU.
    on_cpu: Vec<i64>,
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
        self.tenths.iter_mut().zip(&other.tenths).for_each(|(own, more)| own.extend(more));
        self.on_cpu.extend(&other.on_cpu);
    }

    /// The median; where an incident fills most of the window, that of the quietest tenth instead.
    fn norm(mut self) -> Norm {
        let mut all = self.tenths.concat();
        let calls = all.len();
        let p50_ns = quantile::median(&mut all);
        let enough = self.tenths.iter_mut().filter(|t| t.len() >= limits::NORM_MIN_CALLS);
        let quietest = enough.map(|t| quantile::median(t)).min().unwrap_or(p50_ns);
        let contaminated = p50_ns > quietest.saturating_mul(limits::SLOW_FACTOR);
        Norm { calls, p50_ns: if contaminated { quietest } else { p50_ns } }
    }
}
