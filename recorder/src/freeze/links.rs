//! The frozen set: hard links of segments and a copy of the head.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use ingero_format::{manifest::SegmentEntry, segment::file_name};

use super::head_copy;
use crate::{
    ring::{Layout, Pin, SegmentInfo, SegmentTable, Segments, SlotPool},
    storage::Storage,
};

/// What to link.
pub struct Wanted {
    /// Begin of the window, boottime ns.
    pub from_ns: u64,
    /// Id of the boot that `from_ns` counts from.
    pub boot_id: [u8; 16],
    /// Most bytes of segments.
    pub max_bytes: u64,
}

/// A directory that holds on to a window.
pub struct FrozenSet {
    /// Where it lies.
    pub storage: Arc<dyn Storage>,
    /// `frozen/<id>`.
    pub directory: PathBuf,
    /// What is linked, oldest first, and how much of each belongs to the window.
    pub segments: Vec<SegmentEntry>,
    /// A head file of the slots whose rows are in no frame, as bytes.
    pub head: Vec<u8>,
}

impl FrozenSet {
    /// An empty set.
    ///
    /// # Errors
    /// As the file system says.
    pub fn create(storage: Arc<dyn Storage>, layout: &Layout, id: &str) -> io::Result<Self> {
        let directory = layout.frozen.join(id);
        storage.create_dir(&directory)?;
        Ok(Self { storage, directory, segments: Vec::new(), head: Vec::new() })
    }

    /// Links every segment of this boot with rows at or after `from_ns`, so that they cannot be evicted. Rows that are
    /// still in the head come into a later segment: to be called again before the ring can have turned over.
    ///
    /// # Errors
    /// As the file system says, or that the window is larger than it may be.
    pub fn hold(&mut self, table: &SegmentTable, window: &Wanted) -> io::Result<()> {
        self.link_segments(&mut table.lock(), window)
    }

    /// The same and a copy of what of the head is in no frame, all at one moment: the table's lock keeps the sealer from
    /// moving rows from head to segment meanwhile. May be called again to extend the set to what has been recorded since.
    ///
    /// # Errors
    /// As [`FrozenSet::hold`].
    pub fn link(
        &mut self,
        layout: &Layout,
        table: &SegmentTable,
        pool: &SlotPool,
        window: &Wanted,
    ) -> io::Result<()> {
        let mut segments = table.lock();
        self.link_segments(&mut segments, window)?;
        let head = self.storage.open(&layout.ring.join("head"))?;
        self.head = head_copy::used(&pool.in_use(), |into, at| head.read_exact_at(into, at))?;
        Ok(())
    }

    fn link_segments(&mut self, segments: &mut Segments, window: &Wanted) -> io::Result<()> {
        // The last two always: an empty or all-meta segment names what others use.
        let recent = segments.list.len().saturating_sub(2);
        let wanted = |(i, s): &(usize, &SegmentInfo)| {
            s.boot_id == window.boot_id && (s.last_ns >= window.from_ns || *i >= recent)
        };
        let chosen: Vec<SegmentInfo> =
            segments.list.iter().enumerate().filter(wanted).map(|(_, s)| s.clone()).collect();
        // Before anything is linked: links that cannot become a bundle would only keep room from the ring.
        let bytes: u64 = chosen.iter().map(|s| s.bytes).sum();
        if bytes > window.max_bytes {
            return Err(io::Error::other(format!(
                "the window needs {bytes} bytes, [snapshot] max_bytes allows {}; ask for a shorter --last",
                window.max_bytes
            )));
        }
        for info in chosen {
            let entry = SegmentEntry { seq: info.seq, bytes: info.bytes };
            match self.segments.iter_mut().find(|known| known.seq == info.seq) {
                Some(known) => *known = entry,
                None => {
                    self.storage.link(&info.path, &self.directory.join(file_name(info.seq)))?;
                    self.segments.push(entry);
                }
            }
        }
        self.segments.sort_unstable_by_key(|s| s.seq);
        let first_seq = self.segments.first().map_or(u64::MAX, |s| s.seq);
        segments.pinned.retain(|pin| pin.directory != self.directory);
        segments.pinned.push(Pin { directory: self.directory.clone(), first_seq });
        Ok(())
    }

    /// Writes the head's copy and makes everything durable, but for segments whose sync failed before: the
    /// bundle, which is a copy, has their rows.
    ///
    /// # Errors
    /// As the file system says.
    pub fn make_durable(&self, table: &SegmentTable, manifest: &[u8]) -> io::Result<()> {
        let storage = &*self.storage;
        write_durable(storage, &self.directory.join("head"), &self.head)?;
        let poisoned = table.lock().poisoned.clone();
        for segment in self.segments.iter().filter(|s| !poisoned.contains(&s.seq)) {
            let file = storage.open(&self.directory.join(file_name(segment.seq)))?;
            file.sync_data().inspect_err(|_| table.poison(segment.seq))?;
        }
        let temporary = self.directory.join("MANIFEST.new");
        write_durable(storage, &temporary, manifest)?;
        storage.rename(&temporary, &self.directory.join("MANIFEST"))?;
        storage.sync_dir(&self.directory)?;
        self.directory.parent().map_or(Ok(()), |parent| storage.sync_dir(parent))
    }

    /// Lets the window go.
    pub fn remove(self, table: &SegmentTable) {
        table.lock().pinned.retain(|pin| pin.directory != self.directory);
        if let Err(e) = self.storage.remove_dir(&self.directory) {
            crate::journal::warning(&format!("{}: cannot remove: {e}", self.directory.display()));
        }
    }
}

fn write_durable(storage: &dyn Storage, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = storage.create(path)?;
    file.write_at(bytes, 0)?;
    file.sync_data()
}
