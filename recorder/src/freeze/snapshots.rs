//! The bundles on disk.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use ingero_format::{
    bundle::{Bundle, MemberKind},
    control::Snapshot,
    manifest::Manifest,
};

use super::id::valid_id;
use crate::storage::Storage;

/// Ending of the empty file that says that a bundle is pinned.
const PINNED: &str = "pinned";

/// The directory of bundles.
#[derive(Clone)]
pub struct Snapshots {
    storage: Arc<dyn Storage>,
    directory: PathBuf,
}

impl Snapshots {
    /// Looks at a directory.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>, directory: PathBuf) -> Self {
        Self { storage, directory }
    }

    /// Path of a snapshot's bundle; `None` for an id that cannot be one.
    #[must_use]
    pub fn path(&self, id: &str) -> Option<PathBuf> {
        valid_id(id).then(|| self.directory.join(format!("{id}.ingero")))
    }

    /// All bundles, oldest first.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        let names = self.storage.list(&self.directory).unwrap_or_default();
        let mut ids: Vec<String> = names
            .iter()
            .filter_map(|name| name.strip_suffix(".ingero").map(str::to_owned))
            .filter(|id| valid_id(id))
            .collect();
        ids.sort_unstable();
        ids
    }

    /// What each bundle says of itself.
    #[must_use]
    pub fn list(&self) -> Vec<Snapshot> {
        self.ids().iter().filter_map(|id| self.describe(id)).collect()
    }

    /// What the newest bundles say of themselves, newest first; `count` at most.
    #[must_use]
    pub fn newest(&self, count: usize) -> Vec<Snapshot> {
        self.ids().iter().rev().filter_map(|id| self.describe(id)).take(count).collect()
    }

    fn describe(&self, id: &str) -> Option<Snapshot> {
        let path = self.path(id)?;
        let bytes = self.storage.open(&path).ok()?.length().ok()?;
        let manifest = self.manifest(&path)?;
        let real = |ns| crate::clock::to_real(&manifest.anchor, ns);
        Some(Snapshot {
            id: id.to_owned(),
            path: path.to_string_lossy().into_owned(),
            from_ts_ns: real(manifest.from_ns),
            to_ts_ns: real(manifest.to_ns),
            bytes,
            reason: reasons(&manifest),
            notes: manifest.notes.clone(),
            pinned: self.is_pinned(id),
            ..Snapshot::default()
        })
    }

    /// Removes a bundle; false if there is none of that id.
    ///
    /// # Errors
    /// As the file system says.
    pub fn remove(&self, id: &str) -> io::Result<bool> {
        if !self.ids().iter().any(|known| known == id) {
            return Ok(false);
        }
        let Some(path) = self.path(id) else { return Ok(false) };
        self.storage.remove(&path)?;
        let _ = self.storage.remove(&path.with_extension(PINNED));
        Ok(true)
    }

    /// Keeps a bundle whatever its age and the room it takes, or no longer; false if there is none of that id.
    ///
    /// # Errors
    /// As the file system says.
    pub fn pin(&self, id: &str, pinned: bool) -> io::Result<bool> {
        let known = self.ids().iter().any(|known| known == id);
        let Some(path) = self.path(id).filter(|_| known) else { return Ok(false) };
        let mark = path.with_extension(PINNED);
        match (pinned, self.is_pinned(id)) {
            (true, false) => {
                self.storage.create(&mark).and_then(|_| self.storage.sync_dir(&self.directory))?
            }
            (false, true) => self.storage.remove(&mark)?,
            _ => {}
        }
        Ok(true)
    }

    fn is_pinned(&self, id: &str) -> bool {
        self.path(id).is_some_and(|path| self.storage.open(&path.with_extension(PINNED)).is_ok())
    }

    /// Removes bundles whose window ended more than `max_age_ns` before `now_ns` (Unix ns), but for pinned ones; names
    /// those removed.
    pub fn expire(&self, max_age_ns: u64, now_ns: u64) -> Vec<String> {
        let old = |s: &Snapshot| !s.pinned && s.to_ts_ns.saturating_add(max_age_ns) < now_ns;
        let ids = self.list().into_iter().filter(old).map(|s| s.id);
        ids.filter(|id| self.remove(id).unwrap_or(false)).collect()
    }

    fn manifest(&self, path: &Path) -> Option<Manifest> {
        let view = self.storage.open(path).ok()?.view().ok()?;
        let bundle = Bundle::read((*view).as_ref()).ok()?;
        let manifest = bundle.of(MemberKind::Manifest).next()?;
        Manifest::read(manifest.payload).ok()
    }

    /// Removes the oldest bundles that are not pinned until `more` bytes fit into `max_bytes`; names those removed.
    pub(super) fn make_room(&self, max_bytes: u64, more: u64) -> Vec<String> {
        let size = |id: &String| {
            self.path(id).and_then(|p| self.storage.open(&p).ok()?.allocated().ok()).unwrap_or(0)
        };
        let mut sizes: Vec<(String, u64)> =
            self.ids().into_iter().map(|id| (id.clone(), size(&id))).collect();
        let mut removed = Vec::new();
        while sizes.iter().map(|(_, s)| s).sum::<u64>().saturating_add(more) > max_bytes {
            let Some(oldest) = sizes.iter().position(|(id, _)| !self.is_pinned(id)) else { break };
            let (id, _) = sizes.remove(oldest);
            if self.remove(&id).unwrap_or(false) {
                removed.push(id);
            }
        }
        removed
    }
}

