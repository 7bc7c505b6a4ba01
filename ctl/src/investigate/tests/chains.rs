//! Who a blocked thread waited for, step by step.

use ingero_format::row::flags;

use super::story::*;
use crate::{
    investigate::{
        Finding,
        chain::{Did, follow, verdict},
        scene::Scene,
    },
    model::{NONE, Process, Task, Threads},
};

/// A feeder in a process of its own.
fn with_feeder(s: &mut Story) -> u32 {
    s.trace.processes.push(Process { pid: 700, comm: "feeder".into(), ..Process::default() });
    s.trace.tasks.push(Task { pid: 700, tid: 700, comm: "feeder".into() });
    s.trace.tasks.len() as u32 - 1
}

/// Fed by a pipe: a short wait for each item, then, from second 12 to 14, waits of 50 ms in which the feeder
/// does something else.
fn fed(mut feeder: impl FnMut(&mut Story, u32)) -> Story {
    let mut s = Story::of(20);
    let task = with_feeder(&mut s);
    while s.now < BEGIN + 20 * SECOND {
        let slow = (12..14).contains(&((s.now - BEGIN) / SECOND));
        let wait = if slow { 50 * MS } else { 300_000 };
        s.blocked(1_000, wait, PIPE, task);
        if slow {
            s.as_task(task, |s| feeder(s, task));
        }
        s.now += wait + 20_000;
        for _ in 0..4 {
            s.launch(5_000);
            s.now += 20_000;
        }
    }
    s
}

/// The feeder waited for its disk.
pub(super) fn fed_from_disk() -> Story {
    fed(|s, _| s.blocked(2 * MS, 46 * MS, DISK, NONE))
}

/// The feeder slept.
pub(super) fn fed_by_a_sleeper() -> Story {
    fed(|s, _| s.blocked(MS, 48 * MS, SLEEP, NONE))
}

fn starvation(s: Story) -> Finding {
    let found = s.findings();
    assert_eq!(found.iter().map(|f| f.cause).collect::<Vec<_>>(), ["data_starvation"], "{found:?}");
    let f = found.into_iter().next().unwrap();
    assert!((1_850 * MS..2_050 * MS).contains(&f.attributed_ns), "{}", f.attributed_ns);
    assert!(f.summary.contains("feeder/700"), "{}", f.summary);
    f
}

#[test]
fn a_thread_whose_feeder_worked_longer_is_starved_by_it() {
    let f = starvation(fed(|_, _| {}));
    assert_eq!(f.evidence["wakeup_chains"][0]["did"], "ran");
    assert!(f.advice.to_string().contains("more workers"), "{}", f.advice);
}

#[test]
fn a_thread_whose_feeder_waited_for_storage_is_starved_and_the_chain_says_why() {
    let f = starvation(fed_from_disk());
    assert_eq!(f.evidence["wakeup_chains"][0]["did"], "waited for storage");
    assert!(f.summary.contains("waited for storage"), "{}", f.summary);
    assert!(f.advice.to_string().contains("read ahead"), "{}", f.advice);
}

#[test]
fn a_thread_whose_feeder_slept_is_starved_if_it_was_fed_better_before() {
    let f = starvation(fed_by_a_sleeper());
    assert_eq!(f.evidence["wakeup_chains"][0]["did"], "slept");
}

#[test]
fn a_thread_whose_feeder_waits_for_somebody_not_recorded_is_idle() {
    let s = fed(|s, _| s.blocked(MS, 48 * MS, EPOLL, STRESS));
    assert_eq!(s.findings(), []);
}

// The recorder takes at most one stack of a thread in a while; a thread that waited for the disk again and again
// was once taken for idle.
#[test]
fn waits_whose_stacks_were_left_out_are_like_those_around_them_if_these_agree() {
    let told = |after: u32| {
        let mut s = Story::of(20);
        s.steady_until(15_000);
        for i in 0..40 {
            let stack = [DISK, NONE, NONE, after][i % 4];
            s.blocked(1_000, 10 * MS, stack, NONE);
            if stack == NONE {
                s.trace.off_cpu.last_mut().unwrap().flags |= flags::STACK_SKIPPED;
            }
            s.now += 10 * MS + 94_000;
            s.launch(6_000);
        }
        s.steady_until(20_000);
        s.findings().iter().find(|f| f.cause == "blocked_io").map_or(0, |f| f.attributed_ns)
    };
    assert_eq!(told(DISK), 400 * MS);
    assert_eq!(told(SLEEP), 100 * MS);
}

