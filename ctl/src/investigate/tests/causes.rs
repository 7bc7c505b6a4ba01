//! Each cause is found, with its actor and its nanoseconds.

use ingero_format::ops;

use super::story::*;
use crate::investigate::{Finding, finding::Severity};

fn first(story: Story) -> Finding {
    let findings = story.findings();
    findings.into_iter().next().expect("a finding")
}

/// Attributed time is within 5 % of what was injected.
fn close(f: &Finding, injected: i64) {
    assert!((f.attributed_ns - injected).abs() * 20 <= injected, "{} of {injected}", f.attributed_ns);
}

#[test]
fn a_launch_that_lost_its_cpu_is_cpu_contention_by_the_task_that_took_it() {
    let mut s = Story::of(20);
    s.steady_until(12_000);
    for i in 0..300 {
        if i % 3 == 0 {
            s.preempted(2_000, 5 * MS);
            s.launch(5 * MS + 6_000);
        } else {
            s.launch(5_000);
        }
        s.now += 94_000;
    }
    s.steady_until(20_000);
    let f = first(s);
    assert_eq!((f.cause, f.tid, f.comm.as_str()), ("cpu_contention", 100, "engine"));
    assert!(f.summary.contains("stress/500"), "{}", f.summary);
    close(&f, 500 * MS);
    assert_eq!(f.calls_affected, 100);
    assert_eq!(f.severity, Severity::High);
    assert!(f.from_ns >= BEGIN + 11_999 * MS && f.to_ns <= BEGIN + 12_700 * MS);
    assert_eq!(f.evidence["baseline"]["kind"], "window_before");
}

#[test]
fn a_thread_preempted_between_launches_is_cpu_contention_too() {
    let mut s = Story::of(20);
    s.steady_until(15_000);
    for _ in 0..20 {
        s.preempted(1_000, 40 * MS);
        s.now += 40 * MS + 94_000;
        s.launch(5_000);
    }
    s.steady_until(20_000);
    let f = first(s);
    assert_eq!((f.cause, f.calls_affected), ("cpu_contention", 20));
    close(&f, 800 * MS);
    assert_eq!(f.severity, Severity::High);
}

// The usual wake-ups of a whole window were once taken from the incident's time, though they never counted in it.
#[test]
fn short_wake_ups_before_an_incident_take_nothing_from_it() {
    let mut s = Story::of(20);
    let wake_ups = |s: &mut Story, ms: i64| {
        while s.now < BEGIN + ms * MS {
            s.off(1_000, 200_000, 40_000);
            s.now += 300_000;
            s.launch(5_000);
        }
    };
    wake_ups(&mut s, 15_000);
    for _ in 0..50 {
        s.preempted(1_000, 8 * MS);
        s.now += 8 * MS + 94_000;
        s.launch(5_000);
    }
    wake_ups(&mut s, 20_000);
    let f = first(s);
    assert_eq!((f.cause, f.attributed_ns), ("cpu_contention", 400 * MS));
}

#[test]
fn a_gap_that_ends_in_a_load_is_first_use_and_names_the_kernel() {
    let mut s = Story::of(20);
    s.steady_until(15_000);
    s.trace.kernels.push("softmax_kernel".into());
    // Preempted seven times for 0.11 ms in all: true, and not the cause.
    (0..7).for_each(|i| s.preempted(i * 50 * MS + MS, 16_000));
    s.now += 400 * MS;
    s.call(ops::CU_MODULE_LOAD_DATA_EX, 2 * MS);
    s.now += 10_000;
    s.call(ops::CU_MODULE_GET_FUNCTION, 5_000).kernel = 0;
    s.steady_until(20_000);
    let f = first(s);
    assert_eq!(f.cause, "first_use");
    assert!(f.summary.contains("softmax_kernel"), "{}", f.summary);
    close(&f, 402 * MS);
}

// A library that is first needed in the middle of a loop starts CUDA for itself: its start was called a slow thread.
#[test]
fn a_gap_that_ends_in_the_start_of_cuda_for_another_library_is_first_use() {
    let mut s = Story::of(20);
    s.steady_until(15_000);
    s.now += 100 * MS;
    s.call(ops::CU_INIT, 6 * MS);
    s.steady_until(20_000);
    let f = first(s);
    assert_eq!(f.cause, "first_use");
    close(&f, 106 * MS);
}

