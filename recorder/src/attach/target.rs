//! One library file with the probes that are on it.

use std::{
    fs::File,
    os::{fd::AsRawFd, unix::fs::MetadataExt},
    path::PathBuf,
};

use ingero_ebpf_abi::{Lane, Mode};
use ingero_format::ops;

use super::{Found, Function, Prologue, arguments, lane};
use crate::kernel::{CallProgram, Placed, Placer, Site};

/// A library under observation.
pub struct Target {
    /// The descriptor pins the very inode that was examined, whatever happens to the path.
    file: File,
    calls: Vec<Function>,
    /// Its calls are recorded. A runtime whose calls are not only names kernels.
    recorded: bool,
    registers: Vec<u64>,
    /// Probes of each lane, in the lane's present mode.
    lanes: [Placed; Lane::ALL.len()],
    /// Probes that only name kernels: on registration always, on launches while a window is open.
    names: Placed,
    window: Option<Placed>,
}

/// A function's symbol that could not be probed, and why.
pub type Refused = (String, String);

impl Target {
    /// Takes an examined file; nothing is placed yet.
    #[must_use]
    pub fn new(file: File, found: Found, recorded: bool) -> Self {
        Self {
            file,
            calls: found.calls,
            recorded,
            registers: found.registers,
            lanes: Default::default(),
            names: Placed::default(),
            window: None,
        }
    }

    fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }

    /// True if no directory names the file any more: whoever maps it will never be joined by others.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.file.metadata().is_ok_and(|meta| meta.nlink() == 0)
    }

    fn recorded_calls(&self, of: Lane) -> impl Iterator<Item = &Function> {
        self.calls.iter().filter(move |f| self.recorded && lane(f.op.number) == of)
    }

    /// How many functions of a lane have a probe that is single-stepped, and how many there are.
    #[must_use]
    pub fn slow(&self, of: Lane) -> (usize, usize) {
        let functions = self.recorded_calls(of);
        functions.fold((0, 0), |(slow, all), f| (slow + usize::from(f.prologue != Prologue::Cheap), all + 1))
    }

    /// Places what a lane's mode asks for, and gives what was there before: it is to be dropped only when the
    /// kernel side knows the new mode, so that no call falls between the two.
    pub fn place(&mut self, placer: &mut Placer, of: Lane, mode: Mode) -> (Placed, Vec<Refused>) {
        let functions: Vec<&Function> = self.recorded_calls(of).collect();
        // The return probes go first: a call entered between the two then has no entry, and is not counted,
        // rather than an entry that nobody closes.
        let programs: &[CallProgram] = match mode {
            Mode::Whole => &[CallProgram::Return, CallProgram::Enter],
            Mode::Entry | Mode::Duty => &[CallProgram::Mark],
            Mode::Off => &[],
        };
        let (mut placed, mut refused) = (Placed::default(), Vec::new());
        for program in programs {
            let sites: Vec<Site> = functions.iter().map(|f| site(f, *program)).collect();
            let (links, minded) = placer.place(*program, &self.path(), &sites);
            placed.extend(links);
            refused.extend(
                minded.into_iter().filter_map(|(i, why)| Some((functions.get(i)?.symbol.clone(), why))),
            );
        }
        let before = self.lanes.get_mut(of as usize).map(|lane| std::mem::replace(lane, placed));
        (before.unwrap_or_default(), refused)
    }

    /// Has kernels named as they are registered. What the kernel refuses stays unnamed.
    pub fn name_registrations(&mut self, placer: &mut Placer) {
        let sites: Vec<Site> =
            self.registers.iter().map(|offset| Site { offset: *offset, cookie: 0 }).collect();
        self.names = placer.place(CallProgram::Register, &self.path(), &sites).0;
    }

    /// From now on launches at the runtime tell their host functions.
    pub fn open_window(&mut self, placer: &mut Placer) {
        let launches =
            [ops::CUDA_LAUNCH_KERNEL, ops::CUDA_LAUNCH_KERNEL_EXC, ops::CUDA_LAUNCH_COOPERATIVE_KERNEL];
        let sites: Vec<Site> = self
            .calls
            .iter()
            .filter(|f| launches.contains(&f.op.number))
            .map(|f| site(f, CallProgram::RuntimeLaunch))
            .collect();
        self.window = Some(placer.place(CallProgram::RuntimeLaunch, &self.path(), &sites).0);
    }

    /// From now on they do so no longer.
    pub fn close_window(&mut self) {
        self.window = None;
    }

    /// Gives every probe away.
    #[must_use]
    pub fn into_placed(self) -> Placed {
        let mut all = self.names;
        self.lanes.into_iter().chain(self.window).for_each(|placed| all.extend(placed));
        all
    }
}

fn site(function: &Function, program: CallProgram) -> Site {
    let inside = if program == CallProgram::Return { 0 } else { function.prologue.entry_offset() };
    Site { offset: function.offset + inside, cookie: arguments(function.op.number).0 }
}
