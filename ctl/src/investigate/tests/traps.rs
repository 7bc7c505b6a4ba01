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
    assert_eq!(findings.iter().map(|f| f.cause).collect::<Vec<_>>(), ["first_use"], "{findings:?}");
    assert_eq!(findings[0].attributed_ns, 25_800_000 - 73_000);
    assert!(findings[0].severity >= Severity::Medium);
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

/// Fifty launches of 6 ms in which the thread was preempted for 5, from second 15 of a window on.
pub(super) fn contended(seconds: i64) -> Story {
    let mut s = Story::of(seconds);
    s.steady_until(15_000);
    for _ in 0..50 {
        s.preempted(1_000, 5 * MS);
        s.launch(6 * MS);
        s.now += 94_000;
    }
    s.steady_until(seconds * 1_000);
    s
}

#[test]
fn trap_6_an_incident_is_one_finding_whose_numbers_do_not_depend_on_how_the_window_is_cut() {
    for seconds in [20, 31, 40] {
        let found = contended(seconds).findings();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].cause, found[0].attributed_ns), ("cpu_contention", 250 * MS));
    }
}

// Time in which a thread was kept back counts also where no call was slow and no gap long, if it is inside an incident.
#[test]
fn kept_back_in_units_that_were_not_slow_adds_to_an_incident_and_makes_none() {
    let minor = |s: &mut Story| {
        s.preempted(100_000, 400_000);
        s.now += 1_200_000;
        s.launch(6_000);
        // Shorter than what counts.
        s.preempted(100_000, 299_999);
        s.now += 1_200_000;
        s.launch(6_000);
    };
    let story = |incident: bool| {
        let mut s = Story::of(20);
        s.steady_until(15_000);
        for _ in 0..40 {
            if incident {
                s.preempted(1_000, 5 * MS);
                s.launch(6 * MS);
                s.now += 94_000;
            }
            minor(&mut s);
        }
        s.steady_until(20_000);
        s.findings().into_iter().filter(|f| f.cause == "cpu_contention").collect::<Vec<_>>()
    };
    let found = story(true);
    // The last one begins after the incident's last slow call.
    assert_eq!(found[0].attributed_ns, 40 * 5 * MS + 39 * 400_000);
    assert_eq!(found[0].evidence["in_units_not_slow_ns"], 39 * 400_000);
    assert_eq!(story(false), []);
}

