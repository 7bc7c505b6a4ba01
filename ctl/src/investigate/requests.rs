//! Requests that programs told, and where the time of each went on the thread that served it.
//!
//! A thread serves many requests at once: what is told of one is what its thread did in its time, not what was done for it
//! alone. Every nanosecond of a request stands in exactly one column.

use std::collections::BTreeMap;

use ingero_format::ops::Group;
use serde::Serialize;

use super::{
    decompose::{self, CLASSES, Class},
    scene::Scene,
    units,
};
use crate::{
    model::{Annotation, Cursor, Thread, Threads, Trace, Walk},
    quantile,
};

/// The label that names a request.
const REQUEST_ID: &str = "request_id";
/// The label that says which part of a request a span is.
const PHASE: &str = "phase";
/// Its value for the wait for the first token.
const TTFT: &str = "ttft";

/// A request and where its time went. Times are Unix ns, durations ns.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Request {
    /// What its program calls it.
    pub request_id: String,
    /// `ttft` if the time is that to the first token; empty if it is that of the whole request.
    pub phase: String,
    /// Machine.
    pub node: String,
    /// Process that it was told of, if any.
    pub pid: Option<u32>,
    /// When it arrived.
    pub ts_ns: i64,
    /// How long it took.
    pub dur_ns: i64,
    /// That, over the median of all requests told of in the same way.
    pub times_median: f64,
    /// Thread that launched most in its time; `None` if none launched anything.
    pub thread: Option<Dispatcher>,
    /// Loading or compiling code for kernels used for the first time.
    pub first_use_ns: i64,
    /// Able to run, and kept from it.
    pub runnable_ns: i64,
    /// Blocked on locks, storage, memory, other ranks, a signal, or on what is not known.
    pub blocked_ns: i64,
    /// Waiting for the GPU.
    pub gpu_wait_ns: i64,
    /// Between calls, waiting for work.
    pub idle_ns: i64,
    /// On a CPU, in calls or between them.
    pub on_cpu_ns: i64,
    /// Not known: records may be missing, or nothing was recorded.
    pub unexplained_ns: i64,
}

/// A thread that gives the GPU work.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Dispatcher {
    /// Its process.
    pub pid: u32,
    /// Its id.
    pub tid: u32,
    /// Its name.
    pub comm: String,
    /// What it launched in that time.
    pub launches: i64,
}

/// What a thread did between two moments.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    classes: [i64; CLASSES],
    launches: i64,
}

/// All requests of some traces, the longest first.
#[must_use]
pub fn requests(traces: &[Trace]) -> Vec<Request> {
    let mut found: Vec<Request> = traces.iter().flat_map(of_trace).collect();
    let mut told: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    found.iter().for_each(|r| told.entry(r.phase.clone()).or_default().push(r.dur_ns));
    let medians: BTreeMap<String, i64> =
        told.into_iter().map(|(phase, mut durations)| (phase, quantile::median(&mut durations))).collect();
    for request in &mut found {
        let median = medians.get(&request.phase).copied().unwrap_or(0).max(1);
        request.times_median = request.dur_ns as f64 / median as f64;
    }
    found.sort_by(|a, b| {
        let key = |r: &Request| (std::cmp::Reverse(r.dur_ns), r.ts_ns);
        key(a)
            .cmp(&key(b))
            .then_with(|| (&a.node, &a.request_id, a.pid).cmp(&(&b.node, &b.request_id, b.pid)))
    });
    found
}

