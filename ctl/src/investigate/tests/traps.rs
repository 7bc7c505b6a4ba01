//! Where engines that count things happening at the same time go wrong. Numbers as in the design.

use ingero_format::ops;

use super::story::*;
use crate::investigate::finding::Severity;

#[test]
fn trap_1_a_busy_thread_of_another_process_is_nobody_s_contention() {
    let mut s = Story::of(20);
    s.task = STRESS;
    for i in 0..10_000 {
        s.preempted(i * 2 * MS, MS);
    }
    s.task = ENGINE;
    s.steady_until(20_000);
    // The other process did wait for CPUs; that is its finding alone.
    assert!(s.findings().iter().all(|f| f.pid == 500 && f.severity == Severity::Low));
}

#[test]
fn trap_2_a_periodic_sleeper_beside_the_dispatcher_adds_nothing_to_it() {
    let mut s = Story::of(20);
    s.task = LOADER;
    for i in 0..390 {
        s.blocked(i * 51 * MS, 50 * MS, SLEEP, crate::model::NONE);
    }
    s.task = ENGINE;
    s.steady_until(20_000);
    assert_eq!(s.findings(), []);
}

#[test]
fn trap_3_switches_outside_slow_calls_and_gaps_are_attributed_to_nothing() {
    let mut s = Story::of(20);
    for i in 0..190_000 {
        if i % 100 == 0 {
            s.preempted(20_000, 30_000);
        }
        s.launch(5_000);
        s.now += 94_000;
    }
    assert_eq!(s.findings(), []);
}

#[test]
fn trap_4_one_cold_call_among_warm_ones_is_first_use_and_never_the_scheduler() {
    let mut s = Story::of(20);
    s.call(ops::CUDA_LAUNCH_KERNEL, 25_800_000).arg0 = 0xaa;
    for _ in 0..20 {
        s.now += 500 * MS;
        s.call(ops::CUDA_LAUNCH_KERNEL, 73_000).arg0 = 0xaa;
    }
    (0..5).for_each(|i| s.preempted(-2 * SECOND + i * MS, 20_000));
    let findings = s.findings();
    assert!(
        findings.iter().all(|f| f.cause == "first_use" && f.severity >= Severity::Medium),
        "{findings:?}"
    );
}

#[test]
fn trap_5_a_quiet_process_with_few_switches_and_a_wide_spread_has_no_finding() {
    let mut s = Story::of(20);
    while s.now < BEGIN + 20 * SECOND {
        let slow = (s.now / (100 * MS)) % 50 == 0;
        s.launch(if slow { 200_000 } else { 50_000 });
        s.now += MS;
    }
    for i in 0..10 {
        s.preempted(-15 * SECOND + i * SECOND, 50_000);
    }
    assert_eq!(s.findings(), []);
}

#[test]
fn trap_7_a_part_of_the_window_counts_its_own_intervals_once() {
    let mut s = Story::of(20);
    s.steady_until(15_000);
    for _ in 0..50 {
        s.preempted(1_000, 5 * MS);
        s.launch(6 * MS);
        s.now += 94_000;
    }
    s.steady_until(20_000);
    let whole = s.finish();
    let findings = crate::investigate::investigate(std::slice::from_ref(&whole), None);
    let parts: i64 = [(0, 15_100), (15_100, 20_000)]
        .into_iter()
        .flat_map(|(from, to)| {
            let mut part = whole.clone();
            part.crop(BEGIN + from * MS, BEGIN + to * MS);
            crate::investigate::investigate(&[part], None)
        })
        .filter(|f| f.cause == "cpu_contention")
        .map(|f| f.attributed_ns)
        .sum();
    // One call may lie across the cut, and then in both.
    assert!((parts - findings[0].attributed_ns).abs() <= 5 * MS, "{parts} {}", findings[0].attributed_ns);
}

