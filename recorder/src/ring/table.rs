//! Which segments there are. Shared by the sealer (adds, evicts) and the freezer (links).

use std::{
    collections::{BTreeSet, VecDeque},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{lock::lock, storage::FileHandle};

/// One segment of the ring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its number in the ring, never used twice.
    pub seq: u64,
    /// Its file.
    pub path: PathBuf,
    /// Bytes written; of a segment of an earlier run that was not scanned, allocated.
    pub bytes: u64,
    /// Earliest start of a row inside, boottime ns; `u64::MAX` before the first. Not its end: a window that
    /// begins there must hold that row. In a segment of an earlier run that was not scanned: when it was
    /// created.
    pub first_ns: u64,
    /// Latest end time, boottime ns. In a segment of an earlier run that was not scanned: a bound, when the next one
    /// was created.
    pub last_ns: u64,
    /// The times are bounds: the segment is of an earlier run and its rows were not decoded.
    pub estimated: bool,
    /// Rows of kernel sources inside; 0 if it was not scanned.
    pub events: u64,
    /// Life of the BPF counters its rows were numbered in: when they began, Unix ns.
    pub epoch: u64,
    /// Id of the boot that its times count from: times of two boots cannot be compared.
    pub boot_id: [u8; 16],
}

/// What a freeze under way holds on to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Its directory of links.
    pub directory: PathBuf,
    /// Number of the oldest segment in it.
    pub first_seq: u64,
}

/// Contents of the table.
#[derive(Default)]
pub struct Segments {
    /// Oldest first; the last is the active one.
    pub list: VecDeque<SegmentInfo>,
    /// The active segment's number and file, for the flusher.
    pub active: Option<(u64, FileHandle)>,
    /// Segments closed since the last flush.
    pub closed: Vec<(u64, FileHandle)>,
    /// Segments that could not be synced: never written or synced again.
    pub poisoned: BTreeSet<u64>,
    /// Rises with every new name in `ring/`.
    pub names: u64,
    /// Events of this epoch in segments that were evicted.
    pub evicted_events: u64,
    /// Freezes under way, oldest first. While one stands, evicting what it holds frees nothing.
    pub pinned: Vec<Pin>,
    /// Bytes claimed for a bundle that is being written and for what goes beside it.
    pub reserved: u64,
    /// Bytes and events of frames written since start.
    pub written: (u64, u64),
}

/// Shared handle on the table. Holding its lock keeps every segment where it is: the sealer neither
/// appends, rolls nor evicts meanwhile. Never held by the drain.
#[derive(Clone, Default)]
pub struct SegmentTable(Arc<Mutex<Segments>>, Arc<AtomicU64>, Arc<Mutex<Option<String>>>);

impl SegmentTable {
    /// Notes what keeps rows from being written, or that they are written again.
    pub fn set_trouble(&self, trouble: Option<String>) {
        *lock(&self.2) = trouble;
    }

    /// What keeps rows from being written now.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        lock(&self.2).clone()
    }

    /// Earliest start of an event in a segment, boottime ns; `None` if there is none. Without waiting: the last known
    /// while the table is in use. For the loop that feeds the watchdog, which no slow disk may hold up.
    #[must_use]
    pub fn oldest_ns(&self) -> Option<u64> {
        if let Ok(segments) = self.0.try_lock() {
            // A segment without events has not begun.
            let begun = segments.list.iter().map(|s| s.first_ns).filter(|ns| !matches!(*ns, 0 | u64::MAX));
            self.1.store(begun.min().unwrap_or(0), Ordering::Relaxed);
        }
        Some(self.1.load(Ordering::Relaxed)).filter(|ns| *ns > 0)
    }

    /// Notes that a segment could not be synced: after that the kernel may have dropped what it held of it, so
    /// it is neither written nor synced again.
    pub fn poison(&self, seq: u64) {
        let mut segments = self.lock();
        if segments.active.as_ref().is_some_and(|(active, _)| *active == seq) {
            segments.active = None;
        }
        segments.closed.retain(|(closed, _)| *closed != seq);
        segments.poisoned.insert(seq);
    }

    /// Locks the table.
    pub fn lock(&self) -> MutexGuard<'_, Segments> {
        lock(&self.0)
    }
}
