//! `get_stacks`: which kernels and which callers (shape S4).

use std::collections::BTreeMap;

use foldhash::HashMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::frames;
use crate::{
    mcp::{
        answer::Told,
        desk::{self, ALWAYS, Desk, MOST_ROWS, Names},
        refusal::Refusal,
        sums::Sums,
    },
    sqlite::{Span, Take},
};

pub(super) const ABOUT: &str = "Kernels and call stacks by time: for each process, operation, kernel and user stack how \
often, how long (p50, p99, max, ns), first uses and off-CPU time inside. source `sched` gives kernel stacks at which \
threads left the CPU.";

/// Parameters.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Params {
    /// driver, runtime, cuda (both, the default) or sched; the numbers 4, 1 and 3 of the Ingero agent mean the same.
    #[serde(default)]
    source: Option<Value>,
    /// Only this operation, e.g. cuLaunchKernel.
    #[serde(default)]
    op: Option<String>,
    /// Only this process.
    #[serde(default)]
    pid: Option<u32>,
    /// Only the last so long before the window's END, e.g. 30s.
    #[serde(default)]
    since: Option<String>,
    /// Rows (default 10, at most 100).
    #[serde(default)]
    limit: Option<usize>,
}

/// Calls of one kernel from one place.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Row {
    node: String,
    pid: u32,
    comm: String,
    /// driver, runtime, nccl, or sched.
    layer: String,
    /// The operation; for sched the state in which the CPU was left.
    op: String,
    kernel: Option<String>,
    stack_id: Option<i64>,
    /// Innermost first; empty if no stack was recorded.
    frames: Vec<String>,
    count: i64,
    total_ns: i64,
    p50_ns: i64,
    p99_ns: i64,
    max_ns: i64,
    first_use_count: i64,
    first_use_ns: i64,
    off_cpu_ns: i64,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Body {
    /// By total time.
    stacks: Vec<Row>,
    /// Rows before `limit`.
    stacks_total: usize,
    /// Time of the rows that `limit` left out, ns.
    remainder_ns: i64,
}

type Key = (String, u32, String, String, Option<i64>, Option<i64>);

