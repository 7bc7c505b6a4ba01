//! The mapped head: one slot in use for each source.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use ingero_format::{
    Row,
    head::{Geometry, PAGE_BYTES, PUBLISHED_OFFSET, SLOT_HEADER_BYTES, slot_header},
    ops::Source,
    row::{ROW_BYTES, check_seed, seal},
};
use memmap2::MmapMut;
use nix::fcntl::{FallocateFlags, fallocate};

use super::{SealJob, SlotPool};
use crate::{Result, error::IoContext};

struct Active {
    slot: usize,
    offset: usize,
    generation: u64,
    check_seed: u32,
    rows: usize,
    first_ns: u64,
}

// Writes every block once, so that all are initialised on disk: later only data has to reach it, no
// journal. The length is a multiple of the page that is written.
fn write_zeros(file: &File, len: u64) -> std::io::Result<()> {
    let page = [0; PAGE_BYTES];
    (0..len).step_by(PAGE_BYTES).try_for_each(|at| file.write_all_at(&page, at))
}

/// Writer of the head. Belongs to the drain alone; others read the file.
pub struct HeadWriter {
    map: MmapMut,
    geometry: Geometry,
    pool: SlotPool,
    epoch: u64,
    next_generation: u64,
    active: [Option<Active>; Source::ALL.len()],
}

impl HeadWriter {
    /// Creates the head file anew and maps it. Rows of an earlier run must have been recovered before.
    ///
    /// # Errors
    /// If the file cannot be made, given its space, or mapped.
    pub fn create(
        path: &Path,
        geometry: Geometry,
        epoch: u64,
        first_generation: u64,
        pool: SlotPool,
    ) -> Result<Self> {
        const REMEDY: &str = "free some space below the state directory";
        // A new inode: frozen sets and readers may still use the old one.
        let temporary = path.with_extension("new");
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&temporary);
        let file = file.at("cannot create the head", &temporary, REMEDY)?;
        let len = geometry.file_bytes();
        // Space is claimed now, so that a full disk is an error here and never a SIGBUS later.
        fallocate(&file, FallocateFlags::empty(), 0, len.cast_signed()).at(
            "cannot allocate the head",
            &temporary,
            REMEDY,
        )?;
        write_zeros(&file, len).at("cannot write the head", &temporary, REMEDY)?;
        // SAFETY: the file was just created under a private name; it is never truncated, only this
        // process writes it, and only through this map.
        let mut map = unsafe { MmapMut::map_mut(&file) }.at("cannot map the head", &temporary, REMEDY)?;
        map.iter_mut().zip(geometry.to_bytes()).for_each(|(to, from)| *to = from);
        file.sync_all().at("cannot sync the head", &temporary, REMEDY)?;
        std::fs::rename(&temporary, path).at("cannot rename the head", path, REMEDY)?;
        Ok(Self {
            map,
            geometry,
            pool,
            epoch,
            next_generation: first_generation,
            active: [const { None }; 4],
        })
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
        let at = active.offset + SLOT_HEADER_BYTES + active.rows * ROW_BYTES;
        let Some(to) = self.map.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<ROW_BYTES>()) else {
            return false;
        };
        *to = *row;
        seal(to, active.check_seed);
        if active.rows == 0 {
            active.first_ns = Row::from_bytes(row).end_ns;
        }
        active.rows += 1;
        let (offset, rows) = (active.offset, active.rows as u64);
        self.publish(offset, rows);
        true
    }

    // After the row, so that a reader of the file never sees a count that includes a half-written row.
    #[inline]
    fn publish(&mut self, offset: usize, rows: u64) {
        let at = offset + PUBLISHED_OFFSET;
        if let Some(bytes) = self.map.get_mut(at..at + 8) {
            // SAFETY: the eight bytes lie in our own map at a multiple of eight from its page-aligned
            // start, and this process touches them only here, through this exclusive borrow.
            unsafe { AtomicU64::from_ptr(bytes.as_mut_ptr().cast()) }.store(rows.to_le(), Ordering::Release);
        }
    }

    fn activate(&mut self, source: Source) -> bool {
        let Some(slot) = self.pool.acquire() else { return false };
        let generation = self.next_generation;
        self.next_generation += 1;
        let offset = self.geometry.slot_offset(slot);
        // Count first: at no moment may an old count stand beside the new generation.
        self.publish(offset, 0);
        let header = slot_header(generation, self.epoch, source);
        if let Some(to) = self.map.get_mut(offset..offset + PUBLISHED_OFFSET) {
            to.iter_mut().zip(header).for_each(|(to, from)| *to = from);
        }
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
        Some(SealJob { slot: active.slot, generation: active.generation, source, rows: active.rows })
    }
}
