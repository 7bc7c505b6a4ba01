//! Placing the probe pair on every function of a library.

use std::{
    fs::File,
    os::fd::AsRawFd,
    path::PathBuf,
    time::{Duration, Instant},
};

use aya::{
    Ebpf,
    programs::{
        ProgramError,
        uprobe::{UProbeAttachLocation, UProbeAttachPoint, UProbeLink, UProbeScope},
    },
};
use ingero_format::manifest::LibraryProbes;

use super::{Function, LibraryKind, Prologue, arguments, functions};
use crate::{Result, kernel::uprobe};

/// Holds the programs and every probe placed.
pub struct Prober {
    ebpf: Ebpf,
    links: Vec<UProbeLink>,
}

impl Prober {
    /// Takes the loaded programs.
    #[must_use]
    pub fn new(ebpf: Ebpf) -> Self {
        Self { ebpf, links: Vec::new() }
    }

    /// Probes every known function of an open library file. A function that cannot be probed is
    /// reported, not fatal.
    ///
    /// # Errors
    /// If the file is no library, or the programs are gone.
    pub fn attach(&mut self, file: File, path: &str, inode: u64, kind: LibraryKind) -> Result<LibraryProbes> {
        // The descriptor pins the very inode that was examined, whatever happens to the path.
        let target = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        let mut report = LibraryProbes { path: path.to_owned(), inode, ..LibraryProbes::default() };
        for function in
            functions(file.try_clone().map_err(|e| crate::Error::Other(format!("{path}: {e}")))?, kind)?
        {
            match self.attach_pair(&function, &target) {
                Ok(()) => {
                    report.probed += 1;
                    if function.prologue != Prologue::Cheap {
                        report.slow.push(function.symbol);
                    }
                }
                Err(e) => report.failed.push(format!("{}: {e}", function.symbol)),
            }
        }
        Ok(report)
    }

    /// Removes every probe; `tell` is called about once a second with how many are left.
    ///
    /// The kernel waits for a grace period for each probe, one after the other (`perf_uprobe_destroy`
    /// holds a global mutex): 10 s for 104 probes, 35 s for 346. Ending the process would wait as long.
    pub fn remove(self, mut tell: impl FnMut(usize)) {
        let mut told = Instant::now();
        let mut links = self.links;
        while let Some(link) = links.pop() {
            drop(link);
            if told.elapsed() >= Duration::from_secs(1) {
                tell(links.len());
                told = Instant::now();
            }
        }
    }

    // The return probe goes first: a call entered between the two then has no entry, and is not counted,
    // rather than an entry that nobody closes.
    fn attach_pair(&mut self, function: &Function, target: &PathBuf) -> std::result::Result<(), String> {
        let cookie = Some(arguments(function.op.number).0);
        for (program, offset) in [
            ("call_return", function.offset),
            ("call_enter", function.offset + function.prologue.entry_offset()),
        ] {
            let location = UProbeAttachLocation::AbsoluteOffset(offset);
            let point = UProbeAttachPoint { location, cookie };
            let refused = |e: ProgramError| describe(&e);
            let program = uprobe(&mut self.ebpf, program).map_err(|e| e.to_string())?;
            let id = program.attach(point, target, UProbeScope::AllProcesses).map_err(refused)?;
            self.links.push(program.take_link(id).map_err(refused)?);
        }
        Ok(())
    }
}

fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}