#[test]
fn a_long_wait_without_a_stack_among_short_sleeps_is_told_by_its_waker() {
    let told = |waker: u32| {
        let mut s = Story::of(20);
        let mut n = 0;
        while s.now < BEGIN + 20 * SECOND {
            n += 1;
            s.blocked(1_000, 200_000, SLEEP, NONE);
            s.now += 210_000;
            let held = n % 20 == 0 && s.now > BEGIN + 15 * SECOND && s.now < BEGIN + 16 * SECOND;
            if held {
                s.blocked(1_000, 15 * MS, NONE, waker);
                s.trace.off_cpu.last_mut().unwrap().flags |= flags::STACK_SKIPPED;
                s.now += 15 * MS + 10_000;
            }
            s.launch(5_000);
        }
        s.findings().iter().map(|f| f.cause).collect::<Vec<_>>()
    };
    assert_eq!(told(LOADER), ["blocked_lock"]);
    assert!(told(STRESS).is_empty(), "a process that is not recorded may have been interrupted");
}

#[test]
fn a_chain_goes_through_several_wakers_and_its_leaves_sum_to_the_wait() {
    let mut s = Story::of(20);
    let feeder = with_feeder(&mut s);
    s.blocked(0, 100 * MS, PIPE, LOADER);
    // The loader ran 10 ms, then waited for the feeder, which read from disk for 60 of 90 ms.
    s.as_task(LOADER, |s| s.blocked(10 * MS, 90 * MS, EPOLL, feeder));
    s.as_task(feeder, |s| s.blocked(20 * MS, 60 * MS, DISK, NONE));
    s.launch(1);
    let trace = s.finish();
    let threads = Threads::of(&trace);
    let scene = Scene::of(&trace, &threads);
    let chain = follow(&scene, 100, &trace.off_cpu[0]);
    let ns = |did: Did, path: &[u32]| {
        chain.iter().filter(|(l, _)| l.did == did && l.path == path).map(|(_, ns)| ns).sum::<i64>()
    };
    assert_eq!(ns(Did::Io, &[LOADER, feeder]), 60 * MS);
    assert_eq!(ns(Did::Worked, &[LOADER, feeder]), 30 * MS);
    assert_eq!(ns(Did::Worked, &[LOADER]), 10 * MS);
    let v = verdict(&chain);
    assert_eq!((v.actor, v.all_ns, v.work_ns), (feeder, 100 * MS, 100 * MS));
}

#[test]
fn threads_that_wake_each_other_in_a_circle_end_the_chain_open() {
    let mut s = Story::of(20);
    s.blocked(0, 100 * MS, FUTEX, LOADER);
    s.as_task(LOADER, |s| s.blocked(0, 100 * MS, FUTEX, WORKER));
    s.as_task(WORKER, |s| s.blocked(0, 100 * MS, FUTEX, ENGINE));
    s.launch(1);
    let trace = s.finish();
    let threads = Threads::of(&trace);
    let scene = Scene::of(&trace, &threads);
    for (i, tid) in [(0, 100), (1, 101), (2, 102)] {
        let chain = follow(&scene, tid, &trace.off_cpu[i]);
        assert!(chain.keys().all(|leaf| leaf.did == Did::Open), "{chain:?}");
        assert_eq!(chain.values().sum::<i64>(), 100 * MS);
    }
}

#[test]
fn a_chain_of_many_wakers_stops_at_its_bound_and_still_sums_up() {
    let mut s = Story::of(20);
    let first = s.trace.tasks.len() as u32;
    for i in 0..30 {
        s.trace.tasks.push(Task { pid: 100, tid: 200 + i, comm: format!("stage-{i}") });
    }
    s.blocked(0, 100 * MS, FUTEX, first);
    for i in 0..29 {
        s.as_task(first + i, |s| s.blocked(0, 100 * MS, FUTEX, first + i + 1));
    }
    s.launch(1);
    let trace = s.finish();
    let threads = Threads::of(&trace);
    let scene = Scene::of(&trace, &threads);
    let own = trace.off_cpu.iter().find(|o| o.task == ENGINE).unwrap();
    let chain = follow(&scene, 100, own);
    assert_eq!(chain.values().sum::<i64>(), 100 * MS);
    assert!(chain.keys().all(|leaf| leaf.path.len() <= crate::limits::CHAIN_DEPTH));
}

#[test]
fn a_waker_that_an_interrupt_only_borrowed_is_not_named() {
    let mut s = Story::of(20);
    s.steady_until(15_000);
    for _ in 0..20 {
        // A lock wait that a timeout ended: the interrupt came while an unrecorded process ran.
        s.blocked(2_000, 10 * MS, FUTEX, STRESS);
        s.launch(10 * MS + 8_000);
        s.now += 94_000;
    }
    s.steady_until(20_000);
    let f = &s.findings()[0];
    assert_eq!(f.cause, "blocked_lock");
    assert!(!f.summary.contains("stress"), "{}", f.summary);
    assert!(f.summary.contains("not recorded"), "{}", f.summary);
}
