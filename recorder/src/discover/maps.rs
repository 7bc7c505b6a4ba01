//! CUDA libraries in a process's memory map.

use std::{fs, os::unix::fs::MetadataExt, path::PathBuf};

use crate::attach::LibraryKind;

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

/// Libraries that a process maps, one entry for each inode. `None` if the process is gone.
#[must_use]
pub fn mapped_libraries(pid: u32) -> Option<Vec<MappedLibrary>> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    let mut found: Vec<MappedLibrary> = Vec::new();
    for line in maps.lines() {
        let Some((range, path)) = range_and_path(line) else { continue };
        let Some(kind) = LibraryKind::of_path(path) else { continue };
        if found.iter().any(|known| known.path == path) {
            continue;
        }
        // map_files names the mapped inode itself, also if its path was replaced, deleted or lies in
        // another mount namespace; the path through the process's root is the fallback.
        let candidates = [format!("/proc/{pid}/map_files/{range}"), format!("/proc/{pid}/root{path}")];
        let opened =
            candidates.into_iter().map(PathBuf::from).find_map(|p| Some((fs::metadata(&p).ok()?, p)));
        let Some((meta, open)) = opened else { continue };
        let id = (meta.dev(), meta.ino());
        if found.iter().all(|known| known.id != id) {
            found.push(MappedLibrary { id, kind, path: path.to_owned(), open });
        }
    }
    Some(found)
}

// `start-end perms offset dev inode   path`
fn range_and_path(line: &str) -> Option<(&str, &str)> {
    let path = line.get(line.find('/')?..)?;
    let range = line.split(' ').next()?;
    Some((range, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_maps_gives_range_and_path_with_its_spaces() {
        let line = "7f00-7f01 r-xp 00000000 fe:00 123                    /a b/libcuda.so.1 (deleted)";
        assert_eq!(range_and_path(line), Some(("7f00-7f01", "/a b/libcuda.so.1 (deleted)")));
        assert_eq!(range_and_path("7f00-7f01 rw-p 00000000 00:00 0 [heap]"), None);
    }

    #[test]
    fn a_process_that_is_gone_is_none_and_one_without_cuda_is_empty() {
        assert_eq!(mapped_libraries(u32::MAX), None);
        assert_eq!(mapped_libraries(std::process::id()), Some(Vec::new()));
    }
}
