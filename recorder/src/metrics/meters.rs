//! What the drain adds up, by process: plain numbers in arrays, touched by no other thread.
//!
//! A row costs a look into the table of operations, one into the table of processes and one or two additions. A process
//! gets a place with its first CUDA call. When all places are taken, further processes share one that is told as
//! `other`; so do intervals off the CPU of processes that have made no call.

use ingero_format::{
    Row,
    ops::{self, Group, OPS, Source, TaskState},
    row::flags::{ENTRY_ONLY, NESTED, PREEMPTED},
};

use super::histogram::Histogram;

/// Processes with a place of their own.
pub const MAX_PROCESSES: usize = 64;
/// How long a process that ended is still told: longer than anybody's interval between two looks.
const KEPT_NS: u64 = 300_000_000_000;
/// Operations that are counted lie below this number, with the scheduler's.
const OPS_END: usize = ops::OFF_CPU as usize + 1;
/// Entries of the table that remembers in which place a process is.
const HOMES: usize = 256;

/// What a row of an operation is: bits.
mod look {
    /// A CUDA call or a collective.
    pub(super) const CALL: u8 = 1;
    /// A launch.
    pub(super) const LAUNCH: u8 = 2;
    /// A synchronising call.
    pub(super) const SYNC: u8 = 4;
    /// An interval off the CPU.
    pub(super) const OFF_CPU: u8 = 8;
}

/// Why a thread was off the CPU, as `state` in SQL says it, without the rare ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum State {
    /// It wanted to run: it was preempted.
    Runnable = 0,
    /// It waited for something that a signal can interrupt.
    Sleeping = 1,
    /// It waited for something that nothing can, mostly a disk.
    Uninterruptible = 2,
    /// Stopped, traced, ending.
    Other = 3,
}

impl State {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Runnable, Self::Sleeping, Self::Uninterruptible, Self::Other];

    /// The name in SQL and text.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Runnable => TaskState::Runnable,
            Self::Sleeping => TaskState::Sleeping,
            Self::Uninterruptible => TaskState::Uninterruptible,
            Self::Other => TaskState::Other,
        }
        .name()
    }

    fn of(row: &Row) -> Self {
        match TaskState::of(row.ret) {
            _ if row.flags & PREEMPTED != 0 => Self::Runnable,
            TaskState::Runnable => Self::Runnable,
            TaskState::Sleeping => Self::Sleeping,
            TaskState::Uninterruptible => Self::Uninterruptible,
            _ => Self::Other,
        }
    }
}

/// What one process did since it got its place.
#[derive(Clone, Debug, Default)]
pub struct Process {
    /// Process id; 0 for all that share a place.
    pub pid: u32,
    /// Its name, as far as the drain knows.
    pub comm: String,
    /// Since when, boottime ns.
    pub since_ns: u64,
    ended_ns: Option<u64>,
    calls: Vec<u64>,
    /// How many launches, each once.
    pub launches: u64,
    /// How long they took, ns, but for those whose entry alone was recorded.
    pub launch: Histogram,
    /// How long synchronising calls took, ns, likewise.
    pub sync: Histogram,
    off_cpu: [Histogram; 4],
    /// Time for which its threads could have run and had no CPU, ns.
    pub runqueue_ns: u64,
}

impl Process {
    fn new(pid: u32, comm: String, since_ns: u64) -> Self {
        Self { pid, comm, since_ns, calls: vec![0; OPS.len()], ..Self::default() }
    }

    /// Calls by operation, without those that were not made.
    pub fn calls(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let names = OPS.iter().map(|op| op.name);
        names.zip(self.calls.iter().copied()).filter(|(_, count)| *count > 0)
    }

    /// Intervals off the CPU by state, ns.
    pub fn off_cpu(&self) -> impl Iterator<Item = (State, &Histogram)> {
        State::ALL.into_iter().zip(&self.off_cpu)
    }

    #[inline]
    fn add(&mut self, row: &Row, (looks, op): (u8, u16)) {
        if looks & look::OFF_CPU != 0 {
            if let Some(histogram) = self.off_cpu.get_mut(State::of(row) as usize) {
                histogram.add(row.dur_ns);
            }
            self.runqueue_ns = self.runqueue_ns.saturating_add(row.arg0.min(row.dur_ns));
            return;
        }
        if let Some(count) = self.calls.get_mut(usize::from(op)) {
            *count += 1;
        }
        // A call inside another, as a driver call of a runtime call, is the same launch again.
        if row.flags & NESTED != 0 || looks & (look::LAUNCH | look::SYNC) == 0 {
            return;
        }
        self.launches += u64::from(looks & look::LAUNCH != 0);
        if row.flags & ENTRY_ONLY == 0 {
            (if looks & look::LAUNCH != 0 { &mut self.launch } else { &mut self.sync }).add(row.dur_ns);
        }
    }
}

