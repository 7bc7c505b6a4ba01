//! What a process maps, line by line, and how the very file is opened.

use std::{ops::Range, path::PathBuf};

/// A line of `/proc/PID/maps` (proc_pid_maps(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping<'a> {
    /// Addresses in the process, never none.
    pub range: Range<u64>,
    /// True if its content may be run.
    pub executable: bool,
    /// Offset of its first byte in the file, bytes.
    pub file_offset: u64,
    /// Device, as the kernel writes it: `major:minor`, hexadecimal.
    pub device: &'a str,
    /// Inode; 0 if it is no file.
    pub inode: u64,
    /// Path as the process sees it, or a name in brackets if it is no file; may be empty.
    pub path: &'a str,
}

impl<'a> Mapping<'a> {
    /// Reads a line without its end. `None` if it is none of that file.
    // `start-end perms offset dev inode   path`; the path may hold spaces, or be absent.
    #[must_use]
    pub fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.splitn(6, ' ');
        let (range, permissions, offset) = (words.next()?, words.next()?, words.next()?);
        let (device, inode) = (words.next()?, words.next()?.parse().ok()?);
        let path = words.next().unwrap_or_default().trim_start();
        let (from, to) = range.split_once('-')?;
        let number = |text: &str| u64::from_str_radix(text, 16).ok();
        let (range, file_offset) = (number(from)?..number(to)?, number(offset)?);
        let executable = permissions.contains('x');
        (!range.is_empty()).then_some(Self { range, executable, file_offset, device, inode, path })
    }

    /// True if its path is one: it was mapped from a file.
    #[must_use]
    pub fn is_of_a_file(&self) -> bool {
        self.path.starts_with('/')
    }

    /// Offset in the file of an address. `None` if it is not within.
    #[must_use]
    pub fn offset_of(&self, address: u64) -> Option<u64> {
        self.range.contains(&address).then(|| self.file_offset.wrapping_add(address - self.range.start))
    }

    /// As [`ways`].
    #[must_use]
    pub fn ways(&self, pid: u32) -> [PathBuf; 2] {
        ways(pid, &self.range, self.path)
    }
}

/// Paths under which another process opens what `pid` maps in `range` from `path`. The first names the mapped inode
/// itself, also if its path was replaced, deleted or lies in another mount namespace; the path through the process's
/// root is the fallback.
#[must_use]
pub fn ways(pid: u32, range: &Range<u64>, path: &str) -> [PathBuf; 2] {
    let Range { start, end } = range;
    [format!("/proc/{pid}/map_files/{start:x}-{end:x}"), format!("/proc/{pid}/root{path}")].map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_of_maps_are_told_apart() {
        let line = "7f00-7f01 r-xp 00001000 fe:00 123                    /a b/libx.so (deleted)";
        let mapping = Mapping::parse(line).unwrap();
        assert_eq!((mapping.range.clone(), mapping.file_offset), (0x7f00..0x7f01, 0x1000));
        assert_eq!((mapping.executable, mapping.device, mapping.inode), (true, "fe:00", 123));
        assert_eq!((mapping.path, mapping.is_of_a_file()), ("/a b/libx.so (deleted)", true));
        assert_eq!([0x7eff, 0x7f00, 0x7f01].map(|a| mapping.offset_of(a)), [None, Some(0x1000), None]);
        let nameless = Mapping::parse("7f00-7f01 rwxp 00000000 00:00 0 ").unwrap();
        assert_eq!((nameless.path, nameless.is_of_a_file()), ("", false));
        let named = Mapping::parse("7f00-7f01 rw-p 00000000 00:00 0      [anon:a/b]").unwrap();
        assert_eq!((named.executable, named.is_of_a_file()), (false, false));
        assert!(Mapping::parse("7f01-7f00 r-xp 00000000 00:00 0 [x]").is_none());
    }

    #[test]
    fn a_mapping_below_256_mib_is_opened_by_the_name_the_kernel_gives_it() {
        // `maps` fills addresses up to eight digits, the names in `map_files` are as short as they can be.
        let mapping = Mapping::parse("00400000-00452000 r-xp 00000000 fe:00 9 /bin/static").unwrap();
        let told = ["/proc/7/map_files/400000-452000", "/proc/7/root/bin/static"];
        assert_eq!(mapping.ways(7), told.map(PathBuf::from));
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in "[0-9a-fx: /rwp-]{0,80}|.{0,80}") {
            let _ = Mapping::parse(&line);
        }
    }
}
