//! The mapped head: one slot in use for each source.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use ingero_format::{
    Row,
    head::{Geometry, PAGE_BYTES, SLOT_HEADER_BYTES, slot_header},
    ops::Source,
    row::{ROW_BYTES, check_seed},
};

use super::{
    SealJob, SegmentTable, SlotPool,
    quota::with_room,
    slot::{self, Map},
};
use crate::{
    Result,
    error::IoContext,
    lock::lock,
    storage::{FileHandle, Mapped, Storage},
};

/// The head in use, for those who sync it.
#[derive(Clone)]
pub struct HeadFile(Arc<Mutex<FileHandle>>);

impl HeadFile {
    /// The file.
    #[must_use]
    pub fn get(&self) -> FileHandle {
        Arc::clone(&lock(&self.0))
    }
}

struct Active {
    slot: usize,
    offset: usize,
    generation: u64,
    check_seed: u32,
    rows: usize,
    first_ns: u64,
}

/// Writer of the head. Belongs to the drain alone; others read the file.
pub struct HeadWriter {
    storage: Arc<dyn Storage>,
    path: PathBuf,
    file: HeadFile,
    map: Box<dyn Mapped>,
    geometry: Geometry,
    pool: SlotPool,
    epoch: u64,
    next_generation: u64,
    active: [Option<Active>; Source::ALL.len()],
}

// The last slot is kept for meta rows: when there is no room for events, their loss must be written.
fn kept_for_meta(source: Source) -> usize {
    usize::from(source != Source::Meta)
}

// Space is claimed at once, so that a full disk is an error here and never a SIGBUS later, and every block is
// written once, so that all are initialised: later only data has to reach the disk, no journal. The length is
// a multiple of the page that is written. Not synced: that is the flusher's, and nobody waits for it.
fn make(storage: &dyn Storage, path: &Path, geometry: Geometry) -> io::Result<(FileHandle, Box<dyn Mapped>)> {
    // A new inode: frozen sets and readers may still use the old one.
    let temporary = path.with_extension("new");
    let made = (|| {
        let file = storage.create(&temporary)?;
        file.stay_in_place();
        file.allocate(geometry.file_bytes())?;
        let zeros = vec![0; PAGE_BYTES];
        (0..geometry.file_bytes()).step_by(PAGE_BYTES).try_for_each(|at| file.write_at(&zeros, at))?;
        file.write_at(&geometry.to_bytes(), 0)?;
        let map = file.map()?;
        storage.rename(&temporary, path)?;
        Ok((file, map))
    })();
    if made.is_err() {
        let _ = storage.remove(&temporary);
    }
    made
}

impl HeadWriter {
    /// Creates the head file anew and maps it; on a full disk old segments go for it. Rows of an earlier run must have
    /// been recovered before.
    ///
    /// # Errors
    /// If the file cannot be made, given its space, or mapped.
    pub fn create(
        storage: Arc<dyn Storage>,
        path: &Path,
        geometry: Geometry,
        epoch: u64,
        first_generation: u64,
        pool: SlotPool,
        table: &SegmentTable,
    ) -> Result<Self> {
        let (size, begin) = (geometry.file_bytes(), || make(&*storage, path, geometry));
        let made = with_room(&*storage, &mut table.lock(), epoch, size, begin);
        let (file, map) =
            made.at("cannot make the head", path, "free some space below the state directory")?;
        Ok(Self {
            storage,
            path: path.to_owned(),
            file: HeadFile(Arc::new(Mutex::new(file))),
            map,
            geometry,
            pool,
            epoch,
            next_generation: first_generation,
            active: [const { None }; Source::ALL.len()],
        })
    }

    /// The file in use, for the flusher.
    #[must_use]
    pub fn file(&self) -> HeadFile {
        self.file.clone()
    }