/// Counts of all processes.
#[derive(Clone, Debug)]
pub struct Meters {
    /// By number of the operation: what it is, and its place in [`OPS`].
    looks: Box<[(u8, u16)]>,
    processes: Vec<Process>,
    other: Process,
    /// By the low bits of a process id: the id, and its place; `None`: it has none of its own.
    homes: Box<[(u32, Option<u8>)]>,
}

impl Meters {
    /// Nothing counted yet; `now_ns` is boottime.
    #[must_use]
    pub fn new(now_ns: u64) -> Self {
        let mut looks = vec![(0, 0); OPS_END];
        for (at, op) in OPS.iter().enumerate() {
            let call = u8::from(ops::source(op.number) == Source::Cuda) * look::CALL;
            let kind = match op.group {
                Group::Launch => look::LAUNCH,
                Group::Sync => look::SYNC,
                _ if op.number == ops::OFF_CPU => look::OFF_CPU,
                _ => 0,
            };
            if let Some(entry) = looks.get_mut(usize::from(op.number)) {
                *entry = (call | kind, at as u16);
            }
        }
        let homes = vec![(0, None); HOMES].into();
        let other = Process::new(0, String::new(), now_ns);
        Self { looks: looks.into(), processes: Vec::new(), other, homes }
    }

    /// Counts a row. `comm_of` names a process when it gets a place.
    #[inline]
    pub fn see(&mut self, row: &Row, comm_of: impl Fn(u32) -> String) {
        if row.op == ops::EXIT {
            self.ended(row.pid, row.end_ns);
        }
        let Some(looks) = self.looks.get(usize::from(row.op)).copied().filter(|(looks, _)| *looks != 0)
        else {
            return;
        };
        let at = match self.homes.get(row.pid as usize % HOMES) {
            Some((pid, Some(at))) if *pid == row.pid => Some(*at),
            // It gets none for leaving the CPU, nor while there is none left.
            Some((pid, None)) if *pid == row.pid && (looks.0 & look::CALL == 0 || self.is_full()) => None,
            _ => self.place(row, looks.0, comm_of),
        };
        let process = at.and_then(|at| self.processes.get_mut(usize::from(at)));
        process.unwrap_or(&mut self.other).add(row, looks);
    }

    fn is_full(&self) -> bool {
        self.processes.len() >= MAX_PROCESSES
    }

    #[cold]
    fn place(&mut self, row: &Row, looks: u8, comm_of: impl Fn(u32) -> String) -> Option<u8> {
        let mut at = self.processes.iter().position(|p| p.pid == row.pid);
        if let Some(process) = at.and_then(|at| self.processes.get_mut(at))
            && process.ended_ns.is_some_and(|ended| row.start_ns() > ended)
        {
            // The kernel gave the id to another process.
            *process = Process::new(row.pid, comm_of(row.pid), row.start_ns());
        }
        if at.is_none() && looks & look::CALL != 0 && !self.is_full() {
            at = Some(self.processes.len());
            self.processes.push(Process::new(row.pid, comm_of(row.pid), row.start_ns()));
        }
        let at = at.map(|at| at as u8);
        let ended = |p: &Process| p.pid == row.pid && p.ended_ns.is_some();
        // Of one that ended nothing is remembered: its id may come back.
        if !self.processes.iter().any(ended)
            && let Some(home) = self.homes.get_mut(row.pid as usize % HOMES)
        {
            *home = (row.pid, at);
        }
        at
    }

    #[cold]
    fn ended(&mut self, pid: u32, at_ns: u64) {
        if let Some(process) = self.processes.iter_mut().find(|p| p.pid == pid) {
            process.ended_ns = Some(at_ns);
        }
        self.forget_homes();
    }

    /// Notes what a process is called from now on.
    pub fn named(&mut self, pid: u32, comm: &str) {
        if let Some(process) = self.processes.iter_mut().find(|p| p.pid == pid && p.ended_ns.is_none()) {
            process.comm = comm.to_owned();
        }
    }

    /// Forgets processes that ended long ago; `now_ns` is boottime.
    pub fn tidy(&mut self, now_ns: u64) {
        let before = self.processes.len();
        self.processes.retain(|p| p.ended_ns.is_none_or(|at| now_ns.saturating_sub(at) < KEPT_NS));
        if self.processes.len() < before {
            self.forget_homes();
        }
    }

    fn forget_homes(&mut self) {
        self.homes.fill((0, None));
    }

    /// Each process with a place of its own, and what all others share.
    #[must_use]
    pub fn parts(&self) -> (&[Process], &Process) {
        (&self.processes, &self.other)
    }
}

#[cfg(test)]
mod tests;
