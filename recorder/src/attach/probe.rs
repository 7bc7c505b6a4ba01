//! The probes on all libraries.

use std::{
    collections::HashMap,
    fs::File,
    time::{Duration, Instant},
};

use aya::maps::{Array, MapData};
use ingero_ebpf_abi::{LANES, Lane, Mode};
use ingero_format::manifest::LibraryProbes;

use super::{LibraryKind, Prologue, functions, target::Target};
use crate::{
    Result,
    config::Probes,
    kernel::{Placed, Placer},
};

/// Holds the programs and every probe placed.
pub struct Prober {
    placer: Placer,
    /// How the kernel side is to treat each lane; behind them, whether stacks are shed.
    modes: Array<MapData, u32>,
    wanted: Probes,
    mode: [Mode; LANES],
    targets: HashMap<(u64, u64), Target>,
    /// Whether the ends of calls may be probed at all.
    returns: bool,
}

impl Prober {
    /// Takes the loaded programs, the map of modes, and what is to be recorded. Lanes are in the mode that the map
    /// says: an earlier recorder may have left some of them shed.
    #[must_use]
    pub fn new(placer: Placer, modes: Array<MapData, u32>, wanted: Probes) -> Self {
        let mode = Lane::ALL.map(|lane| match modes.get(&(lane as u32), 0) {
            Ok(m) if m == Mode::Entry as u32 => Mode::Entry,
            Ok(m) if m == Mode::Duty as u32 => Mode::Duty,
            Ok(m) if m == Mode::Off as u32 => Mode::Off,
            _ => Mode::Whole,
        });
        Self { placer, modes, wanted, mode, targets: HashMap::new(), returns: true }
    }

    /// Records everything whole again that an earlier recorder had shed.
    ///
    /// # Errors
    /// If the kernel refuses the change.
    pub fn restore(&mut self) -> Result<()> {
        self.shed_stacks(false)?;
        let shed = Lane::ALL.into_iter().zip(self.mode).filter(|(_, mode)| *mode != Mode::Whole);
        shed.collect::<Vec<_>>().into_iter().try_for_each(|(lane, _)| self.set_mode(lane, Mode::Whole))
    }

    /// From now on no end of a call is probed: what was to be recorded whole is recorded by its entry.
    ///
    /// # Errors
    /// If the kernel refuses the change.
    pub fn without_returns(&mut self) -> Result<()> {
        self.returns = false;
        Lane::ALL.into_iter().try_for_each(|lane| self.set_mode(lane, Mode::Whole))
    }

    /// Probes every known function of an open library file whose device and inode are `id`. A function that cannot be
    /// probed is reported, not fatal.
    ///
    /// # Errors
    /// If the file is no library for this machine.
    pub fn attach(
        &mut self,
        file: File,
        path: &str,
        id: (u64, u64),
        kind: LibraryKind,
    ) -> Result<LibraryProbes> {
        let copy = file.try_clone().map_err(|e| crate::Error::Other(format!("{path}: {e}")))?;
        let found = functions(copy, kind)?;
        let mut report = LibraryProbes { path: path.to_owned(), inode: id.1, ..LibraryProbes::default() };
        let recorded = self.records(kind);
        let mut target = Target::new(file, found.clone(), recorded);
        if recorded {
            for lane in Lane::ALL {
                let mode = self.mode.get(lane as usize).copied().unwrap_or_default();
                let (_, refused) = target.place(&mut self.placer, lane, mode);
                report.failed.extend(refused.into_iter().map(|(symbol, why)| format!("{symbol}: {why}")));
            }
            let slow = found.calls.iter().filter(|f| f.prologue != Prologue::Cheap);
            report.slow = slow.map(|f| f.symbol.clone()).collect();
            report.probed = found.calls.len().saturating_sub(report.failed.len()) as u32;
        }
        if kind.is_runtime() {
            target.name_registrations(&mut self.placer);
        }
        self.targets.insert(id, target);
        Ok(report)
    }

    /// True if this library's calls are recorded.
    #[must_use]
    pub fn records(&self, kind: LibraryKind) -> bool {
        kind.calls_wanted(&self.wanted)
    }

    /// Records a lane in another way from now on, in every library. Both kinds of probe are in place while the
    /// kernel side changes over, so that each call is recorded once.
    ///
    /// # Errors
    /// If the kernel refuses the change; then nothing has changed.
    pub fn set_mode(&mut self, lane: Lane, mode: Mode) -> Result<()> {
        let mode = if mode == Mode::Whole && !self.returns { Mode::Entry } else { mode };
        let before: Vec<Placed> =
            self.targets.values_mut().map(|t| t.place(&mut self.placer, lane, mode).0).collect();
        self.tell(lane as u32, mode as u32)?;
        if let Some(of) = self.mode.get_mut(lane as usize) {
            *of = mode;
        }
        drop(before);
        Ok(())
    }

    /// Takes the probes of a lane off, or puts them back; the mode stays.
    pub fn pause(&mut self, lane: Lane, paused: bool) {
        let mode = if paused { Mode::Off } else { self.mode.get(lane as usize).copied().unwrap_or_default() };
        for target in self.targets.values_mut() {
            drop(target.place(&mut self.placer, lane, mode));
        }
    }

    /// Has stacks taken or not.
    ///
    /// # Errors
    /// If the kernel refuses the change.
    pub fn shed_stacks(&mut self, shed: bool) -> Result<()> {
        self.tell(LANES as u32, u32::from(shed))
    }

    fn tell(&mut self, index: u32, value: u32) -> Result<()> {
        self.modes.set(index, value, 0).map_err(|e| crate::Error::Other(format!("the map of modes: {e}")))
    }

    /// The share, 0 to 1, of a lane's functions whose probes are single-stepped, over all libraries.
    #[must_use]
    pub fn slow_share(&self, lane: Lane) -> f64 {
        let sums = self.targets.values().map(|t| t.slow(lane)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        if sums.1 == 0 { 0.0 } else { sums.0 as f64 / sums.1 as f64 }
    }

    /// Launches at the runtime tell their host functions, or no longer.
    pub fn name_launches(&mut self, open: bool) {
        for target in self.targets.values_mut() {
            if open {
                target.open_window(&mut self.placer);
            } else {
                target.close_window();
            }
        }
    }

    /// Gives up libraries whose file is deleted and which `mapped` does not know. Gives their devices and inodes.
    pub fn release(&mut self, mapped: impl Fn(&(u64, u64)) -> bool) -> Vec<(u64, u64)> {
        let gone: Vec<(u64, u64)> =
            self.targets.iter().filter(|(id, t)| t.is_deleted() && !mapped(id)).map(|(id, _)| *id).collect();
        for id in &gone {
            self.targets.remove(id);
        }
        gone
    }

    /// Leaves every probe in place for the next recorder.
    pub fn leave(self) {
        self.targets.into_values().for_each(|target| target.into_placed().leave());
    }

    /// Removes every probe; `tell` is called about once a second with how many are left.
    pub fn remove(self, mut tell: impl FnMut(usize)) {
        let mut told = Instant::now();
        let mut all = Placed::default();
        self.targets.into_values().for_each(|target| all.extend(target.into_placed()));
        all.remove(|left| {
            if told.elapsed() >= Duration::from_secs(1) {
                tell(left);
                told = Instant::now();
            }
        });
    }
}
