//! What one thread did, as it is collected row by row.

use std::collections::BTreeMap;

use super::{
    grid::{Cells, Grid},
    kinds::{self, CALLS, RUNNABLE, WAITS},
    longest::{Longest, Timed},
};

/// A call; times are ns after the window's begin, names are places in the list of names.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Begin.
    pub ts_ns: i64,
    /// Duration.
    pub dur_ns: i64,
    /// Operation.
    pub op: u32,
    /// Place in [`CALLS`].
    pub kind: usize,
    /// Kernel.
    pub kernel: Option<u32>,
    /// First use of a function.
    pub first_use: bool,
    /// Time off the CPU in it.
    pub off_cpu_ns: i64,
}

/// An interval off the CPU, likewise.
#[derive(Clone, Copy, Debug)]
pub struct OffCpu {
    /// Begin.
    pub ts_ns: i64,
    /// Duration.
    pub dur_ns: i64,
    /// The last part, in which the thread could have run.
    pub runqueue_ns: i64,
    /// Place in [`WAITS`] of what is before that part.
    pub wait: usize,
    /// Who woke it.
    pub waker: Option<u32>,
    /// Who ran meanwhile.
    pub preemptor: Option<u32>,
    /// Its kernel stack's id.
    pub stack: Option<i64>,
}

impl Timed for Call {
    fn ts_ns(&self) -> i64 {
        self.ts_ns
    }
    fn dur_ns(&self) -> i64 {
        self.dur_ns
    }
}

impl Timed for OffCpu {
    fn ts_ns(&self) -> i64 {
        self.ts_ns
    }
    fn dur_ns(&self) -> i64 {
        self.dur_ns
    }
}

/// How often, and how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Times.
    pub count: u64,
    /// Time, ns.
    pub ns: i64,
    /// The longest.
    pub max_ns: i64,
}

impl Sum {
    /// Adds one.
    pub fn add(&mut self, ns: i64) {
        self.count += 1;
        self.ns = self.ns.saturating_add(ns);
        self.max_ns = self.max_ns.max(ns);
    }
}

/// A thread and its sums.
#[derive(Clone, Debug)]
pub struct Thread {
    /// Machine.
    pub node: String,
    /// Process.
    pub pid: u32,
    /// Thread.
    pub tid: u32,
    /// Its last name.
    pub comm: String,
    /// Time in calls by kind; a call inside another counts to the outer one.
    pub in_calls: [Cells; CALLS.len()],
    /// Launches that are not inside another call, by begin.
    pub launches: Cells,
    /// Calls.
    pub calls: Longest<Call>,
    /// First uses.
    pub first_uses: Longest<Call>,
    /// Time off the CPU by kind.
    pub waits: [Cells; WAITS.len()],
    /// Intervals off the CPU.
    pub off_cpu: Longest<OffCpu>,
    /// Time in which it could have run, by who had its CPU.
    pub preempted: BTreeMap<u32, (Sum, Cells)>,
    /// Time off the CPU, by who ended it.
    pub woken: BTreeMap<u32, Sum>,
    /// Time off the CPU by kernel stack; `None` for what has none.
    pub stacks: BTreeMap<Option<i64>, Sum>,
    busy_until: i64,
}

impl Thread {
    /// A thread of which nothing is known yet.
    #[must_use]
    pub fn new(node: &str, pid: u32, tid: u32, window_ns: i64) -> Self {
        Self {
            node: node.to_owned(),
            pid,
            tid,
            comm: String::new(),
            in_calls: Default::default(),
            launches: Cells::default(),
            calls: Longest::new(window_ns),
            first_uses: Longest::new(window_ns),
            waits: Default::default(),
            off_cpu: Longest::new(window_ns),
            preempted: BTreeMap::new(),
            woken: BTreeMap::new(),
            stacks: BTreeMap::new(),
            busy_until: i64::MIN,
        }
    }

    /// Adds a call; they come by begin, an outer one first.
    pub fn call(&mut self, grid: &Grid, call: Call) {
        let end = call.ts_ns.saturating_add(call.dur_ns);
        let outer = call.ts_ns >= self.busy_until;
        if let Some(cells) = self.in_calls.get_mut(call.kind) {
            cells.spread(grid, call.ts_ns.max(self.busy_until), end);
        }
        if outer && call.kind == kinds::LAUNCH {
            self.launches.add(grid.bucket(call.ts_ns), 1);
        }
        self.busy_until = self.busy_until.max(end);
        if call.first_use {
            self.first_uses.push(call);
        }
        self.calls.push(call);
    }

    /// Adds an interval; they come by begin.
    pub fn off_cpu(&mut self, grid: &Grid, off: OffCpu) {
        let end = off.ts_ns.saturating_add(off.dur_ns);
        let runnable = if off.wait == RUNNABLE { off.ts_ns } else { end.saturating_sub(off.runqueue_ns) };
        for (wait, from, to) in [(off.wait, off.ts_ns, runnable), (RUNNABLE, runnable, end)] {
            if let Some(cells) = self.waits.get_mut(wait) {
                cells.spread(grid, from, to);
            }
        }
        let waited = end.saturating_sub(runnable);
        if let Some(preemptor) = off.preemptor.filter(|_| waited > 0) {
            let (sum, cells) = self.preempted.entry(preemptor).or_default();
            sum.add(waited);
            cells.spread(grid, runnable, end);
        }
        if let Some(waker) = off.waker.filter(|_| off.wait != RUNNABLE) {
            self.woken.entry(waker).or_default().add(off.dur_ns);
        }
        self.stacks.entry(off.stack).or_default().add(off.dur_ns);
        self.off_cpu.push(off);
    }

    /// True if it makes CUDA calls.
    #[must_use]
    pub fn calls_cuda(&self) -> bool {
        self.calls.seen() > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(ts_ns: i64, dur_ns: i64, kind: usize) -> Call {
        Call { ts_ns, dur_ns, op: 0, kind, kernel: None, first_use: false, off_cpu_ns: 0 }
    }

    #[test]
    fn a_call_inside_another_adds_no_time_and_no_launch() {
        let grid = Grid::of(1_000_000);
        let mut thread = Thread::new("n", 1, 1, grid.dur_ns);
        thread.call(&grid, call(100, 500, 0));
        thread.call(&grid, call(150, 300, 0));
        thread.call(&grid, call(550, 100, 2));
        assert_eq!(thread.launches.total(), 1);
        assert_eq!((thread.in_calls[0].total(), thread.in_calls[2].total()), (500, 50));
        assert_eq!(thread.calls.seen(), 3);
    }

    #[test]
    fn only_the_part_in_which_it_could_have_run_is_the_preemptors() {
        let grid = Grid::of(1_000_000);
        let mut thread = Thread::new("n", 1, 1, grid.dur_ns);
        let off = OffCpu {
            ts_ns: 1000,
            dur_ns: 500,
            runqueue_ns: 120,
            wait: 1,
            waker: Some(7),
            preemptor: Some(9),
            stack: Some(3),
        };
        thread.off_cpu(&grid, off);
        thread.off_cpu(&grid, OffCpu { ts_ns: 2000, wait: RUNNABLE, waker: None, stack: None, ..off });
        assert_eq!((thread.waits[1].total(), thread.waits[RUNNABLE].total()), (380, 620));
        assert_eq!(thread.preempted[&9].0, Sum { count: 2, ns: 620, max_ns: 500 });
        assert_eq!(thread.woken[&7], Sum { count: 1, ns: 500, max_ns: 500 });
        assert_eq!(thread.stacks[&Some(3)].ns + thread.stacks[&None].ns, 1000);
    }
}
