//! Placing the call programs on functions of a file, and taking them away.

use std::{os::fd::OwnedFd, path::Path};

use aya::{
    Ebpf,
    programs::{
        ProgramError, UProbe,
        uprobe::{UProbeAttachLocation, UProbeAttachPoint, UProbeLink, UProbeScope},
    },
};

use super::{CallProgram, MultiPrograms, Site};

/// Probes in place; dropping them takes them away.
///
/// A multi-uprobe link costs one grace period to take away. For probes placed one by one the kernel waits for
/// one each (`perf_uprobe_destroy` holds a global mutex): 10 s for 104 probes, 35 s for 346. Ending the process
/// would wait as long.
#[derive(Default)]
pub struct Placed {
    multi: Vec<OwnedFd>,
    single: Vec<UProbeLink>,
}

impl Placed {
    /// Takes over what another holds.
    pub fn extend(&mut self, other: Self) {
        self.multi.extend(other.multi);
        self.single.extend(other.single);
    }

    /// Takes the probes away, telling now and then how many are left.
    pub fn remove(self, mut tell: impl FnMut(usize)) {
        drop(self.multi);
        let mut single = self.single;
        while let Some(link) = single.pop() {
            drop(link);
            tell(single.len());
        }
    }
}

/// Holds the programs.
pub struct Placer {
    ebpf: Ebpf,
    multi: Option<MultiPrograms>,
}

impl Placer {
    /// Takes the loaded programs.
    #[must_use]
    pub fn new(ebpf: Ebpf, multi: Option<MultiPrograms>) -> Self {
        Self { ebpf, multi }
    }

    /// The object, for its tracepoints and maps.
    pub fn ebpf(&mut self) -> &mut Ebpf {
        &mut self.ebpf
    }

    /// Puts a program on every site of a file. Gives the sites (by position) that the kernel refused, with its
    /// reason.
    pub fn place(
        &mut self,
        program: CallProgram,
        path: &Path,
        sites: &[Site],
    ) -> (Placed, Vec<(usize, String)>) {
        let mut placed = Placed::default();
        if sites.is_empty() {
            return (placed, Vec::new());
        }
        // All at once, unless this kernel cannot or minds any one of them: then each is tried alone, so that
        // the others are placed and the culprit is named.
        if let Some(Ok(link)) = self.multi.as_ref().map(|m| m.attach(program, path, sites)) {
            placed.multi.push(link);
            return (placed, Vec::new());
        }
        let mut refused = Vec::new();
        for (i, site) in sites.iter().enumerate() {
            match self.place_one(program, path, *site) {
                Ok(link) => placed.single.push(link),
                Err(e) => refused.push((i, e)),
            }
        }
        (placed, refused)
    }

    fn place_one(&mut self, program: CallProgram, path: &Path, site: Site) -> Result<UProbeLink, String> {
        let refused = |e: ProgramError| describe(&e);
        let missing = || format!("the BPF object has no program {}", program.name());
        let found: &mut UProbe =
            self.ebpf.program_mut(program.name()).and_then(|p| p.try_into().ok()).ok_or_else(missing)?;
        if found.fd().is_err() {
            found.load().map_err(refused)?;
        }
        let location = UProbeAttachLocation::AbsoluteOffset(site.offset);
        let point = UProbeAttachPoint { location, cookie: Some(site.cookie) };
        let id = found.attach(point, path, UProbeScope::AllProcesses).map_err(refused)?;
        found.take_link(id).map_err(refused)
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
