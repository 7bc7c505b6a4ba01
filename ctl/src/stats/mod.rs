//! Exact counts and quantiles per operation and per thread.

pub mod text;

use std::collections::BTreeMap;

use foldhash::{HashMap, HashMapExt};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    coverage::{self, Coverage, Window},
    model::{Thread, Threads, Trace},
    tally::Tally,
};

/// What `stats` answers. Durations are ns; quantiles nearest rank over all calls of the row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stats {
    /// The time it is about.
    pub window: Window,
    /// What may be missing.
    pub coverage: Coverage,
    /// One row for each process and operation, by total time.
    pub ops: Vec<OpRow>,
    /// One row for each thread that was off-CPU, by time.
    pub threads: Vec<ThreadRow>,
}

/// An operation of a process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct OpRow {
    /// Machine.
    pub node: String,
    /// Process.
    pub pid: u32,
    /// Its name.
    pub comm: String,
    /// `driver` or `runtime`.
    pub layer: String,
    /// Operation.
    pub op: String,
    /// Calls.
    pub count: i64,
    /// Calls whose duration is known: what all durations here are over.
    pub timed: i64,
    /// Time in all calls.
    pub total_ns: i64,
    /// Shortest.
    pub min_ns: i64,
    /// Median.
    pub p50_ns: i64,
    /// 95 of 100 take no longer.
    pub p95_ns: i64,
    /// 99 of 100 take no longer.
    pub p99_ns: i64,
    /// Longest.
    pub max_ns: i64,
    /// First launches of a function.
    pub first_use_count: i64,
    /// Time in those.
    pub first_use_ns: i64,
    /// Calls with off-CPU time inside.
    pub off_cpu_calls: i64,
    /// That off-CPU time.
    pub off_cpu_ns: i64,
}

/// A thread's off-CPU intervals.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct ThreadRow {
    /// Machine.
    pub node: String,
    /// Process.
    pub pid: u32,
    /// Thread.
    pub tid: u32,
    /// Its name.
    pub comm: String,
    /// CUDA calls it made.
    pub calls: i64,
    /// Intervals.
    pub off_cpu_count: i64,
    /// Their total.
    pub off_cpu_ns: i64,
    /// The longest.
    pub max_off_cpu_ns: i64,
    /// Time it could have run in.
    pub runqueue_ns: i64,
    /// Intervals that began while it wanted to run.
    pub preempted_count: i64,
}

impl Stats {
    /// Counts everything in the windows.
    #[must_use]
    pub fn of(traces: &[Trace]) -> Self {
        let ops = traces.iter().flat_map(op_rows).collect();
        let threads = traces.iter().flat_map(thread_rows).collect();
        Self::sorted(coverage::window(traces), Coverage::of(traces), ops, threads)
    }

    /// The same from rows that are there already.
    #[must_use]
    pub fn sorted(
        window: Window,
        coverage: Coverage,
        mut ops: Vec<OpRow>,
        mut threads: Vec<ThreadRow>,
    ) -> Self {
        ops.sort_by(|a, b| {
            let key = |r: &OpRow| (std::cmp::Reverse(r.total_ns), r.pid);
            key(a).cmp(&key(b)).then_with(|| (&a.node, &a.op).cmp(&(&b.node, &b.op)))
        });
        threads.sort_by(|a, b| {
            let key = |r: &ThreadRow| (std::cmp::Reverse(r.off_cpu_ns), r.pid, r.tid);
            key(a).cmp(&key(b)).then_with(|| a.node.cmp(&b.node))
        });
        Self { window, coverage, ops, threads }
    }
}

/// One row for each process and operation of a node, by pid and operation number.
#[must_use]
pub fn op_rows(trace: &Trace) -> Vec<OpRow> {
    let mut rows: HashMap<(u32, u16), (OpRow, Tally)> = HashMap::new();
    for thread in Threads::of(trace).iter() {
        for call in trace.through(thread.calls) {
            let (row, durations) = rows.entry((thread.pid, call.op)).or_default();
            row.total_ns = row.total_ns.saturating_add(call.dur_ns);
            if call.first_use.counts() {
                row.first_use_count += 1;
                row.first_use_ns += call.dur_ns;
            }
            row.off_cpu_calls += i64::from(call.off_cpu_ns > 0);
            row.off_cpu_ns += call.off_cpu_ns;
            row.count += 1;
            if call.timed() {
                durations.push(call.dur_ns);
            }
        }
        trace.release(thread);
    }
    let finish = |((pid, op), (row, durations)): ((u32, u16), (OpRow, Tally))| {
        let (timed, durations) = (durations.len() as i64, durations.sorted());
        let (op, layer) = trace.op_name(op);
        OpRow {
            node: trace.node.clone(),
            pid,
            comm: trace.process_name(pid).to_owned(),
            layer: layer.to_owned(),
            op,
            timed,
            min_ns: durations.min(),
            p50_ns: durations.nearest_rank(50),
            p95_ns: durations.nearest_rank(95),
            p99_ns: durations.nearest_rank(99),
            max_ns: durations.max(),
            ..row
        }
    };
    let by_number: BTreeMap<_, _> = rows.into_iter().collect();
    by_number.into_iter().map(finish).collect()
}

/// One row for each thread of a node that was off-CPU, by pid and tid.
#[must_use]
pub fn thread_rows(trace: &Trace) -> Vec<ThreadRow> {
    let threads = Threads::of(trace);
    let row = |thread: &Thread| {
        let mut row = ThreadRow {
            node: trace.node.clone(),
            pid: thread.pid,
            tid: thread.tid,
            comm: thread.comm.clone(),
            calls: thread.calls.len() as i64,
            ..ThreadRow::default()
        };
        for off in thread.off_cpu {
            row.off_cpu_count += 1;
            row.off_cpu_ns = row.off_cpu_ns.saturating_add(off.dur_ns);
            row.max_off_cpu_ns = row.max_off_cpu_ns.max(off.dur_ns);
            row.runqueue_ns = row.runqueue_ns.saturating_add(off.runqueue_ns.max(0));
            row.preempted_count += i64::from(off.preempted());
        }
        trace.release(thread);
        row
    };
    threads.iter().filter(|t| !t.off_cpu.is_empty()).map(row).collect()
}
