//! `get_coverage`: what may be missing, where, and why (shape S12).

use rusqlite::params;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    mcp::{
        answer::Told,
        desk::{self, Desk},
        refusal::Refusal,
    },
    model::Facts,
    sqlite::{Lossy, Span},
};

pub(super) const ABOUT: &str = "What the window cannot tell: losses as intervals with source, cause and count, time without \
gaps for each source, functions that could not be probed, damage, sampling, clocks, and since when each process was \
recorded. Where a gap lies, absence of an event proves nothing.";

/// Gaps that are told.
const GAPS: usize = 400;

/// Parameters.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Params {
    /// Only the last so long before the window's END, e.g. 30s.
    #[serde(default)]
    since: Option<String>,
    /// Only losses of this source: cuda, sched, process, meta or host.
    #[serde(default)]
    source: Option<String>,
    /// Only this process. Losses are of a CPU, so all of them stay.
    #[serde(default)]
    pid: Option<u32>,
}

/// A stretch in which events are missing.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Gap {
    pub node: String,
    pub source: String,
    pub cause: String,
    /// null: of any CPU, or not known.
    pub cpu: Option<i64>,
    pub from_ns: i64,
    pub to_ns: i64,
    /// Events; 0 if not known.
    pub count: i64,
}

/// What of the time looked at has no gap.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Recorded {
    source: String,
    /// Loss records.
    gaps: i64,
    /// Events known to be missing.
    lost: i64,
    /// Time in at least one gap on any CPU of any node, ns.
    gap_ns: i64,
    /// The rest of the time looked at, ns.
    recorded_ns: i64,
}

/// A machine's window.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Node {
    node: String,
    from_ns: i64,
    to_ns: i64,
    /// Which calls are there, if not all that were made.
    population: String,
    /// Unix minus boottime, ns: the one offset of this window.
    clock_offset_ns: i64,
    /// How far apart the two clock readings may be, ns.
    clock_uncertainty_ns: u64,
    /// Past asked for, ns.
    asked_last_ns: u64,
    damage: Vec<String>,
    notes: Vec<String>,
    /// Functions that could not be probed.
    not_probed: Vec<String>,
}

/// Since when a process was recorded.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Process {
    node: String,
    pid: u32,
    comm: String,
    start_ns: i64,
    /// Since when its calls are recorded, Unix ns.
    covered_ns: i64,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Body {
    /// In order of time.
    gaps: Vec<Gap>,
    /// Gaps before the list was cut.
    gaps_total: usize,
    /// Sources without a loss are not listed: nothing of them is known to be missing.
    sources: Vec<Recorded>,
    nodes: Vec<Node>,
    processes: Vec<Process>,
}

pub(super) fn run(desk: &Desk, params: Params) -> Result<Told<Body>, Refusal> {
    let span = desk.since(params.since.as_deref())?;
    let window = &desk.investigation.stats.window;
    let asked = span.map_or(Span { from_ns: window.from_ns, to_ns: window.to_ns }, |s| desk.inside(s));
    let source = params.source.as_deref().filter(|s| !s.is_empty());
    if let Some(source) = source {
        known(source)?;
    }
    let mut gaps = gaps(desk, asked, source)?;
    let sources = recorded(&gaps, asked);
    let gaps_total = gaps.len();
    gaps.truncate(GAPS);
    let processes = processes(desk, desk::process(params.pid))?;
    let body = Body { gaps, gaps_total, sources, nodes: nodes(desk)?, processes };
    Ok(Told { span: span.map(|_| asked), ..Told::whole(body) })
}

fn known(source: &str) -> Result<(), Refusal> {
    let names: Vec<&str> = ingero_format::ops::Source::ALL.iter().map(|s| s.name()).collect();
    if names.contains(&source) {
        return Ok(());
    }
    Err(Refusal::new(format!("source `{source}` is not known; write one of {}", names.join(", "))))
}

