//! `graph_lifecycle` and `graph_frequency`: CUDA graphs from capture to launch.

use std::collections::BTreeMap;

use ingero_format::ops::{self, Group};
use rusqlite::params;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    mcp::{
        answer::Told,
        desk::{self, ALWAYS, Desk, MOST_ROWS, Names},
        refusal::Refusal,
        sums::Sums,
    },
    sqlite::{CallRow, Detail, Lossy, Span, Take},
};

pub(super) const LIFECYCLE: &str = "CUDA graphs: captures, instantiations, updates in order of time, and for each executable \
graph when it was made and how often and how long it was launched. A launch call returns before the GPU has run the \
graph: its duration is no GPU time.";
pub(super) const FREQUENCY: &str = "Graph launches per second: exact in windows of window_seconds counted back from the \
window's end, and for each executable graph.";

/// Events that are told.
const EVENTS: usize = 300;
/// Length of a bucket of the table of rates.
const BUCKET_NS: i64 = 1_000_000_000;

/// Parameters of `graph_lifecycle`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Params {
    /// Only this process.
    #[serde(default)]
    pid: Option<u32>,
    /// Only the last so long before the window's END, e.g. 30s.
    #[serde(default)]
    since: Option<String>,
}

/// Parameters of `graph_frequency`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct FrequencyParams {
    /// Only this process.
    #[serde(default)]
    pid: Option<u32>,
    /// Only the last so long before the window's END, e.g. 30s.
    #[serde(default)]
    since: Option<String>,
    /// Length of a window, seconds (default 60).
    #[serde(default)]
    window_seconds: Option<u32>,
}

/// A call that makes, changes or removes a graph.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Event {
    ts_ns: i64,
    dur_ns: i64,
    node: String,
    pid: u32,
    tid: u32,
    comm: String,
    op: String,
    /// First value of the operation: a stream, graph or executable graph, hexadecimal.
    arg0: String,
    /// Second value: what was made, hexadecimal.
    arg1: String,
    ret: i64,
}

/// An executable graph.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Graph {
    node: String,
    pid: u32,
    comm: String,
    /// driver or runtime; with both recorded a launch may be listed under each.
    layer: String,
    /// Handle, hexadecimal.
    graph: String,
    /// When it was made, Unix ns; null if that is not in the time looked at.
    instantiated_ns: Option<i64>,
    launches: i64,
    /// Over the time looked at.
    launches_per_s: f64,
    /// First launch seen.
    first_ns: i64,
    /// Last launch seen.
    last_ns: i64,
    /// Time in launch calls, ns.
    total_ns: i64,
    p50_ns: i64,
    max_ns: i64,
}

/// The answer of `graph_lifecycle`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Lifecycle {
    /// In order of time.
    events: Vec<Event>,
    /// Events before the list was cut.
    events_total: usize,
    /// By launches.
    graphs: Vec<Graph>,
}

/// Launches in a window.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Window {
    from_ns: i64,
    to_ns: i64,
    node: String,
    pid: u32,
    op: String,
    launches: i64,
    launches_per_s: f64,
}

/// The answer of `graph_frequency`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Frequency {
    window_seconds: u32,
    /// Exact, whatever `looked_at` says: from counts kept for each second. In order of time.
    windows: Vec<Window>,
    /// By launches, in the time looked at.
    graphs: Vec<Graph>,
}

fn launches(op: u16) -> bool {
    matches!(op, ops::CU_GRAPH_LAUNCH | ops::CUDA_GRAPH_LAUNCH)
}

fn instantiates(op: u16) -> bool {
    matches!(
        op,
        ops::CU_GRAPH_INSTANTIATE
            | ops::CU_GRAPH_INSTANTIATE_WITH_FLAGS
            | ops::CU_GRAPH_INSTANTIATE_WITH_PARAMS
            | ops::CUDA_GRAPH_INSTANTIATE
            | ops::CUDA_GRAPH_INSTANTIATE_WITH_FLAGS
    )
}

