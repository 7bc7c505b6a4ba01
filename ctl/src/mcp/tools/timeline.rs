//! `get_timeline`: what happened around an instant, in order.

use rusqlite::params;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    mcp::{
        answer::Told,
        desk::{self, Desk, Names},
        fit,
        refusal::Refusal,
    },
    model::CPU_UNKNOWN,
    sqlite::{CallRow, Detail, IntervalRow, Lossy, Span, Take},
};

pub(super) const ABOUT: &str = "Events in order of time between from and to: CUDA calls (CUDA), off-CPU intervals (HOST), \
process and system events (EVENT), losses (LOSS) and what programs said of their own time, such as requests and steps \
(SAID; with tid, of every process). Without from and to: around the first finding. Events that began \
earlier and reach into the time are there too, as far as they were found.";

/// Rows of one table that are read: most of them may be of other threads.
const READ: usize = 200_000;
/// Rows before the time asked for that may reach into it.
const BEFORE: usize = 20_000;
/// Annotations that are read.
const SAID: usize = 20_000;
/// Length of the time without from or to.
const AROUND_NS: i64 = 1_000_000_000;
/// Rows that are told if no number is given, and at most.
const LIMIT: (usize, usize) = (500, 5_000);

/// Parameters.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Params {
    /// Only this process.
    #[serde(default)]
    pid: Option<u32>,
    /// Only this thread.
    #[serde(default)]
    tid: Option<u32>,
    /// Begin: RFC 3339, an offset from the window's end such as -30s, or Unix ns.
    #[serde(default)]
    from: Option<String>,
    /// End, likewise.
    #[serde(default)]
    to: Option<String>,
    /// Events (default 500, at most 5000; fewer if they do not fit an answer).
    #[serde(default)]
    limit: Option<usize>,
}

/// An event.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Event {
    ts_ns: i64,
    dur_ns: i64,
    /// CUDA, HOST, EVENT, LOSS or SAID.
    kind: &'static str,
    /// Operation, state, kind of event, cause of the loss, or labels (JSON).
    what: String,
    node: String,
    pid: u32,
    tid: u32,
    comm: String,
    /// Kernel, who had the CPU or woke the thread, or values: whatever is known.
    detail: String,
    /// Off-CPU time inside the call, ns.
    off_cpu_ns: Option<i64>,
    /// Time the thread could have run in, ns.
    runqueue_ns: Option<i64>,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Body {
    events: Vec<Event>,
    /// Events found.
    events_total: usize,
    /// Where to go on, Unix ns; null if nothing was left out.
    next_from_ns: Option<i64>,
}

pub(super) fn run(desk: &Desk, params: Params) -> Result<Told<Body>, Refusal> {
    let asked = asked(desk, &params)?;
    let names = desk.names()?;
    let who = Who { pid: desk::process(params.pid), tid: desk::process(params.tid), names: &names };
    let mut events = Vec::new();
    let mut until = calls(desk, &who, asked, &mut events)?;
    until = until.min(intervals(desk, &who, asked, &mut events)?);
    until = until.min(others(desk, &who, asked, &mut events)?);
    until = until.min(said(desk, &who, asked, &mut events)?);
    losses(desk, asked, &mut events)?;
    let narrowed = until < asked.to_ns;
    events.retain(|e: &Event| e.ts_ns < until);
    events.sort_by(|a, b| {
        let key = |e: &Event| (e.ts_ns, std::cmp::Reverse(e.dur_ns), e.tid);
        key(a).cmp(&key(b)).then_with(|| (a.kind, &a.what).cmp(&(b.kind, &b.what)))
    });
    let limit = params.limit.filter(|l| *l > 0).unwrap_or(LIMIT.0).min(LIMIT.1).min(fit::room_for(&events));
    let events_total = events.len();
    let next_from_ns = events.get(limit).map(|e| e.ts_ns).or(narrowed.then_some(until));
    events.truncate(limit);
    let body = Body { events, events_total, next_from_ns };
    let span = Span { to_ns: until, ..asked };
    let told = Told { span: Some(span), ..Told::whole(body) };
    Ok(match next_from_ns {
        Some(from) => told.cut(format!("there are more events: go on with from {from}, or give tid or pid")),
        None => told,
    })
}

