//! What stands beside the events: sessions, snapshots of the machine, counts, and what the agent concluded.

use rusqlite::{Connection, Result};
use serde_json::{Value, json};

use super::columns::{Tables, integer, real, text};
use crate::model::{Annotation, Sample, Series, Trace};

/// Layouts whose meaning was looked at.
const KNOWN_LAYOUTS: [&str; 2] = ["0.8", "0.9"];

/// Adds everything to a trace.
pub(super) fn add(db: &Connection, tables: &Tables, trace: &mut Trace) -> Result<()> {
    layout(db, tables, trace)?;
    session(db, tables, trace)?;
    snapshots(db, tables, trace)?;
    counted(db, tables, trace)?;
    cgroups(db, tables, trace)?;
    claims(db, tables, trace)?;
    annotations(db, tables, trace)
}

fn layout(db: &Connection, tables: &Tables, trace: &mut Trace) -> Result<()> {
    let mut version = String::new();
    if tables.has("schema_info", &["key", "value"]) {
        let mut statement = db.prepare("SELECT value FROM schema_info WHERE key = 'version'")?;
        let mut rows = statement.query([])?;
        if let Some(row) = rows.next()? {
            version = text(row, 0);
        }
    }
    if !KNOWN_LAYOUTS.contains(&version.as_str()) {
        let known = KNOWN_LAYOUTS.join(" and ");
        trace
            .facts
            .notes
            .push(format!("layout `{version}` is not one of those known ({known}); read by column names"));
    }
    Ok(())
}

/// The rows of this node, where rows have one.
fn of_node(tables: &Tables, table: &str, trace: &Trace) -> (String, Vec<String>) {
    if tables.has(table, &["node"]) {
        (" WHERE node IN (?1, '')".to_owned(), vec![trace.node.clone()])
    } else {
        (String::new(), Vec::new())
    }
}

fn session(db: &Connection, tables: &Tables, trace: &mut Trace) -> Result<()> {
    let columns = ["started_at", "gpu_model", "gpu_driver", "cpu_cores", "kernel", "ingero_ver", "flags"];
    if !tables.has("sessions", &columns) {
        return Ok(());
    }
    let (filter, parameters) = of_node(tables, "sessions", trace);
    let sql = format!("SELECT {} FROM sessions{filter} ORDER BY started_at", columns.join(", "));
    let mut statement = db.prepare(&sql)?;
    let mut rows = statement.query(rusqlite::params_from_iter(parameters))?;
    while let Some(row) = rows.next()? {
        let facts = &mut trace.facts;
        let gpu = text(row, 1);
        if !gpu.is_empty() && !facts.gpus.contains(&gpu) {
            facts.gpus.push(gpu);
        }
        facts.driver = text(row, 2);
        facts.cpus = u32::try_from(integer(row, 3)).unwrap_or(0);
        facts.kernel = text(row, 4);
        facts.recorder_version = format!("Ingero {}", text(row, 5));
    }
    Ok(())
}

/// Values of one quantity, in order of time.
fn push(trace: &mut Trace, name: &str, labels: &Value, values: Vec<(i64, f64)>) {
    if values.is_empty() {
        return;
    }
    let series = trace.series.len() as u32;
    trace.series.push(Series { pid: 0, name: name.to_owned(), labels: labels.to_string() });
    trace.samples.extend(values.into_iter().map(|(ts_ns, value)| Sample { ts_ns, series, value }));
}

fn snapshots(db: &Connection, tables: &Tables, trace: &mut Trace) -> Result<()> {
    const QUANTITIES: [(&str, &str); 5] = [
        ("cpu_pct", "host_cpu_percent"),
        ("mem_pct", "host_memory_percent"),
        ("mem_avail", "host_memory_available_mib"),
        ("swap_mb", "host_swap_mib"),
        ("load_avg", "host_load1"),
    ];
    for (column, name) in QUANTITIES {
        if tables.has("system_snapshots", &["timestamp", column]) {
            let sql = format!("SELECT timestamp, {column} FROM system_snapshots ORDER BY timestamp");
            let values = values(db, &sql)?;
            push(trace, name, &json!({}), values);
        }
    }
    Ok(())
}

fn values(db: &Connection, sql: &str) -> Result<Vec<(i64, f64)>> {
    let mut statement = db.prepare(sql)?;
    let rows = statement.query_map([], |r| Ok((integer(r, 0), real(r, 1))))?;
    let rows = rows.collect::<Result<Vec<_>>>()?;
    Ok(rows.into_iter().filter_map(|(ts, value)| Some((ts, value?))).collect())
}

/// Source, operation and thread; values by time; how many are said to be stored.
type Counted = ((i64, i64, i64), Vec<(i64, f64)>, i64);