#[derive(Clone, Copy, PartialEq)]
enum Source {
    Layer(&'static str),
    Cuda,
    Sched,
}

fn source(given: Option<&Value>) -> Result<Source, Refusal> {
    let text = match given {
        None => return Ok(Source::Cuda),
        Some(Value::String(s)) => s.to_ascii_lowercase(),
        Some(other) => other.to_string(),
    };
    match text.as_str() {
        "" | "0" | "cuda" => Ok(Source::Cuda),
        "1" | "runtime" => Ok(Source::Layer("runtime")),
        "4" | "driver" => Ok(Source::Layer("driver")),
        "nccl" => Ok(Source::Layer("nccl")),
        "3" | "sched" | "host" | "off_cpu" => Ok(Source::Sched),
        other => Err(Refusal::new(format!(
            "source `{other}` is not known; write driver, runtime, nccl, cuda or sched"
        ))),
    }
}

pub(super) fn run(desk: &Desk, params: Params) -> Result<Told<Body>, Refusal> {
    let span = desk.since(params.since.as_deref())?;
    let pid = desk::process(params.pid);
    let source = source(params.source.as_ref())?;
    let names = desk.names()?;
    let (groups, from_ns) = match source {
        Source::Sched => intervals(desk, span.unwrap_or(ALWAYS), pid, &names)?,
        _ => calls(desk, span.unwrap_or(ALWAYS), pid, source, params.op.as_deref(), &names)?,
    };
    let narrowed = from_ns > span.unwrap_or(ALWAYS).from_ns;
    let looked_at = desk.inside(Span { from_ns, to_ns: i64::MAX });
    let mut groups: Vec<(Key, Sums)> = groups.into_iter().collect();
    groups.sort_by(|a, b| b.1.total_ns.cmp(&a.1.total_ns).then_with(|| a.0.cmp(&b.0)));
    let limit = params.limit.filter(|l| *l > 0).unwrap_or(10).min(100);
    let stacks_total = groups.len();
    let rest = groups.split_off(limit.min(stacks_total));
    let remainder_ns = rest.iter().map(|(_, sums)| sums.total_ns).sum();
    let rows = groups.into_iter().map(|(key, sums)| row(desk, &names, key, sums));
    let body = Body { stacks: rows.collect::<Result<_, _>>()?, stacks_total, remainder_ns };
    let whole = span.is_none() && !narrowed;
    let mut told = Told { span: (!whole).then_some(looked_at), narrowed, ..Told::whole(body) };
    if told.body.stacks_total == 0 {
        told.notes.push(nothing(desk, source));
    }
    Ok(told)
}

fn nothing(desk: &Desk, source: Source) -> String {
    let ops: std::collections::BTreeSet<&str> =
        desk.investigation.stats.ops.iter().map(|r| r.op.as_str()).collect();
    match (source, ops.is_empty()) {
        (Source::Sched, _) => "no off-CPU interval matches".to_owned(),
        (_, true) => "no CUDA call was recorded in this window; source sched has off-CPU stacks".to_owned(),
        (_, false) => {
            let ops: Vec<&str> = ops.into_iter().take(40).collect();
            format!("no call matches; operations of this window: {}", ops.join(", "))
        }
    }
}

fn calls(
    desk: &Desk,
    span: Span,
    pid: Option<u32>,
    source: Source,
    op: Option<&str>,
    names: &Names,
) -> Result<(BTreeMap<Key, Sums>, i64), Refusal> {
    let calls = desk.scan.calls(span, Take::Latest(MOST_ROWS))?;
    let details = desk.scan.details(&calls.rows)?;
    // Numbers are compared while rows are many; names are for what is left.
    let mut found: HashMap<(i64, u16, Option<i64>, Option<i64>), Sums> = HashMap::default();
    for call in &calls.rows {
        let Some(detail) = details.get(&call.detail) else { continue };
        if pid.is_some_and(|pid| names.task(call.task).pid != pid) {
            continue;
        }
        let key = (call.task, detail.op, detail.kernel, detail.stack);
        found.entry(key).or_default().call(call, detail);
    }
    let wanted = |name: &str, layer: &str| {
        let layer_fits = match source {
            Source::Layer(wanted) => layer == wanted,
            _ => true,
        };
        layer_fits && op.is_none_or(|op| op.is_empty() || op.eq_ignore_ascii_case(name))
    };
    let mut groups: BTreeMap<Key, Sums> = BTreeMap::new();
    for ((task, op, kernel, stack), sums) in found {
        let (name, layer) = names.op(op);
        if wanted(&name, &layer) {
            let task = names.task(task);
            let key = (task.node.clone(), task.pid, layer, name, kernel, stack);
            groups.entry(key).or_default().merge(sums);
        }
    }
    Ok((groups, calls.span.from_ns))
}

fn intervals(
    desk: &Desk,
    span: Span,
    pid: Option<u32>,
    names: &Names,
) -> Result<(BTreeMap<Key, Sums>, i64), Refusal> {
    let intervals = desk.scan.intervals(span, Take::Latest(MOST_ROWS))?;
    let states = desk.scan.states()?;
    let mut found: HashMap<(i64, bool, i32, Option<i64>), Sums> = HashMap::default();
    for i in intervals.rows.iter().filter(|i| pid.is_none_or(|pid| names.task(i.task).pid == pid)) {
        found.entry((i.task, i.preempted, i.state, i.stack)).or_default().interval(i);
    }
    let mut groups: BTreeMap<Key, Sums> = BTreeMap::new();
    for ((task, preempted, state, stack), sums) in found {
        let task = names.task(task);
        let state = super::off_cpu::state(preempted, state, &states);
        let key = (task.node.clone(), task.pid, "sched".to_owned(), state, None, stack);
        groups.entry(key).or_default().merge(sums);
    }
    Ok((groups, intervals.span.from_ns))
}

fn row(desk: &Desk, names: &Names, key: Key, mut sums: Sums) -> Result<Row, Refusal> {
    let (node, pid, layer, op, kernel, stack_id) = key;
    Ok(Row {
        comm: names.process(&node, pid),
        node,
        pid,
        layer,
        op,
        kernel: kernel.map(|id| desk.scan.kernel(id)).transpose()?,
        frames: stack_id.map(|id| frames::lines(desk, id)).transpose()?.map(|s| s.1).unwrap_or_default(),
        stack_id,
        count: sums.count,
        total_ns: sums.total_ns,
        p50_ns: sums.quantile_ns(50),
        p99_ns: sums.quantile_ns(99),
        max_ns: sums.max_ns(),
        first_use_count: sums.first_use_count,
        first_use_ns: sums.first_use_ns,
        off_cpu_ns: sums.off_cpu_ns,
    })
}
