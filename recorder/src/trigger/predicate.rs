//! Conditions on rows, looked at in the drain.
//!
//! The drain must not wait and should not work: a row that cannot match costs one look into a table and one comparison.
//! What matches is noted, the first of each kind with the number of further ones, and handed on once a turn; another
//! thread makes a question of it.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering::Relaxed},
    mpsc::{SyncSender, TrySendError},
};

use ingero_format::{
    Row,
    ops::{self, Group, OPS, Source},
};

use super::{
    Kind,
    launch_rate::{Drop, LaunchRates, Limits},
};
use crate::{
    config::{OomKill, TriggerConfig},
    lock::lock,
};

/// Operations that can match lie below this number: what the kernel tells, and not what the recorder adds.
const OPS_END: usize = ops::TASK_NAME as usize;
/// Threads remembered that used the GPU.
const GPU_THREADS: usize = 4_096;
/// Least time between two looks at launch rates, ns.
const SECOND_NS: u64 = 1_000_000_000;

/// What a row of an operation is looked at for: bits.
mod look {
    /// The thread uses the GPU.
    pub(super) const THREAD: u8 = 1;
    /// A launch.
    pub(super) const LAUNCH: u8 = 2;
    /// A synchronising call.
    pub(super) const SYNC: u8 = 4;
    /// An off-CPU interval.
    pub(super) const OFF_CPU: u8 = 8;
    /// The end of a process.
    pub(super) const EXIT: u8 = 16;
    /// A kill for want of memory.
    pub(super) const OOM_KILL: u8 = 32;
}

/// What matched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What {
    /// A synchronising call was long.
    Sync,
    /// A thread was off the CPU for long.
    OffCpu,
    /// A process ended.
    Exit,
    /// A process was killed for want of memory.
    OomKill,
    /// Launches fell.
    LaunchRate(Drop),
}

/// Triggers whose conditions are looked at here.
const KINDS: [Kind; 5] =
    [Kind::SyncLonger, Kind::OffCpuLonger, Kind::Process, Kind::OomKill, Kind::LaunchRateDrop];

impl What {
    /// The trigger it is a match of.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Sync => Kind::SyncLonger,
            Self::OffCpu => Kind::OffCpuLonger,
            Self::Exit => Kind::Process,
            Self::OomKill => Kind::OomKill,
            Self::LaunchRate(_) => Kind::LaunchRateDrop,
        }
    }
}

/// One match, with the number of further ones of its kind in the same turn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Match {
    /// What matched.
    pub what: What,
    /// The first row; zeros for a launch rate.
    pub row: Row,
    /// How many more of its kind matched in the turn.
    pub more: u64,
}

/// What the conditions are; a reload replaces it.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    sync_ns: Option<u64>,
    off_cpu_ns: Option<u64>,
    launches: Option<Limits>,
    exits: bool,
    oom_kills: bool,
}

impl Conditions {
    /// Of a configuration.
    #[must_use]
    pub fn of(config: &TriggerConfig) -> Self {
        let p = &config.predicate;
        let limits = |percent: u32| Limits {
            below: f64::from(percent) / 100.0,
            least: f64::from(p.launch_rate_min),
            hold: (p.launch_rate_hold.0 / SECOND_NS) as u32,
        };
        Self {
            sync_ns: p.sync_longer.map(|t| t.0),
            off_cpu_ns: p.off_cpu_longer.map(|t| t.0),
            launches: p.launch_rate_below_percent.map(limits),
            exits: !config.process.names.is_empty(),
            oom_kills: p.oom_kill != OomKill::Never,
        }
    }

    fn look(&self, op: u16, group: Group) -> u8 {
        let mut bits = 0;
        let mut add = |bit, is| bits |= if is { bit } else { 0 };
        let is = |own| op == own;
        add(look::THREAD, ops::source(op) == Source::Cuda && self.off_cpu_ns.is_some());
        add(look::LAUNCH, group == Group::Launch && self.launches.is_some());
        add(look::SYNC, group == Group::Sync && self.sync_ns.is_some());
        add(look::OFF_CPU, is(ops::OFF_CPU) && self.off_cpu_ns.is_some());
        // Also without a condition on ends: a process that ended has no launch rate.
        add(look::EXIT, is(ops::EXIT) && (self.exits || self.launches.is_some()));
        add(look::OOM_KILL, is(ops::OOM_KILL) && self.oom_kills);
        bits
    }
}

/// The conditions in force, shared with whoever reloads them.
#[derive(Clone, Debug, Default)]
pub struct Shared(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    version: AtomicU64,
    conditions: Mutex<Conditions>,
    /// Matches that did not fit into the channel, by [`What::kind`].
    untaken: [AtomicU64; KINDS.len()],
}

impl Shared {
    /// Puts conditions in force; the drain takes them over at its next turn.
    pub fn set(&self, conditions: Conditions) {
        *lock(&self.0.conditions) = conditions;
        self.0.version.fetch_add(1, Relaxed);
    }

    /// Matches that nobody took over in time since this was last asked.
    pub fn take_untaken(&self) -> impl Iterator<Item = (Kind, u64)> {
        let counts = self.0.untaken.iter().map(|count| count.swap(0, Relaxed));
        KINDS.into_iter().zip(counts).filter(|(_, count)| *count > 0)
    }
}

