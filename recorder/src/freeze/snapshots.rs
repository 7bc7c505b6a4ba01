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

use crate::storage::Storage;

/// The directory of bundles.
#[derive(Clone)]
pub struct Snapshots {
    storage: Arc<dyn Storage>,
    directory: PathBuf,
}

/// True for names this recorder gives: nothing else from a client reaches the file system.
#[must_use]
pub fn valid_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
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
            reason: manifest.triggers.iter().map(|t| t.reason.as_str()).collect::<Vec<_>>().join("; "),
            notes: manifest.notes.clone(),
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
        self.path(id).map_or(Ok(false), |path| self.storage.remove(&path).map(|()| true))
    }

    fn manifest(&self, path: &Path) -> Option<Manifest> {
        let view = self.storage.open(path).ok()?.view().ok()?;
        let bundle = Bundle::read((*view).as_ref()).ok()?;
        let manifest = bundle.of(MemberKind::Manifest).next()?;
        Manifest::read(manifest.payload).ok()
    }

    /// Removes the oldest bundles until `more` bytes fit into `max_bytes`; names those removed.
    pub(super) fn make_room(&self, max_bytes: u64, more: u64) -> Vec<String> {
        let size = |id: &String| {
            self.path(id).and_then(|p| self.storage.open(&p).ok()?.allocated().ok()).unwrap_or(0)
        };
        let mut sizes: Vec<(String, u64)> =
            self.ids().into_iter().map(|id| (id.clone(), size(&id))).collect();
        let mut removed = Vec::new();
        while !sizes.is_empty() && sizes.iter().map(|(_, s)| s).sum::<u64>().saturating_add(more) > max_bytes
        {
            let (id, _) = sizes.remove(0);
            if self.remove(&id).unwrap_or(false) {
                removed.push(id);
            }
        }
        removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
