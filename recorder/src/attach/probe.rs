//! Placing the probe pair on every function of a library.

use std::{
    fs::File,
    os::fd::{AsRawFd, OwnedFd},
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
use crate::{
    Result,
    kernel::{MultiPrograms, Site, uprobe},
};

/// Holds the programs and every probe placed.
pub struct Prober {
    ebpf: Ebpf,
    multi: Option<MultiPrograms>,
    /// Two for each library.
    multi_links: Vec<OwnedFd>,
    /// Two for each function of libraries that could not be probed as a whole.
    links: Vec<UProbeLink>,
}

impl Prober {
    /// Takes the loaded programs.
    #[must_use]
    pub fn new(ebpf: Ebpf, multi: Option<MultiPrograms>) -> Self {
        Self { ebpf, multi, multi_links: Vec::new(), links: Vec::new() }
    }

    /// Probes every known function of an open library file. A function that cannot be probed is
    /// reported, not fatal.
    ///
    /// # Errors
    /// If the file is no library, or the programs are gone.
    pub fn attach(&mut self, file: File, path: &str, inode: u64, kind: LibraryKind) -> Result<LibraryProbes> {
        // The descriptor pins the very inode that was examined, whatever happens to the path.
        let target = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        let found =
            functions(file.try_clone().map_err(|e| crate::Error::Other(format!("{path}: {e}")))?, kind)?;
        let mut report = LibraryProbes { path: path.to_owned(), inode, ..LibraryProbes::default() };
        let all_at_once = self.attach_all(&found, &target);
        for function in found {
            match if all_at_once { Ok(()) } else { self.attach_pair(&function, &target) } {
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
    /// A multi-uprobe link costs one grace period. For probes placed one by one the kernel waits for one each
    /// (`perf_uprobe_destroy` holds a global mutex): 10 s for 104 probes, 35 s for 346. Ending the process
    /// would wait as long.
    pub fn remove(self, mut tell: impl FnMut(usize)) {
        drop(self.multi_links);
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

    // False if this kernel cannot, or minds any one of the functions: then each is tried alone, so that the
    // others are probed and the culprit is named.
    fn attach_all(&mut self, found: &[Function], target: &std::path::Path) -> bool {
        let site = |f: &Function| Site {
            enter: f.offset + f.prologue.entry_offset(),
            leave: f.offset,
            cookie: arguments(f.op.number).0,
        };
        let (Some(multi), Some(path)) = (&self.multi, target.to_str()) else { return false };
        let sites: Vec<Site> = found.iter().map(site).collect();
        match multi.attach(path, &sites) {
            Ok(links) if !sites.is_empty() => {
                self.multi_links.extend(links);
                true
            }
            _ => false,
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
            if program.fd().is_err() {
                program.load().map_err(refused)?;
            }
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
