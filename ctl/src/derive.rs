//! What a call is given before anything is judged: off-CPU time inside it, and whether it is a first use.

use std::collections::HashSet as StdHashSet;

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};
use ingero_format::ops::Group;

use crate::{
    limits,
    model::{Call, Cursor, FirstUse, OffCpu, Span, Trace, order, spans},
    tally::Tally,
};

/// What reading the recording taught about functions, beyond the window.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Process id and function ([`Call::function`]): launched before the window.
    pub launched_before: &'a StdHashSet<(u32, u64)>,
    /// Process id and function: the look-up that made it is recorded.
    pub looked_up: &'a StdHashSet<(u32, u64)>,
}

/// Fills `off_cpu_ns`, `off_cpu_count` and `first_use` of every call.
pub fn derive(trace: &mut Trace, known: &Known<'_>) {
    for span in spans(trace) {
        let off_cpu = trace.off_cpu.get(span.off_cpu.clone()).unwrap_or_default();
        let mut cursor = Cursor::default();
        trace.calls.each(span.calls, |call| off_cpu_inside(call, off_cpu, &mut cursor));
        trace.off_cpu.release(span.off_cpu);
    }
    for (position, first_use) in first_uses(trace, known) {
        if let Some(call) = trace.calls.get_mut(position) {
            call.first_use = first_use;
        }
    }
}

// Calls of a thread rise by their starts, also those inside others.
fn off_cpu_inside(call: &mut Call, off_cpu: &[OffCpu], cursor: &mut Cursor) {
    let (mut inside_ns, mut count) = (0, 0);
    for off in cursor.touching(off_cpu, call.ts_ns, call.end_ns()) {
        let ns = off.end_ns().min(call.end_ns()) - off.ts_ns.max(call.ts_ns);
        inside_ns += ns.max(0);
        count += 1;
    }
    if (call.off_cpu_ns, call.off_cpu_count) != (inside_ns, count) {
        (call.off_cpu_ns, call.off_cpu_count) = (inside_ns, count);
    }
}

fn first_uses(trace: &Trace, known: &Known<'_>) -> Vec<(usize, FirstUse)> {
    let mut first = first_launches(trace);
    first.retain(|(_, pid, function)| !known.launched_before.contains(&(*pid, *function)));
    let recorded_from_start: HashSet<u32> = trace
        .processes
        .iter()
        .filter(|p| p.start_ns >= trace.from_ns && p.covered_ns <= p.start_ns)
        .map(|p| p.pid)
        .collect();
    let warm = warm_on_cpu(trace, &first);
    let loaded = loaded_just_before(trace);
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

/// Of each function and process, the first launch in the window: position, process, function.
fn first_launches(trace: &Trace) -> Vec<(usize, u32, u64)> {
    let mut first: HashMap<Key, usize> = HashMap::new();
    for span in spans(trace) {
        let mut recent = Recent::default();
        for (position, call) in calls_of(trace, &span) {
            let Some(function) = call.function() else { continue };
            let key = (span.pid, call.op >= 0x0800, function);
            if recent.is_known(key) {
                continue;
            }
            let place = first.entry(key).or_insert(position);
            if trace.calls.get(*place).is_some_and(|other| order::calls(call, other).is_lt()) {
                *place = position;
            }
        }
        trace.calls.release(span.calls);
    }
    first.into_iter().map(|((pid, _, function), position)| (position, pid, function)).collect()
}

/// Process, whether of the runtime, and function.
type Key = (u32, bool, u64);

/// Functions that a thread launched before: only its first launch of each can be the first of all.
struct Recent([Option<Key>; 256]);

impl Default for Recent {
    fn default() -> Self {
        Self([None; 256])
    }
}

impl Recent {
    /// True if certainly met before.
    fn is_known(&mut self, key: Key) -> bool {
        let place = (key.2 ^ key.2 >> 8 ^ key.2 >> 16) as usize % self.0.len();
        self.0.get_mut(place).is_some_and(|known| known.replace(key) == Some(key))
    }
}

fn calls_of<'a>(trace: &'a Trace, span: &Span) -> impl Iterator<Item = (usize, &'a Call)> + use<'a> {
    (span.calls.start..).zip(trace.through(trace.calls.get(span.calls.clone()).unwrap_or_default()))
}

/// Median on-CPU time of the launches that are not the first of their function.
fn warm_on_cpu(trace: &Trace, first: &[(usize, u32, u64)]) -> HashMap<(u32, u16), i64> {
    if first.is_empty() {
        return HashMap::new();
    }
    let mut first: Vec<usize> = first.iter().map(|(position, ..)| *position).collect();
    first.sort_unstable();
    let mut first = first.into_iter().peekable();
    let mut values: HashMap<(u32, u16), Tally> = HashMap::new();
    for span in spans(trace) {
        for (position, call) in calls_of(trace, &span) {
            if first.next_if_eq(&position).is_none() && call.function().is_some() {
                values.entry((span.pid, call.op)).or_default().push(call.on_cpu_ns());
            }
        }
        trace.calls.release(span.calls);
    }
    values.into_iter().map(|(key, tally)| (key, tally.sorted().median())).collect()
}

/// Launches with a load on the same thread inside them or shortly before, no other launch between.
fn loaded_just_before(trace: &Trace) -> HashSet<usize> {
    let mut found = HashSet::new();
    for span in spans(trace) {
        let mut load_end = i64::MIN;
        let mut launch: Option<(usize, i64)> = None;
        for (position, call) in calls_of(trace, &span) {
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
        trace.calls.release(span.calls);
    }
    found
}

fn is_shortly_after(call: &Call, load_end: i64) -> bool {
    load_end != i64::MIN && call.ts_ns - load_end <= limits::LOAD_BEFORE_LAUNCH_NS
}
