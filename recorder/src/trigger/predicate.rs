//! Conditions on rows, looked at in the drain.
//!
//! The drain must not wait and should not work: a row that cannot match costs one look into a table and one comparison.
//! What matches is noted, the first of each kind with the number of further ones, and handed on once a turn; another
//! thread makes a question of it.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
    mpsc::{SyncSender, TrySendError},
};

use ingero_format::{
    Row,
    ops::{self, Group, OPS},
};

use super::launch_rate::{Drop, LaunchRates, Limits};
use crate::config::{OomKill, TriggerConfig};

/// Operations that can match lie below this number.
const OPS_END: usize = 0x6000;
/// Least time between two looks at launch rates, ns.
const SECOND_NS: u64 = 1_000_000_000;

/// What a row of an operation is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
enum Class {
    #[default]
    Nothing,
    Sync,
    OffCpu,
    Launch,
    Exit,
    OomKill,
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

/// One match, with the number of further ones of its kind in the same turn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Match {
    /// What.
    pub what: What,
    /// The first row; zeros for a launch rate.
    pub row: Row,
    /// How many more.
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

    fn class(&self, op: u16, group: Group) -> Class {
        match (op, group) {
            (ops::OFF_CPU, _) if self.off_cpu_ns.is_some() => Class::OffCpu,
            // Also without a condition on ends: a process that ended has no launch rate.
            (ops::EXIT, _) if self.exits || self.launches.is_some() => Class::Exit,
            (ops::OOM_KILL, _) if self.oom_kills => Class::OomKill,
            (_, Group::Sync) if self.sync_ns.is_some() => Class::Sync,
            (_, Group::Launch) if self.launches.is_some() => Class::Launch,
            _ => Class::Nothing,
        }
    }
}

/// The conditions in force, shared with whoever reloads them.
#[derive(Clone, Debug, Default)]
pub struct Shared(Arc<(AtomicU64, Mutex<Conditions>, AtomicU64)>);

impl Shared {
    /// Puts conditions in force; the drain takes them over at its next turn.
    pub fn set(&self, conditions: Conditions) {
        *self.0.1.lock().unwrap_or_else(PoisonError::into_inner) = conditions;
        self.0.0.fetch_add(1, Relaxed);
    }

    /// Matches that nobody took over in time.
    #[must_use]
    pub fn untaken(&self) -> u64 {
        self.0.2.load(Relaxed)
    }
}

/// The drain's part.
pub struct Predicates {
    shared: Shared,
    version: u64,
    classes: Box<[Class]>,
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
            classes: vec![Class::Nothing; OPS_END].into(),
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
        match self.classes.get(usize::from(row.op)) {
            None | Some(Class::Nothing) => {}
            Some(Class::Launch) => self.rates.count(row.pid),
            Some(Class::Sync) if self.conditions.sync_ns.is_some_and(|least| row.dur_ns > least) => {
                self.note(0, What::Sync, row);
            }
            Some(Class::OffCpu) if self.conditions.off_cpu_ns.is_some_and(|least| row.dur_ns > least) => {
                self.note(1, What::OffCpu, row);
            }
            Some(Class::Sync | Class::OffCpu) => {}
            Some(Class::Exit) => self.exit(row),
            Some(Class::OomKill) => self.note(3, What::OomKill, row),
        }
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
            self.shared.0.2.fetch_add(found.more + 1, Relaxed);
        }
    }

    /// What is counted is no longer what was counted before: events were lost, or the overhead budget changed what is
    /// recorded. A fall of the rate would then be the recorder's own doing.
    pub fn disturb(&mut self) {
        self.rates.disturb();
    }

    /// Once a turn: hands on what matched, and once a second looks at launch rates.
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
        let version = self.shared.0.0.load(Relaxed);
        if version != self.version {
            self.version = version;
            self.take_over();
        }
    }

    fn take_over(&mut self) {
        let conditions = self.shared.0.1.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for op in OPS {
            if let Some(class) = self.classes.get_mut(usize::from(op.number)) {
                *class = conditions.class(op.number, op.group);
            }
        }
        self.conditions = conditions;
        self.rates.disturb();
    }
}

#[cfg(test)]
mod tests;