/// The drain's part.
pub struct Predicates {
    shared: Shared,
    version: u64,
    looks: Box<[u8]>,
    /// Threads that used the GPU and when, by the low bits of their id; empty while nobody asks.
    gpu_threads: Vec<(u32, u64)>,
    conditions: Conditions,
    rates: LaunchRates,
    second_ns: u64,
    /// By [`What`] without the launch rate.
    pending: [Option<Match>; 4],
    matches: SyncSender<Match>,
}

impl Predicates {
    /// Conditions of `shared`; matches go to `matches`.
    #[must_use]
    pub fn new(shared: Shared, matches: SyncSender<Match>) -> Self {
        Self {
            shared,
            version: 0,
            looks: vec![0; OPS_END].into(),
            gpu_threads: Vec::new(),
            conditions: Conditions::default(),
            rates: LaunchRates::default(),
            second_ns: 0,
            pending: [None; 4],
            matches,
        }
    }

    /// Looks at a row.
    #[inline]
    pub fn see(&mut self, row: &Row) {
        let looks = self.looks.get(usize::from(row.op)).copied().unwrap_or(0);
        if looks != 0 {
            self.look(row, looks);
        }
    }

    fn look(&mut self, row: &Row, looks: u8) {
        if looks & look::THREAD != 0
            && let Some(slot) = self.gpu_threads.get_mut(row.tid as usize % GPU_THREADS)
        {
            *slot = (row.tid, row.end_ns);
        }
        if looks & look::LAUNCH != 0 {
            self.rates.count(row.pid);
        }
        if looks & look::SYNC != 0 && self.conditions.sync_ns.is_some_and(|least| row.dur_ns > least) {
            self.note(0, What::Sync, row);
        }
        if looks & look::OFF_CPU != 0
            && self.conditions.off_cpu_ns.is_some_and(|least| row.dur_ns > least)
            && self.used_gpu(row)
        {
            self.note(1, What::OffCpu, row);
        }
        if looks & look::EXIT != 0 {
            self.exit(row);
        }
        if looks & look::OOM_KILL != 0 {
            self.note(3, What::OomKill, row);
        }
    }

    // Threads that never use the GPU sleep for hours: only one that did so shortly before it left the CPU is meant. Two
    // threads whose ids share their low bits hide each other.
    fn used_gpu(&self, row: &Row) -> bool {
        let used = self.gpu_threads.get(row.tid as usize % GPU_THREADS);
        used.is_some_and(|(tid, at)| *tid == row.tid && row.start_ns().saturating_sub(*at) < SECOND_NS)
    }

    #[cold]
    fn exit(&mut self, row: &Row) {
        self.rates.forget(row.pid);
        if self.conditions.exits && row.arg0 != 0 {
            // Each death counts for itself: two processes of other names may die in one turn.
            self.flush(2);
            self.note(2, What::Exit, row);
        }
    }

    #[cold]
    fn note(&mut self, slot: usize, what: What, row: &Row) {
        match self.pending.get_mut(slot) {
            Some(Some(known)) => known.more += 1,
            Some(empty) => *empty = Some(Match { what, row: *row, more: 0 }),
            None => {}
        }
    }

    fn flush(&mut self, slot: usize) {
        if let Some(found) = self.pending.get_mut(slot).and_then(Option::take) {
            self.send(found);
        }
    }

    // The drain waits for nobody: what does not fit is counted.
    fn send(&mut self, found: Match) {
        if let Err(TrySendError::Full(_)) = self.matches.try_send(found) {
            let at = KINDS.iter().position(|kind| *kind == found.what.kind());
            if let Some(count) = at.and_then(|at| self.shared.0.untaken.get(at)) {
                count.fetch_add(found.more + 1, Relaxed);
            }
        }
    }

    /// What is counted is no longer what was counted before: events were lost, or the overhead budget changed what is
    /// recorded. A fall of the rate would then be the recorder's own doing.
    pub fn disturb(&mut self) {
        self.rates.disturb();
    }

    /// Once a turn, at boottime `now_ns`: hands on what matched, and once a second looks at launch rates.
    pub fn turn(&mut self, now_ns: u64) {
        (0..self.pending.len()).for_each(|slot| self.flush(slot));
        let span_ns = now_ns.saturating_sub(self.second_ns);
        if span_ns >= SECOND_NS {
            self.second_ns = now_ns;
            let limits = self.conditions.launches.filter(|_| span_ns < 2 * SECOND_NS);
            match limits {
                Some(limits) => {
                    if let Some(drop) = self.rates.second(span_ns as f64 / 1e9, &limits) {
                        self.send(Match { what: What::LaunchRate(drop), row: Row::default(), more: 0 });
                    }
                }
                // The first span, or the drain was held up: how long it counted is not known.
                None => self.rates.disturb(),
            }
        }
        let version = self.shared.0.version.load(Relaxed);
        if version != self.version {
            self.version = version;
            self.take_over();
        }
    }

    fn take_over(&mut self) {
        let conditions = lock(&self.shared.0.conditions).clone();
        for op in OPS {
            if let Some(looks) = self.looks.get_mut(usize::from(op.number)) {
                *looks = conditions.look(op.number, op.group);
            }
        }
        self.gpu_threads =
            if conditions.off_cpu_ns.is_some() { vec![(0, 0); GPU_THREADS] } else { Vec::new() };
        self.conditions = conditions;
        self.rates.disturb();
    }
}

#[cfg(test)]
mod tests;
