//! Numbers read at intervals, as curves.

use rusqlite::{Connection, Result};
use serde_json::{Value, json};

use super::{names::shortened, rows};

/// Most values of a curve; of more, those in between are left out.
const MAX_POINTS: usize = 1200;
/// Most curves.
const MAX_CURVES: usize = 240;

/// One curve.
#[derive(Debug)]
struct Curve {
    node: String,
    name: String,
    labels: String,
    points: Vec<(i64, f64)>,
}

/// All curves; `left_out` says how many there were more.
///
/// # Errors
/// As SQLite does.
pub fn counters(db: &Connection, from_ns: i64, dur_ns: i64) -> Result<Value> {
    let mut curves: Vec<Curve> = Vec::new();
    let mut left_out = 0;
    rows::samples(db, |row| {
        let same = |c: &Curve| c.name == row.name && c.labels == row.labels && c.node == row.node;
        let known = curves.last().is_some_and(same);
        // The buckets of a histogram are many, and no curve.
        if !known && (row.name.ends_with("_bucket") || curves.len() == MAX_CURVES) {
            left_out += 1;
            return;
        }
        if !known {
            let (node, name, labels) = (row.node.to_string(), row.name.to_string(), row.labels.to_string());
            curves.push(Curve { node, name, labels, points: Vec::new() });
        }
        if let Some(curve) = curves.last_mut() {
            curve.points.push((row.ts_ns.saturating_sub(from_ns), row.value));
        }
    })?;
    let written: Vec<Value> = curves.iter().map(|c| written(c, dur_ns)).collect();
    Ok(json!({"curves": written, "values_left_out": left_out}))
}

fn written(curve: &Curve, dur_ns: i64) -> Value {
    let step = curve.points.len().div_ceil(MAX_POINTS).max(1);
    let shown: Vec<&(i64, f64)> = curve.points.iter().step_by(step).collect();
    let ts: Vec<i64> = shown.iter().map(|(ts, _)| (*ts).clamp(-dur_ns, dur_ns.saturating_mul(2))).collect();
    let values: Vec<f64> = shown.iter().map(|(_, value)| *value).collect();
    json!({
        "node": shortened(&curve.node), "name": shortened(&curve.name), "labels": labels(&curve.labels),
        "ts": ts, "v": values, "every": step,
    })
}

/// `gpu 0, mode idle`; an id that says what another label says already is left out.
fn labels(text: &str) -> String {
    let Ok(Value::Object(labels)) = serde_json::from_str(text) else { return shortened(text) };
    let shown: Vec<String> = labels
        .iter()
        .filter(|(key, _)| !(*key == "uuid" && labels.contains_key("gpu")))
        .map(|(key, value)| match value {
            Value::String(value) => format!("{key} {value}"),
            other => format!("{key} {other}"),
        })
        .collect();
    shortened(&shown.join(", "))
}
