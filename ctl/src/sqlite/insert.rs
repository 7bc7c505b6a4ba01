//! Fills the tables. Every order is fixed by the traces, so that equal traces give equal bytes.

use std::collections::BTreeMap;

use foldhash::{HashMap, HashMapExt};
use ingero_format::{container::Placement, ops};
use rusqlite::{Connection, Result, params};
use serde_json::json;

use super::{
    batch::Batch,
    keys::{Keys, Ties},
    survey::Survey,
    timeline,
};
use crate::{
    investigate::Finding,
    model::{self, Call, HostEvent, NONE, Threads, Trace, shown_kernel},
    progress::Progress,
    stats,
};

/// Length of a bucket of `rates`.
const BUCKET_NS: i64 = 1_000_000_000;
/// Rows between two steps of the progress bar.
const STEP: u64 = 1 << 14;

/// Where each node's dictionary entries begin in the common tables.
#[derive(Clone, Copy, Default)]
struct Bases {
    task: i64,
    kernel: i64,
    stack: i64,
    series: i64,
}

impl Bases {
    fn of(traces: &[Trace]) -> Vec<Self> {
        let mut next = Self { task: 1, kernel: 1, stack: 1, series: 1 };
        let step = |trace: &Trace| {
            let own = next;
            next.task += trace.tasks.len() as i64;
            next.kernel += trace.kernels.len() as i64;
            next.stack += trace.stacks.len() as i64;
            next.series += trace.series.len() as i64;
            own
        };
        traces.iter().map(step).collect()
    }
}

fn id(base: i64, index: u32) -> Option<i64> {
    (index != NONE).then_some(base + i64::from(index))
}

/// Fills everything.
pub(super) fn all(
    db: &Connection,
    traces: &[Trace],
    findings: &[Finding],
    survey: &Survey,
    keys: Keys,
    progress: &Progress,
) -> Result<()> {
    let bases = Bases::of(traces);
    db.execute("INSERT INTO key_layout VALUES(?,?)", params![keys.base_ns, keys.bits])?;
    for ((node, trace), base) in traces.iter().enumerate().zip(&bases) {
        dictionaries(db, node as i64 + 1, trace, *base)?;
    }
    names(db, traces, survey)?;
    progress.begin(survey.rows, "writing");
    calls(db, traces, &bases, keys, progress)?;
    off_cpu(db, traces, &bases, keys)?;
    host(db, &survey.host, &bases, keys)?;
    samples(db, traces, &bases)?;
    annotations(db, traces)?;
    for trace in traces {
        op_stats(db, trace)?;
        rates(db, trace)?;
    }
    self::findings(db, findings)?;
    super::answers::write(db, traces)?;
    meta(db, traces)
}

fn dictionaries(db: &Connection, node: i64, trace: &Trace, base: Bases) -> Result<()> {
    let facts = json!(trace.facts).to_string();
    db.execute(
        "INSERT INTO node VALUES(?,?,?,?,?)",
        params![node, trace.node, trace.from_ns, trace.to_ns, facts],
    )?;
    processes(db, node, trace)?;
    let mut insert = db.prepare("INSERT INTO task VALUES(?,?,?,?,?)")?;
    for (i, t) in trace.tasks.iter().enumerate() {
        insert.execute(params![base.task + i as i64, node, t.pid, t.tid, t.comm])?;
    }
    let mut insert = db.prepare("INSERT INTO kernel VALUES(?,?,?,?)")?;
    for (i, name) in trace.kernels.iter().enumerate() {
        insert.execute(params![base.kernel + i as i64, node, name, shown_kernel(name)])?;
    }
    let mut insert = db.prepare("INSERT INTO stacks VALUES(?,?,?,?,?)")?;
    for (i, stack) in trace.stacks.iter().enumerate() {
        let frames = json!(stack.frames).to_string();
        insert.execute(params![
            base.stack + i as i64,
            node,
            stack.kind,
            stack.frames.len() as i64,
            frames
        ])?;
    }
    let mut insert = db.prepare("INSERT INTO loss VALUES(NULL,?,?,?,?,?,?,?,?,?)")?;
    for l in &trace.losses {
        let (source, cause) = (l.source_name(), l.cause_name());
        insert
            .execute(params![node, l.from_ns, l.to_ns, l.cpu, l.source, source, l.cause, cause, l.count])?;
    }
    Ok(())
}

// Where each runs stands in its cgroup's path; it is written out so that SQL can ask for it.
fn processes(db: &Connection, node: i64, trace: &Trace) -> Result<()> {
    let mut insert = db.prepare("INSERT INTO process VALUES(NULL,?,?,?,?,?,?,?,?,?,?,?,?,?)")?;
    for p in &trace.processes {
        let libraries = json!(p.libraries).to_string();
        let place = Placement::of(&p.cgroup);
        let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        insert.execute(params![
            node,
            p.pid,
            p.start_ns,
            p.covered_ns,
            p.comm,
            p.exe,
            p.cgroup,
            libraries,
            known(&place.container),
            known(place.runtime),
            known(&place.pod_uid),
            known(place.qos),
            known(&place.unit)
        ])?;
    }
    Ok(())
}

