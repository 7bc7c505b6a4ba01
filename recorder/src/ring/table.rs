//! Which segments there are. Shared by the sealer (adds, evicts) and the freezer (links).

use std::{
    collections::VecDeque,
    fs::File,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// One segment of the ring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its number.
    pub seq: u64,
    /// Its file.
    pub path: PathBuf,
    /// Bytes written.
    pub bytes: u64,
    /// Earliest end time of a row inside, boottime ns; `u64::MAX` before the first.
    pub first_ns: u64,
    /// Latest end time, boottime ns.
    pub last_ns: u64,
    /// Rows of kernel sources inside.
    pub events: u64,
    /// Life of the BPF counters its rows were numbered in.
    pub epoch: u64,
}

/// Contents of the table.
#[derive(Debug, Default)]
pub struct Segments {
    /// Oldest first; the last is the active one.
    pub list: VecDeque<SegmentInfo>,
    /// The active segment's file, for the flusher.
    pub active: Option<Arc<File>>,
    /// Events of this epoch in segments that were evicted.
    pub evicted_events: u64,
    /// Bytes and events of frames written since start.
    pub written: (u64, u64),
}

/// Shared handle on the table. Holding its lock keeps every segment where it is: the sealer neither
/// appends, rolls nor evicts meanwhile. Never held by the drain.
#[derive(Clone, Debug, Default)]
pub struct SegmentTable(Arc<Mutex<Segments>>);

impl SegmentTable {
    /// Locks the table.
    pub fn lock(&self) -> MutexGuard<'_, Segments> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
