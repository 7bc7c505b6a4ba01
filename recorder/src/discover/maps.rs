//! CUDA libraries in a process's memory map.

use std::{
    collections::HashMap,
    fs::{self, File},
    os::unix::fs::MetadataExt,
    path::PathBuf,
};

use crate::{
    attach::{LibraryKind, holds_runtime, soname},
    kernel::Mapping,
};

/// A library file, by identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedLibrary {
    /// Device and inode.
    pub id: (u64, u64),
    /// Which of ours it is.
    pub kind: LibraryKind,
    /// Path as the process sees it.
    pub path: String,
    /// Path under which this process can open the very same file.
    pub open: PathBuf,
}

/// Remembers what each mapped file calls itself, so that a library under another name is found and every
/// file is looked into once.
#[derive(Debug, Default)]
pub struct Sonames(HashMap<(String, u64), Option<LibraryKind>>, HashMap<(String, u64), bool>);

/// Files remembered; beyond it the memory starts anew, which only repeats a look.
const MAX_FILES: usize = 1 << 16;

impl Sonames {
    /// True if a file, by device (major, minor) and inode, was looked into and is none of ours.
    #[must_use]
    pub fn knows_none(&self, (major, minor, inode): (u32, u32, u64)) -> bool {
        let device = format!("{major:02x}:{minor:02x}");
        self.0.get(&(device, inode)).is_some_and(Option::is_none)
    }

    /// Libraries that a process maps, one entry for each inode. `None` if the process is gone.
    #[must_use]
    pub fn mapped_libraries(&mut self, pid: u32) -> Option<Vec<MappedLibrary>> {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
        let mut found: Vec<MappedLibrary> = Vec::new();
        for mapping in of_files(&maps) {
            if found.iter().any(|known| known.path == mapping.path) {
                continue;
            }
            let Some(kind) = self.kind(pid, &mapping) else { continue };
            let Some((meta, open)) = opened(&mapping, pid) else { continue };
            let id = (meta.dev(), meta.ino());
            if found.iter().all(|known| known.id != id) {
                found.push(MappedLibrary { id, kind, path: mapping.path.to_owned(), open });
            }
        }
        // Only who has the driver can have a runtime inside.
        if !found.is_empty() {
            self.static_runtimes(pid, &maps, &mut found);
        }
        Some(found)
    }

    fn static_runtimes(&mut self, pid: u32, maps: &str, found: &mut Vec<MappedLibrary>) {
        for mapping in of_files(maps).filter(|m| m.executable) {
            if found.iter().any(|known| known.path == mapping.path) {
                continue;
            }
            let key = (mapping.device.to_owned(), mapping.inode);
            let look =
                || opened(&mapping, pid).and_then(|(_, path)| File::open(path).ok()).map(holds_runtime);
            if !*self.1.entry(key).or_insert_with(|| look().unwrap_or(false)) {
                continue;
            }
            let Some((meta, open)) = opened(&mapping, pid) else { continue };
            let (id, kind) = ((meta.dev(), meta.ino()), LibraryKind::StaticRuntime);
            if found.iter().all(|known| known.id != id) {
                found.push(MappedLibrary { id, kind, path: mapping.path.to_owned(), open });
            }
        }
    }

    fn kind(&mut self, pid: u32, mapping: &Mapping<'_>) -> Option<LibraryKind> {
        if let Some(kind) = LibraryKind::of_path(mapping.path) {
            return Some(kind);
        }
        if !mapping.executable {
            return None;
        }
        if self.0.len() >= MAX_FILES {
            self.0.clear();
            self.1.clear();
        }
        let look = || opened(mapping, pid).and_then(|(_, path)| soname(File::open(path).ok()?));
        let key = (mapping.device.to_owned(), mapping.inode);
        *self.0.entry(key).or_insert_with(|| look().and_then(|name| LibraryKind::of_path(&name)))
    }
}

// The first way by which a file is reached.
fn opened(mapping: &Mapping<'_>, pid: u32) -> Option<(fs::Metadata, PathBuf)> {
    let file = |way: PathBuf| Some((fs::metadata(&way).ok().filter(fs::Metadata::is_file)?, way));
    mapping.ways(pid).into_iter().find_map(file)
}

// Those that were mapped from files.
fn of_files(maps: &str) -> impl Iterator<Item = Mapping<'_>> {
    maps.lines().filter_map(Mapping::parse).filter(Mapping::is_of_a_file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_gone_is_none_and_one_without_cuda_is_empty() {
        let mut sonames = Sonames::default();
        assert_eq!(sonames.mapped_libraries(u32::MAX), None);
        assert_eq!(sonames.mapped_libraries(std::process::id()), Some(Vec::new()));
    }
}