#[test]
fn incidents_far_apart_are_findings_of_their_own_and_none_is_compared_with_the_other() {
    let mut s = Story::of(40);
    for at in [12_000, 25_000] {
        s.steady_until(at);
        for _ in 0..50 {
            s.preempted(1_000, 5 * MS);
            s.launch(6 * MS);
            s.now += 94_000;
        }
    }
    s.steady_until(40_000);
    let found = s.findings();
    assert_eq!(found.iter().map(|f| f.attributed_ns).collect::<Vec<_>>(), [250 * MS; 2], "{found:?}");
    assert_ne!(found[0].id, found[1].id);
    assert!(found.iter().all(|f| f.evidence["baseline"]["kind"] == "window_before"));
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

/// Ten times preempted by a recorder, and twenty times waiting for a disk that it made busy.
pub(super) fn beside_a_recorder() -> Story {
    let mut s = Story::of(20);
    s.trace.tasks.push(crate::model::Task { pid: 800, tid: 803, comm: "ingero-recorder".into() });
    let recorder = s.trace.tasks.len() as u32 - 1;
    s.steady_until(15_000);
    for i in 0..30 {
        if i % 3 == 0 {
            s.preempted(1_000, 10 * MS);
            s.trace.off_cpu.last_mut().unwrap().preemptor = recorder;
        } else {
            s.blocked(1_000, 10 * MS, DISK, recorder);
        }
        s.now += 10 * MS + 94_000;
        s.launch(6_000);
    }
    s.steady_until(20_000);
    s
}

#[test]
fn trap_10_what_the_recorder_writes_is_its_own_cost_and_never_the_workloads_storage() {
    let found = beside_a_recorder().findings();
    assert_eq!(found.iter().map(|f| f.cause).collect::<Vec<_>>(), ["recorder_self"], "{found:?}");
    assert!((290 * MS..310 * MS).contains(&found[0].attributed_ns), "{}", found[0].attributed_ns);
}

// A thread without calls: no launch shows that it waited.
#[test]
fn a_thread_without_calls_that_waits_for_its_own_disk_waits_for_storage_and_for_the_recorders_for_the_recorder()
 {
    for (own, cause) in [(true, "blocked_io"), (false, "recorder_self")] {
        let mut s = Story::of(20);
        s.trace.tasks.push(crate::model::Task { pid: 800, tid: 803, comm: "ingero-recorder".into() });
        let recorder = s.trace.tasks.len() as u32 - 1;
        s.task = LOADER;
        // Usually it waits for input.
        for _ in 0..150 {
            s.blocked(1_000, 90 * MS, EPOLL, STRESS);
            s.now += 100 * MS;
        }
        for _ in 0..30 {
            s.blocked(1_000, 10 * MS, DISK, recorder);
            if own {
                s.host_for(ops::BLOCK_IO, 0, 10 * MS, 0);
            }
            s.now += 12 * MS;
        }
        let found = s.findings();
        assert_eq!(found.iter().map(|f| (f.cause, f.severity)).collect::<Vec<_>>(), [(cause, Severity::Low)]);
    }
}

// A tenth of a workload's waits for its disk was once the recorder's, on whose CPU the disk's interrupts came.
#[test]
fn a_wait_for_an_own_request_is_the_workloads_whoever_the_interrupt_found_on_the_cpu() {
    let mut s = Story::of(20);
    s.trace.tasks.push(crate::model::Task { pid: 800, tid: 803, comm: "ingero-recorder".into() });
    let recorder = s.trace.tasks.len() as u32 - 1;
    s.steady_until(15_000);
    for i in 0..30 {
        s.blocked(1_000, 10 * MS, DISK, recorder);
        // A write, a read, a flush.
        s.host_for(ops::BLOCK_IO, 0, 10 * MS, i % 3);
        s.now += 10 * MS + 94_000;
        s.launch(6_000);
    }
    s.steady_until(20_000);
    let found = s.findings();
    assert_eq!(found.iter().map(|f| f.cause).collect::<Vec<_>>(), ["blocked_io"], "{found:?}");
}

// The recorder's threads have names of their own; they were once taken for somebody else's process.
#[test]
fn the_recorders_threads_are_known_by_their_names_together_and_one_such_name_alone_is_anybodys() {
    for (names, cause) in [(["drain", "discover"], "recorder_self"), (["drain", "other"], "cpu_contention")] {
        let mut s = Story::of(20);
        let first = s.trace.tasks.len() as u32;
        for (tid, comm) in (801..).zip(names) {
            s.trace.tasks.push(crate::model::Task { pid: 800, tid, comm: comm.into() });
        }
        s.steady_until(15_000);
        for _ in 0..20 {
            s.preempted(1_000, 10 * MS);
            s.trace.off_cpu.last_mut().unwrap().preemptor = first;
            s.now += 10 * MS + 94_000;
            s.launch(6_000);
        }
        s.steady_until(20_000);
        assert_eq!(s.findings()[0].cause, cause);
    }
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
fn trap_16_a_thread_alone_on_its_cpu_has_no_contention_however_busy_the_others_are() {
    let mut s = Story::of(20);
    for task in [LOADER, WORKER, STRESS] {
        s.as_task(task, |s| (0..1_900).for_each(|i| s.preempted(i * 10 * MS, 9 * MS)));
    }
    s.steady_until(20_000);
    let found = s.findings();
    assert!(found.iter().all(|f| f.tid != 100 && f.severity == Severity::Low), "{found:?}");
}

#[test]
fn trap_17_equal_pids_on_two_nodes_share_nothing() {
    let (mut alpha, mut beta) = (contended(20).finish(), Story::of(20));
    beta.steady_until(20_000);
    let mut beta = beta.finish();
    beta.node = "beta".into();
    // The clock of beta is wrong by seven seconds; its threads have the numbers of alpha's.
    beta.from_ns += 7 * SECOND;
    beta.to_ns += 7 * SECOND;
    beta.calls.iter_mut().for_each(|c| c.ts_ns += 7 * SECOND);
    let both = crate::investigate::investigate(&[alpha.clone(), beta.clone()], None);
    assert_eq!(both.iter().map(|f| f.node.as_str()).collect::<Vec<_>>(), ["alpha"]);
    assert_eq!(both, crate::investigate::investigate(std::slice::from_ref(&alpha), None));
    // Also where the other node has all the switches.
    beta.off_cpu = std::mem::take(&mut alpha.off_cpu);
    let found = crate::investigate::investigate(&[alpha, beta], None);
    assert!(found.iter().all(|f| f.cause != "cpu_contention" || f.node == "beta"), "{found:?}");
}

#[test]
fn trap_18_a_runtime_call_and_its_driver_call_are_one_and_driver_only_launches_count_too() {
    let mut s = Story::of(20);
    // A runtime launch with its driver launch inside, then one that only the driver sees.
    let pair = |s: &mut Story, preempted_ns: i64| {
        for op in [ops::CUDA_LAUNCH_KERNEL, ops::CU_LAUNCH_KERNEL_EX] {
            if preempted_ns > 0 {
                s.preempted(2_000, preempted_ns);
            }
            let begin = s.now;
            s.call(op, preempted_ns + 7_000).arg0 = 0xf1;
            let end = s.now;
            if op == ops::CUDA_LAUNCH_KERNEL {
                s.now = begin + 1_000;
                s.launch(preempted_ns + 5_000);
            }
            s.now = end + 390_000;
        }
    };
    let until = |s: &mut Story, ms: i64| {
        while s.now < BEGIN + ms * MS {
            pair(s, 0);
        }
    };
    until(&mut s, 15_000);
    (0..50).for_each(|_| pair(&mut s, 5 * MS));
    until(&mut s, 20_000);
    let found = s.findings();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].attributed_ns, found[0].calls_affected), (500 * MS, 100));
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
