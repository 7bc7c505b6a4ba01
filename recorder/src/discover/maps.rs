//! CUDA libraries in a process's memory map.

use std::{
    collections::HashMap,
    fs::{self, File},
    os::unix::fs::MetadataExt,
    path::PathBuf,
};

use crate::attach::{LibraryKind, holds_runtime, soname};

/// A library file, by identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedLibrary {
    /// Device and inode.
    pub id: (u64, u64),
    /// Driver or runtime.
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
    /// True if a file was looked into and is none of ours.
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
        for mapping in maps.lines().filter_map(Mapping::parse) {
            if found.iter().any(|known| known.path == mapping.path) {
                continue;
            }
            let Some(kind) = self.kind(pid, &mapping) else { continue };
            let Some((meta, open)) = mapping.opened(pid) else { continue };
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
        for mapping in maps.lines().filter_map(Mapping::parse).filter(|m| m.executable) {
            if found.iter().any(|known| known.path == mapping.path) {
                continue;
            }
            let key = (mapping.device.to_owned(), mapping.inode);
            let look = || mapping.opened(pid).and_then(|(_, path)| File::open(path).ok()).map(holds_runtime);
            if !*self.1.entry(key).or_insert_with(|| look().unwrap_or(false)) {
                continue;
            }
            let Some((meta, open)) = mapping.opened(pid) else { continue };
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
        let look = || mapping.opened(pid).and_then(|(_, path)| soname(File::open(path).ok()?));
        let key = (mapping.device.to_owned(), mapping.inode);
        *self.0.entry(key).or_insert_with(|| look().and_then(|name| LibraryKind::of_path(&name)))
    }
}

struct Mapping<'a> {
    range: &'a str,
    executable: bool,
    device: &'a str,
    inode: u64,
    path: &'a str,
}

impl<'a> Mapping<'a> {
    // `start-end perms offset dev inode   path`; the path may hold spaces.
    fn parse(line: &'a str) -> Option<Self> {
        let path = line.get(line.find('/')?..)?;
        let mut words = line.split(' ');
        let (range, permissions, _offset) = (words.next()?, words.next()?, words.next()?);
        let (device, inode) = (words.next()?, words.next()?.parse().ok()?);
        Some(Self { range, executable: permissions.contains('x'), device, inode, path })
    }

    // map_files names the mapped inode itself, also if its path was replaced, deleted or lies in another
    // mount namespace; the path through the process's root is the fallback.
    fn opened(&self, pid: u32) -> Option<(fs::Metadata, PathBuf)> {
        [format!("/proc/{pid}/map_files/{}", self.range), format!("/proc/{pid}/root{}", self.path)]
            .into_iter()
            .map(PathBuf::from)
            .find_map(|p| Some((fs::metadata(&p).ok().filter(fs::Metadata::is_file)?, p)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_maps_gives_range_and_path_with_its_spaces() {
        let line = "7f00-7f01 r-xp 00000000 fe:00 123                    /a b/libcuda.so.1 (deleted)";
        let mapping = Mapping::parse(line).unwrap();
        assert_eq!((mapping.range, mapping.path), ("7f00-7f01", "/a b/libcuda.so.1 (deleted)"));
        assert_eq!((mapping.executable, mapping.device, mapping.inode), (true, "fe:00", 123));
        assert!(Mapping::parse("7f00-7f01 rw-p 00000000 00:00 0 [heap]").is_none());
    }

    #[test]
    fn a_process_that_is_gone_is_none_and_one_without_cuda_is_empty() {
        let mut sonames = Sonames::default();
        assert_eq!(sonames.mapped_libraries(u32::MAX), None);
        assert_eq!(sonames.mapped_libraries(std::process::id()), Some(Vec::new()));
    }
}
