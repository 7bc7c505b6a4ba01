//! What shows a cause, and what speaks against it, in numbers.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use ingero_format::ops::{self, Group};
use serde_json::{Value, json};

use super::{
    case::Case,
    chain,
    decompose::{Class, Piece},
    judge,
    scene::Scene,
    thread::{Examined, Slow},
    units::GAP,
    waits,
};
use crate::limits;
use crate::{
    model::{NONE, Task},
    tally::Tally,
};

/// Calls that were slow or came late, of how many.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Calls {
    pub affected: i64,
    pub total: i64,
}

impl Calls {
    pub fn of(examined: &Examined<'_>, case: &Case<'_>) -> Self {
        let affected: BTreeSet<usize> = case.hits.iter().filter_map(|h| h.slow.place).collect();
        let calls = examined.thread.calls.iter();
        // The call that a gap delayed begins when the gap is over.
        let during = calls.filter(|c| c.ts_ns <= case.to_ns && c.end_ns() >= case.from_ns);
        let affected = affected.len() as i64;
        Self { affected, total: (during.count() as i64).max(affected) }
    }
}

/// What took part, largest share first.
#[derive(Debug)]
pub(super) struct Facts {
    /// Label and ns of preemptors or wakers.
    pub actors: Vec<(String, i64)>,
    /// Operation (or `gap`) and ns.
    pub places: Vec<(&'static str, i64)>,
    /// Kernels loaded for the first time, and ns.
    pub kernels: Vec<(String, i64)>,
    /// Wait places in the kernel, and ns.
    pub stacks: Vec<(String, i64)>,
    /// Who the wakers waited for.
    pub chains: Vec<Value>,
    /// Time in which the task in the way was of another process.
    other_process_ns: i64,
    /// Compilers that worked meanwhile.
    pub compilers: BTreeSet<String>,
    /// Units whose first use is certain or evident.
    pub first_uses: i64,
    pub uncertain_first_uses: bool,
}

impl Facts {
    pub fn of(scene: &Scene<'_>, examined: &Examined<'_>, case: &Case<'_>) -> Self {
        let mut actors = BTreeMap::new();
        let mut places = BTreeMap::new();
        let mut kernels = BTreeMap::new();
        let mut stacks = BTreeMap::new();
        let mut facts = Self {
            actors: Vec::new(),
            places: Vec::new(),
            kernels: Vec::new(),
            stacks: Vec::new(),
            chains: chains(scene, examined, case),
            other_process_ns: 0,
            compilers: BTreeSet::new(),
            first_uses: 0,
            uncertain_first_uses: false,
        };
        let pid = examined.thread.pid;
        for hit in &case.hits {
            *places.entry(place_name(hit.slow.key)).or_insert(0) += hit.ns;
            if case.cause.name == "first_use" {
                *kernels.entry(kernel_of(scene, examined, hit.slow)).or_insert(0) += hit.ns;
            }
            for piece in hit.slow.pieces.iter().filter(|p| case.cause.owns(hit.slow, p)) {
                if piece.actor != NONE && acts(piece.class) {
                    *actors.entry(actor_label(scene, piece)).or_insert(0) += piece.dur_ns();
                    if scene.trace.pid(piece.actor) != pid {
                        facts.other_process_ns += piece.dur_ns();
                    }
                }
                if let Some(stack) = scene.trace.stacks.get(piece.stack as usize) {
                    *stacks.entry(waits::describe(stack)).or_insert(0) += piece.dur_ns();
                }
                let compiler = scene.compilers.during(pid, piece.from_ns, piece.to_ns);
                if piece.class == Class::FirstUse {
                    facts.compilers.extend(compiler.map(str::to_owned));
                }
            }
        }
        let slow_calls = case.hits.iter().filter(|h| h.slow.key != GAP);
        let first: Vec<_> = slow_calls.filter_map(|h| call_at(examined, h.slow.place)).collect();
        facts.first_uses = first.iter().filter(|c| c.first_use.counts()).count() as i64;
        facts.uncertain_first_uses = first.iter().any(|c| c.first_use == crate::model::FirstUse::Evident);
        (facts.actors, facts.places) = (largest_first(actors), largest_first(places));
        (facts.kernels, facts.stacks) = (largest_first(kernels), largest_first(stacks));
        facts
    }

    /// True if most of the time the task in the way was of the thread's own process.
    pub fn mostly_own_process(&self) -> bool {
        self.actors.iter().map(|(_, ns)| ns).sum::<i64>() > 2 * self.other_process_ns
    }

