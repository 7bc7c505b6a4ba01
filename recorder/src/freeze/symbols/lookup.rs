//! One file's symbols: names for offsets in it.
//!
//! The files belong to others, who may cut them while they are read: the pages lost read as zeros (see
//! [`Forgiving`]). Names are taken as the file has them; whoever shows them makes them readable.

use std::{
    fs::{File, OpenOptions},
    os::{fd::AsRawFd, unix::fs::OpenOptionsExt},
    path::PathBuf,
};

use blazesym::symbolize::{
    Input, Symbolizer,
    source::{Elf, Source},
};

use crate::{
    discover::{CodeFile, FileId, build_id},
    storage::Forgiving,
};

/// Longest name taken, bytes.
const MAX_NAME_BYTES: usize = 1024;
/// Largest file whose debug information is read: its cost grows with the file, not with what is asked.
const MAX_DEBUG_BYTES: u64 = 8 << 20;

/// What lies at an offset of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Symbol as the file has it; empty if none.
    pub(super) symbol: String,
    /// Offset in the symbol.
    pub(super) offset: u64,
    /// Source file; empty if not known.
    pub(super) file: String,
    /// Line in it; 0 if not known.
    pub(super) line: u32,
}

/// The first of some paths under which the very same file, or the same build of it, can be opened.
pub(super) fn open(paths: impl IntoIterator<Item = PathBuf>, wanted: &CodeFile) -> Option<File> {
    paths.into_iter().find_map(|path| {
        // Something else may stand there now: a pipe makes us wait, a device does what devices do. So the place
        // is taken first, looked at, and opened only if it is a file.
        let place = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(path).ok()?;
        let meta = place.metadata().ok().filter(std::fs::Metadata::is_file)?;
        let file = File::open(format!("/proc/self/fd/{}", place.as_raw_fd())).ok()?;
        // A build id says most; a file without one must be the very same.
        let same = match wanted.build_id.as_slice() {
            [] => wanted.id == Some(FileId::of(&meta)),
            id => build_id(&file).as_deref() == Some(id),
        };
        same.then_some(file)
    })
}

/// Names offsets of an open file, in their order.
pub(super) fn name(file: &File, offsets: &[u64]) -> Vec<Found> {
    let debug = file.metadata().is_ok_and(|meta| meta.len() <= MAX_DEBUG_BYTES);
    let _forgiving = Forgiving::this_thread();
    let mut elf = Elf::new(format!("/proc/self/fd/{}", file.as_raw_fd()));
    elf.debug_syms = debug;
    let symbolizer = Symbolizer::builder()
        .enable_auto_reload(false)
        .enable_code_info(debug)
        .enable_inlined_fns(false)
        .enable_demangling(false)
        // Files that the file names are not opened.
        .set_debug_dirs(None::<[PathBuf; 0]>)
        .build();
    let found = symbolizer.symbolize(&Source::Elf(elf), Input::FileOffset(offsets)).unwrap_or_default();
    found
        .iter()
        .map(|one| {
            let Some(sym) = one.as_sym().filter(|sym| sym.name.len() <= MAX_NAME_BYTES) else {
                return Found::default();
            };
            let code = sym.code_info.as_deref();
            let file = code.map(|code| code.to_path().to_string_lossy().into_owned()).unwrap_or_default();
            Found {
                symbol: sym.name.to_string(),
                offset: sym.offset as u64,
                file: if file.len() <= MAX_NAME_BYTES { file } else { String::new() },
                line: code.and_then(|code| code.line).unwrap_or(0),
            }
        })
        .collect()
}
