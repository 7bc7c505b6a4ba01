//! Keys of JSON as `ingeroctl` prints it.

use ingero_format::control::{
    LossCount, ProcessStatus, RefusalCount, Snapshot, SnapshotCounts, Status, TriggerStatus,
};
use serde_json::Value;

use super::{
    page::{Page, code},
    sql::{Fixture, ingeroctl},
    units,
};

/// Keys by the path of the object that has them.
fn keys(path: &str, value: &Value, out: &mut Vec<(String, Vec<String>)>, page: &mut Page) {
    match value {
        Value::Object(map) => {
            let known = out.iter().position(|(known, _)| known == path).unwrap_or_else(|| {
                out.push((path.to_owned(), Vec::new()));
                out.len() - 1
            });
            for (key, value) in map {
                if !out[known].1.contains(key) {
                    out[known].1.push(key.clone());
                    if value.is_number() && !differs(path) {
                        units::check(page, &format!("JSON, {path}: {key}"), key);
                    }
                }
            }
            for (key, value) in map {
                keys(&format!("{path}.{key}"), value, out, page);
            }
        }
        Value::Array(list) => {
            for item in list {
                keys(&format!("{path}[]"), item, out, page);
            }
        }
        _ => {}
    }
}

/// What is said of a finding differs from cause to cause.
fn differs(path: &str) -> bool {
    ["evidence", "advice", "findings[].coverage"].iter().any(|part| path.contains(part))
}

/// A status in which nothing is absent.
fn status() -> Value {
    let snapshots = SnapshotCounts { last: vec![Snapshot::default()], ..SnapshotCounts::default() };
    let trigger = TriggerStatus {
        refused: vec![RefusalCount::default()],
        last_fired_ts_ns: Some(0),
        ..TriggerStatus::default()
    };
    let process =
        ProcessStatus { off_cpu_percent: Some(0.0), runqueue_percent: Some(0.0), ..ProcessStatus::default() };
    let mut status = Status {
        losses: vec![LossCount::default()],
        processes: vec![process],
        snapshots,
        triggers: vec![trigger],
        ..Status::default()
    };
    status.cost.thread_percent = Some(0.0);
    serde_json::to_value(status).unwrap()
}

pub(super) fn write(page: &mut Page, fixture: &Fixture) {
    page.heading(
        "JSON",
        "Keys of what `--json` prints; `[]` stands for each entry of a list. `evidence`, `counter_evidence`, `coverage` and\n\
         `advice` of a finding differ from cause to cause and are left out.",
    );
    page.table(&["object", "keys"]);
    let mut found = Vec::new();
    keys("status", &status(), &mut found, page);
    for (name, args) in [
        ("verify", ["verify", fixture.bundle()]),
        ("stats", ["stats", fixture.database()]),
        ("explain", ["explain", fixture.database()]),
        ("requests", ["requests", fixture.database()]),
    ] {
        let text = ingeroctl(&[args[0], args[1], "--json"]);
        keys(name, &serde_json::from_str(&text).unwrap(), &mut found, page);
    }
    for (path, keys) in found.iter().filter(|(path, _)| !differs(path)) {
        let keys: Vec<String> = keys.iter().map(|key| code(key)).collect();
        page.row(&[code(path), keys.join(", ")]);
    }
}