#[test]
fn trap_8_spinning_in_a_synchronisation_is_gpu_wait_and_a_slow_enqueue_is_not() {
    let mut s = Story::of(20);
    for i in 0..1_000 {
        s.call(ops::CU_MEMCPY_DTOH_ASYNC, if (700..760).contains(&i) { 12 * MS } else { 10_000 });
        s.now += 10 * MS;
        s.call(ops::CU_CTX_SYNCHRONIZE, if (800..860).contains(&i) { 12 * MS } else { 100_000 });
        s.now += 5 * MS;
    }
    let findings = s.findings();
    let gpu = findings.iter().find(|f| f.cause == "gpu_wait").unwrap();
    assert!(gpu.evidence["operations"].as_array().unwrap().iter().all(|o| o["op"] == "cuCtxSynchronize"));
    let rest = findings.iter().find(|f| f.cause == "unknown").unwrap();
    assert!(rest.evidence["operations"].as_array().unwrap().iter().all(|o| o["op"] == "cuMemcpyDtoHAsync"));
    assert!(findings.iter().all(|f| f.cause != "cpu_contention"));
}

#[test]
fn trap_11_a_hole_in_scheduler_records_makes_a_call_undecidable() {
    let mut s = Story::of(20);
    s.steady_until(15_000);
    for _ in 0..20 {
        s.lose_sched(30 * MS);
        s.launch(30 * MS);
        s.now += 94_000;
    }
    s.steady_until(20_000);
    let findings = s.findings();
    assert_eq!(findings, [], "time in holes must not be given to anything");
}

#[test]
fn trap_12_work_on_another_thread_is_named_with_both_ids() {
    let mut s = Story::of(20);
    s.task = WORKER;
    s.steady_until(15_000);
    for _ in 0..50 {
        s.preempted(1_000, 5 * MS);
        s.launch(6 * MS);
        s.now += 94_000;
    }
    s.steady_until(20_000);
    let f = &s.findings()[0];
    assert_eq!((f.pid, f.tid, f.comm.as_str()), (100, 102, "worker"));
}

#[test]
fn trap_19_an_interval_across_a_call_s_edge_is_split_between_call_and_gap() {
    let mut s = Story::of(20);
    s.steady_until(15_000);
    for _ in 0..10 {
        // From 10 ms inside the call to 10 ms after it.
        s.preempted(5_000, 20 * MS);
        s.launch(10 * MS + 5_000);
        s.now += 10 * MS + 50_000;
    }
    s.steady_until(20_000);
    let trace = s.finish();
    assert_eq!(trace.calls.iter().map(|c| c.off_cpu_ns).max(), Some(10 * MS));
    let f = &crate::investigate::investigate(&[trace], None)[0];
    let by_place = f.evidence["operations"].as_array().unwrap();
    let ns = |op: &str| by_place.iter().find(|o| o["op"] == op).unwrap()["ns"].as_i64().unwrap();
    assert_eq!((ns("cuLaunchKernel"), ns("gap")), (100 * MS, 100 * MS));
}

#[test]
fn trap_20_advice_on_a_lock_does_not_speak_of_cpus() {
    let mut s = Story::of(20);
    s.steady_until(15_000);
    for _ in 0..50 {
        s.blocked(1_000, 5 * MS, FUTEX, LOADER);
        s.launch(6 * MS);
        s.now += 94_000;
    }
    s.steady_until(20_000);
    let f = &s.findings()[0];
    assert_eq!(f.cause, "blocked_lock");
    assert!(!f.advice.to_string().contains("CPU"));
}

#[test]
fn quiet_steady_bursty_and_idle_threads_have_no_finding() {
    let mut steady = Story::of(20);
    steady.steady_until(20_000);
    assert_eq!(steady.findings(), []);

    let mut bursty = Story::of(20);
    let mut n = 0;
    while bursty.now < BEGIN + 20 * SECOND {
        n += 1;
        (0..200).for_each(|_| {
            bursty.launch(5_000);
            bursty.now += 20_000;
        });
        // Waits for its next work by a condition variable; a thread that reads a socket wakes it.
        let idle = 10 * MS + n * 7_919 * 1_000 % (90 * MS);
        bursty.blocked(1_000, idle, FUTEX, LOADER);
        bursty.task = LOADER;
        bursty.blocked(2_000, idle - 50_000, EPOLL, STRESS);
        bursty.task = ENGINE;
        bursty.now += idle + 50_000;
    }
    assert_eq!(bursty.findings(), []);

    let mut phase_end = Story::of(20);
    phase_end.steady_until(8_000);
    assert_eq!(phase_end.findings(), []);
}