/// A load that a compiler had to make ready.
pub(super) fn compiled() -> Story {
    let mut s = Story::of(20);
    s.steady_until(15_000);
    let ptxas = s.trace.tasks.len() as u32;
    s.trace.tasks.push(crate::model::Task { pid: 900, tid: 900, comm: "ptxas".into() });
    s.now += 10 * MS;
    s.host(ops::FORK, ptxas, 100);
    s.blocked(MS, 300 * MS, EPOLL, ptxas);
    s.now += 302 * MS;
    s.host(ops::EXIT, ptxas, 0);
    s.now += 10 * MS;
    s.call(ops::CU_MODULE_LOAD_DATA, 2 * MS);
    s.steady_until(20_000);
    s
}

#[test]
fn a_compiler_that_the_process_waits_for_is_first_use_with_the_compiler_named() {
    let f = first(compiled());
    assert_eq!(f.cause, "first_use");
    assert_eq!(f.evidence["compilers"][0], "ptxas");
    close(&f, 324 * MS);
}

#[test]
fn an_idle_wait_before_a_load_is_not_its_cost() {
    let mut s = Story::of(20);
    s.steady_until(5_000);
    s.blocked(1_000, 8 * SECOND, EPOLL, STRESS);
    s.now += 8 * SECOND + 200 * MS;
    s.call(ops::CU_MODULE_LOAD_DATA, 2 * MS);
    s.steady_until(20_000);
    let f = first(s);
    assert_eq!(f.cause, "first_use");
    close(&f, 202 * MS);
}

#[test]
fn work_before_a_load_is_its_cost_back_to_the_last_long_idle_wait() {
    let told = |idle_ns: i64| {
        let mut s = Story::of(20);
        s.steady_until(5_000);
        // 300 ms of work, a wait, 200 ms of work, the load.
        s.blocked(300 * MS, idle_ns, EPOLL, STRESS);
        s.now += 300 * MS + idle_ns + 200 * MS;
        s.call(ops::CU_MODULE_LOAD_DATA, 2 * MS);
        s.steady_until(20_000);
        s.findings().iter().find(|f| f.cause == "first_use").unwrap().attributed_ns
    };
    assert_eq!(told(10 * MS), 202 * MS);
    // With the 394 us behind the last launch, and without what only waited.
    assert_eq!(told(10 * MS - 1), 502 * MS + 394_000);
}

#[test]
fn a_wait_for_the_gpu_that_blocks_on_a_futex_is_gpu_wait_unless_a_thread_that_worked_held_it_up() {
    let told = |waker: u32| first(futex_waits(waker)).cause;
    assert_eq!(told(NONE_WAKER), "gpu_wait");
    assert_eq!(told(LOADER), "blocked_lock");
}

fn futex_waits(waker: u32) -> Story {
    let mut s = Story::of(20);
    steps(&mut s, 15_000, MS);
    for _ in 0..50 {
        s.blocked(2_000, 10 * MS, FUTEX, waker);
        s.call(ops::CU_STREAM_SYNCHRONIZE, 10 * MS + 4_000);
        let until = (s.now - BEGIN) / MS + 20;
        steps(&mut s, until, MS);
    }
    steps(&mut s, 20_000, MS);
    s
}

#[test]
fn a_wait_for_a_lock_inside_a_call_names_its_waker() {
    let mut s = Story::of(20);
    s.steady_until(15_000);
    for _ in 0..20 {
        s.blocked(2_000, 10 * MS, FUTEX, LOADER);
        s.launch(10 * MS + 8_000);
        s.now += 94_000;
    }
    s.steady_until(20_000);
    let f = first(s);
    assert_eq!(f.cause, "blocked_lock");
    assert!(f.summary.contains("loader/100 tid 101"), "{}", f.summary);
    close(&f, 200 * MS);
}

#[test]
fn a_wait_for_a_lock_between_calls_counts_if_the_waker_worked_and_is_at_most_medium() {
    let mut s = Story::of(20);
    s.steady_until(15_000);
    for _ in 0..20 {
        s.blocked(1_000, 50 * MS, FUTEX, LOADER);
        s.now += 50 * MS + 94_000;
        s.launch(6_000);
    }
    s.steady_until(20_000);
    let f = first(s);
    assert_eq!((f.cause, f.severity), ("blocked_lock", Severity::Medium));
    close(&f, 1_000 * MS);
}