    pub fn evidence(&self, scene: &Scene<'_>, examined: &Examined<'_>, case: &Case<'_>) -> Value {
        let measured: i64 = case.hits.iter().map(|h| h.ns).sum();
        let list = |name: &str, rows: &[(String, i64)]| -> Vec<Value> {
            rows.iter().take(limits::LISTED).map(|(what, ns)| json!({name: what, "ns": ns})).collect()
        };
        let places: Vec<Value> = self
            .places
            .iter()
            .take(limits::LISTED)
            .map(|(op, ns)| self.operation(scene, examined, op, *ns))
            .collect();
        let gaps = case.hits.iter().filter(|h| h.slow.key == GAP).count();
        json!({
            "population": population(scene),
            "measured_ns": measured,
            "in_units_not_slow_ns": case.minor_ns,
            "usual_ns": case.usual_ns,
            "share_per_mille": judge::share_per_mille(case),
            "slow_calls": case.hits.len() - gaps,
            "slow_gaps": gaps,
            "longest_ns": case.hits.iter().map(|h| h.ns).max().unwrap_or(0),
            "operations": places,
            "actors": list("task", &self.actors),
            "kernels": list("kernel", &self.kernels),
            "kernel_stacks": list("stack", &self.stacks),
            "wakeup_chains": self.chains,
            "launch_rate": launch_rate(examined, case),
            "population_calls": examined.thread.calls.len(),
            "compilers": self.compilers,
            "first_use_assumed": self.uncertain_first_uses,
            "baseline": match &case.baseline {
                Some(b) => json!({"kind": b.kind, "from_ns": b.from_ns, "to_ns": b.to_ns, "units": b.units}),
                None => json!({"kind": "none"}),
            },
            "thresholds": {
                "slow_call": format!("max({} x p50, p50 + {} ns)", limits::SLOW_FACTOR, limits::SLOW_MARGIN_NS),
                "gap_ns": examined.gap_from_ns,
            },
            "timeline": timeline(scene, examined, case),
        })
    }

    fn operation(&self, scene: &Scene<'_>, examined: &Examined<'_>, op: &'static str, ns: i64) -> Value {
        let Some(number) = ops::by_name(op).map(|op| op.number) else {
            return json!({"op": op, "ns": ns});
        };
        let mut durations = Tally::default();
        let calls = scene.trace.through(examined.thread.calls).filter(|c| c.op == number);
        calls.for_each(|c| durations.push(c.dur_ns));
        let (calls, durations) = (durations.len(), durations.sorted());
        json!({
            "op": op,
            "ns": ns,
            "calls": calls,
            "usual_p50_ns": scene.norms.p50_ns(examined.thread.pid, number),
            "p50_ns": durations.nearest_rank(50),
            "p99_ns": durations.nearest_rank(99),
            "max_ns": durations.max(),
        })
    }

    pub fn counter_evidence(&self, examined: &Examined<'_>, case: &Case<'_>) -> Value {
        let without = case.slow.len() - case.hits.len();
        let class = case.cause.classes.first().copied().unwrap_or(Class::OnCpu);
        let touched = examined.bins.touched(class, (case.from_ns, case.to_ns));
        let by_class = by_class(case.slow.iter().flat_map(|s| &s.pieces));
        let own: Vec<&str> = case.cause.classes.iter().map(|c| c.name()).collect();
        let second = by_class.iter().filter(|(c, _)| !own.contains(*c)).max_by_key(|(_, ns)| **ns);
        let switches = Switches::of(examined.thread, (case.from_ns, case.to_ns));
        let slow_ns: i64 = case.slow.iter().map(|s| s.dur_ns()).sum();
        let first_use_ns = by_class.get(Class::FirstUse.name()).copied().unwrap_or(0);
        json!({
            "slow_units_without_this_cause": without,
            "units_with_it_that_were_not_slow": (touched - case.hits.len() as i64).max(0),
            "first_use_calls_among_slow": self.first_uses,
            "first_use_share_per_mille": per_mille(first_use_ns, slow_ns),
            "voluntary_switches": switches.voluntary,
            "involuntary_switches": switches.involuntary,
            "voluntary_share_per_mille": per_mille(switches.voluntary, switches.voluntary + switches.involuntary),
            "other_process_share_per_mille": self.other_process_share(case),
            "second_class": second.map(|(c, _)| c),
            "second_class_ns": second.map_or(0, |(_, ns)| *ns),
            "slow_units_ns_by_class": by_class,
        })
    }

