//! Which file each piece of a recorded process's code was mapped from.
//!
//! Kept beyond the process's end, so that addresses in its stacks can be told as file and offset after it is
//! gone. Looked at again only when the process grew or shrank.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    os::unix::fs::MetadataExt,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use ingero_format::state::Process;

use super::{build_id::build_id, processes::size_pages};
use crate::{kernel::Mapping, lock::lock};

/// Processes remembered; of those that ended, the one looked at longest ago goes first.
const MAX_PROCESSES: usize = 128;
/// Pieces of code remembered of one process; PyTorch has some 300.
const MAX_PIECES: usize = 4096;
/// Paths remembered of one process, bytes, and text of its maps that is looked at: its owner may make both long.
const MAX_PATH_BYTES: usize = 256 << 10;
const MAX_MAPS_BYTES: u64 = 64 << 20;
/// Files whose build id is remembered; beyond it they are read again.
const MAX_FILES: usize = 1 << 14;
/// Least time between two looks at one process.
const INTERVAL: Duration = Duration::from_secs(5);

/// Which file, and which content of it: the number of one that was removed is soon given to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl FileId {
    /// The identity of what `meta` describes.
    #[must_use]
    pub fn of(meta: &fs::Metadata) -> Self {
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            bytes: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
        }
    }
}

/// A file that code was mapped from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CodeFile {
    /// Path as the process sees it, or a name in brackets if it is no file.
    pub path: String,
    /// Its identity; `None` if it is no file.
    pub id: Option<FileId>,
    /// Its build id (note `NT_GNU_BUILD_ID`); empty if it has none.
    pub build_id: Vec<u8>,
}

/// A piece of a process's code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// First address, in the process.
    pub from: u64,
    /// First address behind it.
    pub to: u64,
    /// Offset of its first byte in the file, bytes.
    pub file_offset: u64,
    /// The file.
    pub file: Arc<CodeFile>,
}

#[derive(Clone, Debug)]
struct Known {
    start_ns: u64,
    size_pages: u64,
    looked: Instant,
    pieces: Arc<Vec<Piece>>,
}

/// Code of recorded processes, also of some that ended. Shared; every use of the lock is short.
#[derive(Debug, Default)]
pub struct Modules {
    processes: Mutex<BTreeMap<u32, Known>>,
    files: Mutex<HashMap<FileId, Vec<u8>>>,
}

impl Modules {
    /// Looks at processes that are new, and again at those that changed their size a while ago.
    pub fn refresh(&self, processes: &[Process]) {
        self.refresh_after(processes, INTERVAL);
    }

    /// Looks now at all that changed their size.
    pub fn refresh_now(&self, processes: &[Process]) {
        self.refresh_after(processes, Duration::ZERO);
    }

    fn refresh_after(&self, processes: &[Process], least: Duration) {
        for process in processes {
            let known = lock(&self.processes).get(&process.pid).cloned();
            let known = known.filter(|k| k.start_ns == process.start_ns);
            if known.as_ref().is_some_and(|k| k.looked.elapsed() < least) {
                continue;
            }
            let Some(size_pages) = size_pages(process.pid).filter(|size| *size > 0) else { continue };
            let pieces = match known {
                Some(known) if known.size_pages == size_pages => known.pieces,
                _ => match self.look(process.pid) {
                    pieces if pieces.is_empty() => continue,
                    pieces => Arc::new(pieces),
                },
            };
            let (start_ns, looked) = (process.start_ns, Instant::now());
            let mut table = lock(&self.processes);
            table.insert(process.pid, Known { start_ns, size_pages, looked, pieces });
            forget_oldest(&mut table, processes);
        }
    }

    /// The pieces of a process, by rising address.
    #[must_use]
    pub fn of(&self, pid: u32) -> Option<Arc<Vec<Piece>>> {
        lock(&self.processes).get(&pid).map(|known| Arc::clone(&known.pieces))
    }