struct Who<'a> {
    pid: Option<u32>,
    tid: Option<u32>,
    names: &'a Names,
}

impl Who<'_> {
    fn is(&self, task: i64) -> bool {
        let task = self.names.task(task);
        self.pid.is_none_or(|p| task.pid == p) && self.tid.is_none_or(|t| task.tid == t)
    }

    fn event(&self, task: i64, ts_ns: i64, dur_ns: i64, kind: &'static str, what: String) -> Event {
        let task = self.names.task(task);
        Event {
            ts_ns,
            dur_ns,
            kind,
            what,
            node: task.node.clone(),
            pid: task.pid,
            tid: task.tid,
            comm: task.comm.clone(),
            detail: String::new(),
            off_cpu_ns: None,
            runqueue_ns: None,
        }
    }
}

fn asked(desk: &Desk, params: &Params) -> Result<Span, Refusal> {
    let given = |name: &str, text: &Option<String>| {
        let text = text.as_deref().filter(|t| !t.trim().is_empty());
        text.map(|t| desk.moment(name, t)).transpose()
    };
    let (from, to) = (given("from", &params.from)?, given("to", &params.to)?);
    let window = &desk.investigation.stats.window;
    let (from_ns, to_ns) = match (from, to) {
        (Some(from), Some(to)) => (from, to),
        (Some(from), None) => (from, from.saturating_add(AROUND_NS)),
        (None, Some(to)) => (to.saturating_sub(AROUND_NS), to),
        (None, None) => {
            let first = desk.investigation.findings.first().map(|f| f.from_ns);
            let from = first.map_or(window.to_ns - AROUND_NS, |from| from - AROUND_NS / 10);
            (from, from + AROUND_NS)
        }
    };
    if from_ns >= to_ns || to_ns <= window.from_ns || from_ns > window.to_ns {
        return Err(Refusal::new(format!(
            "from and to leave nothing of the window, which is {} to {} Unix ns",
            window.from_ns, window.to_ns
        )));
    }
    Ok(Span { from_ns, to_ns })
}

/// What began earlier and reaches in.
fn before(asked: Span) -> Span {
    Span { from_ns: i64::MIN, to_ns: asked.from_ns }
}

fn calls(desk: &Desk, who: &Who<'_>, asked: Span, events: &mut Vec<Event>) -> Result<i64, Refusal> {
    let inside = desk.scan.calls(asked, Take::Earliest(READ))?;
    let reaching = desk.scan.calls(before(asked), Take::Latest(BEFORE))?.rows;
    let reaching = reaching.into_iter().filter(|c| c.ts_ns.saturating_add(c.dur_ns) > asked.from_ns);
    let rows: Vec<CallRow> = inside.rows.iter().copied().chain(reaching).filter(|c| who.is(c.task)).collect();
    let details = desk.scan.details(&rows)?;
    for call in &rows {
        if let Some(detail) = details.get(&call.detail) {
            events.push(self::call(desk, who, call, detail)?);
        }
    }
    Ok(inside.span.to_ns)
}

fn call(desk: &Desk, who: &Who<'_>, call: &CallRow, detail: &Detail) -> Result<Event, Refusal> {
    let op = who.names.op(detail.op).0;
    let mut event = who.event(call.task, call.ts_ns, call.dur_ns, "CUDA", op);
    if let Some(kernel) = detail.kernel {
        event.detail = format!("kernel {}", desk.scan.kernel(kernel)?);
    }
    if detail.first_use {
        event.detail.push_str(" (first use)");
    }
    event.off_cpu_ns = Some(call.off_cpu_ns).filter(|ns| *ns > 0);
    Ok(event)
}

