//! The rows of `events`: times from their start, threads and processes told apart where the rows do.

use std::collections::{BTreeMap, HashMap};

use ingero_format::{ops, row::flags};
use rusqlite::{Connection, Result, Row};

use super::{
    codes::{Codes, Kind, request_kind},
    columns::{Tables, integer, text},
    stacks::Stacks,
};
use crate::model::{
    ANY_SOURCE, CPU_UNKNOWN, Call, HostEvent, Loss, NONE, NOT_RECORDED, OffCpu, STATE_UNKNOWN, Task, Trace,
};

/// Bytes of a sector, the unit of block requests.
const SECTOR: u64 = 512;
/// No plausible clock reads more: 2^62 ns are the year 2116.
const MAX_TIME_NS: i64 = 1 << 62;
/// A time this long without any row is not known to be idle.
const SILENCE_NS: i64 = 2_000_000_000;

/// A row, as it stands.
struct Raw {
    ts_ns: i64,
    dur_ns: i64,
    pid: u32,
    tid: u32,
    source: i64,
    op: i64,
    arg0: i64,
    arg1: i64,
    ret: i64,
    stack: i64,
    node: String,
    comm: String,
}

impl Raw {
    fn of(row: &Row<'_>) -> Self {
        let id = |column| u32::try_from(integer(row, column)).unwrap_or(0);
        Self {
            ts_ns: integer(row, 0),
            dur_ns: integer(row, 1).max(0),
            pid: id(2),
            tid: id(3),
            source: integer(row, 4),
            op: integer(row, 5),
            arg0: integer(row, 6),
            arg1: integer(row, 7),
            ret: integer(row, 8),
            stack: integer(row, 9),
            node: text(row, 10),
            comm: text(row, 11),
        }
    }
}

impl Raw {
    /// False if no clock can have read that, or no event lasted that long.
    fn is_plausible(&self) -> bool {
        (0..MAX_TIME_NS).contains(&self.ts_ns) && self.dur_ns < MAX_TIME_NS
    }
}

/// A trace being made.
#[derive(Default)]
struct Draft {
    trace: Trace,
    tasks: HashMap<(u32, u32), u32>,
    /// Names that rows themselves carry.
    comms: HashMap<u32, String>,
    rows: Vec<Raw>,
    /// Rows left out because their times cannot be true.
    implausible: u64,
}

/// Reads all events; one trace for each node.
pub(super) fn read(db: &Connection, tables: &Tables, name: &str) -> Result<Vec<Trace>> {
    let column = |column, otherwise| tables.column("events", column, otherwise);
    let sql = format!(
        "SELECT timestamp, duration, pid, tid, source, op, {}, {}, {}, {}, {}, {} FROM events ORDER BY timestamp, rowid",
        column("arg0", "0"),
        column("arg1", "0"),
        column("ret_code", "0"),
        column("stack_hash", "0"),
        column("node", "''"),
        column("comm", "''"),
    );
    let mut drafts: BTreeMap<String, Draft> = BTreeMap::new();
    let mut statement = db.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let raw = Raw::of(row);
        let draft = drafts.entry(raw.node.clone()).or_default();
        if !raw.is_plausible() {
            draft.implausible += 1;
            continue;
        }
        if !raw.comm.is_empty() {
            draft.comms.insert(raw.tid, raw.comm.clone());
        }
        draft.rows.push(raw);
    }
    if drafts.is_empty() {
        drafts.insert(String::new(), Draft::default());
    }
    let names = names(db, tables)?;
    let mut traces = Vec::new();
    for (node, draft) in drafts {
        let stacks = Stacks::of(db, tables)?;
        let mut trace = draft.finish(&names, stacks);
        trace.node = if node.is_empty() { name.to_owned() } else { node };
        traces.push(trace);
    }
    Ok(traces)
}

fn names(db: &Connection, tables: &Tables) -> Result<HashMap<u32, String>> {
    if !tables.has("process_names", &["pid", "name"]) {
        return Ok(HashMap::new());
    }
    let mut statement = db.prepare("SELECT pid, name FROM process_names")?;
    let rows = statement.query_map([], |r| Ok((integer(r, 0), text(r, 1))))?;
    let rows = rows.collect::<Result<Vec<_>>>()?;
    Ok(rows.into_iter().filter_map(|(pid, name)| Some((u32::try_from(pid).ok()?, name))).collect())
}

impl Draft {
    fn finish(mut self, names: &HashMap<u32, String>, mut stacks: Stacks) -> Trace {
        // Only CUDA rows carry the process beside the thread; a switch row has the thread's id in both.
        let processes: HashMap<u32, u32> =
            self.rows.iter().filter(|r| r.source != 3 && r.pid != 0).map(|r| (r.tid, r.pid)).collect();
        let (mut codes, mut silences) = (Codes::default(), Vec::new());
        let mut previous: Option<i64> = None;
        let rows = std::mem::take(&mut self.rows);
        for raw in &rows {
            if let Some(before) = previous.filter(|before| raw.ts_ns.saturating_sub(*before) > SILENCE_NS) {
                silences.push((before, raw.ts_ns));
            }
            previous = Some(raw.ts_ns);
            let pid = if raw.source == 3 && raw.pid == raw.tid {
                processes.get(&raw.tid).copied().unwrap_or(raw.pid)
            } else {
                raw.pid
            };
            self.row(raw, pid, &mut codes, &mut stacks, names);
        }
        let trace = &mut self.trace;
        trace.stacks = stacks.list;
        let begins =
            rows.iter().map(|r| if matches!(r.source, 1 | 4 | 8 | 9) { r.ts_ns } else { r.ts_ns - r.dur_ns });
        let ends =
            rows.iter().map(|r| if matches!(r.source, 1 | 4 | 8 | 9) { r.ts_ns + r.dur_ns } else { r.ts_ns });
        trace.from_ns = begins.min().unwrap_or(0);
        trace.to_ns = ends.max().unwrap_or(0);
        silence(trace, &silences);
        convention(trace);
        for ((source, op), rows) in &codes.unknown {
            trace
                .facts
                .notes
                .push(format!("{rows} rows of source {source} operation {op}, which is not known"));
        }
        if self.implausible > 0 {
            trace.facts.damage.push(format!("{} rows with impossible times were left out", self.implausible));
        }
        trace.spellings = codes.spellings;
        self.trace
    }

