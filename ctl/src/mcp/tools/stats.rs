//! `get_trace_stats`: exact counts and quantiles (shape S3).

use std::collections::BTreeMap;

use foldhash::HashMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    mcp::{
        answer::Told,
        desk::{self, Desk, MOST_ROWS, Names},
        refusal::Refusal,
        sums::Sums,
    },
    sqlite::{CallRow, Detail, IntervalRow, Span, Take},
    stats::{OpRow, ThreadRow},
};

pub(super) const ABOUT: &str = "Count and time of every CUDA operation of each process (exact, nearest-rank p50/p95/p99, \
max, spike ratios, first uses, off-CPU time inside) and off-CPU time of each thread. Durations are ns. Start here.";

/// Parameters.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Params {
    /// Only the last so long before the window's END, e.g. 30s, 5m. Left out: the whole window.
    #[serde(default)]
    since: Option<String>,
    /// Only this process.
    #[serde(default)]
    pid: Option<u32>,
}

/// An operation, with how far its slow calls are from its usual ones.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Op {
    #[serde(flatten)]
    row: OpRow,
    /// p99 / p50; null if p50 is 0.
    p99_over_p50: Option<f64>,
    /// Longest / mean; null if the mean is 0.
    max_over_mean: Option<f64>,
}

impl From<OpRow> for Op {
    fn from(row: OpRow) -> Self {
        let ratio = |a: i64, b: i64| (b > 0).then(|| (a as f64 / b as f64 * 10.0).round() / 10.0);
        let p99_over_p50 = ratio(row.p99_ns, row.p50_ns);
        let max_over_mean = ratio(row.max_ns, row.total_ns / row.timed.max(1));
        Self { row, p99_over_p50, max_over_mean }
    }
}

/// Over all operations and threads of the answer, before any were left out.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(super) struct Totals {
    /// Calls.
    calls: i64,
    /// Time in calls, ns. Calls of several threads overlap: this is no wall time.
    total_ns: i64,
    /// First launches of a function.
    first_use_count: i64,
    /// Time in those, ns.
    first_use_ns: i64,
    /// Off-CPU intervals.
    off_cpu_count: i64,
    /// Off-CPU time of all threads, ns.
    off_cpu_ns: i64,
    /// Time threads could have run in, ns.
    runqueue_ns: i64,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Body {
    totals: Totals,
    /// By total time.
    ops: Vec<Op>,
    /// By off-CPU time.
    threads: Vec<ThreadRow>,
}

impl Body {
    fn of(ops: Vec<OpRow>, threads: Vec<ThreadRow>) -> Self {
        let mut totals = Totals::default();
        for op in &ops {
            totals.calls += op.count;
            totals.total_ns = totals.total_ns.saturating_add(op.total_ns);
            totals.first_use_count += op.first_use_count;
            totals.first_use_ns += op.first_use_ns;
        }
        for thread in &threads {
            totals.off_cpu_count += thread.off_cpu_count;
            totals.off_cpu_ns = totals.off_cpu_ns.saturating_add(thread.off_cpu_ns);
            totals.runqueue_ns = totals.runqueue_ns.saturating_add(thread.runqueue_ns);
        }
        Self { totals, ops: ops.into_iter().map(Op::from).collect(), threads }
    }
}

pub(super) fn run(desk: &Desk, params: Params) -> Result<Told<Body>, Refusal> {
    let pid = desk::process(params.pid);
    let wanted = |p: u32| pid.is_none_or(|pid| p == pid);
    if let Some(span) = desk.since(params.since.as_deref())? {
        let counted = Counted::of(desk, span, pid, MOST_ROWS)?;
        let told = Told {
            body: Body::of(counted.ops, counted.threads),
            span: Some(counted.span),
            narrowed: counted.narrowed,
            cut: None,
            notes: Vec::new(),
        };
        return Ok(told.note("calls and intervals that start in looked_at are counted, each as a whole"));
    }
    let stats = &desk.investigation.stats;
    let ops = stats.ops.iter().filter(|r| wanted(r.pid)).cloned().collect();
    let threads = stats.threads.iter().filter(|r| wanted(r.pid)).cloned().collect();
    Ok(Told::whole(Body::of(ops, threads)))
}

/// Operations and threads of a span.
#[derive(Debug)]
pub(super) struct Counted {
    pub ops: Vec<OpRow>,
    pub threads: Vec<ThreadRow>,
    pub span: Span,
    pub narrowed: bool,
}

