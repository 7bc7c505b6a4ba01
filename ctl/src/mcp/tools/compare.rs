//! `compare_windows`: what is different between two stretches of time.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::stats::Counted;
use crate::{
    coverage::Lost,
    mcp::{
        answer::{Stretch, Told},
        desk::{self, Desk, MOST_ROWS},
        refusal::Refusal,
    },
    sqlite::Span,
    stats::{OpRow, ThreadRow},
};

pub(super) const ABOUT: &str = "Two stretches of the window side by side: each operation, each class of time and each \
thread, as amounts and per second of its stretch, largest change first. A change is no cause. Use it to refute: is the \
supposed cause also there where nothing was slow?";

/// Operations and threads that are told.
const ROWS: usize = 40;

/// Parameters.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Params {
    /// Begin of A: RFC 3339, an offset from the window's end such as -30s, or Unix ns.
    from_a: String,
    /// End of A.
    to_a: String,
    /// Begin of B.
    from_b: String,
    /// End of B.
    to_b: String,
    /// Only this process.
    #[serde(default)]
    pid: Option<u32>,
}

/// One stretch.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Side {
    /// What was looked at.
    stretch: Stretch,
    /// It was asked to be longer, but holds more events than one answer reads.
    narrowed: bool,
    /// Calls that start in it.
    calls: i64,
    /// Off-CPU intervals that start in it.
    off_cpu_count: i64,
    /// What was lost in it.
    lost: Vec<Lost>,
}

/// An operation in one stretch.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub(super) struct Amount {
    count: i64,
    total_ns: i64,
    p50_ns: i64,
    p99_ns: i64,
    max_ns: i64,
}

/// An operation of a process.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct OpChange {
    node: String,
    pid: u32,
    comm: String,
    op: String,
    a: Amount,
    b: Amount,
    /// Time in it for each second of B, less the same of A: ns per s.
    change_ns_per_s: i64,
    /// Calls for each second of B, less the same of A.
    change_count_per_s: f64,
}

/// A class of time.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ClassChange {
    /// calls, calls_off_cpu, first_use, off_cpu, runqueue, or preempted (counts).
    class: String,
    /// In A, ns (counts for preempted).
    a: i64,
    /// In B.
    b: i64,
    /// For each second of B, less the same of A.
    change_per_s: i64,
}

/// A thread.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ThreadChange {
    node: String,
    pid: u32,
    tid: u32,
    comm: String,
    a_off_cpu_ns: i64,
    b_off_cpu_ns: i64,
    a_runqueue_ns: i64,
    b_runqueue_ns: i64,
    a_preempted: i64,
    b_preempted: i64,
    /// Run-queue time for each second of B, less the same of A: ns per s. Off-CPU time also grows by sleeping.
    change_runqueue_ns_per_s: i64,
    /// Off-CPU time, likewise.
    change_off_cpu_ns_per_s: i64,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Body {
    a: Side,
    b: Side,
    /// They have time in common: their numbers must not be added.
    overlap: bool,
    classes: Vec<ClassChange>,
    /// By change.
    ops: Vec<OpChange>,
    /// Operations before the list was cut.
    ops_total: usize,
    /// By change of run-queue time, then of off-CPU time.
    threads: Vec<ThreadChange>,
    /// Threads before the list was cut.
    threads_total: usize,
}

struct Seconds(f64, f64);

impl Seconds {
    fn change(&self, a: i64, b: i64) -> f64 {
        b as f64 / self.1 - a as f64 / self.0
    }
}

pub(super) fn run(desk: &Desk, params: Params) -> Result<Told<Body>, Refusal> {
    let span = |names: [&str; 2], from: &str, to: &str| -> Result<Span, Refusal> {
        let [from_name, to_name] = names;
        let asked = Span { from_ns: desk.moment(from_name, from)?, to_ns: desk.moment(to_name, to)? };
        let inside = desk.inside(asked);
        if inside.from_ns >= inside.to_ns {
            let window = &desk.investigation.stats.window;
            return Err(Refusal::new(format!(
                "{from_name} and {to_name} leave nothing of the window, which is {} to {} Unix ns",
                window.from_ns, window.to_ns
            )));
        }
        Ok(inside)
    };
    let a = span(["from_a", "to_a"], &params.from_a, &params.to_a)?;
    let b = span(["from_b", "to_b"], &params.from_b, &params.to_b)?;
    let pid = desk::process(params.pid);
    let (in_a, in_b) = (Counted::of(desk, a, pid, MOST_ROWS / 2)?, Counted::of(desk, b, pid, MOST_ROWS / 2)?);
    let seconds = |s: Span| (s.to_ns - s.from_ns).max(1) as f64 / 1e9;
    let seconds = Seconds(seconds(in_a.span), seconds(in_b.span));
    let (ops, ops_total) = ops(&in_a, &in_b, &seconds);
    let (threads, threads_total) = threads(&in_a, &in_b, &seconds);
    let body = Body {
        a: side(desk, &in_a)?,
        b: side(desk, &in_b)?,
        overlap: a.from_ns < b.to_ns && b.from_ns < a.to_ns,
        classes: classes(&in_a, &in_b, &seconds),
        ops,
        ops_total,
        threads,
        threads_total,
    };
    let narrowed = in_a.narrowed || in_b.narrowed;
    let both = Span { from_ns: in_a.span.from_ns.min(in_b.span.from_ns), to_ns: a.to_ns.max(b.to_ns) };
    let told = Told { span: Some(both), narrowed, ..Told::whole(body) };
    Ok(told.note("calls and intervals are counted in the stretch in which they start, each as a whole"))
}

