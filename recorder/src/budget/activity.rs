//! What each recorded process does, for people who watch: calls a second, and how long its busiest thread waits.

use std::{
    collections::BTreeMap,
    fs,
    sync::{Arc, Mutex},
    time::Instant,
};

use ingero_ebpf_abi::Lane;

use super::Usage;
use crate::lock::lock;

/// Processes whose busiest thread is looked at; a file is read for each.
const MAX_PROCESSES: usize = 256;

/// Of one process, over the last second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Launches that met a probe, a second.
    pub launches: f64,
    /// All calls that met a probe, a second.
    pub calls: f64,
    /// Share of time that the thread with most calls was not on a CPU, percent.
    pub off_cpu_percent: Option<f64>,
    /// Part of that: share of time that it wanted to run and had no CPU, percent of the whole second.
    pub runqueue_percent: Option<f64>,
}

/// Shared between the one who counts and those who ask.
#[derive(Clone, Debug, Default)]
pub struct Activity(Arc<Mutex<BTreeMap<u32, Rates>>>);

impl Activity {
    /// The last of a process.
    #[must_use]
    pub fn of(&self, pid: u32) -> Rates {
        lock(&self.0).get(&pid).copied().unwrap_or_default()
    }
}

// Time on a CPU and time waiting for one, ns since the thread began (Documentation/scheduler/sched-stats.rst).
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sched {
    tid: u32,
    at: Instant,
    on_cpu_ns: u64,
    waited_ns: u64,
}

/// Adds up each second.
#[derive(Debug, Default)]
pub(super) struct Watcher {
    activity: Activity,
    before: BTreeMap<u32, Sched>,
}

impl Watcher {
    pub(super) fn new(activity: Activity) -> Self {
        Self { activity, before: BTreeMap::new() }
    }

    /// Takes the last second's usage of all threads.
    pub(super) fn see(&mut self, usage: &[Usage]) {
        let mut busiest: BTreeMap<u32, (u32, f64, Rates)> = BTreeMap::new();
        for thread in usage {
            let calls: f64 = thread.calls.iter().sum();
            let (tid, most, rates) =
                busiest.entry(thread.pid).or_insert((thread.tid, -1.0, Rates::default()));
            rates.calls += calls;
            rates.launches += thread.calls.get(Lane::Launch as usize).copied().unwrap_or(0.0);
            if calls > *most {
                (*tid, *most) = (thread.tid, calls);
            }
        }
        let mut now = BTreeMap::new();
        for (pid, (tid, _, rates)) in busiest.iter_mut().take(MAX_PROCESSES) {
            let Some(sched) = sched(*pid, *tid) else { continue };
            if let Some(before) = self.before.get(pid) {
                (rates.off_cpu_percent, rates.runqueue_percent) = waits(before, &sched).unzip();
            }
            now.insert(*pid, sched);
        }
        self.before = now;
        let rates = busiest.into_iter().map(|(pid, (.., rates))| (pid, rates)).collect();
        *lock(&self.activity.0) = rates;
    }
}

fn sched(pid: u32, tid: u32) -> Option<Sched> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{tid}/schedstat")).ok()?;
    let mut words = text.split_ascii_whitespace().map(str::parse::<u64>);
    let (on_cpu_ns, waited_ns) = (words.next()?.ok()?, words.next()?.ok()?);
    Some(Sched { tid, at: Instant::now(), on_cpu_ns, waited_ns })
}

// Another thread may be the busiest now: two threads' times say nothing together.
fn waits(before: &Sched, now: &Sched) -> Option<(f64, f64)> {
    let wall = now.at.duration_since(before.at).as_nanos() as f64;
    if before.tid != now.tid || wall <= 0.0 {
        return None;
    }
    let percent = |before: u64, now: u64| 100.0 * now.saturating_sub(before) as f64 / wall;
    let off = 100.0 - percent(before.on_cpu_ns, now.on_cpu_ns);
    Some((off.clamp(0.0, 100.0), percent(before.waited_ns, now.waited_ns).clamp(0.0, 100.0)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn waits_are_those_of_one_thread_over_the_time_between_two_looks() {
        let at = Instant::now();
        let before = Sched { tid: 8, at, on_cpu_ns: 0, waited_ns: 0 };
        let now = Sched {
            tid: 8,
            at: at + Duration::from_secs(2),
            on_cpu_ns: 500_000_000,
            waited_ns: 1_000_000_000,
        };
        assert_eq!(waits(&before, &now), Some((75.0, 50.0)));
        assert_eq!(waits(&before, &Sched { tid: 9, ..now }), None);
        assert_eq!(waits(&before, &before), None);
    }

    #[test]
    fn a_process_is_the_sum_of_its_threads_and_one_that_is_gone_has_no_rates() {
        let me = std::process::id();
        let thread =
            |pid, tid, launches| Usage { pid, tid, calls: [launches, 0.0, 0.0, 1.0], ..Usage::default() };
        let activity = Activity::default();
        let mut watcher = Watcher::new(activity.clone());
        for _ in 0..2 {
            watcher.see(&[thread(me, me, 10.0), thread(me, me + 1, 5.0), thread(4_000_000, 1, 7.0)]);
        }
        assert_eq!((activity.of(me).launches, activity.of(me).calls), (15.0, 17.0));
        assert!(activity.of(me).off_cpu_percent.is_some());
        assert_eq!(activity.of(4_000_000).off_cpu_percent, None);
        watcher.see(&[]);
        assert_eq!(activity.of(me), Rates::default());
    }
}