impl Counted {
    /// Counts at most so many calls, and so many intervals.
    pub fn of(desk: &Desk, span: Span, pid: Option<u32>, most: usize) -> Result<Self, Refusal> {
        let calls = desk.scan.calls(span, Take::Latest(most))?;
        // What is said of one is to be true of the other: both are about the same time.
        let intervals = desk.scan.intervals(calls.span, Take::Latest(most))?;
        let since = intervals.span.from_ns;
        let narrowed = since > span.from_ns;
        let details = desk.scan.details(&calls.rows)?;
        let names = desk.names()?;
        let inside = |task: i64| pid.is_none_or(|pid| names.task(task).pid == pid);
        let calls: Vec<&CallRow> = calls.rows.iter().filter(|c| c.ts_ns >= since && inside(c.task)).collect();
        let intervals: Vec<&IntervalRow> =
            intervals.rows.iter().filter(|i| i.ts_ns >= since && inside(i.task)).collect();
        let sorted = crate::stats::Stats::sorted(
            desk.investigation.stats.window.clone(),
            desk.investigation.stats.coverage.clone(),
            ops(&calls, &details, &names),
            threads(&calls, &intervals, &names),
        );
        let span = desk.inside(Span { from_ns: since, ..span });
        Ok(Self { ops: sorted.ops, threads: sorted.threads, span, narrowed })
    }
}

fn ops(calls: &[&CallRow], details: &HashMap<i64, Detail>, names: &Names) -> Vec<OpRow> {
    // Numbers are compared while rows are many; names are for what is left.
    let mut found: HashMap<(i64, u16), Sums> = HashMap::default();
    for call in calls {
        let Some(detail) = details.get(&call.detail) else { continue };
        found.entry((call.task, detail.op)).or_default().call(call, detail);
    }
    let mut groups: BTreeMap<(&str, u32, u16), Sums> = BTreeMap::new();
    for ((task, op), sums) in found {
        let task = names.task(task);
        groups.entry((&task.node, task.pid, op)).or_default().merge(sums);
    }
    let row = |((node, pid, op), mut sums): ((&str, u32, u16), Sums)| {
        let (op, layer) = names.op(op);
        OpRow {
            node: node.to_owned(),
            pid,
            comm: names.process(node, pid),
            layer,
            op,
            count: sums.count,
            timed: sums.timed(),
            total_ns: sums.total_ns,
            min_ns: sums.min_ns(),
            p50_ns: sums.quantile_ns(50),
            p95_ns: sums.quantile_ns(95),
            p99_ns: sums.quantile_ns(99),
            max_ns: sums.max_ns(),
            first_use_count: sums.first_use_count,
            first_use_ns: sums.first_use_ns,
            off_cpu_calls: sums.off_cpu_calls,
            off_cpu_ns: sums.off_cpu_ns,
        }
    };
    groups.into_iter().map(row).collect()
}

fn threads(calls: &[&CallRow], intervals: &[&IntervalRow], names: &Names) -> Vec<ThreadRow> {
    let mut found: HashMap<i64, (Sums, i64)> = HashMap::default();
    intervals.iter().for_each(|i| found.entry(i.task).or_default().0.interval(i));
    calls.iter().for_each(|c| found.entry(c.task).or_default().1 += 1);
    let mut groups: BTreeMap<(&str, u32, u32), (Sums, i64, i64)> = BTreeMap::new();
    for (id, (sums, calls)) in found {
        let task = names.task(id);
        let group = groups.entry((&task.node, task.pid, task.tid)).or_default();
        // A thread that changed its name has several entries; the latest name is told.
        *group = (std::mem::take(&mut group.0), group.1 + calls, group.2.max(id));
        group.0.merge(sums);
    }
    groups.retain(|_, (sums, ..)| sums.count > 0);
    let row = |((node, pid, tid), (mut sums, calls, task)): ((&str, u32, u32), (Sums, i64, i64))| ThreadRow {
        node: node.to_owned(),
        pid,
        tid,
        comm: names.task(task).comm.clone(),
        calls,
        off_cpu_count: sums.count,
        off_cpu_ns: sums.total_ns,
        max_off_cpu_ns: sums.max_ns(),
        runqueue_ns: sums.runqueue_ns,
        preempted_count: sums.preempted_count,
    };
    groups.into_iter().map(row).collect()
}