    fn task(&mut self, pid: u32, tid: u32, names: &HashMap<u32, String>) -> u32 {
        let next = self.trace.tasks.len() as u32;
        *self.tasks.entry((pid, tid)).or_insert_with(|| {
            let own = self.comms.get(&tid).or_else(|| names.get(&tid)).or_else(|| names.get(&pid));
            self.trace.tasks.push(Task { pid, tid, comm: own.cloned().unwrap_or_default() });
            next
        })
    }

    fn row(
        &mut self,
        raw: &Raw,
        pid: u32,
        codes: &mut Codes,
        stacks: &mut Stacks,
        names: &HashMap<u32, String>,
    ) {
        let (arg0, arg1) = (raw.arg0.cast_unsigned(), raw.arg1.cast_unsigned());
        let ended = raw.ts_ns.saturating_sub(raw.dur_ns);
        match codes.kind(raw.source, raw.op) {
            Kind::Call(op) => {
                let call = Call {
                    ts_ns: raw.ts_ns,
                    dur_ns: raw.dur_ns,
                    arg0,
                    arg1,
                    task: self.task(pid, raw.tid, names),
                    kernel: NONE,
                    stack: stacks.id(raw.stack),
                    ret: i32::try_from(raw.ret).unwrap_or(i32::MAX),
                    op,
                    cpu: CPU_UNKNOWN,
                    ..Call::default()
                };
                self.trace.calls.push(call);
            }
            Kind::Switch => {
                let off = OffCpu {
                    ts_ns: ended,
                    dur_ns: raw.dur_ns,
                    runqueue_ns: NOT_RECORDED,
                    task: self.task(pid, raw.tid, names),
                    waker: NONE,
                    preemptor: NONE,
                    stack: NONE,
                    state: STATE_UNKNOWN,
                    cpu: CPU_UNKNOWN,
                    flags: flags::STACK_LOST,
                };
                self.trace.off_cpu.push(off);
            }
            Kind::Host(op) => self.host(raw, pid, op, codes, names),
        }
    }

    fn host(&mut self, raw: &Raw, pid: u32, op: u16, codes: &mut Codes, names: &HashMap<u32, String>) {
        let (arg0, arg1) = (raw.arg0.cast_unsigned(), raw.arg1.cast_unsigned());
        let child = u32::try_from(raw.arg1).unwrap_or(0);
        let (task, op, arg0, arg1) = match op {
            // The agent's row is the parent's and names the child; ours is the child's and names the parent.
            ops::FORK => (self.task(child, child, names), op, u64::from(pid), 0),
            ops::EXIT if pid != raw.tid => (self.task(pid, raw.tid, names), codes.thread_exit(), arg0, arg1),
            ops::BLOCK_IO => {
                (self.task(pid, raw.tid, names), op, arg0.saturating_mul(SECTOR), request_kind(raw.op))
            }
            _ => (self.task(pid, raw.tid, names), op, arg0, arg1),
        };
        self.trace.host_events.push(HostEvent {
            ts_ns: raw.ts_ns.saturating_sub(raw.dur_ns),
            dur_ns: raw.dur_ns,
            arg0,
            arg1,
            task,
            op,
            cpu: CPU_UNKNOWN,
        });
    }
}

/// Long times without any row: nothing is known of them, and nothing is to be concluded.
fn silence(trace: &mut Trace, silences: &[(i64, i64)]) {
    for (from_ns, to_ns) in silences {
        trace.losses.push(Loss {
            from_ns: *from_ns,
            to_ns: *to_ns,
            count: 0,
            cause: ops::LossCause::Sampled as i32,
            cpu: CPU_UNKNOWN,
            source: ANY_SOURCE,
        });
    }
    if let Some((from, to)) = silences.iter().max_by_key(|(from, to)| to - from) {
        trace.facts.notes.push(format!(
            "no row of any kind for {} from {} after the begin on: unknown, not idle",
            crate::time::duration(to - from),
            crate::time::duration(from - trace.from_ns),
        ));
    }
}

/// Driver calls lie inside the runtime calls that make them if both are stamped at their starts. Where they
/// would only if both were stamped at their ends, this database keeps another convention.
fn convention(trace: &mut Trace) {
    let pairs = trace.calls.iter().filter(|d| d.op == ops::CU_CTX_SYNCHRONIZE).map(|driver| {
        let outer =
            trace.calls.iter().filter(|r| r.op == ops::CUDA_DEVICE_SYNCHRONIZE && r.task == driver.task);
        let by_start = outer.clone().any(|r| r.ts_ns <= driver.ts_ns && driver.end_ns() <= r.end_ns());
        let by_end = outer
            .clone()
            .any(|r| r.ts_ns - r.dur_ns <= driver.ts_ns - driver.dur_ns && driver.ts_ns <= r.ts_ns);
        (by_start, by_end)
    });
    let (starts, ends) =
        pairs.fold((0, 0), |(s, e), (by_start, by_end)| (s + i32::from(by_start), e + i32::from(by_end)));
    if ends > starts {
        trace.facts.damage.push(
            "calls nest only if they were stamped at their ends: times of calls in this database cannot be trusted".to_owned(),
        );
    }
}
