//! Who had the CPU, and in which kernel functions threads waited: sums over all of the window.

use std::{cmp::Reverse, collections::BTreeMap};

use foldhash::{HashMap, HashMapExt};
use rusqlite::{Connection, Result};
use serde_json::{Value, json};

use super::{
    collect::Collected,
    names::shortened,
    rows,
    thread::{Sum, Thread},
};
use crate::model::Frame;

/// Most rows of the table of preemptors.
const MAX_PREEMPTORS: usize = 100;
/// Most stacks of each thread.
const MAX_STACKS: usize = 200;
/// Most frames of a stack; the outermost go first.
const MAX_FRAMES: usize = 64;

/// Preemptors of the threads with a lane (shape S8), by time.
///
/// # Errors
/// As SQLite does.
pub fn preemptors(db: &Connection, all: &Collected, lanes: &[&Thread]) -> Result<Value> {
    let mut places: HashMap<(String, u32), String> = HashMap::new();
    rows::places(db, |node, pid, place| {
        places.insert((node.to_owned(), pid), shortened(place));
    })?;
    let mut found: Vec<(u32, usize, Sum)> = Vec::new();
    for (lane, thread) in lanes.iter().enumerate() {
        found.extend(thread.preempted.iter().map(|(by, (sum, _))| (*by, lane, *sum)));
    }
    found.sort_by_key(|(by, lane, sum)| (Reverse(sum.ns), *lane, *by));
    let left_out = found.len().saturating_sub(MAX_PREEMPTORS);
    let place = |by: u32| {
        let (node, pid, _) = all.peers.get(&by)?;
        places.get(&(node.clone(), *pid)).cloned()
    };
    let rows: Vec<Value> = found
        .iter()
        .take(MAX_PREEMPTORS)
        .map(|(by, lane, sum)| {
            json!({"by": all.names.name(*by), "lane": lane, "times": sum.count, "ns": sum.ns,
                   "max_ns": sum.max_ns, "place": place(*by)})
        })
        .collect();
    Ok(json!({"rows": rows, "left_out": left_out}))
}

/// Kernel stacks of the threads with a lane (shape S7), by time; frames are places in the list of names.
#[must_use]
pub fn stacks(all: &Collected, lanes: &[&Thread], used: &mut FrameNames) -> Value {
    let mut shown: BTreeMap<String, Value> = BTreeMap::new();
    let mut per_lane = Vec::new();
    for thread in lanes {
        let mut sums: Vec<(&Option<i64>, &Sum)> = thread.stacks.iter().collect();
        sums.sort_by_key(|(id, sum)| (Reverse(sum.ns), **id));
        let rest = sums.iter().skip(MAX_STACKS).fold(0_i64, |ns, (_, sum)| ns.saturating_add(sum.ns));
        let rows: Vec<Value> = sums
            .iter()
            .take(MAX_STACKS)
            .map(|(id, sum)| json!([id.unwrap_or(0), sum.count, sum.ns, sum.max_ns]))
            .collect();
        for id in sums.iter().take(MAX_STACKS).filter_map(|(id, _)| **id) {
            if let Some(frames) = all.stacks.get(&id) {
                shown.entry(id.to_string()).or_insert_with(|| used.frames(frames));
            }
        }
        per_lane.push(json!({"rows": rows, "rest_ns": rest}));
    }
    json!({"stacks": shown, "lanes": per_lane})
}

/// Names of frames, each once.
#[derive(Debug, Default)]
pub struct FrameNames(pub super::names::Names);

impl FrameNames {
    fn frames(&mut self, frames: &[Frame]) -> Value {
        frames.iter().take(MAX_FRAMES).map(|f| Value::from(self.0.place(&name(f)))).collect()
    }
}

fn name(frame: &Frame) -> String {
    match (&frame.symbol, &frame.module) {
        (Some(symbol), Some(module)) => format!("{symbol} [{module}]"),
        (Some(symbol), None) => symbol.clone(),
        (None, _) => frame.address.clone(),
    }
}
