//! The window that an answer is about, and what it cannot know.

use std::collections::BTreeMap;

use ingero_format::ops::Source;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    clocks,
    model::{Clocks, Thread, Threads, Trace},
    time,
};

/// The time an answer covers. Times are Unix ns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Window {
    /// Begin of the earliest node's window, Unix ns.
    pub from_ns: i64,
    /// End of the latest node's window, Unix ns.
    pub to_ns: i64,
    /// Their distance, ns.
    pub dur_ns: i64,
    /// Each machine's own window.
    pub nodes: Vec<NodeWindow>,
}

/// One machine's window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodeWindow {
    /// Name of the machine.
    pub node: String,
    /// Begin, Unix ns.
    pub from_ns: i64,
    /// End, Unix ns.
    pub to_ns: i64,
    /// What each of its bundles says of its clocks.
    #[serde(default)]
    pub clocks: Vec<Clocks>,
}

/// What may be missing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Coverage {
    /// Which calls the numbers are over.
    pub population: String,
    /// True if nothing is known to be missing.
    pub complete: bool,
    /// How many calls are in the window.
    pub calls: u64,
    /// How many of them were made while scheduler events may be missing.
    pub calls_undecidable: u64,
    /// How many off-CPU intervals are in the window.
    pub off_cpu: u64,
    /// Events known to be missing.
    pub lost: Vec<Lost>,
    /// What is damaged or missing in the files.
    pub damage: Vec<String>,
    /// What the recorder wished the reader to know.
    pub notes: Vec<String>,
    /// Functions that could not be probed.
    pub not_probed: Vec<String>,
    /// Of several bundles, which times can be compared.
    #[serde(default)]
    pub clocks: Vec<String>,
    /// True if names were replaced by pseudonyms.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub redacted: bool,
}

/// Losses of one source and cause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Lost {
    /// Name of the source: `cuda`, `sched`, `process`, `meta`, `host`, or `any`.
    pub source: String,
    /// Why they are missing, by name.
    pub cause: String,
    /// How many loss records.
    pub records: u64,
    /// How many events; 0 if not known.
    pub events: i64,
    /// Total length of the times in which they lie, ns.
    pub uncertain_ns: i64,
}

/// The window of several nodes.
#[must_use]
pub fn window(traces: &[Trace]) -> Window {
    let from_ns = traces.iter().map(|t| t.from_ns).min().unwrap_or(0);
    let to_ns = traces.iter().map(|t| t.to_ns).max().unwrap_or(0);
    let node = |t: &Trace| NodeWindow {
        node: t.node.clone(),
        from_ns: t.from_ns,
        to_ns: t.to_ns,
        clocks: t.facts.clocks.clone(),
    };
    Window { from_ns, to_ns, dur_ns: to_ns - from_ns, nodes: traces.iter().map(node).collect() }
}

impl Coverage {
    /// What several nodes' windows lack.
    #[must_use]
    pub fn of(traces: &[Trace]) -> Self {
        let mut lost: BTreeMap<(&str, &str), Lost> = BTreeMap::new();
        for loss in traces.iter().flat_map(|t| &t.losses) {
            let (source, cause) = (loss.source_name(), loss.cause_name());
            let fresh = Lost {
                source: source.to_owned(),
                cause: cause.to_owned(),
                records: 0,
                events: 0,
                uncertain_ns: 0,
            };
            let entry = lost.entry((source, cause)).or_insert(fresh);
            entry.records += 1;
            entry.events = entry.events.saturating_add(loss.count);
            entry.uncertain_ns = entry.uncertain_ns.saturating_add(loss.to_ns - loss.from_ns);
        }
        let all =
            |list: fn(&Trace) -> &Vec<String>| traces.iter().flat_map(list).cloned().collect::<Vec<_>>();
        let (damage, notes) = (all(|t| &t.facts.damage), all(|t| &t.facts.notes));
        Self {
            population: population(traces),
            // A note tells of a window shorter than asked for, or not drained to its end.
            complete: lost.is_empty()
                && damage.is_empty()
                && notes.is_empty()
                && traces.iter().all(|t| t.facts.population.is_empty()),
            calls: traces.iter().map(|t| t.calls.len() as u64).sum(),
            calls_undecidable: traces.iter().map(undecidable).sum(),
            off_cpu: traces.iter().map(|t| t.off_cpu.len() as u64).sum(),
            lost: lost.into_values().collect(),
            damage,
            notes,
            not_probed: all(|t| &t.facts.not_probed),
            clocks: clocks::statements(traces),
            redacted: traces.iter().any(|t| t.facts.redacted),
        }
    }

    /// One line for people.
    #[must_use]
    pub fn line(&self) -> String {
        use ingero_format::units::show_count;
        let lost: Vec<String> = self
            .lost
            .iter()
            .map(|l| {
                let events =
                    if l.events > 0 { show_count(l.events.unsigned_abs()) } else { "some".to_owned() };
                format!("{} {events} ({}, within {})", l.source, l.cause, time::duration(l.uncertain_ns))
            })
            .collect();
        let lost =
            if lost.is_empty() { "lost: nothing".to_owned() } else { format!("lost: {}", lost.join(", ")) };
        let damage = match self.damage.len() {
            0 => String::new(),
            1 => format!(" | damaged: {}", self.damage.join("")),
            n => format!(" | damaged: {} and {} more", self.damage.first().map_or("", String::as_str), n - 1),
        };
        format!(
            "calls decidable {}/{} | {lost}{damage}",
            show_count(self.calls - self.calls_undecidable),
            show_count(self.calls),
        )
    }
}

fn population(traces: &[Trace]) -> String {
    let known: std::collections::BTreeSet<&str> =
        traces.iter().map(|t| t.facts.population.as_str()).filter(|p| !p.is_empty()).collect();
    if known.is_empty() {
        return "all recorded calls".to_owned();
    }
    known.into_iter().collect::<Vec<_>>().join("; ")
}

fn undecidable(trace: &Trace) -> u64 {
    if !trace.facts.population.is_empty() {
        // That a switch is not there says nothing.
        return trace.calls.len() as u64;
    }
    let mut holes: Vec<(i64, i64)> =
        trace.losses.iter().filter(|l| l.concerns(Source::Sched)).map(|l| (l.from_ns, l.to_ns)).collect();
    if holes.is_empty() {
        return 0;
    }
    holes.sort_unstable();
    // The latest end of all holes that begin no later: then one search per call is enough.
    let mut reach = i64::MIN;
    for hole in &mut holes {
        reach = reach.max(hole.1);
        hole.1 = reach;
    }
    let inside = |from: i64, to: i64| {
        let begun = holes.partition_point(|(begin, _)| *begin < to);
        begun.checked_sub(1).and_then(|i| holes.get(i)).is_some_and(|(_, end)| *end >= from)
    };
    let threads = Threads::of(trace);
    let of_thread = |thread: &Thread| {
        let count = trace.through(thread.calls).filter(|c| inside(c.ts_ns, c.end_ns())).count();
        trace.release(thread);
        count as u64
    };
    threads.iter().map(of_thread).sum()
}
