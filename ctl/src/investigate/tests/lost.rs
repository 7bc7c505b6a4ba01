//! Records that are missing, and known to be: nothing is said that would not be so with all of them.

use ingero_format::ops::{self, LossCause, Source};

use super::story::*;
use crate::{
    derive::{Known, derive},
    investigate::{Finding, finding::Severity, investigate},
    model::{Call, HostEvent, Loss, NONE, OffCpu, Trace},
};

/// Numbers that look random; the same seed gives the same.
struct Draw(u64);

impl Draw {
    fn below(&mut self, per_mille: u64) -> bool {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % 1000 < per_mille
    }
}

/// Takes so many records of a source out, and tells them as lost between those before and behind them.
fn thin<T: Clone>(
    list: &mut Vec<T>,
    end_ns: impl Fn(&T) -> i64,
    source: Source,
    (draw, per_mille): (&mut Draw, u64),
    window: (i64, i64),
) -> Vec<Loss> {
    list.sort_by_key(&end_ns);
    let (mut kept, mut losses, mut before, mut count) = (Vec::new(), Vec::new(), window.0, 0);
    for record in list.iter() {
        if draw.below(per_mille) {
            count += 1;
            continue;
        }
        losses.push((before, end_ns(record), count));
        (before, count) = (end_ns(record), 0);
        kept.push(record.clone());
    }
    losses.push((before, window.1, count));
    *list = kept;
    let cause = LossCause::RingbufFull as i32;
    let loss = |(from_ns, to_ns, count)| Loss { from_ns, to_ns, count, cause, cpu: 0, source: source as u8 };
    losses.into_iter().filter(|(.., count)| *count > 0).map(loss).collect()
}

fn thinned(whole: &Trace, per_mille: u64, seed: u64) -> Vec<Finding> {
    let (mut trace, mut draw) = (whole.clone(), Draw(seed));
    let window = (trace.from_ns, trace.to_ns);
    let (mut calls, mut off_cpu) = (trace.calls.to_vec(), trace.off_cpu.to_vec());
    let mut losses = thin(&mut calls, Call::end_ns, Source::Cuda, (&mut draw, per_mille), window);
    losses.extend(thin(&mut off_cpu, OffCpu::end_ns, Source::Sched, (&mut draw, per_mille), window));
    (trace.calls, trace.off_cpu) = (calls.into(), off_cpu.into());
    let end = |h: &HostEvent| h.ts_ns + h.dur_ns;
    losses.extend(thin(&mut trace.host_events, end, Source::Host, (&mut draw, per_mille), window));
    trace.losses = losses;
    trace.sort();
    derive(&mut trace, &Known { launched_before: &Default::default(), looked_up: &Default::default() });
    investigate(&[trace], None)
}

/// From second 15 on, `count` times something and steady launches after it.
fn disturbed(count: usize, mut disturb: impl FnMut(&mut Story)) -> Trace {
    let mut s = Story::of(20);
    s.task = LOADER;
    for i in 0..390 {
        s.blocked(i * 51 * MS, 50 * MS, SLEEP, NONE);
    }
    s.task = ENGINE;
    let synced = |s: &mut Story, until: i64| {
        while s.now < BEGIN + until * MS {
            let ms = (s.now - BEGIN) / MS;
            s.steady_until(ms + 8);
            s.call(ops::CU_STREAM_SYNCHRONIZE, 20_000);
            s.now += 50_000;
        }
    };
    synced(&mut s, 15_000);
    for _ in 0..count {
        disturb(&mut s);
        let ms = (s.now - BEGIN) / MS;
        s.steady_until(ms + 15);
    }
    synced(&mut s, 20_000);
    s.finish()
}

