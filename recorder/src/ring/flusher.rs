//! The flushing thread: makes written frames durable at intervals, so that nobody else waits for a disk.

use std::{
    fs::File,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use super::{SegmentTable, SlotPool};
use crate::journal;

/// Everything the flushing thread owns.
pub struct Flusher {
    /// The head, whose rows must survive a power loss too.
    pub head: File,
    /// `ring/`, for messages and directory syncs.
    pub directory: PathBuf,
    /// Segments.
    pub table: SegmentTable,
    /// Slots that become free when their frames are durable.
    pub pool: SlotPool,
    /// How often.
    pub interval: Duration,
}

impl Flusher {
    /// Flushes at intervals until told to stop, and once more then.
    pub fn run(self, stop: &AtomicBool) {
        let mut next = Instant::now() + self.interval;
        while !stop.load(Ordering::Relaxed) {
            std::thread::sleep(self.interval.min(Duration::from_millis(100)));
            if Instant::now() >= next {
                self.flush();
                next = Instant::now() + self.interval;
            }
        }
        self.flush();
    }

    fn flush(&self) {
        // What was sealed before the sync begins is durable after it.
        let sealed = self.pool.sealed_count();
        let active = self.table.lock().active.clone();
        let segment = active.map_or(Ok(()), |file| file.sync_data());
        let directory = File::open(&self.directory).and_then(|d| d.sync_all());
        match segment.and(directory).and_then(|()| self.head.sync_data()) {
            Ok(()) => self.pool.durable(sealed),
            // After a failed sync the kernel may have dropped the pages: not tried again on this data. The
            // slots stay "sealed" and are reused oldest first.
            Err(e) => {
                journal::error(&format!("{}: cannot sync: {e}; check the disk", self.directory.display()))
            }
        }
    }
}
