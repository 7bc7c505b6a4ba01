//! CUDA libraries that lie where drivers put them, before any process maps them.

use std::{fs, os::unix::fs::MetadataExt, path::PathBuf};

use super::maps::MappedLibrary;
use crate::attach::LibraryKind;

/// Where distributions and container runtimes put the driver library.
///
/// Few on purpose: every probe placed here must be removed again, 0.1 s each.
const DIRECTORIES: [&str; 6] = [
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/usr/local/nvidia/lib64",
    "/run/nvidia/driver/usr/lib/x86_64-linux-gnu",
];

/// Driver libraries in the usual places, one entry for each inode.
#[must_use]
pub fn known_libraries() -> Vec<MappedLibrary> {
    let mut found: Vec<MappedLibrary> = Vec::new();
    for entry in DIRECTORIES.iter().filter_map(|d| fs::read_dir(d).ok()).flatten().flatten() {
        let path: PathBuf = entry.path();
        let Some(text) = path.to_str().map(str::to_owned) else { continue };
        let Some(kind) = LibraryKind::of_path(&text) else { continue };
        let Some(meta) = fs::metadata(&path).ok().filter(fs::Metadata::is_file) else { continue };
        let id = (meta.dev(), meta.ino());
        if found.iter().all(|known| known.id != id) {
            found.push(MappedLibrary { id, kind, path: text, open: path });
        }
    }
    found
}