fn names(db: &Connection, traces: &[Trace], survey: &Survey) -> Result<()> {
    let mut insert = db.prepare("INSERT INTO op VALUES(?,?,?,?)")?;
    for op in survey.ops() {
        let spelled = traces.iter().find_map(|t| t.spellings.contains_key(&op).then(|| t.op_name(op)));
        let (name, layer) = spelled.unwrap_or_else(|| model::op_name(op));
        insert.execute(params![op, name, layer, ops::family(op)])?;
    }
    let mut insert = db.prepare("INSERT INTO task_state VALUES(?,?)")?;
    for (bits, name) in &survey.states {
        insert.execute(params![bits, name])?;
    }
    Ok(())
}

/// What many calls have in common.
type Detail = (u16, u64, u64, i32, Option<i64>, Option<i64>, u16, u8);

fn calls(db: &Connection, traces: &[Trace], bases: &[Bases], keys: Keys, progress: &Progress) -> Result<()> {
    let mut details: HashMap<Detail, i64> = HashMap::new();
    let mut ties = Ties::default();
    let mut insert_detail = db.prepare("INSERT INTO detail VALUES(?,?,?,?,?,?,?,?,?)")?;
    let mut insert = Batch::new(db, "call", 7)?;
    let mut written = 0;
    timeline::calls(traces).visit(|node, call| {
        let base = bases.get(node).copied().unwrap_or_default();
        let detail = detail(call, base);
        let next = details.len() as i64 + 1;
        let detail_id = match details.get(&detail) {
            Some(id) => *id,
            None => {
                let (op, arg0, arg1, ret, kernel, stack, flags, first) = detail;
                let (arg0, arg1) = (arg0.cast_signed(), arg1.cast_signed());
                insert_detail.execute(params![next, op, arg0, arg1, ret, kernel, stack, flags, first])?;
                details.insert(detail, next);
                next
            }
        };
        let off = (call.off_cpu_count > 0).then_some((call.off_cpu_ns, call.off_cpu_count));
        let key = keys.key(call.ts_ns, ties.next(call.ts_ns));
        let task = id(base.task, call.task);
        written += 1;
        if written % STEP == 0 {
            progress.at(written);
        }
        insert.row(&[
            Some(key),
            Some(call.dur_ns),
            task,
            Some(call.cpu.into()),
            Some(detail_id),
            off.map(|o| o.0),
            off.map(|o| o.1.into()),
        ])
    })?;
    insert.finish()
}

fn detail(call: &Call, base: Bases) -> Detail {
    let (kernel, stack) = (id(base.kernel, call.kernel), id(base.stack, call.stack));
    (call.op, call.arg0, call.arg1, call.ret, kernel, stack, call.flags, call.first_use as u8)
}

fn off_cpu(db: &Connection, traces: &[Trace], bases: &[Bases], keys: Keys) -> Result<()> {
    let mut ties = Ties::default();
    let mut insert = Batch::new(db, "interval", 10)?;
    timeline::off_cpu(traces).visit(|node, o| {
        let base = bases.get(node).copied().unwrap_or_default();
        insert.row(&[
            Some(keys.key(o.ts_ns, ties.next(o.ts_ns))),
            Some(o.dur_ns),
            id(base.task, o.task),
            Some(o.cpu.into()),
            Some(o.state.into()),
            Some(o.runqueue_ns),
            id(base.task, o.waker),
            id(base.task, o.preemptor),
            id(base.stack, o.stack),
            Some(o.flags.into()),
        ])
    })?;
    insert.finish()
}

fn host(db: &Connection, events: &[(usize, &HostEvent)], bases: &[Bases], keys: Keys) -> Result<()> {
    let mut ties = Ties::default();
    let mut insert = db.prepare("INSERT INTO host VALUES(?,?,?,?,?,?,?)")?;
    for (node, h) in events {
        let base = bases.get(*node).copied().unwrap_or_default();
        let key = keys.key(h.ts_ns, ties.next(h.ts_ns));
        let (arg0, arg1) = (h.arg0.cast_signed(), h.arg1.cast_signed());
        insert.execute(params![key, h.dur_ns, id(base.task, h.task), h.cpu, h.op, arg0, arg1])?;
    }
    Ok(())
}

fn samples(db: &Connection, traces: &[Trace], bases: &[Bases]) -> Result<()> {
    let mut name = db.prepare("INSERT INTO series VALUES(?,?,?,?,?)")?;
    let mut insert = db.prepare("INSERT INTO sample VALUES(NULL,?,?,?)")?;
    for ((node, trace), base) in (1i64..).zip(traces).zip(bases) {
        for (id, s) in (base.series..).zip(&trace.series) {
            name.execute(params![id, node, s.pid, s.name, s.labels])?;
        }
        for s in &trace.samples {
            insert.execute(params![s.ts_ns, id(base.series, s.series), s.value])?;
        }
    }
    Ok(())
}