/// Events that were counted and mostly not stored. The `pid` of switches is a thread's.
fn counted(db: &Connection, tables: &Tables, trace: &mut Trace) -> Result<()> {
    if !tables.has("event_aggregates", &["bucket", "source", "op", "pid", "count", "stored"]) {
        return Ok(());
    }
    let sql = "SELECT source, op, pid, bucket, count, stored FROM event_aggregates ORDER BY source, op, pid, bucket";
    let mut statement = db.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut found: Vec<Counted> = Vec::new();
    while let Some(row) = rows.next()? {
        let key = (integer(row, 0), integer(row, 1), integer(row, 2));
        let (value, stored) = ((integer(row, 3), real(row, 4).unwrap_or(0.0)), integer(row, 5));
        match found.last_mut() {
            Some((last, values, sum)) if *last == key => {
                values.push(value);
                *sum += stored;
            }
            _ => found.push((key, vec![value], stored)),
        }
    }
    let mut claimed = std::collections::BTreeMap::new();
    for ((source, op, id), values, stored) in found {
        *claimed.entry((source, op)).or_insert(0) += stored;
        let labels = json!({"source": source, "op": op, "tid": id, "stored": stored});
        push(trace, "events_counted", &labels, values);
    }
    absent(trace, &claimed);
    Ok(())
}

/// Compares what the agent says it stored with what is there.
fn absent(trace: &mut Trace, claimed: &std::collections::BTreeMap<(i64, i64), i64>) {
    let switches = claimed.get(&(3, 1)).copied().unwrap_or(0);
    let missing = switches - trace.off_cpu.len() as i64;
    if missing > 0 {
        trace.facts.notes.push(format!("{missing} of {switches} switches that were stored are not there"));
    }
}

/// Cumulative counts: the last row says it all, and rows must not be added up.
fn cgroups(db: &Connection, tables: &Tables, trace: &mut Trace) -> Result<()> {
    if !tables.has("cgroup_schedstat", &["cgroup_id", "total_off_cpu", "window_end"]) {
        return Ok(());
    }
    let mut statement = db.prepare("SELECT DISTINCT cgroup_id FROM cgroup_schedstat ORDER BY cgroup_id")?;
    let ids = statement.query_map([], |r| Ok(integer(r, 0)))?.collect::<Result<Vec<_>>>()?;
    for id in ids {
        let sql = format!(
            "SELECT window_end, total_off_cpu FROM cgroup_schedstat WHERE cgroup_id = {id} ORDER BY window_end"
        );
        let values = values(db, &sql)?;
        push(trace, "cgroup_off_cpu_total_ns", &json!({"cgroup_id": id}), values);
    }
    Ok(())
}

/// What the agent concluded from counts in a window: claims, not findings.
fn claims(db: &Connection, tables: &Tables, trace: &mut Trace) -> Result<()> {
    let columns = ["id", "detected_at", "severity", "summary", "root_cause", "explanation"];
    if !tables.has("causal_chains", &columns) {
        return Ok(());
    }
    let column = |column, otherwise| tables.column("causal_chains", column, otherwise);
    let (filter, parameters) = of_node(tables, "causal_chains", trace);
    let sql = format!(
        "SELECT {}, {}, {}, {}, {} FROM causal_chains{filter} ORDER BY detected_at, id",
        columns.join(", "),
        column("cuda_op", "''"),
        column("cuda_p99_us", "NULL"),
        column("cuda_p50_us", "NULL"),
        column("tail_ratio", "NULL"),
    );
    let mut statement = db.prepare(&sql)?;
    let mut rows = statement.query(rusqlite::params_from_iter(parameters))?;
    while let Some(row) = rows.next()? {
        let labels = json!({
            "kind": "claim",
            "by": "Ingero",
            "rests_on": "counts of events in a window around the time, not on intervals of the thread",
            "id": text(row, 0),
            "severity": text(row, 2),
            "summary": text(row, 3),
            "root_cause": text(row, 4),
            "explanation": text(row, 5),
            "op": text(row, 6),
            "p99_us": real(row, 7),
            "p50_us": real(row, 8),
            "tail_ratio": real(row, 9),
        });
        trace.annotations.push(Annotation {
            ts_ns: integer(row, 1),
            dur_ns: 0,
            labels: labels.to_string(),
            ..Annotation::default()
        });
    }
    Ok(())
}

/// Annotations of newer files.
fn annotations(db: &Connection, tables: &Tables, trace: &mut Trace) -> Result<()> {
    if !tables.has("annotations", &["timestamp", "labels"]) {
        return Ok(());
    }
    let column = |column, otherwise| tables.column("annotations", column, otherwise);
    let sql = format!(
        "SELECT timestamp, {}, {}, labels FROM annotations ORDER BY timestamp, rowid",
        column("duration", "0"),
        column("pid", "NULL"),
    );
    let mut statement = db.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let labels = text(row, 3);
        let labels = if serde_json::from_str::<Value>(&labels).is_ok() {
            labels
        } else {
            json!({"text": labels}).to_string()
        };
        let pid = u32::try_from(integer(row, 2)).ok().filter(|pid| *pid != 0);
        let (ts_ns, dur_ns) = (integer(row, 0), integer(row, 1));
        trace.annotations.push(Annotation { ts_ns, dur_ns, pid, labels, sender: None });
    }
    Ok(())
}
