//! Making room by letting the oldest segment go.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::table::{Pin, SegmentInfo, Segments};
use crate::{
    journal,
    limits::MIN_SEGMENTS,
    storage::{Storage, is_full},
};

/// Bounds on the state directory.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Most allocated bytes below the state directory.
    pub max_bytes: u64,
    /// Free bytes left to others on its file system.
    pub keep_free: u64,
    /// Segments whose rows all ended longer than this before the newest event go, ns.
    pub max_age_ns: u64,
}

/// Removes the oldest segments until `more` bytes fit, or only the fewest are left. Gives whether they fit.
pub fn make_room(
    storage: &dyn Storage,
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
        evict(storage, segments, epoch);
    }
    let (before, free_before) = (storage.allocated(state_dir), storage.free(state_dir));
    loop {
        let more = more.saturating_add(segments.reserved);
        let allocated = storage.allocated(state_dir);
        // btrfs says so only seconds later that what was let go is free: not to be waited for with the next segment.
        let let_go = before.saturating_sub(allocated);
        let free = storage.free(state_dir).max(free_before.saturating_add(let_go));
        if allocated.saturating_add(more) <= bounds.max_bytes && free >= bounds.keep_free.saturating_add(more)
        {
            return true;
        }
        if let Some(Pin { directory, .. }) = segments.pinned.pop() {
            // Evicting what a freeze holds frees nothing: recording goes on, the freeze does not.
            journal::warning(&format!("{}: freeze given up, the ring needs its room", directory.display()));
            if segments.pinned.is_empty() {
                segments.reserved = 0;
            }
            let _ = storage.remove_dir(&directory);
        } else if segments.list.len() > MIN_SEGMENTS {
            evict(storage, segments, epoch);
        } else if !remove_bad_ring(storage, state_dir) && !remove_snapshot(storage, state_dir) {
            return false;
        }
    }
}

/// Makes something of `size` bytes; on a full disk the oldest segments go for it, but for the fewest. Not more than
/// twice as many bytes of them: if that does not help, others take what is let go, or the disk is full of what nobody
/// can evict.
pub(super) fn with_room<T>(
    storage: &dyn Storage,
    segments: &mut Segments,
    epoch: u64,
    size: u64,
    mut make: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    let mut let_go = 0;
    loop {
        let made = make();
        let may_evict = segments.list.len() > MIN_SEGMENTS && let_go < 2 * size;
        if !may_evict || !made.as_ref().is_err_and(is_full) {
            return made;
        }
        let_go += segments.list.front().map_or(0, |oldest| oldest.bytes);
        evict(storage, segments, epoch);
    }
}

// A ring that was moved aside, and then the oldest snapshots that are not pinned, are kept for people to look at, but not at the
// price of recording.
fn remove_bad_ring(storage: &dyn Storage, state_dir: &Path) -> bool {
    let Some(path) = first(storage, state_dir, |name| name.starts_with("ring.bad-")) else { return false };
    storage.remove_dir(&path).is_ok()
}

fn remove_snapshot(storage: &dyn Storage, state_dir: &Path) -> bool {
    let bundles = state_dir.join("bundles");
    let names = storage.list(&bundles).unwrap_or_default();
    let pinned = |id: &str| names.iter().any(|name| name.strip_suffix(".pinned") == Some(id));
    let may_go = |name: &str| name.strip_suffix(".ingero").is_some_and(|id| !pinned(id));
    let Some(path) = first(storage, &bundles, may_go) else { return false };
    storage.remove(&path).is_ok()
}

fn first(storage: &dyn Storage, directory: &Path, is: impl Fn(&str) -> bool) -> Option<PathBuf> {
    let names = storage.list(directory).unwrap_or_default();
    let path = directory.join(names.into_iter().filter(|name| is(name)).min()?);
    journal::warning(&format!("{}: removed to make room for the ring", path.display()));
    Some(path)
}

/// Removes the oldest segment whatever its epoch, for the freezer, which needs room for a bundle.
pub fn evict_oldest(storage: &dyn Storage, segments: &mut Segments) {
    let epoch = segments.list.back().map_or(0, |s| s.epoch);
    evict(storage, segments, epoch);
}

/// Removes the oldest segment; its events count as evicted if they are of this epoch.
pub(super) fn evict(storage: &dyn Storage, segments: &mut Segments, epoch: u64) {
    let Some(oldest) = segments.list.pop_front() else { return };
    if oldest.epoch == epoch {
        segments.evicted_events += oldest.events;
    }
    segments.closed.retain(|(seq, _)| *seq != oldest.seq);
    if let Err(e) = storage.remove(&oldest.path) {
        journal::warning(&format!("{}: cannot evict: {e}", oldest.path.display()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::FileSystem;

    #[test]
    fn a_pinned_snapshot_stays_even_when_the_ring_has_no_room_without_it() {
        let state = tempfile::tempdir().unwrap();
        let bundles = state.path().join("bundles");
        std::fs::create_dir(&bundles).unwrap();
        for name in ["a-1.ingero", "a-1.pinned", "a-2.ingero", "a-3.ingero"] {
            std::fs::write(bundles.join(name), vec![1; 40_000]).unwrap();
        }
        let bounds = Bounds { max_bytes: 1, keep_free: 0, max_age_ns: 0 };
        assert!(!make_room(&FileSystem, state.path(), &mut Segments::default(), bounds, 0, 0));
        let mut left: Vec<_> = std::fs::read_dir(&bundles)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["a-1.ingero", "a-1.pinned"]);
    }
}