fn of_trace(trace: &Trace) -> Vec<Request> {
    let mut requests = told(trace);
    if requests.is_empty() {
        return requests;
    }
    let mut moments: Vec<i64> = requests.iter().flat_map(|r| [r.ts_ns, r.ts_ns + r.dur_ns]).collect();
    moments.sort_unstable();
    moments.dedup();
    let threads = Threads::of(trace);
    let scene = Scene::of(trace, &threads);
    let mut served: Vec<Option<(Done, &Thread<'_>)>> = vec![None; requests.len()];
    for thread in threads.iter().filter(|t| t.calls.iter().any(|c| c.group() == Group::Launch)) {
        let until = until_each(&scene, thread, &moments);
        let at = |moment| {
            moments.binary_search(&moment).ok().and_then(|i| until.get(i)).copied().unwrap_or_default()
        };
        for (request, best) in requests.iter().zip(&mut served) {
            let done = between(at(request.ts_ns), at(request.ts_ns + request.dur_ns));
            let is_own = |pid: u32| request.pid == Some(pid);
            let key = |done: &Done, pid| (done.launches > 0 && is_own(pid), done.launches);
            if done.launches > 0 && best.is_none_or(|(b, t)| key(&done, thread.pid) > key(&b, t.pid)) {
                *best = Some((done, thread));
            }
        }
        trace.release(thread);
    }
    for (request, served) in requests.iter_mut().zip(served) {
        match served {
            Some((done, thread)) => request.fill(&done, thread),
            None => request.unexplained_ns = request.dur_ns,
        }
    }
    requests
}

/// Spans with a request's id: of those told with a phase only the wait for the first token.
fn told(trace: &Trace) -> Vec<Request> {
    let request = |a: &Annotation| {
        let mut labels: BTreeMap<String, String> = serde_json::from_str(&a.labels).ok()?;
        let phase = labels.remove(PHASE).unwrap_or_default();
        let request_id = labels.remove(REQUEST_ID)?;
        let wanted =
            a.dur_ns > 0 && a.ts_ns.checked_add(a.dur_ns).is_some() && (phase.is_empty() || phase == TTFT);
        let (node, ts_ns, dur_ns, pid) = (trace.node.clone(), a.ts_ns, a.dur_ns, a.pid);
        wanted.then(|| Request { request_id, phase, node, pid, ts_ns, dur_ns, ..Request::default() })
    };
    trace.annotations.iter().filter_map(request).collect()
}

/// What a thread had done by each of some moments, which rise.
fn until_each(scene: &Scene<'_>, thread: &Thread<'_>, moments: &[i64]) -> Vec<Done> {
    let (mut cursor, mut pieces) = (Cursor::default(), Vec::new());
    let (mut done, mut out) = (Done::default(), Vec::with_capacity(moments.len()));
    let mut walk = Walk::of(scene.trace, thread.calls);
    for unit in units::of(thread.calls) {
        walk.at(unit.place);
        decompose::pieces(scene, thread, &unit, &mut cursor, &mut pieces);
        for piece in &pieces {
            while let Some(moment) = moments.get(out.len()).filter(|moment| **moment < piece.to_ns) {
                let mut then = done;
                then.add(piece.class, moment.saturating_sub(piece.from_ns).max(0));
                out.push(then);
            }
            done.add(piece.class, piece.dur_ns());
        }
        done.launches += i64::from(!unit.is_gap() && unit.call.group() == Group::Launch);
    }
    out.resize(moments.len(), done);
    out
}

fn between(before: Done, after: Done) -> Done {
    let mut between = after;
    between.classes.iter_mut().zip(before.classes).for_each(|(ns, earlier)| *ns -= earlier);
    between.launches -= before.launches;
    between
}

impl Done {
    fn add(&mut self, class: Class, ns: i64) {
        self.classes.iter_mut().skip(class as usize).take(1).for_each(|sum| *sum += ns);
    }
}

impl Request {
    fn fill(&mut self, done: &Done, thread: &Thread<'_>) {
        for (class, ns) in Class::ALL.into_iter().zip(done.classes) {
            let column = match class {
                Class::FirstUse => &mut self.first_use_ns,
                Class::Runnable | Class::RunnableAlone | Class::Throttled | Class::Recorder => {
                    &mut self.runnable_ns
                }
                Class::Lock
                | Class::Io
                | Class::Memory
                | Class::Collective
                | Class::Blocked
                | Class::Stopped => &mut self.blocked_ns,
                Class::GpuWait => &mut self.gpu_wait_ns,
                Class::Starved | Class::StarvedAsleep | Class::Sleep | Class::Waiting => &mut self.idle_ns,
                Class::OnCpu | Class::Allocator => &mut self.on_cpu_ns,
                Class::Lost => &mut self.unexplained_ns,
            };
            *column += ns;
        }
        // Before the thread's first call, after its last, and what was not recorded at all.
        let known: i64 = done.classes.iter().sum();
        self.unexplained_ns += self.dur_ns - known;
        let (pid, tid, comm) = (thread.pid, thread.tid, thread.comm.clone());
        self.thread = Some(Dispatcher { pid, tid, comm, launches: done.launches });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        commands::tests::incident,
        investigate::tests::story::*,
        load::tests::{read, said},
        model::Annotation,
    };
    use ingero_format::ops;

    const SECOND: u64 = 1_000_000_000;

    fn parts(r: &Request) -> [i64; 7] {
        [r.first_use_ns, r.runnable_ns, r.blocked_ns, r.gpu_wait_ns, r.idle_ns, r.on_cpu_ns, r.unexplained_ns]
    }

    // The incident: launches each millisecond; some of 5 ms, of which another task had the CPU for 4.9.
    #[test]
    fn a_request_has_the_time_its_thread_was_kept_back_in_and_is_set_against_the_median() {
        let mut draft = incident();
        let plain = read(&draft);
        let slow = plain.off_cpu.iter().next().unwrap().ts_ns - plain.from_ns;
        let label = |id: u64, phase: &str| format!("{{\"phase\":\"{phase}\",\"request_id\":\"q{id}\"}}");
        let ms = SECOND / 1000;
        let at = slow as u64 - ms;
        draft.frames.push((said(1, 9 * SECOND, [at, 12 * ms], &label(1, "ttft")), 0));
        for i in 2..6 {
            draft.frames.push((said(i, 9 * SECOND, [i * 30 * ms, 3 * ms], &label(i, "ttft")), 0));
        }
        draft.frames.push((said(6, 9 * SECOND, [at, SECOND], &label(1, "decode")), 0));
        draft.frames.push((said(7, 9 * SECOND, [at, SECOND], "{\"step\":\"1\"}"), 0));
        let found = requests(&[read(&draft)]);
        assert_eq!(found.len(), 5);
        let first = &found[0];
        assert_eq!((first.request_id.as_str(), first.times_median), ("q1", 4.0));
        assert_eq!((first.runnable_ns, first.dur_ns), (4_900_000, 12_000_000), "{first:?}");
        let thread = first.thread.clone().unwrap();
        assert_eq!((thread.pid, thread.comm.as_str()), (100, "engine"));
        assert!(thread.launches >= 6, "{thread:?}");
        assert!(found[1..].iter().all(|r| r.times_median == 1.0 && r.runnable_ns == 0), "{found:?}");
        assert!(found.iter().all(|r| parts(r).iter().sum::<i64>() == r.dur_ns));
    }

    // Two processes launch, the other one more; in the window's second half only that one does.
    #[test]
    fn a_request_is_served_by_the_busiest_thread_of_the_process_it_names_or_else_of_all() {
        let served = |pid: Option<u32>, at_ms: i64| {
            let mut s = Story::of(20);
            s.steady_until(10_000);
            s.now = BEGIN;
            s.task = LOADER;
            s.call(ops::CU_LAUNCH_KERNEL, 5_000);
            s.now = BEGIN;
            s.task = STRESS;
            while s.now < BEGIN + 19_000 * MS {
                s.launch(5_000);
                s.now += 95_000;
            }
            s.trace.annotations.push(Annotation {
                ts_ns: BEGIN + at_ms * MS,
                dur_ns: 100 * MS,
                pid,
                labels: "{\"request_id\":\"q\"}".into(),
                sender: None,
            });
            let found = requests(&[s.finish()]);
            found[0].thread.clone().map(|t| (t.pid, t.tid, t.launches))
        };
        let (own, busiest) = (Some((100, 100, 250)), Some((500, 500, 1_000)));
        assert_eq!(served(Some(100), 0), own);
        assert_eq!([served(Some(500), 0), served(None, 0), served(Some(900), 0)], [busiest; 3]);
        assert_eq!(served(Some(100), 15_000), busiest);
        assert_eq!(served(None, 19_500), None);
    }

    #[test]
    fn a_request_in_whose_time_nothing_was_launched_is_unexplained() {
        let mut draft = incident();
        draft.frames.push((said(1, 1, [0, 1], "{\"request_id\":\"q\"}"), 0));
        let found = requests(&[read(&draft)]);
        assert_eq!((found[0].unexplained_ns, found[0].thread.as_ref()), (1, None));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn every_nanosecond_of_a_request_stands_in_one_column(
            spans in proptest::collection::vec((0u64..11 * SECOND, 1u64..3 * SECOND), 1..12),
        ) {
            let mut draft = incident();
            for (i, (at, dur)) in spans.iter().enumerate() {
                draft.frames.push((said(i as u64, 9 * SECOND, [*at, *dur], "{\"request_id\":\"q\"}"), 0));
            }
            for request in requests(&[read(&draft)]) {
                prop_assert_eq!(parts(&request).iter().sum::<i64>(), request.dur_ns);
                prop_assert!(parts(&request).iter().all(|ns| *ns >= 0), "{:?}", request);
            }
        }
    }
}