type Way = (&'static str, fn(&mut Story));

const WAYS: [Way; 8] = [
    ("cpu_contention", |s| {
        s.preempted(1_000, 20 * MS);
        s.launch(20 * MS + 6_000);
    }),
    ("blocked_lock", |s| {
        s.blocked(1_000, 20 * MS, FUTEX, WORKER);
        s.launch(20 * MS + 6_000);
    }),
    ("blocked_lock", |s| {
        s.blocked(1_000, 20 * MS, FUTEX, WORKER);
        s.now += 20 * MS + 50_000;
        s.launch(6_000);
    }),
    ("blocked_io", |s| {
        s.blocked(1_000, 20 * MS, DISK, NONE);
        s.now += 20 * MS + 50_000;
        s.launch(6_000);
    }),
    // Found live: a storm of which a hundredth was missing was a MEDIUM gpu_wait.
    ("sync_storm", |s| {
        for _ in 0..100 {
            s.launch(6_000);
            s.now += 20_000;
            s.call(ops::CU_STREAM_SYNCHRONIZE, 150_000);
            s.now += 80_000;
        }
    }),
    ("gpu_wait", |s| {
        s.call(ops::CU_STREAM_SYNCHRONIZE, 20 * MS);
        s.now += 50_000;
    }),
    ("gpu_wait", |s| {
        s.blocked(5_000, 20 * MS, NONE, NONE);
        s.call(ops::CU_STREAM_SYNCHRONIZE, 20 * MS + 10_000);
        s.now += 50_000;
    }),
    ("signal_stop", |s| {
        s.blocked(1_000, 20 * MS, NONE, NONE);
        s.trace.off_cpu.last_mut().unwrap().state = 4;
        s.now += 20 * MS + 50_000;
        s.launch(6_000);
    }),
];

/// A story of one of the ways, with all its records.
pub(super) fn way(place: usize) -> Trace {
    disturbed(15, WAYS[place].1)
}

#[test]
fn with_records_missing_at_random_nothing_else_is_found_than_with_all_of_them() {
    for (seed, (cause, act)) in (1u64..).zip(WAYS) {
        let whole = disturbed(15, act);
        let found = investigate(std::slice::from_ref(&whole), None);
        assert_eq!(found[0].cause, cause);
        let known: Vec<_> = found.iter().map(|f| (f.tid, f.cause)).collect();
        for per_mille in [10, 100, 500] {
            let left = thinned(&whole, per_mille, seed);
            let wrong =
                left.iter().find(|f| f.severity != Severity::Low && !known.contains(&(f.tid, f.cause)));
            assert_eq!(wrong, None, "{cause}, {per_mille} per mille");
        }
    }
}

/// Steady launches, but for a second and a half in which the thread made none and nothing is recorded of it.
fn silent(lost: Option<Source>) -> Vec<Finding> {
    let mut s = Story::of(20);
    s.steady_until(15_000);
    s.now += 1_500 * MS;
    if let Some(source) = lost {
        let (from_ns, to_ns) = (s.now - 100_000, s.now - 50_000);
        s.trace.losses.push(Loss { from_ns, to_ns, source: source as u8, ..Loss::default() });
    }
    s.steady_until(20_000);
    s.findings()
}

// An event is told when it ends: the hole in which that was is much shorter than it. The time before the hole was
// once taken for the thread's own work.
#[test]
fn what_lies_before_a_hole_in_which_the_thread_may_have_come_back_is_undecidable() {
    let found = silent(None);
    assert_eq!((found[0].cause, found[0].severity), ("launch_rate_drop", Severity::High));
    // It may have been off its CPU, or in a call.
    assert_eq!(silent(Some(Source::Sched)), []);
    assert_eq!(silent(Some(Source::Cuda)), []);
    assert_eq!(silent(Some(Source::Host))[0].attributed_ns, found[0].attributed_ns);
}

// Of a thread that others always kept from its CPU, a tenth of the records was missing: it was a MEDIUM incident.
#[test]
fn waits_for_a_cpu_are_low_where_more_time_is_undecidable_than_they_took() {
    for (holes, severity) in [(0, Severity::Medium), (40, Severity::Low)] {
        let mut s = Story::of(20);
        s.steady_until(5_000);
        for _ in 0..holes {
            s.now += 10 * MS;
            s.lose_sched(MS);
            s.now += MS;
            s.launch(6_000);
        }
        s.steady_until(15_000);
        for _ in 0..15 {
            s.preempted(1_000, 20 * MS);
            s.now += 20 * MS + 94_000;
            s.launch(6_000);
        }
        s.steady_until(20_000);
        let found = s.findings();
        let cpu = found.iter().find(|f| f.cause == "cpu_contention").unwrap();
        assert_eq!((cpu.severity, cpu.attributed_ns), (severity, 300 * MS));
    }
}
