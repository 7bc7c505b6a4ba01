//! What the drain tells the other threads, without ever waiting for them.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use ingero_format::ops::{LossCause, Source};

use crate::lock::lock;

/// Losses are counted by these.
pub type LossKey = (Source, LossCause);

/// Counters and marks; each has one writer and any readers.
#[derive(Debug, Default)]
pub struct Progress {
    /// Rises with every turn of the drain: the watchdog's proof of life.
    pub turns: AtomicU64,
    /// Every event that ended before this boottime, ns, has been taken from the kernel.
    pub drained_through_ns: AtomicU64,
    /// End of the newest event, boottime ns.
    pub newest_ns: AtomicU64,
    /// Events that the kernel side has numbered since the start.
    pub produced: AtomicU64,
    /// Events put into the head since the start.
    pub stored: AtomicU64,
    /// Gaps in the numbers that may still be filled.
    pub pending_gaps: AtomicU64,
    /// How many stacks, of the kernel and of user code, could not be stored in the epoch.
    pub stacks_lost: AtomicU64,
    /// How many names of kernels did not fit into the BPF ring buffer in the epoch, or could not be read.
    pub names_lost: AtomicU64,
    /// Windows that are written out since, and those that were.
    writing_out: (AtomicU64, AtomicU64),
    lost: Mutex<BTreeMap<LossKey, u64>>,
}

impl Progress {
    /// Counts `count` events as lost.
    pub fn lose(&self, key: LossKey, count: u64) {
        *lock(&self.lost).entry(key).or_default() += count;
    }

    /// Writes a window out: who judges the recorder's own CPU looks away meanwhile.
    pub fn writing_out<T>(&self, write: impl FnOnce() -> T) -> T {
        self.writing_out.0.fetch_add(1, Relaxed);
        let written = write();
        self.writing_out.1.fetch_add(1, Relaxed);
        written
    }

    /// How many windows have begun to be written out, and how many are.
    #[must_use]
    pub fn windows(&self) -> (u64, u64) {
        let done = self.writing_out.1.load(Relaxed);
        (self.writing_out.0.load(Relaxed), done)
    }

    /// All losses so far, events.
    #[must_use]
    pub fn lost(&self) -> BTreeMap<LossKey, u64> {
        lock(&self.lost).clone()
    }

    /// Events lost so far.
    #[must_use]
    pub fn lost_total(&self) -> u64 {
        self.lost().values().sum()
    }

    /// Marks a time, boottime ns, before which nothing more will come.
    pub fn drained_through(&self, ns: u64) {
        self.drained_through_ns.store(ns, Relaxed);
        self.turns.fetch_add(1, Relaxed);
    }
}
