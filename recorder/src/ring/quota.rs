//! How many bytes there are, and making room by letting the oldest segment go.

use std::{collections::HashSet, fs, io, os::unix::fs::MetadataExt, path::Path};

use super::table::{SegmentInfo, Segments};
use crate::{journal, limits::MIN_SEGMENTS};

/// Allocated bytes of all files below a directory, each inode once.
#[must_use]
pub fn allocated_bytes(directory: &Path) -> u64 {
    let mut seen = HashSet::new();
    add(directory, &mut seen)
}

fn add(directory: &Path, seen: &mut HashSet<u64>) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| {
        let meta = entry.metadata().ok()?;
        if meta.is_dir() {
            return Some(add(&entry.path(), seen));
        }
        seen.insert(meta.ino()).then(|| meta.blocks() * 512)
    });
    sizes.sum()
}

/// Bytes that others may still use on the directory's file system; unknown counts as plenty.
#[must_use]
pub fn free_bytes(directory: &Path) -> u64 {
    nix::sys::statvfs::statvfs(directory)
        .map_or(u64::MAX, |s| s.blocks_available().saturating_mul(s.fragment_size()))
}

/// Bounds on the state directory.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Most allocated bytes.
    pub max_bytes: u64,
    /// Free bytes left to others.
    pub keep_free: u64,
    /// Segments whose rows all ended longer ago than this before the newest event go, ns.
    pub max_age_ns: u64,
}

/// Removes the oldest segments until `more` bytes fit, or only the fewest are left. Gives whether they fit.
pub(super) fn make_room(
    state_dir: &Path,
    segments: &mut Segments,
    bounds: Bounds,
    more: u64,
    epoch: u64,
) -> bool {
    // Only times of one boot can be compared; segments of earlier ones go by number, like all others.
    let boot = segments.list.back().map(|s| s.boot_id);
    let this_boot = |s: &&SegmentInfo| Some(s.boot_id) == boot;
    let newest = segments.list.iter().filter(this_boot).map(|s| s.last_ns).max().unwrap_or(0);
    let horizon = newest.saturating_sub(bounds.max_age_ns);
    let aged = |s: &SegmentInfo| this_boot(&s) && s.last_ns < horizon;
    while segments.list.len() > MIN_SEGMENTS && segments.list.front().is_some_and(aged) {
        evict(segments, epoch);
    }
    loop {
        let more = more.saturating_add(segments.reserved);
        let fits = allocated_bytes(state_dir).saturating_add(more) <= bounds.max_bytes
            && free_bytes(state_dir) >= bounds.keep_free.saturating_add(more);
        if fits {
            return true;
        }
        if let Some(pinned) = segments.pinned.take() {
            // Evicting what a freeze holds frees nothing: recording goes on, the freeze does not.
            journal::warning(&format!("{}: freeze given up, the ring needs its room", pinned.display()));
            segments.reserved = 0;
            let _ = fs::remove_dir_all(pinned);
        } else if segments.list.len() > MIN_SEGMENTS {
            evict(segments, epoch);
        } else if !remove_bad_ring(state_dir) {
            return false;
        }
    }
}

// A ring that was moved aside is kept for people to look at, but not at the price of recording.
fn remove_bad_ring(state_dir: &Path) -> bool {
    let entries = fs::read_dir(state_dir).into_iter().flatten().flatten();
    let mut bad: Vec<_> =
        entries.map(|e| e.path()).filter(|p| p.to_string_lossy().contains("/ring.bad-")).collect();
    bad.sort_unstable();
    let Some(first) = bad.first() else { return false };
    journal::warning(&format!("{}: removed to make room", first.display()));
    fs::remove_dir_all(first).is_ok()
}

/// Removes the oldest segment whatever its epoch, for the freezer, which needs room for a bundle.
pub fn evict_oldest(segments: &mut Segments) {
    let epoch = segments.list.back().map_or(0, |s| s.epoch);
    evict(segments, epoch);
}

/// Removes the oldest segment; its events count as evicted if they are of this epoch.
pub(super) fn evict(segments: &mut Segments, epoch: u64) {
    let Some(oldest) = segments.list.pop_front() else { return };
    if oldest.epoch == epoch {
        segments.evicted_events += oldest.events;
    }
    if let Err(e) = fs::remove_file(&oldest.path).or_else(ignore_missing) {
        journal::warning(&format!("{}: cannot evict: {e}", oldest.path.display()));
    }
}

fn ignore_missing(e: io::Error) -> io::Result<()> {
    if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_two_names_is_counted_once() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        fs::write(dir.path().join("a"), vec![1; 100_000]).unwrap();
        let once = allocated_bytes(dir.path());
        fs::hard_link(dir.path().join("a"), dir.path().join("sub/b")).unwrap();
        assert_eq!(allocated_bytes(dir.path()), once);
        assert!(once >= 100_000);
    }
}