/// Why a window was frozen: the reasons of all who asked and gave one.
pub(super) fn reasons(manifest: &Manifest) -> String {
    let given = manifest.triggers.iter().map(|t| t.reason.as_str()).filter(|reason| !reason.is_empty());
    given.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gave_no_reason_leaves_no_trace_in_the_reasons() {
        let asked =
            |reason: &str| ingero_format::manifest::Trigger { reason: reason.into(), ..Default::default() };
        let manifest = |all: &[&str]| Manifest {
            triggers: all.iter().map(|r| asked(r)).collect(),
            ..Manifest::default()
        };
        assert_eq!(reasons(&manifest(&["", "slow", "", "SIGUSR1"])), "slow; SIGUSR1");
        assert_eq!(reasons(&manifest(&["", ""])), "");
    }

    #[test]
    fn an_id_never_leads_out_of_the_directory() {
        for bad in ["", "..", "../../etc/passwd", "a/b", "a.b", "a\0b", &"x".repeat(65)] {
            assert!(!valid_id(bad), "{bad:?}");
        }
        assert!(valid_id("20261122T101530-0001"));
    }

    #[test]
    fn the_oldest_bundles_make_room() {
        let dir = tempfile::tempdir().unwrap();
        for id in ["a-1", "a-2", "a-3"] {
            std::fs::write(dir.path().join(format!("{id}.ingero")), vec![1; 40_000]).unwrap();
        }
        let snapshots = Snapshots::new(Arc::new(crate::storage::FileSystem), dir.path().into());
        assert_eq!(snapshots.make_room(140_000, 40_000), ["a-1"]);
        assert_eq!(snapshots.ids(), ["a-2", "a-3"]);
    }

    #[test]
    fn a_pinned_bundle_makes_no_room_until_it_is_pinned_no_longer() {
        let dir = tempfile::tempdir().unwrap();
        for id in ["a-1", "a-2"] {
            std::fs::write(dir.path().join(format!("{id}.ingero")), vec![1; 40_000]).unwrap();
        }
        let snapshots = Snapshots::new(Arc::new(crate::storage::FileSystem), dir.path().into());
        assert!(snapshots.pin("a-1", true).unwrap() && snapshots.pin("a-1", true).unwrap());
        assert!(!snapshots.pin("a-9", true).unwrap() && !snapshots.pin("../a-1", true).unwrap());
        assert_eq!(snapshots.make_room(60_000, 40_000), ["a-2"]);
        assert_eq!(snapshots.make_room(60_000, 40_000), Vec::<String>::new());
        assert!(snapshots.pin("a-1", false).unwrap());
        assert_eq!(snapshots.make_room(60_000, 40_000), ["a-1"]);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left of it");
    }
}