    /// Share of the cause's time in which the task in the way was of another process.
    fn other_process_share(&self, case: &Case<'_>) -> i64 {
        let measured: i64 = case.hits.iter().map(|h| h.ns).sum();
        per_mille(self.other_process_ns, measured)
    }
}

/// How often a thread left its CPU in a time.
#[derive(Clone, Copy, Debug, Default)]
struct Switches {
    voluntary: i64,
    involuntary: i64,
}

impl Switches {
    fn of(thread: &crate::model::Thread, (from, to): (i64, i64)) -> Self {
        let mut switches = Self::default();
        for off in thread.off_cpu_in(from, to) {
            let kind = if off.preempted() { &mut switches.involuntary } else { &mut switches.voluntary };
            *kind += 1;
        }
        switches
    }
}

fn per_mille(part: i64, whole: i64) -> i64 {
    (i128::from(part) * 1000).checked_div(i128::from(whole)).map_or(0, |share| share as i64)
}

/// Time of pieces by the name of their class.
pub(super) fn by_class<'a>(pieces: impl Iterator<Item = &'a Piece>) -> BTreeMap<&'static str, i64> {
    let mut sums = BTreeMap::new();
    for piece in pieces {
        *sums.entry(piece.class.name()).or_insert(0) += piece.dur_ns();
    }
    sums
}

/// Losses in a time, for findings that rest on no slow units.
pub(super) fn coverage_of(scene: &Scene<'_>, (from_ns, to_ns): (i64, i64)) -> Value {
    let losses = losses_in(scene, (from_ns, to_ns));
    json!({"units_examined": 0, "units_undecidable": 0, "undecided_ns": 0, "losses_in_time": losses})
}

/// Losses that touch a time; one of an instant at its begin does, one at its end does not.
pub(super) fn losses_in(scene: &Scene<'_>, (from_ns, to_ns): (i64, i64)) -> usize {
    scene.trace.losses.iter().filter(|l| l.from_ns < to_ns && l.to_ns >= from_ns).count()
}

/// What of a case could be decided.
pub(super) fn coverage(scene: &Scene<'_>, case: &Case<'_>) -> Value {
    let undecidable = case.slow.iter().filter(|s| s.class_ns(Class::Lost) > 0).count();
    json!({
        "units_examined": case.slow.len(),
        "units_undecidable": undecidable,
        "undecided_ns": judge::undecided_ns(case),
        "losses_in_time": losses_in(scene, (case.from_ns, case.to_ns)),
    })
}

fn population<'a>(scene: &Scene<'a>) -> &'a str {
    let known = scene.trace.facts.population.as_str();
    if known.is_empty() { "all calls recorded on the thread" } else { known }
}

/// Launches each second in the time of a case, and in its baseline.
fn launch_rate(examined: &Examined<'_>, case: &Case<'_>) -> Value {
    let per_second = |from: i64, to: i64| {
        let bins = examined.bins.bin(from)..=examined.bins.bin(to.saturating_sub(1).max(from));
        let ns = (bins.end() - bins.start() + 1) * examined.bins.width_ns();
        let launches = examined.rhythm.sum(bins).launches;
        (i128::from(launches) * 1_000_000_000).checked_div(i128::from(ns)).unwrap_or(0) as i64
    };
    let during = per_second(case.from_ns, case.to_ns);
    let Some(baseline) = &case.baseline else { return json!({"per_second": during}) };
    let usual = per_second(baseline.from_ns, baseline.to_ns);
    let lost = (usual - during).max(0) * ((case.to_ns - case.from_ns) / 1_000_000) / 1000;
    json!({"usual_per_second": usual, "per_second": during, "launches_lost": lost})
}

/// The ends of the wake-up chains of a case's blocked time, by what was done there, largest first.
fn chains(scene: &Scene<'_>, examined: &Examined<'_>, case: &Case<'_>) -> Vec<Value> {
    let followed = [Class::Lock, Class::Starved, Class::StarvedAsleep];
    if !case.cause.classes.iter().any(|c| followed.contains(c)) {
        return Vec::new();
    }
    let mut sum: BTreeMap<chain::Leaf, i64> = BTreeMap::new();
    for hit in &case.hits {
        for piece in hit.slow.pieces.iter().filter(|p| followed.contains(&p.class)) {
            let off = examined.thread.off_cpu_in(piece.from_ns, piece.to_ns).next();
            for (leaf, ns) in off.map(|o| chain::follow(scene, examined.thread.tid, o)).unwrap_or_default() {
                *sum.entry(leaf).or_insert(0) += ns;
            }
        }
    }
    let row = |(leaf, ns): (chain::Leaf, i64)| {
        let label = |task: &u32| scene.trace.task(*task).map_or_else(|| "?".to_owned(), Task::label);
        let path: Vec<String> = leaf.path.iter().map(label).collect();
        let stack = scene.trace.stacks.get(leaf.stack as usize).map(waits::describe);
        json!({"woken_by": path, "did": leaf.did.name(), "stack": stack, "ns": ns})
    };
    largest_first(sum).into_iter().take(limits::LISTED).map(row).collect()
}

fn acts(class: Class) -> bool {
    matches!(
        class,
        Class::Runnable
            | Class::Recorder
            | Class::Lock
            | Class::Stopped
            | Class::Starved
            | Class::StarvedAsleep
    )
}