    /// True if a page of the head could not be had: what was in it is gone, and the file must be left.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.map.is_broken()
    }

    /// Leaves a broken head for a new one; every source must have been [taken](Self::take) before.
    ///
    /// # Errors
    /// If no new one can be made; the old one, zeros in place of its missing pages, stays in use.
    pub fn renew(&mut self) -> Result<()> {
        let made = make(&*self.storage, &self.path, self.geometry);
        let (file, map) = made.at("cannot make a new head", &self.path, "check the disk")?;
        *lock(&self.file.0) = file;
        self.map = map;
        Ok(())
    }

    fn slot(&self, source: Source) -> Option<&Active> {
        self.active.get(source as usize).and_then(Option::as_ref)
    }

    /// True if the source's slot has no room; the caller must [`HeadWriter::take`] it first.
    #[must_use]
    #[inline]
    pub fn is_full(&self, source: Source) -> bool {
        self.slot(source).is_some_and(|a| a.rows >= self.geometry.rows())
    }

    /// True if a row of the source can be stored, once its slot was [taken](Self::take) if it is full.
    #[must_use]
    #[inline]
    pub fn has_room(&self, source: Source) -> bool {
        let in_slot = self.slot(source).is_some_and(|a| a.rows < self.geometry.rows());
        in_slot || self.pool.available(kept_for_meta(source))
    }

    /// True if another slot is to be had for meta rows, so that theirs may be sealed.
    #[must_use]
    pub fn may_seal_meta(&self) -> bool {
        self.pool.available(0)
    }

    /// End time of the first row in the source's slot, boottime ns.
    #[must_use]
    pub fn oldest_ns(&self, source: Source) -> Option<u64> {
        self.slot(source).filter(|a| a.rows > 0).map(|a| a.first_ns)
    }

    /// Copies a row in and publishes it; false if no slot is to be had.
    #[inline]
    pub fn push(&mut self, source: Source, row: &[u8; ROW_BYTES]) -> bool {
        if self.slot(source).is_none() && !self.activate(source) {
            return false;
        }
        let Some(Some(active)) = self.active.get_mut(source as usize) else { return false };
        let mut memory = Map(self.map.bytes());
        if !slot::append(&mut memory, active.offset, active.rows, row, active.check_seed) {
            return false;
        }
        if active.rows == 0 {
            active.first_ns = Row::from_bytes(row).end_ns;
        }
        active.rows += 1;
        true
    }

    fn activate(&mut self, source: Source) -> bool {
        let Some(slot) = self.pool.acquire(kept_for_meta(source)) else { return false };
        let generation = self.next_generation;
        self.next_generation += 1;
        let offset = self.geometry.slot_offset(slot);
        slot::begin(&mut Map(self.map.bytes()), offset, &slot_header(generation, self.epoch, source));
        if let Some(place) = self.active.get_mut(source as usize) {
            let check_seed = check_seed(generation);
            *place = Some(Active { slot, offset, generation, check_seed, rows: 0, first_ns: 0 });
        }
        true
    }

    /// Takes the source's slot out of use, to be sealed. `None` if it holds no row.
    pub fn take(&mut self, source: Source) -> Option<SealJob> {
        self.oldest_ns(source)?;
        let active = self.active.get_mut(source as usize)?.take()?;
        let from = active.offset + SLOT_HEADER_BYTES;
        let copy = self.map.is_broken().then(|| {
            let rows = self.map.bytes().get(from..from + active.rows * ROW_BYTES);
            rows.unwrap_or_default().to_vec()
        });
        Some(SealJob {
            head: self.file.get(),
            copy,
            slot: active.slot,
            generation: active.generation,
            source,
            rows: active.rows,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::FileSystem;

    // Rows written to the page that stands in for a missing one were read from the file, where they never were: lost.
    #[test]
    fn rows_in_a_page_that_cannot_be_had_are_sealed_from_memory() {
        crate::storage::install_sigbus_handler().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("head");
        let storage: Arc<dyn Storage> = Arc::new(FileSystem);
        let (geometry, pool) = (Geometry { slots: 3, slot_bytes: 4096 }, SlotPool::new(3));
        let mut head =
            HeadWriter::create(storage, &path, geometry, 7, 9, pool, &SegmentTable::default()).unwrap();
        let push = |head: &mut HeadWriter, n| {
            let row = Row { end_ns: n, ..Row::default() };
            assert!(head.push(Source::Cuda, &row.to_bytes(0)));
        };
        push(&mut head, 1);
        let whole = head.take(Source::Cuda).unwrap();
        assert!(whole.copy.is_none());
        head.file().get().truncate(PAGE_BYTES as u64).unwrap();
        push(&mut head, 2);
        push(&mut head, 3);
        let job = head.take(Source::Cuda).unwrap();
        let rows = job.copy.unwrap();
        let rows: Vec<_> = rows.as_chunks().0.iter().map(|r| Row::from_head(r, job.generation)).collect();
        assert_eq!(rows.iter().map(|r| r.unwrap().end_ns).collect::<Vec<_>>(), [2, 3]);
    }
}
