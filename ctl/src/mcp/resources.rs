//! What a client may read without asking a question: the schema, what is known of the recording, the report.

use std::sync::Arc;

use rmcp::model::{ReadResourceResult, Resource, ResourceContents};
use serde_json::{Map, Value, json};

use super::{answer::UNTRUSTED, clean, desk::Desk, refusal::Refusal, session::Session};
use crate::{
    explain::{Answer, text},
    sqlite::{Lossy, Stop},
};

const SCHEMA: &str = "ingero://schema";
const META: &str = "ingero://meta";
const REPORT: &str = "ingero://report";
/// Longest text, bytes; what is longer is cut at a line, and the end says so.
const TEXT_BYTES: usize = 90 << 10;

/// What the schema does not say by itself.
const SCHEMA_NOTES: &str = "-- Investigation (SQLite). ts_ns: Unix ns, start of the event; dur_ns: ns; an event covers [ts_ns, ts_ns + dur_ns).
-- Ask the views cuda_calls, off_cpu, host_events, losses, samples and processes, and the tables op_stats, rates,
-- thread_stats, findings, stacks, annotations and meta. Other tables hold numbers for the views.
-- op_stats, thread_stats and rates are exact over the whole window; rates has a row for each second.
-- Big windows: an expression on ts_ns reads every row. A stretch of time is found at once by its id instead:
--   SELECT ... FROM cuda_calls WHERE id >= ((BEGIN_NS - (SELECT base_ns FROM key_layout)) << (SELECT bits FROM key_layout))
--                                AND id < ((END_NS - (SELECT base_ns FROM key_layout)) << (SELECT bits FROM key_layout))
-- off_cpu_ns of cuda_calls: time its thread was off-CPU inside the call. NULL means not recorded, never 0.
";

/// All of them.
#[must_use]
pub fn all() -> Vec<Resource> {
    let one = |uri: &str, name: &str, about: &str, kind: &str| {
        Resource::new(uri, name).with_description(about).with_mime_type(kind)
    };
    vec![
        one(
            SCHEMA,
            "schema",
            "Tables and views for run_sql, with what their columns mean",
            "application/sql",
        ),
        one(
            META,
            "meta",
            "Host, kernel, GPU, driver, versions, clocks, trigger, window, source file",
            "application/json",
        ),
        one(REPORT, "report", "The investigation in sentences: findings, evidence, coverage", "text/plain"),
    ]
}

/// True if there is such a resource.
#[must_use]
pub fn is_known(uri: &str) -> bool {
    [SCHEMA, META, REPORT].contains(&uri)
}

/// What is said of one that there is not.
#[must_use]
pub fn unknown(uri: &str) -> String {
    format!("no resource `{}`; there are {SCHEMA}, {META} and {REPORT}", clean::text(uri))
}

/// Reads one.
///
/// # Errors
/// If the investigation cannot be read.
pub fn read(session: &Session, stop: &Arc<Stop>, uri: &str) -> Result<ReadResourceResult, Refusal> {
    let desk = Desk::open(session.current()?, stop)?;
    let (text, kind) = match uri {
        SCHEMA => (schema(&desk)?, "application/sql"),
        META => (meta(&desk)?, "application/json"),
        _ => (report(&desk)?, "text/plain"),
    };
    let contents = ResourceContents::text(text, uri).with_mime_type(kind);
    Ok(ReadResourceResult::new(vec![contents]))
}

fn schema(desk: &Desk) -> Result<String, Refusal> {
    let mut text = SCHEMA_NOTES.to_owned();
    let sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type DESC, name";
    let mut statement = desk.scan.db.prepare(sql)?;
    let rows = statement.query_map([], |r| Ok(r.get::<_, Lossy>(0)?.0))?;
    for sql in rows {
        text.push_str(&lines(&sql?));
        text.push_str(";\n");
    }
    Ok(cut(text))
}

fn meta(desk: &Desk) -> Result<String, Refusal> {
    let mut statement = desk.scan.db.prepare("SELECT key, value FROM meta")?;
    let pair = |r: &rusqlite::Row<'_>| Ok((r.get::<_, Lossy>(0)?.0, Value::String(r.get::<_, Lossy>(1)?.0)));
    let meta: Map<String, Value> = statement.query_map([], pair)?.collect::<rusqlite::Result<_>>()?;
    let coverage = &desk.investigation.stats.coverage;
    let mut value = json!({
        "meta": meta, "coverage": coverage, "population": coverage.population, "untrusted": UNTRUSTED,
    });
    clean::value(&mut value);
    let text = value.to_string();
    if text.len() <= TEXT_BYTES {
        return Ok(text);
    }
    Err(Refusal::new(
        "meta is too long for one message; ask run_sql: SELECT key, substr(value, 1, 200) FROM meta",
    ))
}

fn report(desk: &Desk) -> Result<String, Refusal> {
    let i = &desk.investigation;
    let answer = Answer {
        window: i.stats.window.clone(),
        coverage: i.stats.coverage.clone(),
        findings: i.findings.clone(),
        processes: None,
    };
    let mut report = Vec::new();
    text::write(&answer, &mut report).map_err(|e| Refusal::new(format!("report: {e}")))?;
    Ok(cut(format!("{}\nnote      {UNTRUSTED}\n", lines(&String::from_utf8_lossy(&report)))))
}

/// Clean, and still of several lines.
fn lines(text: &str) -> String {
    text.lines().map(clean::text).collect::<Vec<_>>().join("\n")
}

fn cut(mut text: String) -> String {
    if text.len() > TEXT_BYTES {
        let end = text.char_indices().take_while(|(i, _)| *i < TEXT_BYTES).filter(|(_, c)| *c == '\n').last();
        text.truncate(end.map_or(0, |(i, _)| i + 1));
        text.push_str(
            "... cut here: it is longer than one message; get_causal_chains and run_sql have the rest\n",
        );
    }
    text
}