fn about_graphs(op: u16) -> bool {
    launches(op) || ops::by_number(op).is_some_and(|op| op.group == Group::Graph)
}

/// Calls about graphs, in order of time.
struct Seen {
    calls: Vec<(CallRow, Detail)>,
    span: Span,
    narrowed: bool,
}

/// Reads only the seconds in which there is such a call.
fn seen(desk: &Desk, names: &Names, asked: Span, pid: Option<u32>) -> Result<Seen, Refusal> {
    let ops: Vec<&str> =
        names.ops.iter().filter(|(op, _)| about_graphs(**op)).map(|(_, (name, _))| name.as_str()).collect();
    let chosen = serde_json::json!(ops).to_string();
    let (first, last): (Option<i64>, Option<i64>) = desk.scan.db.query_row(
        "SELECT min(bucket_ts_ns), max(bucket_ts_ns) FROM rates
         WHERE op IN (SELECT value FROM json_each(?1)) AND (?2 IS NULL OR pid = ?2)",
        params![chosen, pid],
        |r| Ok((r.get(0)?, r.get(1)?)),
    )?;
    let (Some(first), Some(last)) = (first, last) else {
        return Ok(Seen { calls: Vec::new(), span: desk.inside(asked), narrowed: false });
    };
    let around =
        Span { from_ns: asked.from_ns.max(first), to_ns: asked.to_ns.min(last.saturating_add(BUCKET_NS)) };
    let scan = desk.scan.calls(around, Take::Latest(MOST_ROWS))?;
    let details = desk.scan.details(&scan.rows)?;
    let narrowed = scan.span.from_ns > around.from_ns;
    let of_graphs = |c: &CallRow| {
        let detail = details.get(&c.detail).filter(|d| about_graphs(d.op))?;
        pid.is_none_or(|pid| names.task(c.task).pid == pid).then_some((*c, *detail))
    };
    let mut calls: Vec<_> = scan.rows.iter().filter_map(of_graphs).collect();
    calls.reverse();
    let from_ns = if narrowed { scan.span.from_ns } else { asked.from_ns };
    Ok(Seen { calls, span: desk.inside(Span { from_ns, ..asked }), narrowed })
}

/// An executable graph: node, process, how it is launched, handle.
type Handle<'a> = (&'a str, u32, u16, u64);

fn graphs(seen: &Seen, names: &Names) -> Vec<Graph> {
    let mut made: BTreeMap<(&str, u32, u64), i64> = BTreeMap::new();
    let mut found: BTreeMap<Handle<'_>, (Sums, i64, i64)> = BTreeMap::new();
    for (call, detail) in &seen.calls {
        let task = names.task(call.task);
        if instantiates(detail.op) {
            made.insert((&task.node, task.pid, detail.arg1), call.ts_ns);
        }
        if launches(detail.op) {
            let entry = found.entry((&task.node, task.pid, detail.op, detail.arg0)).or_default();
            entry.0.call(call, detail);
            entry.1 = if entry.1 == 0 { call.ts_ns } else { entry.1 };
            entry.2 = call.ts_ns;
        }
    }
    let seconds = (seen.span.to_ns - seen.span.from_ns).max(1) as f64 / 1e9;
    let mut graphs: Vec<Graph> = found
        .into_iter()
        .map(|((node, pid, op, graph), (mut sums, first_ns, last_ns))| Graph {
            node: node.to_owned(),
            pid,
            comm: names.process(node, pid),
            layer: names.op(op).1,
            graph: format!("{graph:#x}"),
            instantiated_ns: made.get(&(node, pid, graph)).copied(),
            launches: sums.count,
            launches_per_s: per_second(sums.count, seconds),
            first_ns,
            last_ns,
            total_ns: sums.total_ns,
            p50_ns: sums.quantile_ns(50),
            max_ns: sums.max_ns(),
        })
        .collect();
    graphs
        .sort_by(|a, b| b.launches.cmp(&a.launches).then_with(|| (a.pid, &a.graph).cmp(&(b.pid, &b.graph))));
    graphs
}

