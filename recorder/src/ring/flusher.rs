//! The flushing thread: makes written frames durable at intervals, so that nobody else waits for a disk.

use std::{
    fs::File,
    io,
    os::fd::AsRawFd,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use ingero_format::head::Geometry;

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
    /// Shape of the head.
    pub geometry: Geometry,
    /// How often.
    pub interval: Duration,
}

impl Flusher {
    /// Flushes at intervals until told to stop, and once more then.
    pub fn run(self, stop: &AtomicBool) {
        let mut next = Instant::now() + self.interval;
        let mut flushed_bytes = 0;
        while !stop.load(Ordering::Relaxed) {
            std::thread::park_timeout(next.saturating_duration_since(Instant::now()));
            if Instant::now() >= next {
                self.flush(&mut flushed_bytes);
                next = Instant::now() + self.interval;
            }
        }
        self.flush(&mut 0);
    }

    // On a busy ring most of the head's dirty pages hold rows that are in frames already: only the slots in
    // use are written, and the segment's sync, which comes after, flushes the device for both. On a quiet
    // ring no frame was written, and the whole head costs little.
    fn flush(&self, flushed_bytes: &mut u64) {
        // What was sealed before the sync begins is durable after it.
        let sealed = self.pool.ticket();
        let (active, written) = {
            let segments = self.table.lock();
            (segments.active.clone(), segments.written.0)
        };
        let busy = written != *flushed_bytes;
        *flushed_bytes = written;
        let head = if busy && active.is_some() { self.write_slots_in_use() } else { self.head.sync_data() };
        let segment = active.map_or(Ok(()), |file| file.sync_data());
        match head.and(segment) {
            Ok(()) => self.pool.durable(sealed),
            // After a failed sync the kernel may have dropped the pages: not tried again on this data. The
            // slots stay "sealed" and are reused oldest first.
            Err(e) => {
                journal::error(&format!("{}: cannot sync: {e}; check the disk", self.directory.display()))
            }
        }
    }

    fn write_slots_in_use(&self) -> io::Result<()> {
        const WRITE_AND_WAIT: u32 = libc::SYNC_FILE_RANGE_WAIT_BEFORE
            | libc::SYNC_FILE_RANGE_WRITE
            | libc::SYNC_FILE_RANGE_WAIT_AFTER;
        for slot in self.pool.in_use() {
            let (at, len) = (self.geometry.slot_offset(slot) as i64, i64::from(self.geometry.slot_bytes));
            // SAFETY: takes a descriptor that we own and plain numbers; touches no memory of ours.
            if unsafe { libc::sync_file_range(self.head.as_raw_fd(), at, len, WRITE_AND_WAIT) } != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    }
}
