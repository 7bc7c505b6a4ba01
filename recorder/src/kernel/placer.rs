//! Placing the call programs on functions of a file, and taking them away.

use std::{
    os::fd::{AsFd, OwnedFd},
    path::Path,
    sync::Arc,
};

use aya::{
    Ebpf,
    programs::{
        ProgramError, UProbe,
        links::FdLink,
        uprobe::{UProbeAttachLocation, UProbeAttachPoint, UProbeLink, UProbeScope},
    },
};

use super::{CallProgram, Kept, MultiPrograms, Site, kept::Pin};

/// Probes in place; dropping them takes them away.
///
/// A multi-uprobe link costs one grace period to take away. For probes placed one by one the kernel waits for
/// one each (`perf_uprobe_destroy` holds a global mutex): 10 s for 104 probes, 35 s for 346. Ending the process
/// would wait as long.
#[derive(Default)]
pub struct Placed {
    multi: Vec<Held>,
    single: Vec<Held>,
}

// What keeps a probe in place: a descriptor, which ends with this process, or a pin.
#[expect(dead_code, reason = "held, not read")]
enum Held {
    Multi(OwnedFd),
    Single(UProbeLink),
    Pinned(Pin),
}

impl Held {
    fn leave(self) {
        if let Self::Pinned(pin) = self {
            pin.leave();
        }
    }
}

impl Placed {
    /// Takes over what another holds.
    pub fn extend(&mut self, other: Self) {
        self.multi.extend(other.multi);
        self.single.extend(other.single);
    }

    /// Leaves the probes in place for the next recorder, as far as they can outlive this one.
    pub fn leave(self) {
        self.multi.into_iter().chain(self.single).for_each(Held::leave);
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
    kept: Option<Arc<Kept>>,
}

impl Placer {
    /// Takes the loaded programs; probes go into `kept`, if there is one.
    #[must_use]
    pub fn new(ebpf: Ebpf, multi: Option<MultiPrograms>, kept: Option<Arc<Kept>>) -> Self {
        Self { ebpf, multi, kept }
    }

    // A probe that cannot be pinned is placed all the same: it ends with this process.
    fn hold_multi(&self, link: OwnedFd) -> Held {
        match self.kept.as_ref().map(|kept| kept.pin(link.as_fd())) {
            Some(Ok(pin)) => Held::Pinned(pin),
            _ => Held::Multi(link),
        }
    }

    /// The object, for its tracepoints, and where links are pinned.
    pub(super) fn parts(&mut self) -> (&mut Ebpf, Option<&Kept>) {
        (&mut self.ebpf, self.kept.as_deref())
    }

    /// The object, for its maps.
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
            placed.multi.push(self.hold_multi(link));
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

    fn place_one(&mut self, program: CallProgram, path: &Path, site: Site) -> Result<Held, String> {
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
        let link = found.take_link(id).map_err(refused)?;
        let Some(kept) = &self.kept else { return Ok(Held::Single(link)) };
        // Before 5.15 such a probe is no link and cannot be pinned.
        let link = FdLink::try_from(link).map_err(|e| describe(&e))?;
        kept.pin_link(link).map(Held::Pinned).map_err(|e| describe(&e))
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
