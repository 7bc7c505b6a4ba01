//! What a call is given before anything is judged: off-CPU time inside it, and whether it is a first use.

use std::collections::{HashMap, HashSet};

use ingero_format::ops::Group;

use super::limits;
use crate::{
    model::{Call, Cursor, FirstUse, Thread, Threads, Trace},
    quantile,
};

/// What reading the recording taught about functions, beyond the window.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Process and function: launched before the window.
    pub launched_before: &'a HashSet<(u32, u64)>,
    /// Process and function: the look-up that made it is recorded.
    pub looked_up: &'a HashSet<(u32, u64)>,
}

/// Fills `off_cpu_ns`, `off_cpu_count` and `first_use` of every call.
pub fn annotate(trace: &mut Trace, known: &Known<'_>) {
    let threads = Threads::of(trace);
    let mut inside = vec![(0, 0); trace.calls.len()];
    for thread in threads.iter() {
        off_cpu_inside(trace, thread, &mut inside);
    }
    for (call, (ns, count)) in trace.calls.iter_mut().zip(inside) {
        (call.off_cpu_ns, call.off_cpu_count) = (ns, count);
    }
    for (position, first_use) in first_uses(trace, &threads, known) {
        if let Some(call) = trace.calls.get_mut(position) {
            call.first_use = first_use;
        }
    }
}

fn off_cpu_inside(trace: &Trace, thread: &Thread, inside: &mut [(i64, u32)]) {
    let mut cursor = Cursor::default();
    for position in &thread.calls {
        let (Some(call), Some(slot)) =
            (trace.calls.get(*position as usize), inside.get_mut(*position as usize))
        else {
            continue;
        };
        // Calls rise by their starts, also those inside others.
        for off in cursor.touching(thread, trace, call.ts_ns, call.end_ns()) {
            let ns = off.end_ns().min(call.end_ns()) - off.ts_ns.max(call.ts_ns);
            slot.0 += ns.max(0);
            slot.1 += 1;
        }
    }
}

type Key = (u32, bool, u64);

fn first_uses(trace: &Trace, threads: &Threads, known: &Known<'_>) -> Vec<(usize, FirstUse)> {
    let mut seen: HashSet<Key> = HashSet::new();
    let mut first: Vec<(usize, u32, u64)> = Vec::new();
    for (position, call) in trace.calls.iter().enumerate() {
        let Some(function) = call.function() else { continue };
        let (pid, runtime) = (trace.pid(call.task), call.op >= 0x0800);
        if seen.insert((pid, runtime, function)) && !known.launched_before.contains(&(pid, function)) {
            first.push((position, pid, function));
        }
    }
    let recorded_from_start: HashSet<u32> = trace
        .processes
        .iter()
        .filter(|p| p.start_ns >= trace.from_ns && p.covered_ns <= p.start_ns)
        .map(|p| p.pid)
        .collect();
    let warm = warm_on_cpu(trace, &first);
    let loaded = loaded_just_before(trace, threads);
    let judge = |(position, pid, function): (usize, u32, u64)| {
        let call = trace.calls.get(position)?;
        let usual = warm.get(&(pid, call.op)).copied();
        let costly = usual.is_some_and(|ns| {
            call.on_cpu_ns() >= ns.saturating_mul(limits::FIRST_USE_FACTOR)
                && call.on_cpu_ns() >= ns.saturating_add(limits::SLOW_MARGIN_NS)
        });
        let first_use = if recorded_from_start.contains(&pid) || known.looked_up.contains(&(pid, function)) {
            FirstUse::Certain
        } else if costly || loaded.contains(&position) {
            FirstUse::Evident
        } else {
            FirstUse::Seen
        };
        Some((position, first_use))
    };
    first.into_iter().filter_map(judge).collect()
}

/// Median on-CPU time of the launches that are not the first of their function.
fn warm_on_cpu(trace: &Trace, first: &[(usize, u32, u64)]) -> HashMap<(u32, u16), i64> {
    let first: HashSet<usize> = first.iter().map(|(position, ..)| *position).collect();
    let mut values: HashMap<(u32, u16), Vec<i64>> = HashMap::new();
    for (position, call) in trace.calls.iter().enumerate() {
        if call.function().is_some() && !first.contains(&position) {
            values.entry((trace.pid(call.task), call.op)).or_default().push(call.on_cpu_ns());
        }
    }
    values.into_iter().map(|(key, mut v)| (key, quantile::median(&mut v))).collect()
}

/// Launches with a load on the same thread inside them or shortly before, no other launch between.
fn loaded_just_before(trace: &Trace, threads: &Threads) -> HashSet<usize> {
    let mut found = HashSet::new();
    for thread in threads.iter() {
        let mut load_end = i64::MIN;
        let mut launch: Option<(usize, i64)> = None;
        for position in thread.calls.iter().map(|p| *p as usize) {
            let Some(call) = trace.calls.get(position) else { continue };
            if call.group() == Group::Code {
                load_end = call.end_ns();
                if let Some((outer, end)) = launch
                    && call.ts_ns < end
                {
                    found.insert(outer);
                }
            } else if call.function().is_some() {
                if is_shortly_after(call, load_end) {
                    found.insert(position);
                }
                load_end = i64::MIN;
                launch = Some((position, call.end_ns()));
            }
        }
    }
    found
}

fn is_shortly_after(call: &Call, load_end: i64) -> bool {
    load_end != i64::MIN && call.ts_ns - load_end <= limits::LOAD_BEFORE_LAUNCH_NS
}