pub(super) fn gaps(desk: &Desk, span: Span, source: Option<&str>) -> Result<Vec<Gap>, Refusal> {
    // A loss of a source that is not known may be of the one asked for.
    let mut statement = desk.scan.db.prepare(
        "SELECT n.name, l.source_name, l.cause_name, nullif(l.cpu, 65535), l.from_ns, l.to_ns, l.count
         FROM loss l JOIN node n ON n.id = l.node
         WHERE l.to_ns >= ?1 AND l.from_ns < ?2 AND (?3 IS NULL OR l.source_name IN (?3, 'any'))
         ORDER BY l.from_ns, l.to_ns, l.id",
    )?;
    let gaps = statement.query_map(params![span.from_ns, span.to_ns, source], |r| {
        Ok(Gap {
            node: r.get::<_, Lossy>(0)?.0,
            source: r.get::<_, Lossy>(1)?.0,
            cause: r.get::<_, Lossy>(2)?.0,
            cpu: r.get(3)?,
            from_ns: r.get(4)?,
            to_ns: r.get(5)?,
            count: r.get(6)?,
        })
    })?;
    Ok(gaps.collect::<rusqlite::Result<_>>()?)
}

/// Gaps by source, overlapping ones counted once; they rise by begin.
fn recorded(gaps: &[Gap], span: Span) -> Vec<Recorded> {
    let mut sources: std::collections::BTreeMap<&str, (Recorded, i64)> = std::collections::BTreeMap::new();
    for gap in gaps {
        let fresh = Recorded { source: gap.source.clone(), gaps: 0, lost: 0, gap_ns: 0, recorded_ns: 0 };
        let (sum, reach) = sources.entry(&gap.source).or_insert((fresh, i64::MIN));
        sum.gaps += 1;
        sum.lost = sum.lost.saturating_add(gap.count);
        let (from, to) = (gap.from_ns.max(span.from_ns).max(*reach), gap.to_ns.min(span.to_ns));
        sum.gap_ns += (to - from).max(0);
        *reach = (*reach).max(to);
    }
    let all = span.to_ns - span.from_ns;
    sources.into_values().map(|(sum, _)| Recorded { recorded_ns: all - sum.gap_ns, ..sum }).collect()
}

fn nodes(desk: &Desk) -> Result<Vec<Node>, Refusal> {
    let mut statement = desk.scan.db.prepare("SELECT name, from_ns, to_ns, facts FROM node ORDER BY id")?;
    let nodes = statement.query_map([], |r| {
        let facts: Facts = serde_json::from_str(&r.get::<_, Lossy>(3)?.0).unwrap_or_default();
        let whole =
            if facts.population.is_empty() { "all recorded calls".to_owned() } else { facts.population };
        Ok(Node {
            node: r.get::<_, Lossy>(0)?.0,
            from_ns: r.get(1)?,
            to_ns: r.get(2)?,
            population: whole,
            clock_offset_ns: facts.clock_offset_ns,
            clock_uncertainty_ns: facts.clock_uncertainty_ns,
            asked_last_ns: facts.asked_last_ns,
            damage: facts.damage,
            notes: facts.notes,
            not_probed: facts.not_probed,
        })
    })?;
    Ok(nodes.collect::<rusqlite::Result<_>>()?)
}

fn processes(desk: &Desk, pid: Option<u32>) -> Result<Vec<Process>, Refusal> {
    let mut statement = desk.scan.db.prepare(
        "SELECT node, pid, comm, start_ns, covered_ns FROM processes
         WHERE ?1 IS NULL OR pid = ?1 ORDER BY node, pid, start_ns",
    )?;
    let processes = statement.query_map([pid], |r| {
        Ok(Process {
            node: r.get::<_, Lossy>(0)?.0,
            pid: r.get(1)?,
            comm: r.get::<_, Lossy>(2)?.0,
            start_ns: r.get(3)?,
            covered_ns: r.get(4)?,
        })
    })?;
    Ok(processes.collect::<rusqlite::Result<_>>()?)
}
