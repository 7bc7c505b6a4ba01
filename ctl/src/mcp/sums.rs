//! Counts and quantiles of rows that have something in common.

use crate::{
    quantile,
    sqlite::{CallRow, Detail, IntervalRow},
};

/// Sums over calls or intervals.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    /// Rows.
    pub count: i64,
    /// Their time, ns.
    pub total_ns: i64,
    /// First launches of a function.
    pub first_use_count: i64,
    /// Time in those, ns.
    pub first_use_ns: i64,
    /// Calls with off-CPU time inside.
    pub off_cpu_calls: i64,
    /// That off-CPU time, ns.
    pub off_cpu_ns: i64,
    /// Time an off-CPU thread could have run in, ns.
    pub runqueue_ns: i64,
    /// Intervals that began while the thread wanted to run.
    pub preempted_count: i64,
    durations: Vec<i64>,
    sorted: bool,
}

impl Sums {
    /// Adds a call.
    pub fn call(&mut self, call: &CallRow, detail: &Detail) {
        self.add(call.dur_ns, detail.timed);
        if detail.first_use {
            self.first_use_count += 1;
            self.first_use_ns = self.first_use_ns.saturating_add(call.dur_ns);
        }
        self.off_cpu_calls += i64::from(call.off_cpu_ns > 0);
        self.off_cpu_ns = self.off_cpu_ns.saturating_add(call.off_cpu_ns);
    }

    /// Adds an off-CPU interval.
    pub fn interval(&mut self, interval: &IntervalRow) {
        self.add(interval.dur_ns, true);
        self.runqueue_ns = self.runqueue_ns.saturating_add(interval.runqueue_ns.unwrap_or(0));
        self.preempted_count += i64::from(interval.preempted);
    }

    /// Adds what others counted.
    pub fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.total_ns = self.total_ns.saturating_add(other.total_ns);
        self.first_use_count += other.first_use_count;
        self.first_use_ns = self.first_use_ns.saturating_add(other.first_use_ns);
        self.off_cpu_calls += other.off_cpu_calls;
        self.off_cpu_ns = self.off_cpu_ns.saturating_add(other.off_cpu_ns);
        self.runqueue_ns = self.runqueue_ns.saturating_add(other.runqueue_ns);
        self.preempted_count += other.preempted_count;
        self.durations.extend(other.durations);
        self.sorted = false;
    }

    fn add(&mut self, dur_ns: i64, timed: bool) {
        self.count += 1;
        self.total_ns = self.total_ns.saturating_add(dur_ns);
        if timed {
            self.durations.push(dur_ns);
            self.sorted = false;
        }
    }

    /// Rows whose duration is known.
    #[must_use]
    pub fn timed(&self) -> i64 {
        self.durations.len() as i64
    }

    /// So many of a hundred take no longer, ns; nearest rank.
    pub fn quantile_ns(&mut self, percent: usize) -> i64 {
        self.sort();
        quantile::nearest_rank(&self.durations, percent)
    }

    /// The shortest, ns.
    pub fn min_ns(&mut self) -> i64 {
        self.sort();
        self.durations.first().copied().unwrap_or(0)
    }

    /// The longest, ns.
    pub fn max_ns(&mut self) -> i64 {
        self.sort();
        self.durations.last().copied().unwrap_or(0)
    }

    /// The mean, ns.
    #[must_use]
    pub fn mean_ns(&self) -> i64 {
        self.total_ns / self.count.max(1)
    }

    fn sort(&mut self) {
        if !self.sorted {
            self.durations.sort_unstable();
            self.sorted = true;
        }
    }
}
