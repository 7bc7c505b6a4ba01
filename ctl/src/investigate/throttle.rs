//! When a cgroup's CPU limit kept a thread from running.
//!
//! The kernel counts how long a group was throttled; the recorder reads the count at intervals. Between two
//! readings that differ, a thread of the group that could run and did not was throttled for at most that long:
//! first the time in which nobody had its CPU, then the longest other waits. What is beyond the count is not.

use foldhash::{HashMap, HashMapExt};

use super::spans::merged;
use crate::model::{NONE, OffCpu, Process, Thread, Threads, Trace};

const COUNTER: &str = "cgroup_cpu_throttled_us_total";
const NS_PER_US: f64 = 1000.0;

/// Throttled spans by thread id; disjoint, rising.
#[derive(Debug, Default)]
pub(super) struct Throttled(HashMap<u32, Vec<(i64, i64)>>);

/// Time between two readings, and what was added meanwhile, ns.
type Step = (i64, i64, i64);

impl Throttled {
    pub fn of(trace: &Trace, threads: &Threads) -> Self {
        let groups = groups(trace);
        let mut spans = HashMap::new();
        if groups.is_empty() {
            return Self(spans);
        }
        let only = only_caller(trace, threads);
        let place: HashMap<u32, &Process> = trace.processes.iter().map(|p| (p.pid, p)).collect();
        for thread in threads.iter() {
            let Some(process) = place.get(&thread.pid) else { continue };
            let elsewhere = only == Some(thread.pid) && !accounted(trace, &process.cgroup);
            for (_, steps) in groups.iter().filter(|(group, _)| elsewhere || holds(group, &process.cgroup)) {
                let found = of_thread(thread, steps);
                if !found.is_empty() {
                    spans.entry(thread.tid).or_insert_with(Vec::new).extend(found);
                }
            }
        }
        spans.values_mut().for_each(|s| *s = merged(std::mem::take(s)));
        Self(spans)
    }

    /// When a thread was throttled.
    pub fn of_tid(&self, tid: u32) -> &[(i64, i64)] {
        self.0.get(&tid).map_or(&[], Vec::as_slice)
    }
}

/// The process with CUDA calls, if there is one only.
fn only_caller(trace: &Trace, threads: &Threads) -> Option<u32> {
    let mut pids = threads.iter().filter(|t| !t.calls.is_empty()).map(|t| t.pid);
    let first = pids.next()?;
    (pids.all(|pid| pid == first) && trace.processes.iter().any(|p| p.pid == first)).then_some(first)
}

/// True if CPU counts of a process's cgroup are there. With version 1 of cgroups they may not be: a process has a
/// group for each controller, and one path is kept. Groups are only read for processes that are recorded, so with one
/// such process they are its.
fn accounted(trace: &Trace, cgroup: &str) -> bool {
    trace.series.iter().filter(|s| s.name.starts_with("cgroup_cpu_")).any(|s| {
        let labels: serde_json::Value = serde_json::from_str(&s.labels).unwrap_or_default();
        labels.get("cgroup").and_then(|g| g.as_str()).is_some_and(|g| g != "/" && holds(g, cgroup))
    })
}

/// True if a cgroup is `group` or lies below it.
fn holds(group: &str, cgroup: &str) -> bool {
    cgroup.strip_prefix(group).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || group == "/")
}

/// Groups whose count rose, with the steps in which it did.
fn groups(trace: &Trace) -> Vec<(String, Vec<Step>)> {
    let mut groups: Vec<(String, Vec<Step>)> = Vec::new();
    for (i, series) in trace.series.iter().enumerate().filter(|(_, s)| s.name == COUNTER) {
        let labels: serde_json::Value = serde_json::from_str(&series.labels).unwrap_or_default();
        let Some(group) = labels.get("cgroup").and_then(|g| g.as_str()) else { continue };
        let readings: Vec<(i64, f64)> = trace
            .samples
            .iter()
            .filter(|s| s.series as usize == i)
            .map(|s| (s.ts_ns, s.value * NS_PER_US))
            .collect();
        let steps = readings.iter().zip(readings.iter().skip(1));
        let rising: Vec<Step> = steps
            .filter(|((_, before), (_, after))| after > before)
            .map(|((from, before), (to, after))| (*from, *to, (after - before) as i64))
            .collect();
        if !rising.is_empty() {
            groups.push((group.to_owned(), rising));
        }
    }
    groups
}

fn of_thread(thread: &Thread, steps: &[Step]) -> Vec<(i64, i64)> {
    let mut spans = Vec::new();
    for (from, to, added) in steps {
        let mut waits: Vec<(i64, i64, bool)> = thread
            .off_cpu_in(*from, *to)
            .filter(|off| off.end_ns() <= *to)
            .map(runnable)
            .filter(|(from, to, _)| from < to)
            .collect();
        waits.sort_by_key(|(from, to, alone)| (!alone, from - to, *from));
        let mut left = *added;
        for (begin, end, _) in waits {
            let ns = left.min(end - begin);
            if ns <= 0 {
                break;
            }
            spans.push((begin, begin + ns));
            left -= ns;
        }
    }
    spans
}

fn runnable(off: &OffCpu) -> (i64, i64, bool) {
    let from = if off.preempted() { off.ts_ns } else { off.runnable_from_ns() };
    (from, off.end_ns(), off.preemptor == NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_holds_itself_and_what_lies_below_it() {
        assert!(holds("/pods/a", "/pods/a") && holds("/pods/a", "/pods/a/box") && holds("/", "/x"));
        assert!(!holds("/pods/a", "/pods/ab") && !holds("/pods/a/box", "/pods/a"));
    }
}
