//! A program that makes a known number of calls, and what the recorder kept of them.

use std::collections::BTreeMap;

use nix::time::{ClockId, clock_gettime};
use serde_json::Value;

use crate::{Lab, Program, standin};

/// What came out.
#[derive(Debug)]
pub struct Counted {
    /// Calls made after the start, by operation; those that are recorded at all.
    pub made: BTreeMap<String, u64>,
    /// Rows of `cuda_calls`, by operation.
    pub recorded: BTreeMap<String, u64>,
    /// Events that `losses` speaks of.
    pub lost: u64,
    /// Time the calls took, s.
    pub seconds: f64,
}

/// Calls that are not probed: pollers and getters.
const NOT_RECORDED: [&str; 8] = [
    "cuStreamQuery",
    "cuEventQuery",
    "cuEventCreate",
    "cuEventRecord",
    "cuEventDestroy",
    "cuDeviceGet",
    "cuCtxSetCurrent",
    "cuStreamIsCapturing",
];

/// A program that is making its calls.
pub struct Calling {
    program: Program,
    /// Boottime just before the start, ns: set-up calls lie before it, every counted call after it. The program's own
    /// mark will not do: its threads may have begun before it was taken.
    started: i64,
}

/// Makes `threads * per_thread` loop rounds at `rate` calls a second and counts both sides.
pub fn count(lab: &Lab, threads: u32, per_thread: u32, rate: u32) -> Counted {
    begin(lab, threads, per_thread, rate).end(lab)
}

/// Begins to make the calls.
pub fn begin(lab: &Lab, threads: u32, per_thread: u32, rate: u32) -> Calling {
    let args = [
        "--threads",
        &threads.to_string(),
        "--per-thread",
        &per_thread.to_string(),
        "--rate",
        &rate.to_string(),
    ];
    let args = args.iter().copied().chain(["--start-on-stdin", "--linger"]);
    let mut program = Program::start(&standin().calls, args);
    program.line_with("READY");
    lab.until_covered(program.pid());
    let started = boot_ns();
    program.say("go");
    Calling { program, started }
}

fn boot_ns() -> i64 {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).unwrap();
    now.tv_sec() * 1_000_000_000 + now.tv_nsec()
}

impl Calling {
    /// Waits for the last call, and counts what was made and what was recorded.
    pub fn end(mut self, lab: &Lab) -> Counted {
        let truth: Value = serde_json::from_str(&self.program.line_with("{")).unwrap();
        let last = format!("{}s", (boot_ns() - self.started) / 1_000_000_000 + 3);
        let (pid, started) = (self.program.pid(), self.started);
        let db = lab.window(&format!("calls-{pid}"), &last);
        self.program.finish();
        counted(&db, &truth, pid, started)
    }
}

fn counted(db: &rusqlite::Connection, truth: &Value, pid: u32, started: i64) -> Counted {
    let nanoseconds = truth["end_ns"].as_u64().unwrap() - truth["start_ns"].as_u64().unwrap();
    let made = recorded_ones(truth);
    // Set-up calls are recorded too if the library was known before: only what came after the start counts.
    let sql = "SELECT op, count(*) FROM cuda_calls WHERE pid = ?1 AND ts_ns >= ?2 + \
               (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'clock_offset_ns') GROUP BY op";
    let mut statement = db.prepare(sql).unwrap();
    let rows = statement
        .query_map((pid, started), |r| Ok((r.get::<_, String>(0)?, r.get::<_, i64>(1)?.cast_unsigned())))
        .unwrap();
    let recorded = rows.map(Result::unwrap).collect();
    let lost: Option<i64> = db.query_row("SELECT sum(count) FROM losses", [], |r| r.get(0)).unwrap();
    Counted { made, recorded, lost: lost.unwrap_or(0).cast_unsigned(), seconds: nanoseconds as f64 / 1e9 }
}

/// The calls of a program's report that are recorded, by operation.
pub fn recorded_ones(truth: &Value) -> BTreeMap<String, u64> {
    let mut made = BTreeMap::new();
    for (symbol, n) in truth["calls_after_start"].as_object().unwrap() {
        let op = base(symbol);
        if !NOT_RECORDED.contains(&op) {
            *made.entry(op.to_owned()).or_default() += n.as_u64().unwrap();
        }
    }
    made
}

// The operation's name: the symbol without its version.
fn base(symbol: &str) -> &str {
    match symbol.rsplit_once("_v") {
        Some((name, digits)) if digits.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => symbol,
    }
}
