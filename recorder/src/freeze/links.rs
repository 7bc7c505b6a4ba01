//! The frozen set: hard links of segments and a copy of the head.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use ingero_format::{
    head::{Geometry, PAGE_BYTES, PUBLISHED_OFFSET, SLOT_HEADER_BYTES},
    manifest::SegmentEntry,
    row::ROW_BYTES,
};

use crate::ring::{Layout, SegmentTable};

/// A directory that holds on to a window.
pub(super) struct FrozenSet {
    /// `frozen/<id>`.
    pub(super) directory: PathBuf,
    /// What is linked, oldest first, and how much of each belongs to the window.
    pub(super) segments: Vec<SegmentEntry>,
    /// Newest used part of the head, whole slots.
    pub(super) head: Vec<u8>,
}

/// Name of a segment's link.
pub(super) fn link_name(seq: u64) -> String {
    format!("{seq:020}.seg")
}

impl FrozenSet {
    /// An empty set.
    pub(super) fn create(layout: &Layout, id: &str) -> io::Result<Self> {
        let directory = layout.frozen.join(id);
        fs::create_dir(&directory)?;
        Ok(Self { directory, segments: Vec::new(), head: Vec::new() })
    }

    /// Links every segment with rows at or after `from_ns` and copies the head, all at one moment: the
    /// table's lock keeps the sealer from moving rows from head to segment meanwhile. May be called again
    /// to extend the set to what has been recorded since.
    pub(super) fn link(&mut self, layout: &Layout, table: &SegmentTable, from_ns: u64) -> io::Result<()> {
        let segments = table.lock();
        // The last two always: an empty or all-meta segment names what others use.
        let recent = segments.list.len().saturating_sub(2);
        for (i, info) in segments.list.iter().enumerate() {
            if info.last_ns < from_ns && i < recent {
                continue;
            }
            let entry = SegmentEntry { seq: info.seq, bytes: info.bytes };
            match self.segments.iter_mut().find(|known| known.seq == info.seq) {
                Some(known) => *known = entry,
                None => {
                    fs::hard_link(&info.path, self.directory.join(link_name(info.seq)))?;
                    self.segments.push(entry);
                }
            }
        }
        self.head = used_head(&layout.ring.join("head"))?;
        drop(segments);
        self.segments.sort_unstable_by_key(|s| s.seq);
        Ok(())
    }

    /// Writes the head's copy and makes everything durable.
    pub(super) fn make_durable(&self, manifest: &[u8]) -> io::Result<()> {
        write_durable(&self.directory.join("head"), &self.head)?;
        for segment in &self.segments {
            File::open(self.directory.join(link_name(segment.seq)))?.sync_data()?;
        }
        let temporary = self.directory.join("MANIFEST.new");
        write_durable(&temporary, manifest)?;
        fs::rename(&temporary, self.directory.join("MANIFEST"))?;
        File::open(&self.directory)?.sync_all()?;
        self.directory.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
    }

    /// Lets the window go.
    pub(super) fn remove(self) {
        if let Err(e) = fs::remove_dir_all(&self.directory) {
            crate::journal::warning(&format!("{}: cannot remove: {e}", self.directory.display()));
        }
    }
}

fn write_durable(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::write(path, bytes)?;
    File::open(path)?.sync_data()
}

// The head with each slot cut after its published rows, at the same offsets; the rest reads as zeros. Read
// slot by slot, so that no more is held than there is.
fn used_head(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut bytes = vec![0; PAGE_BYTES];
    file.read_exact_at(&mut bytes, 0)?;
    let Ok(geometry) = Geometry::read(&bytes) else { return Ok(Vec::new()) };
    for slot in 0..geometry.slots as usize {
        let at = geometry.slot_offset(slot);
        let mut count = [0; 8];
        file.read_exact_at(&mut count, (at + PUBLISHED_OFFSET) as u64)?;
        let rows = (u64::from_le_bytes(count) as usize).min(geometry.rows());
        if rows > 0 {
            let used = at + SLOT_HEADER_BYTES + rows * ROW_BYTES;
            bytes.resize(used, 0);
            file.read_exact_at(bytes.get_mut(at..).unwrap_or_default(), at as u64)?;
        }
    }
    Ok(bytes)
}
