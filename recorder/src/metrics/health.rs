//! Points of the recorder itself: what `ingeroctl status` says, as numbers.

use std::sync::atomic::Ordering::Relaxed;

use ingero_format::{
    control::{Status, TriggerStatus},
    ops::{LossCause, Source},
};

use super::family::{self, About, Family, Point, Value};
use crate::{clock, sample, status::StatusParts};

/// Losses that are told before the first one, so that a first one is seen as a rise.
const CAUSES: [LossCause; 5] = [
    LossCause::RingbufFull,
    LossCause::ProbeMissed,
    LossCause::HeadOverrun,
    LossCause::DiskFull,
    LossCause::IoError,
];

/// What is known beside the status.
pub(super) struct Beside {
    /// Processes counted one by one.
    pub(super) counted: u64,
    /// Exports over OTLP: ok, partial, failed.
    pub(super) exports: [u64; 3],
    /// When the recorder was started, Unix ns.
    pub(super) started_ns: u64,
}

struct Health {
    since_ns: u64,
    families: Vec<Family>,
}

type Labels = Vec<(&'static str, String)>;

impl Health {
    fn all(&mut self, about: &'static About, values: impl IntoIterator<Item = (Labels, Value)>) {
        let since_ns = self.since_ns;
        let points = values.into_iter().map(|(labels, value)| Point { labels, value, since_ns }).collect();
        self.families.push(Family { about, points });
    }

    fn count(&mut self, about: &'static About, value: u64) {
        self.all(about, [(Vec::new(), Value::Count(value))]);
    }

    fn number(&mut self, about: &'static About, value: f64) {
        self.all(about, [(Vec::new(), Value::Number(value))]);
    }
}

/// All families of the recorder.
pub(super) fn families(parts: &StatusParts, status: &Status, beside: &Beside) -> Vec<Family> {
    let mut health = Health { since_ns: beside.started_ns, families: Vec::new() };
    let version = ("version", env!("CARGO_PKG_VERSION").to_owned());
    health.all(family::BUILD_INFO, [(vec![version], Value::Count(1))]);
    health.number(family::START_TIME, beside.started_ns as f64 / 1e9);
    health.count(family::WARNINGS, status.warnings.len() as u64);
    health.count(family::PROCESSES, status.processes.len() as u64);
    health.count(family::COUNTED, beside.counted);
    health.number(family::HELD, status.seconds_held);
    let drained = parts.progress.drained_through_ns.load(Relaxed);
    health.number(family::DRAIN_LAG, clock::boot_ns().saturating_sub(drained) as f64 / 1e9);
    health.count(family::RING_BYTES, status.ring.bytes);
    health.count(family::RING_MAX, status.ring.max_bytes);
    health.count(family::SEGMENTS, status.ring.segments);
    events(&mut health, parts, status);
    cost(&mut health, parts, status);
    snapshots(&mut health, status);
    triggers(&mut health, &status.triggers);
    let results = ["ok", "partial", "failed"].into_iter().zip(beside.exports);
    health
        .all(family::EXPORTS, results.map(|(result, n)| (vec![("result", result.into())], Value::Count(n))));
    let probed = status.processes.iter().map(|p| {
        (vec![("pid", p.pid.to_string()), ("comm", p.comm.clone())], Value::Count(u64::from(p.probes)))
    });
    health.all(family::PROBED, probed);
    health.families
}

fn events(health: &mut Health, parts: &StatusParts, status: &Status) {
    health.count(family::PRODUCED, status.events.produced);
    health.count(family::STORED, status.events.stored);
    let mut lost = parts.progress.lost();
    for of in Source::ALL {
        for cause in CAUSES {
            lost.entry((of, cause)).or_default();
        }
    }
    let lost = lost.into_iter().map(|((of, cause), n)| {
        (vec![("source", of.name().to_owned()), ("cause", cause.name().to_owned())], Value::Count(n))
    });
    health.all(family::LOST, lost);
    health.count(family::EVICTED, status.events.evicted);
    health.count(family::STACKS_LOST, parts.progress.stacks_lost.load(Relaxed));
    health.count(family::NAMES_LOST, parts.progress.names_lost.load(Relaxed));
    health.count(family::ANNOTATIONS_KEPT, parts.annotations.kept());
    let refused = parts.annotations.refused();
    let refused = refused.map(|(why, n)| (vec![("reason", why.name().to_owned())], Value::Count(n)));
    health.all(family::ANNOTATIONS_REFUSED, refused);
}

fn cost(health: &mut Health, parts: &StatusParts, status: &Status) {
    health.number(family::BYTES_PER_EVENT, status.cost.bytes_per_event);
    let own = sample::own(&parts.progress, &parts.annotations);
    for about in [family::CPU, family::RESIDENT, family::ANONYMOUS, family::WRITTEN] {
        let name = about.name();
        let value = own.iter().find(|(found, _)| *found == name).map(|(_, value)| Value::Number(*value));
        health.all(about, value.map(|value| (Vec::new(), value)));
    }
    let percent = status.cost.thread_percent;
    health.all(family::THREAD_COST, percent.map(|percent| (Vec::new(), Value::Number(percent / 100.0))));
    health.number(family::THREAD_COST_LIMIT, status.cost.thread_limit_percent / 100.0);
}

fn snapshots(health: &mut Health, status: &Status) {
    let counts = &status.snapshots;
    let results = [("taken", counts.taken), ("failed", counts.failed), ("coalesced", counts.coalesced)];
    health.all(
        family::SNAPSHOTS,
        results.map(|(result, n)| (vec![("result", result.into())], Value::Count(n))),
    );
    health.count(family::SNAPSHOTS_HELD, counts.held);
}

fn triggers(health: &mut Health, triggers: &[TriggerStatus]) {
    let mut each = |about, value: fn(&TriggerStatus) -> u64| {
        let point = |t: &TriggerStatus| (vec![("trigger", t.name.clone())], Value::Count(value(t)));
        health.all(about, triggers.iter().map(point));
    };
    each(family::TRIGGER_ARMED, |t| u64::from(t.armed));
    each(family::TRIGGER_ASKED, |t| t.asked);
    each(family::TRIGGER_FIRED, |t| t.fired);
    each(family::TRIGGER_COALESCED, |t| t.coalesced);
    let refused = triggers.iter().flat_map(|t| {
        t.refused.iter().map(|refused| {
            let labels = vec![("trigger", t.name.clone()), ("reason", refused.reason.clone())];
            (labels, Value::Count(refused.count))
        })
    });
    health.all(family::TRIGGER_REFUSED, refused);
}
