//! The flushing thread: makes written frames durable at intervals, so that nobody else waits for a disk.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use ingero_format::head::Geometry;

use super::{HeadFile, SegmentTable, SlotPool};
use crate::{
    journal,
    storage::{FileHandle, Storage},
};

/// Everything the flushing thread owns.
pub struct Flusher {
    /// Where the ring lies.
    pub storage: Arc<dyn Storage>,
    /// The head, whose rows must survive a power loss too.
    pub head: HeadFile,
    /// The identity page, new at each start.
    pub identity: Option<FileHandle>,
    /// `ring/`, whose names must survive.
    pub directory: PathBuf,
    /// Segments.
    pub table: SegmentTable,
    /// Slots that become free when their frames are durable.
    pub pool: SlotPool,
    /// Shape of the head.
    pub geometry: Geometry,
    /// Time between two flushes.
    pub interval: Duration,
    /// What the last flush left behind.
    pub seen: Seen,
}

/// What a flush remembers for the next.
#[derive(Default)]
pub struct Seen {
    /// Bytes of frames that had been written.
    written: u64,
    /// Newest names that were made durable: [`super::Segments::names`].
    names: u64,
    /// The head that was synced last, by address; another one is new and not yet named durably.
    head: usize,
    /// A head whose sync failed, by address: never synced again.
    failed_head: usize,
}

impl Flusher {
    /// Flushes at intervals until told to stop, and once more then.
    pub fn run(mut self, stop: &AtomicBool) {
        let mut next = Instant::now() + self.interval;
        while !stop.load(Ordering::Relaxed) {
            std::thread::park_timeout(next.saturating_duration_since(Instant::now()));
            if Instant::now() >= next {
                self.flush();
                next = Instant::now() + self.interval;
            }
        }
        self.finish();
    }

    /// The last flush. With everything in durable segments the head has nothing to say to the next start.
    pub fn finish(&mut self) -> bool {
        self.seen.written = 0;
        let whole = self.flush();
        if whole && self.pool.in_use().is_empty() {
            let _ = self.storage.remove(&self.directory.join("head"));
        }
        whole
    }

    /// Makes everything durable that was stored before this call; gives whether that worked.
    pub fn flush(&mut self) -> bool {
        // What was sealed before the sync begins is durable after it.
        let sealed = self.pool.ticket();
        let (closed, active, written, names) = {
            let mut segments = self.table.lock();
            let closed = std::mem::take(&mut segments.closed);
            (closed, segments.active.clone(), segments.written.0, segments.names)
        };
        let head = self.flush_head(written, active.is_some());
        let mut whole = true;
        for (seq, file) in closed.into_iter().chain(active) {
            if let Err(e) = file.sync_data() {
                whole = false;
                self.poison(seq, &e);
            }
        }
        let named = self.flush_names(names);
        if whole && named {
            self.pool.durable(sealed);
        }
        self.seen.written = written;
        head && whole && named
    }

    // On a busy ring most of the head's dirty pages hold rows that are in frames already: only the slots in
    // use are written, and the segment's sync, which comes after, flushes the device for both. On a quiet
    // ring no frame was written, and the whole head costs little.
    fn flush_head(&mut self, written: u64, segment_follows: bool) -> bool {
        let head = self.head.get();
        let address = Arc::as_ptr(&head).cast::<()>() as usize;
        if address == self.seen.failed_head {
            return false;
        }
        let busy = written != self.seen.written && segment_follows && address == self.seen.head;
        let result = if busy { self.write_slots_in_use(&head) } else { head.sync_data() };
        if let Err(e) = result {
            // After a failed sync the kernel may have dropped the pages. Rows reach segments when their slots
            // are sealed, after five seconds at most: that is then the bound.
            let directory = self.directory.display();
            journal::error(&format!(
                "{directory}/head: cannot sync: {e}; it is not tried again; check the disk"
            ));
            self.seen.failed_head = address;
            return false;
        }
        if address != self.seen.head {
            self.seen.names = u64::MAX;
        }
        self.seen.head = address;
        true
    }

    fn write_slots_in_use(&self, head: &FileHandle) -> io::Result<()> {
        let slots = self.pool.in_use();
        let range = |slot| (self.geometry.slot_offset(slot) as u64, u64::from(self.geometry.slot_bytes));
        slots.into_iter().map(range).try_for_each(|(at, len)| head.write_back(at, len))
    }

    // A segment or head under a name that a power loss takes away is lost whole.
    fn flush_names(&mut self, names: u64) -> bool {
        if let Some(identity) = &self.identity {
            if let Err(e) = identity.sync_data() {
                journal::error(&format!("{}/RING: cannot sync: {e}", self.directory.display()));
            }
            self.identity = None;
        }
        if self.seen.names == names {
            return true;
        }
        match self.storage.sync_dir(&self.directory) {
            Ok(()) => {
                self.seen.names = names;
                true
            }
            Err(e) => {
                journal::error(&format!("{}: cannot sync: {e}; check the disk", self.directory.display()));
                false
            }
        }
    }

    fn poison(&self, seq: u64, e: &io::Error) {
        journal::error(&format!(
            "{}: segment {seq}: cannot sync: {e}; it is not written any more; check the disk",
            self.directory.display()
        ));
        self.table.poison(seq);
    }
}
