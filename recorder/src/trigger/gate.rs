//! Decides about questions and counts them: a state machine without clock or I/O, so that any sequence can be tried.

use std::{
    collections::{BTreeMap, HashSet, VecDeque, hash_map::RandomState},
    hash::BuildHasher,
};

use super::Kind;

/// An hour, ns: `[snapshot] max_per_hour` counts back this far.
pub const HOUR_NS: u64 = 3_600_000_000_000;
/// Fingerprints remembered; the oldest go first. One alert of each of 4,096 groups.
const MAX_FINGERPRINTS: usize = 4_096;

/// Why a question led to no snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// The trigger is switched off or broken.
    Disarmed,
    /// The same occasion has had its snapshot.
    Duplicate,
    /// The trigger fired too recently.
    CoolDown,
    /// `[snapshot] max_per_hour` is reached.
    MaxPerHour,
    /// Triggers have taken as many bytes within the hour as `[snapshot] max_bytes` allows.
    MaxBytes,
    /// The asker had no right to.
    Unauthorised,
    /// The question could not be read.
    Malformed,
    /// The question was too long.
    TooLarge,
    /// The question did not arrive in time.
    TooSlow,
    /// More matches came at once than were looked at.
    Overrun,
}

impl Refusal {
    /// Its name in status.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Disarmed => "disarmed",
            Self::Duplicate => "duplicate",
            Self::CoolDown => "cool_down",
            Self::MaxPerHour => "max_per_hour",
            Self::MaxBytes => "max_bytes",
            Self::Unauthorised => "unauthorised",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::Overrun => "overrun",
        }
    }

    /// For people.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Disarmed => "this trigger is not armed",
            Self::Duplicate => "this alert has had its snapshot",
            Self::CoolDown => "its cool_down has not passed",
            Self::MaxPerHour => "[snapshot] max_per_hour is reached",
            Self::MaxBytes => "one more would pass [snapshot] max_bytes within an hour",
            Self::Unauthorised => "wrong or no token",
            Self::Malformed => "the request cannot be read",
            Self::TooLarge => "the request is too large",
            Self::TooSlow => "the request did not arrive in time",
            Self::Overrun => "more matched at once than could be looked at",
        }
    }
}

/// What becomes of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A snapshot of its own.
    Fired,
    /// Part of the snapshot that is under way.
    Joined,
    /// None.
    Refused(Refusal),
}

/// What holds for a trigger now.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// It may fire.
    pub armed: bool,
    /// Least time between two snapshots of its own, ns.
    pub cool_down_ns: u64,
    /// Most snapshots an hour of all triggers but commands.
    pub max_per_hour: u32,
    /// Most bytes of bundles an hour, of the same.
    pub max_bytes: u64,
}

/// One question.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// When, boottime ns; never before an earlier one.
    pub now_ns: u64,
    /// See [`super::Ask::fingerprint`].
    pub fingerprint: &'a str,
    /// A triggered freeze has its window open.
    pub joinable: bool,
    /// Bytes of triggered bundles within the hour, and of the last one.
    pub bytes: (u64, u64),
}

/// Counts of one trigger. `asked = fired + joined + all of refused`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many questions.
    pub asked: u64,
    /// How many led to a snapshot of their own.
    pub fired: u64,
    /// How many joined another's.
    pub joined: u64,
    /// How many were refused, by reason.
    pub refused: BTreeMap<Refusal, u64>,
    /// When it last fired, boottime ns.
    pub last_fired_ns: Option<u64>,
}

/// Memory of what has been asked and decided.
#[derive(Debug, Default)]
pub struct Gate {
    tallies: BTreeMap<Kind, Tally>,
    /// When triggers other than commands fired within the last hour, boottime ns.
    recent: VecDeque<u64>,
    /// Hashes of fingerprints that have had their snapshot, oldest first, and the same for looking up.
    order: VecDeque<u64>,
    seen: HashSet<u64>,
    hasher: RandomState,
}

impl Gate {
    /// Decides about one question, and counts it.
    pub fn decide(&mut self, kind: Kind, rules: &Rules, asked: &Asked<'_>) -> Verdict {
        let verdict = self.verdict(kind, rules, asked);
        if let Verdict::Refused(why) = verdict {
            self.refuse(kind, why, 1);
            return verdict;
        }
        self.remember(asked.fingerprint);
        let tally = self.tallies.entry(kind).or_default();
        tally.asked += 1;
        if verdict == Verdict::Joined {
            tally.joined += 1;
            return verdict;
        }
        tally.fired += 1;
        tally.last_fired_ns = Some(asked.now_ns);
        if kind != Kind::Command {
            self.recent.push_back(asked.now_ns);
        }
        verdict
    }

    fn verdict(&mut self, kind: Kind, rules: &Rules, asked: &Asked<'_>) -> Verdict {
        if kind == Kind::Command {
            return Verdict::Fired;
        }
        if !rules.armed {
            return Verdict::Refused(Refusal::Disarmed);
        }
        if !asked.fingerprint.is_empty() && self.seen.contains(&self.hasher.hash_one(asked.fingerprint)) {
            return Verdict::Refused(Refusal::Duplicate);
        }
        // It costs nothing more: caps are about snapshots.
        if asked.joinable {
            return Verdict::Joined;
        }
        let fired = self.tallies.get(&kind).and_then(|t| t.last_fired_ns);
        if fired.is_some_and(|at| asked.now_ns.saturating_sub(at) < rules.cool_down_ns) {
            return Verdict::Refused(Refusal::CoolDown);
        }
        while self.recent.front().is_some_and(|at| asked.now_ns.saturating_sub(*at) >= HOUR_NS) {
            self.recent.pop_front();
        }
        if self.recent.len() >= rules.max_per_hour as usize {
            return Verdict::Refused(Refusal::MaxPerHour);
        }
        let (taken, last) = asked.bytes;
        if taken.saturating_add(last) > rules.max_bytes {
            return Verdict::Refused(Refusal::MaxBytes);
        }
        Verdict::Fired
    }

    // Only of what led to a snapshot: an alert that was refused for the hour's cap may come again and fire.
    fn remember(&mut self, fingerprint: &str) {
        if fingerprint.is_empty() {
            return;
        }
        let hash = self.hasher.hash_one(fingerprint);
        if self.seen.insert(hash) {
            self.order.push_back(hash);
        }
        if self.order.len() > MAX_FINGERPRINTS
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
    }

    /// Counts refusals that were decided elsewhere.
    pub fn refuse(&mut self, kind: Kind, why: Refusal, count: u64) {
        let tally = self.tallies.entry(kind).or_default();
        tally.asked += count;
        *tally.refused.entry(why).or_default() += count;
    }

    /// The counts of one trigger.
    #[must_use]
    pub fn tally(&self, kind: Kind) -> Tally {
        self.tallies.get(&kind).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