// A waker that itself waited for half of the time or more brought work; one that worked for most of it held the lock.
#[test]
fn a_wait_between_calls_is_a_locks_if_the_waker_waited_for_less_than_half_of_it() {
    let told = |waited_ms: i64| {
        let mut s = Story::of(20);
        s.steady_until(15_000);
        for _ in 0..20 {
            s.blocked(1_000, 50 * MS, FUTEX, LOADER);
            s.as_task(LOADER, |s| s.blocked(2 * MS, waited_ms * MS, EPOLL, STRESS));
            s.now += 50 * MS + 94_000;
            s.launch(6_000);
        }
        s.steady_until(20_000);
        s.findings().iter().filter(|f| f.tid == 100).map(|f| f.cause).collect::<Vec<_>>()
    };
    assert_eq!(told(24), ["blocked_lock"]);
    assert_eq!(told(25), ["data_starvation"]);
}

#[test]
fn a_wait_for_storage_is_blocked_io_with_its_stack() {
    let mut s = Story::of(20);
    s.steady_until(15_000);
    for _ in 0..20 {
        s.blocked(2_000, 10 * MS, DISK, NONE_WAKER);
        s.now += 10 * MS + 94_000;
        s.launch(6_000);
    }
    s.steady_until(20_000);
    let f = first(s);
    assert_eq!(f.cause, "blocked_io");
    assert!(f.summary.contains("filemap_read") || f.summary.contains("io_schedule"), "{}", f.summary);
    close(&f, 200 * MS);
}

const NONE_WAKER: u32 = crate::model::NONE;

#[test]
fn a_stopped_process_is_signal_stop() {
    let mut s = Story::of(20);
    s.steady_until(15_000);
    s.off(1_000, 700 * MS, 0).state = 4;
    s.now += 700 * MS + 94_000;
    s.steady_until(20_000);
    let f = first(s);
    assert_eq!(f.cause, "signal_stop");
    close(&f, 700 * MS);
}

/// Steps of 20 launches and a wait of `usual` ns, from now until `ms`.
fn steps(s: &mut Story, ms: i64, wait_ns: i64) {
    while s.now < BEGIN + ms * MS {
        for _ in 0..20 {
            s.launch(5_000);
            s.now += 20_000;
        }
        s.call(ops::CU_STREAM_SYNCHRONIZE, wait_ns);
        s.now += 20_000;
    }
}

/// For a second, waits of 20 ms instead of one.
pub(super) fn longer_waits() -> Story {
    let mut s = Story::of(20);
    steps(&mut s, 15_000, MS);
    steps(&mut s, 16_000, 20 * MS);
    steps(&mut s, 20_000, MS);
    s
}

#[test]
fn a_synchronisation_that_takes_longer_than_usual_is_gpu_wait() {
    let f = first(longer_waits());
    assert_eq!(f.cause, "gpu_wait");
    assert!(f.summary.contains("cuStreamSynchronize"));
    // About 48 waits of 20 ms where 1 ms is usual.
    assert!((880 * MS..950 * MS).contains(&f.attributed_ns), "{}", f.attributed_ns);
}

#[test]
fn a_usual_wait_for_the_gpu_is_no_finding() {
    let mut s = Story::of(20);
    steps(&mut s, 20_000, 15 * MS);
    assert_eq!(s.findings(), []);
}

/// Fifty launches of 10 ms on a CPU.
pub(super) fn unexplained() -> Story {
    let mut s = Story::of(20);
    s.steady_until(15_000);
    for _ in 0..50 {
        s.launch(10 * MS);
        s.now += 94_000;
    }
    s.steady_until(20_000);
    s
}

#[test]
fn slow_calls_that_nothing_explains_are_unknown_and_low() {
    let f = first(unexplained());
    assert_eq!((f.cause, f.severity), ("unknown", Severity::Low));
    close(&f, 500 * MS);
}

#[test]
fn an_allocation_storm_is_the_allocator_s() {
    let mut s = Story::of(20);
    s.steady_until(15_000);
    for i in 0..400 {
        s.call(ops::CU_MEM_ALLOC, if i % 10 == 0 { 10 * MS } else { 4_000 });
        s.now += 94_000;
    }
    s.steady_until(20_000);
    let f = first(s);
    assert_eq!(f.cause, "allocator");
    close(&f, 400 * MS);
}

#[test]
fn the_numbers_do_not_depend_on_which_process_is_asked_about() {
    let story = || {
        let mut s = Story::of(20);
        s.steady_until(15_000);
        for _ in 0..50 {
            s.preempted(1_000, 5 * MS);
            s.launch(6 * MS);
            s.now += 94_000;
        }
        s.steady_until(20_000);
        s.finish()
    };
    let all = crate::investigate::investigate(&[story()], None);
    assert_eq!(all, crate::investigate::investigate(&[story()], Some(100)));
    assert_eq!(crate::investigate::investigate(&[story()], Some(500)), []);
}
