//! Addresses in processes' code: file and offset for all that are known, names as far as time allows.

use std::{
    collections::{BTreeSet, HashMap},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread::Builder,
    time::{Duration, Instant},
};

use ingero_format::bundle::{Module, UserFrame, UserSymbols};

use super::lookup::{self, Found};
use crate::{
    discover::{CodeFile, Modules, Piece},
    journal,
    kernel::ways,
};

/// Addresses named in one bundle; a window of an hour with stacks of every call has some ten thousands.
const MAX_ADDRESSES: usize = 1 << 16;
/// Longest time spent on names: the bundle waits for it, the ring does not.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Text of names in one bundle, bytes: what is kept free for it is 8 MiB, symbols of the kernel included.
const MAX_TEXT_BYTES: usize = 2 << 20;
/// One file's offsets are looked up in parts, so that those known when time is up are kept.
const PART: usize = 1024;

/// A namer is still at work: one that hangs on a file must not be followed by others.
static BUSY: AtomicBool = AtomicBool::new(false);

/// A file to look into, where it may be found, and for what.
struct Task {
    file: Arc<CodeFile>,
    paths: Vec<PathBuf>,
    /// Index of the frame, offset to look up.
    wanted: Vec<(usize, u64)>,
}

/// Tells what lies at addresses of processes, each one that a call returns to: the call is before it.
pub(super) fn resolve(wanted: &BTreeSet<(u32, u64)>, modules: &Modules) -> UserSymbols {
    let (mut symbols, tasks) = place(wanted, modules);
    if tasks.is_empty() || BUSY.swap(true, Ordering::AcqRel) {
        return symbols;
    }
    let (names, found) = channel();
    let deadline = Instant::now() + TIMEOUT;
    let named = Builder::new().name("symbols".into()).spawn(move || {
        look_up(tasks, deadline, &names);
        BUSY.store(false, Ordering::Release);
    });
    if let Err(e) = named {
        BUSY.store(false, Ordering::Release);
        journal::warning(&format!("user stacks stay without names: {e}"));
        return symbols;
    }
    let mut bytes = 0;
    loop {
        let (index, name) = match found.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(named) => named,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                journal::warning("naming user stacks took too long; some are told as file and offset only");
                break;
            }
        };
        let Some(frame) = symbols.frames.get_mut(index) else { continue };
        bytes += name.symbol.len() + name.file.len();
        if bytes <= MAX_TEXT_BYTES && !name.symbol.is_empty() {
            frame.offset = name.offset + 1;
            (frame.symbol, frame.file, frame.line) = (name.symbol, name.file, name.line);
        }
    }
    symbols
}

// File and offset of each address, and what is to be looked up in which file.
fn place(wanted: &BTreeSet<(u32, u64)>, modules: &Modules) -> (UserSymbols, Vec<Task>) {
    let mut symbols = UserSymbols::default();
    let mut tasks: Vec<Task> = Vec::new();
    let mut known: HashMap<Arc<CodeFile>, u32> = HashMap::new();
    let mut pieces: Option<(u32, Arc<Vec<Piece>>)> = None;
    for (pid, address) in wanted.iter().take(MAX_ADDRESSES) {
        if pieces.as_ref().is_none_or(|(of, _)| of != pid) {
            pieces = modules.of(*pid).map(|pieces| (*pid, pieces));
        }
        let piece = pieces.as_ref().and_then(|(_, pieces)| {
            let after = pieces.partition_point(|piece| piece.to <= *address);
            pieces.get(after).filter(|piece| piece.from <= *address)
        });
        let Some(piece) = piece else { continue };
        let module = *known.entry(Arc::clone(&piece.file)).or_insert_with(|| {
            let CodeFile { path, build_id, .. } = &*piece.file;
            symbols.modules.push(Module { path: path.clone(), build_id: build_id.clone() });
            tasks.push(Task { file: Arc::clone(&piece.file), paths: Vec::new(), wanted: Vec::new() });
            symbols.modules.len() as u32 - 1
        });
        let file_offset = (address - piece.from).wrapping_add(piece.file_offset);
        if let Some(task) = tasks.get_mut(module as usize) {
            // What is before the address a call returns to is the call.
            task.wanted.push((symbols.frames.len(), file_offset.saturating_sub(1)));
            for way in ways(*pid, &(piece.from..piece.to), &piece.file.path) {
                task.add_path(way);
            }
        }
        symbols.frames.push(UserFrame {
            pid: *pid,
            address: *address,
            module,
            file_offset,
            ..UserFrame::default()
        });
    }
    tasks.retain(|task| task.file.id.is_some());
    (symbols, tasks)
}

impl Task {
    // A few are enough: processes of one container see the file under one path.
    fn add_path(&mut self, path: PathBuf) {
        const MAX_PATHS: usize = 16;
        if self.paths.len() < MAX_PATHS && !self.paths.contains(&path) {
            self.paths.push(path);
        }
    }
}

fn look_up(tasks: Vec<Task>, deadline: Instant, names: &Sender<(usize, Found)>) {
    for task in tasks {
        // A process that is gone has left its path, in our view of the file system or in another's.
        let ours = PathBuf::from(&task.file.path);
        let Some(file) = lookup::open(task.paths.into_iter().chain([ours]), &task.file) else { continue };
        for part in task.wanted.chunks(PART) {
            if Instant::now() >= deadline {
                return;
            }
            let offsets: Vec<u64> = part.iter().map(|(_, offset)| *offset).collect();
            for ((index, _), name) in part.iter().zip(lookup::name(&file, &offsets)) {
                if names.send((*index, name)).is_err() {
                    return;
                }
            }
        }
    }
}
