//! Points of GPU processes, from what the drain left.

use std::collections::BTreeMap;

use super::{
    family::{self, Family, Point, Value},
    histogram::{Bounds, CALLS, Histogram, OFF_CPU},
    meters::Process,
    tap::Left,
};

/// What processes without a place of their own are called.
const OTHER: &str = "other";

/// All families of GPU processes. `comms` names processes whose name the drain does not know; `to_real` turns boottime
/// into Unix time, ns.
pub(super) fn families(
    left: &Left,
    comms: &BTreeMap<u32, String>,
    to_real: impl Fn(u64) -> u64,
) -> Vec<Family> {
    let [mut calls, mut launches, mut launch, mut sync, mut off_cpu, mut runqueue] =
        <[Vec<Point>; 6]>::default();
    let own = left.processes.iter().map(|p| (p, p.pid.to_string(), comm(p, comms)));
    for (process, pid, comm) in own.chain([(&left.other, OTHER.into(), OTHER.into())]) {
        let labels = |more: Option<(&'static str, &str)>| {
            let more = more.map(|(name, value)| (name, value.to_owned()));
            [("pid", pid.clone()), ("comm", comm.clone())].into_iter().chain(more).collect::<Vec<_>>()
        };
        let since_ns = to_real(process.since_ns);
        let point = |more, value| Point { labels: labels(more), value, since_ns };
        calls.extend(process.calls().map(|(op, n)| point(Some(("op", op)), Value::Count(n))));
        launches.push(point(None, Value::Count(process.launches)));
        launch.push(point(None, buckets(&process.launch, CALLS)));
        sync.push(point(None, buckets(&process.sync, CALLS)));
        let states = process.off_cpu();
        off_cpu.extend(states.map(|(state, h)| point(Some(("state", state.name())), buckets(h, OFF_CPU))));
        runqueue.push(point(None, Value::Number(process.runqueue_ns as f64 / 1e9)));
    }
    [
        (family::CALLS, calls),
        (family::LAUNCHES, launches),
        (family::LAUNCH_DURATION, launch),
        (family::SYNC_DURATION, sync),
        (family::OFF_CPU, off_cpu),
        (family::RUNQUEUE, runqueue),
    ]
    .map(|(about, points)| Family { about, points })
    .into()
}

fn comm(process: &Process, comms: &BTreeMap<u32, String>) -> String {
    let known = Some(&process.comm).filter(|comm| !comm.is_empty());
    known.or_else(|| comms.get(&process.pid)).cloned().unwrap_or_default()
}

fn buckets(histogram: &Histogram, bounds: Bounds) -> Value {
    Value::Buckets {
        bounds: bounds.seconds(),
        counts: histogram.counts(bounds),
        sum: histogram.sum_seconds(),
    }
}