    fn look(&self, pid: u32) -> Vec<Piece> {
        let Ok(maps) = File::open(format!("/proc/{pid}/maps")) else { return Vec::new() };
        let mut maps = BufReader::new(maps.take(MAX_MAPS_BYTES));
        let mut files: HashMap<String, Arc<CodeFile>> = HashMap::new();
        let (mut pieces, mut path_bytes, mut line) = (Vec::new(), 0, Vec::new());
        while pieces.len() < MAX_PIECES && path_bytes < MAX_PATH_BYTES {
            line.clear();
            if maps.read_until(b'\n', &mut line).unwrap_or(0) == 0 {
                break;
            }
            let text = String::from_utf8_lossy(&line);
            let mapping = Mapping::parse(text.trim_end_matches('\n')).filter(|m| m.executable);
            let Some(mapping) = mapping else { continue };
            let name = if mapping.path.is_empty() { "[anon]" } else { mapping.path };
            let file = match files.get(name) {
                Some(file) => Arc::clone(file),
                None => {
                    let file = Arc::new(self.file(pid, &mapping, name));
                    path_bytes += name.len();
                    files.insert(name.to_owned(), Arc::clone(&file));
                    file
                }
            };
            let Mapping { range, file_offset, .. } = mapping;
            pieces.push(Piece { from: range.start, to: range.end, file_offset, file });
        }
        pieces
    }

    fn file(&self, pid: u32, mapping: &Mapping<'_>, name: &str) -> CodeFile {
        let path = name.to_owned();
        let absent = || CodeFile { path: name.to_owned(), ..CodeFile::default() };
        if !mapping.is_of_a_file() {
            return absent();
        }
        let [open, _] = mapping.ways(pid);
        let Ok(meta) = fs::metadata(&open) else { return absent() };
        // A device that is mapped executable is no file to read.
        if !meta.is_file() {
            return absent();
        }
        let id = FileId::of(&meta);
        if let Some(build_id) = lock(&self.files).get(&id).cloned() {
            return CodeFile { path, id: Some(id), build_id };
        }
        let build_id = File::open(&open).ok().and_then(|file| build_id(&file)).unwrap_or_default();
        let mut files = lock(&self.files);
        if files.len() >= MAX_FILES {
            files.clear();
        }
        files.insert(id, build_id.clone());
        CodeFile { path, id: Some(id), build_id }
    }

    #[cfg(test)]
    pub(crate) fn put(&self, pid: u32, pieces: Vec<Piece>) {
        let known = Known { start_ns: 0, size_pages: 1, looked: Instant::now(), pieces: Arc::new(pieces) };
        lock(&self.processes).insert(pid, known);
    }
}

fn forget_oldest(table: &mut BTreeMap<u32, Known>, living: &[Process]) {
    while table.len() > MAX_PROCESSES {
        let ended = |pid: &u32| living.iter().all(|p| p.pid != *pid);
        let oldest = table.iter().min_by_key(|(pid, known)| (!ended(pid), known.looked)).map(|(pid, _)| *pid);
        let Some(oldest) = oldest else { return };
        table.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::describe_process;

    #[test]
    fn the_code_of_this_process_is_found_with_its_file_and_build_id() {
        let modules = Modules::default();
        let me = describe_process(std::process::id()).unwrap();
        modules.refresh(std::slice::from_ref(&me));
        let pieces = modules.of(me.pid).unwrap();
        let address = the_code_of_this_process_is_found_with_its_file_and_build_id as *const () as u64;
        let own = pieces.iter().find(|p| (p.from..p.to).contains(&address)).unwrap();
        assert_eq!(own.file.path, me.exe);
        assert_eq!(own.file.id, Some(FileId::of(&fs::metadata(&me.exe).unwrap())));
        let libc = pieces.iter().find(|p| p.file.path.contains("libc.so")).unwrap();
        assert_eq!(libc.file.build_id.len(), 20, "{:?}", libc.file);
        assert!(pieces.windows(2).all(|p| p[0].to <= p[1].from));
    }

    #[test]
    fn a_process_that_ended_is_remembered_until_its_place_is_needed() {
        let modules = Modules::default();
        let piece = Piece { from: 1, to: 2, file_offset: 0, file: Arc::default() };
        modules.put(7, vec![piece]);
        let me = describe_process(std::process::id()).unwrap();
        modules.refresh(std::slice::from_ref(&me));
        assert!(modules.of(7).is_some());
        let start = 10_000_000;
        for pid in (start..).take(MAX_PROCESSES) {
            modules.put(pid, Vec::new());
        }
        modules.refresh_now(std::slice::from_ref(&me));
        assert!(modules.of(7).is_none() && modules.of(me.pid).is_some());
        assert_eq!(lock(&modules.processes).len(), MAX_PROCESSES);
    }
}