fn intervals(desk: &Desk, who: &Who<'_>, asked: Span, events: &mut Vec<Event>) -> Result<i64, Refusal> {
    let inside = desk.scan.intervals(asked, Take::Earliest(READ))?;
    let reaching = desk.scan.intervals(before(asked), Take::Latest(BEFORE))?.rows;
    let reaching = reaching.into_iter().filter(|i| i.ts_ns.saturating_add(i.dur_ns) > asked.from_ns);
    let states = desk.scan.states()?;
    let label = |task: i64| {
        let task = who.names.task(task);
        format!("{}/{}", if task.comm.is_empty() { "?" } else { &task.comm }, task.pid)
    };
    for i in inside.rows.iter().copied().chain(reaching).filter(|i: &IntervalRow| who.is(i.task)) {
        let state = super::off_cpu::state(i.preempted, i.state, &states);
        let mut event = who.event(i.task, i.ts_ns, i.dur_ns, "HOST", state);
        let preemptor = i.preemptor.map(|t| format!("{} had the CPU", label(t)));
        let waker = i.waker.map(|t| format!("woken by {}", label(t)));
        let cpu = (i.cpu != i64::from(CPU_UNKNOWN)).then(|| format!("cpu {}", i.cpu));
        let open = i.open.then(|| "had not ended".to_owned());
        let known = [preemptor, waker, cpu, open].into_iter().flatten();
        event.detail = known.collect::<Vec<_>>().join(", ");
        event.runqueue_ns = i.runqueue_ns;
        events.push(event);
    }
    Ok(inside.span.to_ns)
}

fn others(desk: &Desk, who: &Who<'_>, asked: Span, events: &mut Vec<Event>) -> Result<i64, Refusal> {
    let inside = desk.scan.host(asked, Take::Earliest(READ))?;
    for host in inside.rows.iter().filter(|h| who.is(h.task)) {
        let op = who.names.op(host.op).0;
        let mut event = who.event(host.task, host.ts_ns, host.dur_ns, "EVENT", op);
        event.detail = format!("arg0 {} arg1 {}", host.arg0, host.arg1);
        events.push(event);
    }
    Ok(inside.span.to_ns)
}

/// Of the process asked for and of none in particular: threads are not named.
fn said(desk: &Desk, who: &Who<'_>, asked: Span, events: &mut Vec<Event>) -> Result<i64, Refusal> {
    let sql = "SELECT ts_ns, dur_ns, node, ifnull(pid, 0), labels FROM annotations WHERE ts_ns < ?2 \
               AND (ts_ns >= ?1 OR ts_ns + dur_ns > ?1) AND (?3 IS NULL OR ifnull(pid, 0) IN (0, ?3)) \
               ORDER BY ts_ns, rowid LIMIT ?4";
    let mut statement = desk.scan.db.prepare(sql)?;
    let mut rows = statement.query(params![asked.from_ns, asked.to_ns, who.pid, SAID as i64 + 1])?;
    let mut found = 0;
    while let Some(r) = rows.next()? {
        let ts_ns = r.get(0)?;
        found += 1;
        if found > SAID {
            return Ok(ts_ns);
        }
        events.push(Event {
            ts_ns,
            dur_ns: r.get(1)?,
            kind: "SAID",
            what: r.get::<_, Lossy>(4)?.0,
            node: r.get::<_, Lossy>(2)?.0,
            pid: r.get(3)?,
            tid: 0,
            comm: String::new(),
            detail: String::new(),
            off_cpu_ns: None,
            runqueue_ns: None,
        });
    }
    Ok(asked.to_ns)
}

/// Of whatever thread: what is missing may be of any.
fn losses(desk: &Desk, asked: Span, events: &mut Vec<Event>) -> Result<(), Refusal> {
    for gap in super::coverage::gaps(desk, asked, None)? {
        events.push(Event {
            ts_ns: gap.from_ns,
            dur_ns: gap.to_ns - gap.from_ns,
            kind: "LOSS",
            what: gap.cause,
            node: gap.node,
            pid: 0,
            tid: 0,
            comm: String::new(),
            detail: format!("{} {} events", gap.count, gap.source),
            off_cpu_ns: None,
            runqueue_ns: None,
        });
    }
    Ok(())
}
