//! Answers that were computed when the database was made: asked again, they need no event to be read.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Result, Row};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Lossy;
use crate::{
    coverage::{self, Coverage, Window},
    error::Error,
    investigate::{Finding, known_cause},
    model::Trace,
    stats::{OpRow, Stats, ThreadRow, thread_rows},
};

/// What `stats` and `explain` answer about the whole of a database.
#[derive(Debug)]
pub struct Answers {
    /// All statistics.
    pub stats: Stats,
    /// All findings, most important first.
    pub findings: Vec<Finding>,
}

/// Writes window, coverage and threads; operations and findings have tables of their own.
pub(super) fn write(db: &Connection, traces: &[Trace]) -> Result<()> {
    let mut insert = db.prepare("INSERT INTO answer VALUES(?,?)")?;
    insert.execute(["window", &serde_json::json!(coverage::window(traces)).to_string()])?;
    insert.execute(["coverage", &serde_json::json!(Coverage::of(traces)).to_string()])?;
    let mut insert = db.prepare("INSERT INTO thread_stats VALUES(?,?,?,?,?,?,?,?,?,?)")?;
    for r in traces.iter().flat_map(thread_rows) {
        insert.execute(rusqlite::params![
            r.node,
            r.pid,
            r.tid,
            r.comm,
            r.calls,
            r.off_cpu_count,
            r.off_cpu_ns,
            r.max_off_cpu_ns,
            r.runqueue_ns,
            r.preempted_count
        ])?;
    }
    Ok(())
}

/// Reads them back; `None` for a database made by a version that did not keep them.
///
/// # Errors
/// As [`super::open`].
pub fn answers(path: &Path) -> std::result::Result<Option<Answers>, Error> {
    let db = super::open(path)?;
    read(&db).map_err(Error::database(path))
}

fn read(db: &Connection) -> Result<Option<Answers>> {
    let there =
        "SELECT count(*) FROM sqlite_schema WHERE name IN ('answer', 'thread_stats') AND type = 'table'";
    if db.query_row(there, [], |r| r.get::<_, i64>(0))? < 2 {
        return Ok(None);
    }
    let (Some(window), Some(coverage)) = (kept::<Window>(db, "window")?, kept::<Coverage>(db, "coverage")?)
    else {
        return Ok(None);
    };
    let ops = rows(db, "SELECT * FROM op_stats ORDER BY rowid", op_row)?;
    let threads = rows(db, "SELECT * FROM thread_stats ORDER BY rowid", thread_row)?;
    let findings: Option<Vec<Finding>> =
        rows(db, "SELECT * FROM findings ORDER BY rank", finding)?.into_iter().collect();
    Ok(findings.map(|findings| Answers { stats: Stats::sorted(window, coverage, ops, threads), findings }))
}

fn kept<T: DeserializeOwned>(db: &Connection, key: &str) -> Result<Option<T>> {
    let text: Option<String> =
        db.query_row("SELECT value FROM answer WHERE key = ?", [key], |r| r.get(0)).optional()?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

fn rows<T>(db: &Connection, sql: &str, row: fn(&Row<'_>) -> Result<T>) -> Result<Vec<T>> {
    db.prepare(sql)?.query_map([], row)?.collect()
}

fn op_row(r: &Row<'_>) -> Result<OpRow> {
    Ok(OpRow {
        node: r.get("node")?,
        pid: r.get("pid")?,
        comm: r.get::<_, Lossy>("comm")?.0,
        layer: r.get("layer")?,
        op: r.get("op")?,
        count: r.get("count")?,
        timed: r.get("timed")?,
        total_ns: r.get("total_ns")?,
        min_ns: r.get("min_ns")?,
        p50_ns: r.get("p50_ns")?,
        p95_ns: r.get("p95_ns")?,
        p99_ns: r.get("p99_ns")?,
        max_ns: r.get("max_ns")?,
        first_use_count: r.get("first_use_count")?,
        first_use_ns: r.get("first_use_ns")?,
        off_cpu_calls: r.get("off_cpu_calls")?,
        off_cpu_ns: r.get("off_cpu_ns")?,
    })
}

fn thread_row(r: &Row<'_>) -> Result<ThreadRow> {
    Ok(ThreadRow {
        node: r.get("node")?,
        pid: r.get("pid")?,
        tid: r.get("tid")?,
        comm: r.get::<_, Lossy>("comm")?.0,
        calls: r.get("calls")?,
        off_cpu_count: r.get("off_cpu_count")?,
        off_cpu_ns: r.get("off_cpu_ns")?,
        max_off_cpu_ns: r.get("max_off_cpu_ns")?,
        runqueue_ns: r.get("runqueue_ns")?,
        preempted_count: r.get("preempted_count")?,
    })
}

/// `None` for a cause or severity that this version does not know.
fn finding(r: &Row<'_>) -> Result<Option<Finding>> {
    let json = |column: &str| -> Result<Value> {
        Ok(serde_json::from_str(&r.get::<_, Lossy>(column)?.0).unwrap_or_default())
    };
    let (cause, severity): (String, String) = (r.get("cause")?, r.get("severity")?);
    let Some((cause, severity)) = known_cause(&cause, &severity) else { return Ok(None) };
    Ok(Some(Finding {
        id: r.get("id")?,
        rank: r.get("rank")?,
        severity,
        cause,
        node: r.get("node")?,
        pid: r.get("pid")?,
        tid: r.get("tid")?,
        comm: r.get::<_, Lossy>("comm")?.0,
        from_ns: r.get("from_ns")?,
        to_ns: r.get("to_ns")?,
        attributed_ns: r.get("attributed_ns")?,
        calls_affected: r.get("calls_affected")?,
        calls_total: r.get("calls_total")?,
        summary: r.get::<_, Lossy>("summary")?.0,
        evidence: json("evidence")?,
        counter_evidence: json("counter_evidence")?,
        coverage: json("coverage")?,
        advice: json("advice")?,
    }))
}
