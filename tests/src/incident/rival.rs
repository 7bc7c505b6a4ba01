//! The rule by which an engine of co-occurrence explains a window: an operation whose p99 is three times its p50, and
//! five context switches of anything within ten seconds, make a claim that the scheduler is to blame.
//!
//! It is applied to the same databases, with the rule's own thresholds, to see what attribution adds.

use rusqlite::Connection;

/// What the rule claims.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The cause in this project's words.
    pub cause: &'static str,
    /// The operation that was slow.
    pub op: String,
    /// p99 by p50.
    pub ratio: f64,
}

/// From which ratio of p99 to p50 the rule looks for something that happened beside.
const RATIO: f64 = 3.0;
/// Context switches that it needs.
const SWITCHES: i64 = 5;
/// How far back it counts them, ns.
const WINDOW_NS: i64 = 10_000_000_000;

/// The claims about one process's operations, largest ratio first.
#[must_use]
pub fn claims(db: &Connection, pid: u32) -> Vec<Claim> {
    let switches: i64 = db
        .query_row(
            "SELECT count(*) FROM off_cpu WHERE ts_ns >= (SELECT max(ts_ns) FROM off_cpu) - ?1",
            [WINDOW_NS],
            |r| r.get(0),
        )
        .expect("off_cpu");
    if switches < SWITCHES {
        return Vec::new();
    }
    let sql =
        "SELECT op, p99_ns * 1.0 / p50_ns FROM op_stats WHERE pid = ?1 AND p50_ns > 0 ORDER BY 2 DESC, 1";
    let mut statement = db.prepare(sql).expect("op_stats");
    let rows = statement.query_map([pid], |r| Ok((r.get(0)?, r.get(1)?))).expect("op_stats");
    rows.map(|row| row.expect("a row"))
        .filter(|(_, ratio)| *ratio >= RATIO)
        .map(|(op, ratio)| Claim { cause: "cpu_contention", op, ratio })
        .collect()
}
