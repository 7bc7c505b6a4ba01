//! Rates and storms: what no single slow call shows.

use ingero_format::ops;

use super::story::*;
use crate::investigate::{Finding, finding::Severity};

/// Launches each `period` ns of the thread's own work, until `ms`.
fn loop_until(s: &mut Story, ms: i64, period: i64) {
    while s.now < BEGIN + ms * MS {
        s.launch(5_000);
        s.now += period - 5_000;
    }
}

fn only(s: Story) -> Finding {
    let found = s.findings();
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().unwrap()
}

fn close(f: &Finding, injected: i64) {
    assert!((f.attributed_ns - injected).abs() * 20 <= injected, "{} of {injected}", f.attributed_ns);
}

/// For four seconds a quarter of the launches.
pub(super) fn dropped() -> Story {
    let mut s = Story::of(20);
    loop_until(&mut s, 12_000, 400_000);
    loop_until(&mut s, 16_000, 1_600_000);
    loop_until(&mut s, 20_000, 400_000);
    s
}

#[test]
fn a_busy_thread_that_launches_less_is_launch_rate_drop_though_no_gap_is_long() {
    let f = only(dropped());
    assert_eq!((f.cause, f.severity), ("launch_rate_drop", Severity::High));
    // 2,500 launches in 4 s instead of 10,000: each took 1.2 ms more.
    close(&f, 3 * SECOND);
    assert!(f.summary.contains("75 % less"), "{}", f.summary);
    let lost = f.evidence["launch_rate"]["launches_lost"].as_i64().unwrap();
    assert!((7_200..7_800).contains(&lost), "{lost}");
    assert!(f.from_ns >= BEGIN + 11_500 * MS && f.to_ns <= BEGIN + 16_500 * MS);
}

#[test]
fn a_drop_that_another_cause_owns_is_that_causes_evidence() {
    let mut s = Story::of(20);
    loop_until(&mut s, 12_000, 400_000);
    while s.now < BEGIN + 16 * SECOND {
        s.preempted(1_000, 5 * MS);
        s.now += 5 * MS;
        loop_until_launches(&mut s, 4);
    }
    loop_until(&mut s, 20_000, 400_000);
    let f = only(s);
    assert_eq!(f.cause, "cpu_contention");
    let rate = &f.evidence["launch_rate"];
    assert!(rate["usual_per_second"].as_i64() > rate["per_second"].as_i64(), "{rate}");
}

// A loop that was preempted was also slower between its launches, on an H100: two incidents were told for one.
#[test]
fn slower_work_in_the_time_of_a_larger_cause_is_no_incident_of_its_own() {
    let mut s = Story::of(20);
    loop_until(&mut s, 12_000, 400_000);
    while s.now < BEGIN + 16 * SECOND {
        s.preempted(1_000, 5 * MS);
        s.now += 6 * MS;
        for _ in 0..3 {
            s.launch(5_000);
            s.now += 1_400_000;
        }
    }
    loop_until(&mut s, 20_000, 400_000);
    let found = s.findings();
    let causes: Vec<_> = found.iter().map(|f| (f.cause, f.severity == Severity::Low)).collect();
    assert_eq!(causes, [("cpu_contention", false), ("launch_rate_drop", true)], "{found:?}");
    assert_eq!(found[1].counter_evidence["in_the_time_of"], "cpu_contention");
}

fn loop_until_launches(s: &mut Story, n: usize) {
    for _ in 0..n {
        s.launch(5_000);
        s.now += 395_000;
    }
}

#[test]
fn trap_9_the_end_of_a_phase_is_no_drop_whether_the_process_sleeps_or_makes_no_calls_at_all() {
    let mut s = Story::of(20);
    loop_until(&mut s, 10_000, 400_000);
    // Then it waits for work that comes each second.
    for _ in 0..9 {
        s.blocked(1_000, 990 * MS, EPOLL, STRESS);
        s.now += 991 * MS;
        loop_until_launches(&mut s, 10);
    }
    assert_eq!(s.findings(), []);
    let mut s = Story::of(20);
    loop_until(&mut s, 10_000, 400_000);
    assert_eq!(s.findings(), []);
}

#[test]
fn trap_14_no_rate_is_told_of_calls_that_are_a_sample() {
    for budget in [true, false] {
        let mut s = dropped();
        if budget {
            s.trace.facts.notes.push("overhead budget: launches were recorded at times".into());
        } else {
            s.trace.facts.population = "mostly slow calls".into();
        }
        let found = s.findings();
        assert!(found.iter().all(|f| f.cause != "launch_rate_drop"), "{found:?}");
        let population = found.first().map(|f| f.evidence["population"].clone());
        assert!(budget || population.is_none_or(|p| p == "mostly slow calls"));
    }
}

#[test]
fn launches_lost_in_a_hole_of_the_recording_are_no_drop() {
    let mut s = Story::of(20);
    loop_until(&mut s, 12_000, 400_000);
    s.trace.losses.push(crate::model::Loss {
        from_ns: s.now,
        to_ns: s.now + 4 * SECOND,
        count: 7_500,
        source: crate::model::ANY_SOURCE,
        ..Default::default()
    });
    loop_until(&mut s, 16_000, 1_600_000);
    loop_until(&mut s, 20_000, 400_000);
    assert_eq!(s.findings(), []);
}

/// Steps of 16 launches and a synchronisation, each launch 100 us of GPU time; or one after every launch.
fn steps_until(s: &mut Story, ms: i64, each: bool) {
    while s.now < BEGIN + ms * MS {
        for _ in 0..16 {
            s.launch(5_000);
            s.now += 95_000;
            if each {
                s.call(ops::CU_STREAM_SYNCHRONIZE, 400_000);
            }
        }
        if !each {
            s.call(ops::CU_STREAM_SYNCHRONIZE, 400_000);
        }
    }
}

/// For three seconds a synchronisation after every launch.
pub(super) fn storm() -> Story {
    let mut s = Story::of(20);
    steps_until(&mut s, 12_000, false);
    steps_until(&mut s, 15_000, true);
    steps_until(&mut s, 20_000, false);
    s
}

#[test]
fn a_synchronisation_after_every_launch_is_sync_storm_and_not_gpu_wait() {
    let f = only(storm());
    assert_eq!(f.cause, "sync_storm");
    // Each launch of 500 us waits 400 us where a sixteenth of that is usual: 6,000 launches.
    close(&f, 6_000 * 375_000);
    assert!(f.summary.contains("1.00 launches each"), "{}", f.summary);
}

// The rest of the window was once taken for a drop from a storm's higher rate.
#[test]
fn a_time_of_more_launches_makes_no_drop_of_the_rest() {
    let mut s = Story::of(20);
    loop_until(&mut s, 10_000, 400_000);
    loop_until(&mut s, 17_000, 200_000);
    loop_until(&mut s, 20_000, 400_000);
    assert_eq!(s.findings(), []);
}

#[test]
fn a_loop_that_always_synchronises_after_every_launch_is_no_storm() {
    let mut s = Story::of(20);
    steps_until(&mut s, 20_000, true);
    assert_eq!(s.findings(), []);
}