fn actor_label(scene: &Scene<'_>, piece: &Piece) -> String {
    let Some(task) = scene.trace.task(piece.actor) else { return "?".to_owned() };
    // Threads of a process that took the CPU are one actor; who held a lock is one thread.
    if matches!(piece.class, Class::Runnable | Class::Stopped) && task.pid != 0 {
        let comm = if task.comm.is_empty() { "?" } else { &task.comm };
        let place = scene.trace.whereabouts(task.pid).map(|place| format!(" ({place})")).unwrap_or_default();
        return format!("{comm}/{}{place}", task.pid);
    }
    task.label()
}

fn place_name(key: u16) -> &'static str {
    if key == GAP { "gap" } else { ops::by_number(key).map_or("unknown call", |op| op.name) }
}

fn call_at<'a>(examined: &Examined<'a>, place: Option<usize>) -> Option<&'a crate::model::Call> {
    examined.thread.calls.get(place?)
}

/// The kernel that a load was for: its own, or that of the look-up or launch that follows soon.
fn kernel_of(scene: &Scene<'_>, examined: &Examined<'_>, slow: &Slow) -> String {
    const FOLLOWING: usize = 16;
    let first = slow.place.unwrap_or(0);
    let calls = (first..first + FOLLOWING).filter_map(|place| call_at(examined, Some(place)));
    let named = calls
        .take_while(|c| c.group() == Group::Code || c.function().is_some() || c.ts_ns <= slow.to_ns)
        .find_map(|c| scene.trace.kernel_shown(c.kernel));
    let handle = || {
        let call = call_at(examined, slow.place)?;
        Some(call.function().map_or_else(|| "not named".to_owned(), |f| format!("{f:#x}")))
    };
    named.map(Cow::into_owned).or_else(handle).unwrap_or_else(|| "not named".to_owned())
}

fn largest_first<K: Ord>(map: BTreeMap<K, i64>) -> Vec<(K, i64)> {
    let mut rows: Vec<(K, i64)> = map.into_iter().collect();
    rows.sort_by_key(|(_, ns)| std::cmp::Reverse(*ns));
    rows
}

/// The worst units and what lay inside them.
fn timeline(scene: &Scene<'_>, examined: &Examined<'_>, case: &Case<'_>) -> Vec<Value> {
    let mut worst: Vec<_> = case.hits.iter().collect();
    worst.sort_by_key(|h| (std::cmp::Reverse(h.ns), h.slow.from_ns));
    worst.truncate(limits::TIMELINE_UNITS);
    worst.sort_by_key(|h| h.slow.from_ns);
    let mut rows = Vec::new();
    for hit in worst {
        let call = call_at(examined, hit.slow.place);
        let kernel = call.and_then(|c| scene.trace.kernel_shown(c.kernel));
        rows.push(json!({
            "ts_ns": hit.slow.from_ns,
            "dur_ns": hit.slow.dur_ns(),
            "what": if hit.slow.key == GAP { "GAP" } else { "CUDA" },
            "op": place_name(hit.slow.key),
            "kernel": kernel,
            "first_use": call.is_some_and(|c| hit.slow.key != GAP && c.first_use.counts()),
            "next_op": call.filter(|_| hit.slow.key == GAP).map(|c| place_name(c.op)),
        }));
        rows.extend(own_pieces(scene, case, hit.slow));
    }
    rows
}

/// What the finding's cause owns of one unit: pieces of one class and actor as one row, the largest first
/// chosen, then told in order of time.
fn own_pieces(scene: &Scene<'_>, case: &Case<'_>, unit: &Slow) -> Vec<Value> {
    let mut merged: Vec<(i64, i64, &Piece)> = Vec::new();
    for piece in unit.pieces.iter().filter(|p| case.cause.owns(unit, p)) {
        let same = |(_, _, known): &&mut (i64, i64, &Piece)| {
            known.class == piece.class && known.actor == piece.actor
        };
        match merged.iter_mut().find(same) {
            Some((_, ns, _)) => *ns += piece.dur_ns(),
            None => merged.push((piece.from_ns, piece.dur_ns(), piece)),
        }
    }
    merged.sort_by_key(|(from_ns, ns, _)| (std::cmp::Reverse(*ns), *from_ns));
    merged.truncate(limits::TIMELINE_UNITS);
    merged.sort_by_key(|(from_ns, ..)| *from_ns);
    let row = |(from_ns, ns, piece): (i64, i64, &Piece)| {
        let stack = scene.trace.stacks.get(piece.stack as usize).map(waits::describe);
        json!({
            "ts_ns": from_ns,
            "dur_ns": ns,
            "what": "HOST",
            "class": piece.class.name(),
            "actor": (piece.actor != NONE && acts(piece.class)).then(|| actor_label(scene, piece)),
            "stack": stack,
        })
    };
    merged.into_iter().map(row).collect()
}