fn side(desk: &Desk, counted: &Counted) -> Result<Side, Refusal> {
    Ok(Side {
        stretch: counted.span.into(),
        narrowed: counted.narrowed,
        calls: counted.ops.iter().map(|r| r.count).sum(),
        off_cpu_count: counted.threads.iter().map(|r| r.off_cpu_count).sum(),
        lost: desk.lost(counted.span)?,
    })
}

fn classes(a: &Counted, b: &Counted, seconds: &Seconds) -> Vec<ClassChange> {
    let op = |f: fn(&OpRow) -> i64| (a.ops.iter().map(f).sum(), b.ops.iter().map(f).sum());
    let thread = |f: fn(&ThreadRow) -> i64| (a.threads.iter().map(f).sum(), b.threads.iter().map(f).sum());
    let classes: [(&str, (i64, i64)); 6] = [
        ("calls", op(|r| r.total_ns)),
        ("calls_off_cpu", op(|r| r.off_cpu_ns)),
        ("first_use", op(|r| r.first_use_ns)),
        ("off_cpu", thread(|r| r.off_cpu_ns)),
        ("runqueue", thread(|r| r.runqueue_ns)),
        ("preempted", thread(|r| r.preempted_count)),
    ];
    let class = |(class, (a, b)): (&str, (i64, i64))| ClassChange {
        class: class.to_owned(),
        a,
        b,
        change_per_s: seconds.change(a, b).round() as i64,
    };
    classes.into_iter().map(class).collect()
}

/// Rows of both, by what they are of.
fn paired<'a, K: Ord, R>(
    a: &'a [R],
    b: &'a [R],
    key: impl Fn(&'a R) -> K,
) -> Vec<(Option<&'a R>, Option<&'a R>)> {
    let mut pairs: BTreeMap<K, (Option<&R>, Option<&R>)> = BTreeMap::new();
    a.iter().for_each(|row| pairs.entry(key(row)).or_default().0 = Some(row));
    b.iter().for_each(|row| pairs.entry(key(row)).or_default().1 = Some(row));
    pairs.into_values().collect()
}

fn ops(a: &Counted, b: &Counted, seconds: &Seconds) -> (Vec<OpChange>, usize) {
    let amount = |row: Option<&OpRow>| {
        row.map_or_else(Amount::default, |r| Amount {
            count: r.count,
            total_ns: r.total_ns,
            p50_ns: r.p50_ns,
            p99_ns: r.p99_ns,
            max_ns: r.max_ns,
        })
    };
    let change = |(in_a, in_b): (Option<&OpRow>, Option<&OpRow>)| {
        let row = in_a.or(in_b)?;
        let (a, b) = (amount(in_a), amount(in_b));
        Some(OpChange {
            node: row.node.clone(),
            pid: row.pid,
            comm: row.comm.clone(),
            op: row.op.clone(),
            change_ns_per_s: seconds.change(a.total_ns, b.total_ns).round() as i64,
            change_count_per_s: (seconds.change(a.count, b.count) * 1e3).round() / 1e3,
            a,
            b,
        })
    };
    let pairs = paired(&a.ops, &b.ops, |r| (&r.node, r.pid, &r.op));
    let mut ops: Vec<OpChange> = pairs.into_iter().filter_map(change).collect();
    ops.sort_by_key(|r| std::cmp::Reverse(r.change_ns_per_s.unsigned_abs()));
    let all = ops.len();
    ops.truncate(ROWS);
    (ops, all)
}

fn threads(a: &Counted, b: &Counted, seconds: &Seconds) -> (Vec<ThreadChange>, usize) {
    let change = |(a, b): (Option<&ThreadRow>, Option<&ThreadRow>)| {
        let row = a.or(b)?;
        let of = |r: Option<&ThreadRow>, f: fn(&ThreadRow) -> i64| r.map_or(0, f);
        let (a_off, b_off) = (of(a, |r| r.off_cpu_ns), of(b, |r| r.off_cpu_ns));
        let (a_run, b_run) = (of(a, |r| r.runqueue_ns), of(b, |r| r.runqueue_ns));
        Some(ThreadChange {
            node: row.node.clone(),
            pid: row.pid,
            tid: row.tid,
            comm: row.comm.clone(),
            a_off_cpu_ns: a_off,
            b_off_cpu_ns: b_off,
            a_runqueue_ns: a_run,
            b_runqueue_ns: b_run,
            a_preempted: of(a, |r| r.preempted_count),
            b_preempted: of(b, |r| r.preempted_count),
            change_runqueue_ns_per_s: seconds.change(a_run, b_run).round() as i64,
            change_off_cpu_ns_per_s: seconds.change(a_off, b_off).round() as i64,
        })
    };
    let pairs = paired(&a.threads, &b.threads, |r| (&r.node, r.pid, r.tid));
    let mut threads: Vec<ThreadChange> = pairs.into_iter().filter_map(change).collect();
    threads.sort_by_key(|r| {
        let size = |ns: i64| std::cmp::Reverse(ns.unsigned_abs());
        (size(r.change_runqueue_ns_per_s), size(r.change_off_cpu_ns_per_s))
    });
    let all = threads.len();
    threads.truncate(ROWS);
    (threads, all)
}