fn annotations(db: &Connection, traces: &[Trace]) -> Result<()> {
    let mut insert = db.prepare("INSERT INTO annotations VALUES(?,?,?,?,?,?,?)")?;
    for (trace, a) in traces.iter().flat_map(|t| t.annotations.iter().map(move |a| (t, a))) {
        let sender = a.sender.map(|s| (s.pid, s.uid)).unzip();
        insert.execute(params![a.ts_ns, a.dur_ns, trace.node, a.pid, a.labels, sender.0, sender.1])?;
    }
    Ok(())
}

fn op_stats(db: &Connection, trace: &Trace) -> Result<()> {
    let mut insert = db.prepare("INSERT INTO op_stats VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)")?;
    for r in stats::op_rows(trace) {
        insert.execute(params![
            r.node,
            r.pid,
            r.comm,
            r.layer,
            r.op,
            r.count,
            r.total_ns,
            r.min_ns,
            r.p50_ns,
            r.p95_ns,
            r.p99_ns,
            r.max_ns,
            r.first_use_count,
            r.first_use_ns,
            r.off_cpu_calls,
            r.off_cpu_ns,
            r.timed
        ])?;
    }
    Ok(())
}

fn rates(db: &Connection, trace: &Trace) -> Result<()> {
    let mut buckets: HashMap<(u32, u16, i64), (i64, i64)> = HashMap::new();
    for thread in Threads::of(trace).iter() {
        for call in trace.through(thread.calls) {
            let begin = call.ts_ns.div_euclid(BUCKET_NS) * BUCKET_NS;
            let bucket = buckets.entry((thread.pid, call.op, begin)).or_default();
            bucket.0 += 1;
            bucket.1 = bucket.1.saturating_add(call.dur_ns);
        }
        trace.release(thread);
    }
    let mut insert = db.prepare("INSERT INTO rates VALUES(?,?,?,?,?,?,?)")?;
    let buckets: BTreeMap<_, _> = buckets.into_iter().collect();
    for ((pid, op, begin), (count, total)) in buckets {
        insert.execute(params![trace.node, pid, trace.op_name(op).0, begin, BUCKET_NS, count, total])?;
    }
    Ok(())
}

fn findings(db: &Connection, findings: &[Finding]) -> Result<()> {
    let mut insert = db.prepare("INSERT INTO findings VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)")?;
    for f in findings {
        insert.execute(params![
            f.id,
            f.rank,
            f.severity.name(),
            f.cause,
            f.node,
            f.pid,
            f.tid,
            f.comm,
            f.from_ns,
            f.to_ns,
            f.attributed_ns,
            f.calls_affected,
            f.calls_total,
            f.summary,
            f.evidence.to_string(),
            f.counter_evidence.to_string(),
            f.coverage.to_string(),
            f.advice.to_string()
        ])?;
    }
    Ok(())
}

/// What one asks of an investigation without knowing its tables; with several nodes, keys begin with the node.
fn meta(db: &Connection, traces: &[Trace]) -> Result<()> {
    let mut insert = db.prepare("INSERT INTO meta VALUES(?,?)")?;
    insert.execute(params!["tool_version", env!("CARGO_PKG_VERSION")])?;
    insert.execute(params!["schema_version", super::SCHEMA_VERSION.to_string()])?;
    if traces.iter().any(|t| t.facts.redacted) {
        insert.execute(params!["redacted", "yes"])?;
    }
    for trace in traces {
        let f = &trace.facts;
        let rows = [
            ("host", trace.node.clone()),
            ("kernel", f.kernel.clone()),
            ("machine", f.machine.clone()),
            ("cpus", f.cpus.to_string()),
            ("boot_id", f.boot_id.clone()),
            ("gpus", f.gpus.join(", ")),
            ("driver", f.driver.clone()),
            ("recorder_version", f.recorder_version.clone()),
            ("config_digest", f.config_digest.clone()),
            ("snapshot", f.snapshot.clone()),
            ("trigger", f.triggers.join("; ")),
            ("from_ns", trace.from_ns.to_string()),
            ("to_ns", trace.to_ns.to_string()),
            ("asked_last_ns", f.asked_last_ns.to_string()),
            ("asked_after_ns", f.asked_after_ns.to_string()),
            ("clock_offset_ns", f.clock_offset_ns.to_string()),
            ("clock_uncertainty_ns", f.clock_uncertainty_ns.to_string()),
            ("clocks", serde_json::json!(f.clocks).to_string()),
            ("source_file", f.file.clone()),
            ("source_sha256", f.sha256.clone()),
            ("damage", f.damage.join("; ")),
            ("notes", f.notes.join("; ")),
            ("population", f.population.clone()),
        ];
        for (key, value) in rows {
            let key = if traces.len() > 1 { format!("{}/{key}", trace.node) } else { key.to_owned() };
            insert.execute(params![key, value])?;
        }
    }
    Ok(())
}