fn per_second(count: i64, seconds: f64) -> f64 {
    (count as f64 / seconds * 1_000.0).round() / 1_000.0
}

fn told<T>(body: T, seen: &Seen, partly: bool) -> Told<T> {
    let span = (partly || seen.narrowed).then_some(seen.span);
    let told = Told { span, narrowed: seen.narrowed, ..Told::whole(body) };
    if seen.calls.is_empty() { told.note("no call about a CUDA graph in this time") } else { told }
}

pub(super) fn lifecycle(desk: &Desk, params: Params) -> Result<Told<Lifecycle>, Refusal> {
    let span = desk.since(params.since.as_deref())?;
    let names = desk.names()?;
    let seen = seen(desk, &names, span.unwrap_or(ALWAYS), desk::process(params.pid))?;
    let event = |(call, detail): &(CallRow, Detail)| {
        let task = names.task(call.task);
        Event {
            ts_ns: call.ts_ns,
            dur_ns: call.dur_ns,
            node: task.node.clone(),
            pid: task.pid,
            tid: task.tid,
            comm: task.comm.clone(),
            op: names.op(detail.op).0,
            arg0: format!("{:#x}", detail.arg0),
            arg1: format!("{:#x}", detail.arg1),
            ret: detail.ret,
        }
    };
    let makes = || seen.calls.iter().filter(|(_, d)| !launches(d.op));
    let body = Lifecycle {
        events: makes().take(EVENTS).map(event).collect(),
        events_total: makes().count(),
        graphs: graphs(&seen, &names),
    };
    Ok(told(body, &seen, span.is_some()))
}

pub(super) fn frequency(desk: &Desk, params: FrequencyParams) -> Result<Told<Frequency>, Refusal> {
    let span = desk.since(params.since.as_deref())?;
    let pid = desk::process(params.pid);
    let names = desk.names()?;
    let seen = seen(desk, &names, span.unwrap_or(ALWAYS), pid)?;
    let window_seconds = params.window_seconds.filter(|s| *s > 0).unwrap_or(60);
    let asked = desk.inside(span.unwrap_or(ALWAYS));
    let windows = windows(desk, &names, asked, pid, window_seconds)?;
    let body = Frequency { window_seconds, windows, graphs: graphs(&seen, &names) };
    Ok(told(body, &seen, span.is_some())
        .note("windows are made of whole seconds: the edges of each are within one second"))
}

fn windows(
    desk: &Desk,
    names: &Names,
    asked: Span,
    pid: Option<u32>,
    seconds: u32,
) -> Result<Vec<Window>, Refusal> {
    let ops: Vec<&str> =
        names.ops.iter().filter(|(op, _)| launches(**op)).map(|(_, (name, _))| name.as_str()).collect();
    let length = i64::from(seconds) * BUCKET_NS;
    // Counted back from the end: the earliest window may be shorter, the latest is whole.
    let mut statement = desk.scan.db.prepare(
        "SELECT (?3 - bucket_ts_ns - 1) / ?4, node, pid, op, sum(count) FROM rates
         WHERE op IN (SELECT value FROM json_each(?1)) AND (?2 IS NULL OR pid = ?2)
           AND bucket_ts_ns < ?3 AND bucket_ts_ns + bucket_ns > ?5
         GROUP BY 1, 2, 3, 4 ORDER BY 1 DESC, 2, 3, 4",
    )?;
    let chosen = serde_json::json!(ops).to_string();
    let found = statement.query_map(params![chosen, pid, asked.to_ns, length, asked.from_ns], |r| {
        let back: i64 = r.get(0)?;
        let to_ns = asked.to_ns - back * length;
        let from_ns = (to_ns - length).max(asked.from_ns);
        let launches: i64 = r.get(4)?;
        Ok(Window {
            from_ns,
            to_ns,
            node: r.get::<_, Lossy>(1)?.0,
            pid: r.get(2)?,
            op: r.get::<_, Lossy>(3)?.0,
            launches,
            launches_per_s: per_second(launches, (to_ns - from_ns).max(1) as f64 / 1e9),
        })
    })?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}
