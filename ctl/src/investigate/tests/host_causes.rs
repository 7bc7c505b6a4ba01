//! Causes that events and counts of the host decide: memory, disks, limits, signals, ends.

use ingero_format::ops::{self, Source};

use super::story::*;
use crate::{
    investigate::{Finding, finding::Severity},
    model::{Loss, NONE, Sample, Series, Task},
};

fn first(story: Story) -> Finding {
    story.findings().into_iter().next().expect("a finding")
}

fn close(f: &Finding, injected: i64) {
    assert!((f.attributed_ns - injected).abs() * 20 <= injected, "{} of {injected}", f.attributed_ns);
}

/// Steady launches with twenty disturbances of 10 ms each from second 15 on.
fn disturbed(mut disturb: impl FnMut(&mut Story)) -> Story {
    let mut s = Story::of(20);
    s.steady_until(15_000);
    for _ in 0..20 {
        disturb(&mut s);
        s.now += 10 * MS + 94_000;
        s.launch(6_000);
    }
    s.steady_until(20_000);
    s
}

/// Twenty times 10 ms of direct reclaim.
pub(super) fn reclaiming() -> Story {
    disturbed(|s| s.host_for(ops::DIRECT_RECLAIM, 1_000, 10 * MS, 0))
}

#[test]
fn direct_reclaim_is_memory_pressure_also_while_it_burns_cpu() {
    let f = first(reclaiming());
    assert_eq!(f.cause, "memory_pressure");
    assert!(f.advice.to_string().contains("memory.high"), "{}", f.advice);
    close(&f, 200 * MS);
}

#[test]
fn a_page_read_back_from_swap_is_memory_pressure_and_not_storage() {
    let f = first(disturbed(|s| s.blocked(1_000, 10 * MS, SWAP, NONE)));
    assert_eq!(f.cause, "memory_pressure");
    assert!(f.summary.contains("do_swap_page") || f.summary.contains("folio_wait"), "{}", f.summary);
    close(&f, 200 * MS);
}

#[test]
fn a_wait_without_a_stack_during_an_own_disk_read_is_blocked_io_for_as_long_as_the_read() {
    let f = first(disturbed(|s| {
        s.blocked(1_000, 10 * MS, NONE, NONE);
        s.host_for(ops::BLOCK_IO, 0, 8 * MS, 0);
        // Written back later, by whomever: not what the thread waits for.
        s.host_for(ops::BLOCK_IO, 8 * MS, 3 * MS, 1);
    }));
    assert_eq!(f.cause, "blocked_io");
    close(&f, 160 * MS);
}

/// Readings of a group's throttling count each 500 ms; it rises by `us` from second 15 to 15.5.
fn count_throttling(s: &mut Story, cgroup: &str, us: f64) {
    s.trace.processes[0].cgroup = "/pods/a/box".into();
    s.trace.series.push(Series {
        pid: 0,
        name: "cgroup_cpu_throttled_us_total".into(),
        labels: format!("{{\"cgroup\":\"{cgroup}\"}}"),
    });
    let mut value = 100.0;
    for i in 0..40 {
        if i == 31 {
            value += us;
        }
        s.trace.samples.push(Sample { ts_ns: BEGIN + i * 500 * MS, series: 0, value });
    }
}

/// Kept from running nine times for 50 ms, from second 15 on, by nobody.
fn kept_from_running() -> Story {
    let mut s = Story::of(20);
    s.steady_until(15_000);
    for _ in 0..9 {
        s.off(1_000, 50 * MS, 50 * MS).preemptor = NONE;
        s.trace.off_cpu.last_mut().unwrap().state = 0;
        s.now += 50 * MS + 94_000;
        s.launch(6_000);
    }
    s.steady_until(20_000);
    s
}

/// Kept from running by the limit of its group.
pub(super) fn throttled() -> Story {
    let mut s = kept_from_running();
    count_throttling(&mut s, "/pods/a", 502_000.0);
    s
}

#[test]
fn time_that_a_groups_limit_took_is_cpu_throttled() {
    let f = first(throttled());
    assert_eq!(f.cause, "cpu_throttled");
    assert!(f.advice.to_string().contains("cpu.max"), "{}", f.advice);
    close(&f, 450 * MS);
}

#[test]
fn no_more_is_throttled_than_the_kernel_counted_and_another_groups_count_is_nothing() {
    let mut s = kept_from_running();
    count_throttling(&mut s, "/pods/a/box", 100_000.0);
    let found = s.findings();
    let of = |cause: &str| found.iter().find(|f| f.cause == cause).map_or(0, |f| f.attributed_ns);
    assert!(of("cpu_throttled") <= 100 * MS, "{}", of("cpu_throttled"));
    assert!((340 * MS..360 * MS).contains(&of("unknown")), "{}", of("unknown"));

    let mut s = kept_from_running();
    count_throttling(&mut s, "/pods/ab", 500_000.0);
    let (name, labels) = ("cgroup_cpu_usage_us_total".into(), "{\"cgroup\":\"/pods/a/box\"}".into());
    s.trace.series.push(Series { pid: 0, name, labels });
    assert!(s.findings().iter().all(|f| f.cause == "unknown"));
}

#[test]
fn where_each_controller_has_groups_of_its_own_the_only_process_is_in_the_one_that_was_read() {
    let mut s = kept_from_running();
    count_throttling(&mut s, "/limited", 502_000.0);
    let f = first(s);
    assert_eq!(f.cause, "cpu_throttled");
    close(&f, 450 * MS);
}

/// Stopped by a signal for 700 ms.
pub(super) fn stopped() -> Story {
    let mut s = Story::of(20);
    s.steady_until(15_000);
    s.host_for(ops::SIGNAL, 500, 0, 500 << 32 | 500);
    s.trace.host_events.last_mut().unwrap().arg0 = 19;
    s.off(1_000, 700 * MS, 0).state = 4;
    s.now += 700 * MS + 94_000;
    s.steady_until(20_000);
    s
}

#[test]
fn who_stopped_a_process_is_named() {
    let f = first(stopped());
    assert_eq!(f.cause, "signal_stop");
    assert!(f.summary.contains("stress/500"), "{}", f.summary);
    close(&f, 700 * MS);
}

/// A process that ends at second 12 with an exit code.
fn ended(code: u64) -> Story {
    let mut s = Story::of(20);
    s.steady_until(12_000);
    s.host(ops::EXIT, ENGINE, code);
    s
}

/// Ended by a signal that another process sent.
pub(super) fn killed_by_a_signal() -> Story {
    let mut s = ended(9);
    s.host_for(ops::SIGNAL, -MS, 0, 500 << 32 | 500);
    s.trace.host_events.last_mut().unwrap().arg0 = 9;
    s
}

#[test]
fn a_process_that_a_signal_ended_is_process_exit_with_sender_and_an_ordinary_end_is_nothing() {
    let f = first(killed_by_a_signal());
    assert_eq!((f.cause, f.severity, f.pid), ("process_exit", Severity::High, 100));
    assert!(f.summary.contains("SIGKILL sent by stress/500"), "{}", f.summary);
    close(&f, 8 * SECOND);
    assert!(first(ended(3 << 8)).summary.contains("status 3"));
    assert_eq!(ended(0).findings(), []);
}

/// Ended by the kernel for want of memory.
pub(super) fn killed_for_memory() -> Story {
    let mut s = ended(9);
    s.host_for(ops::OOM_KILL, -MS, 0, 0);
    s
}

#[test]
fn a_process_that_the_kernel_killed_for_want_of_memory_is_oom_and_only_that() {
    let found = killed_for_memory().findings();
    assert_eq!(found.iter().map(|f| f.cause).collect::<Vec<_>>(), ["oom"]);
    assert_eq!(found[0].severity, Severity::High);
}

// A kill for want of memory whose record was lost was once a HIGH end by SIGKILL of which nothing more was said.
#[test]
fn an_end_by_sigkill_is_low_if_a_record_that_says_why_may_be_missing() {
    for (lost, severity) in [(Source::Host, Severity::Low), (Source::Sched, Severity::High)] {
        let mut s = ended(9);
        let (from_ns, to_ns) = (s.now - 10 * MS, s.now);
        s.trace.losses.push(Loss { from_ns, to_ns, source: lost as u8, ..Loss::default() });
        assert_eq!(s.findings()[0].severity, severity);
    }
}

#[test]
fn losses_that_touch_the_time_of_a_finding_are_counted() {
    let whole = first(killed_for_memory());
    let counted = |from_ns: i64, to_ns: i64| {
        let mut s = killed_for_memory();
        s.trace.losses.push(Loss { from_ns, to_ns, source: Source::Cuda as u8, ..Loss::default() });
        first(s).coverage["losses_in_time"].as_i64().unwrap()
    };
    let (from, to) = (whole.from_ns, whole.to_ns);
    assert_eq!(
        [counted(from - 10, from - 1), counted(from - 10, from), counted(from + 5, from + 5)],
        [0, 1, 1]
    );
    assert_eq!([counted(to - 1, to + 9), counted(to, to + 9)], [1, 0]);
}

#[test]
fn an_end_of_a_process_without_calls_is_nobodys_finding() {
    let mut s = Story::of(20);
    s.steady_until(12_000);
    s.trace.tasks.push(Task { pid: 900, tid: 900, comm: "sh".into() });
    let shell = s.trace.tasks.len() as u32 - 1;
    s.host(ops::EXIT, shell, 1 << 8);
    s.steady_until(20_000);
    assert_eq!(s.findings(), []);
}

/// Steps of 20 launches and an all-reduce, until `ms`.
fn steps(s: &mut Story, ms: i64, collective_ns: i64) {
    while s.now < BEGIN + ms * MS {
        for _ in 0..20 {
            s.launch(5_000);
            s.now += 20_000;
        }
        s.call(ops::NCCL_ALL_REDUCE, collective_ns);
        s.now += 20_000;
    }
}

/// For a second, collectives of 20 ms instead of one.
pub(super) fn slow_collectives() -> Story {
    let mut s = Story::of(20);
    steps(&mut s, 15_000, MS);
    steps(&mut s, 16_000, 20 * MS);
    steps(&mut s, 20_000, MS);
    s
}

#[test]
fn a_collective_that_takes_longer_than_usual_is_collective_wait() {
    let f = first(slow_collectives());
    assert_eq!(f.cause, "collective_wait");
    assert!(f.summary.contains("ncclAllReduce"), "{}", f.summary);
    assert!((880 * MS..950 * MS).contains(&f.attributed_ns), "{}", f.attributed_ns);
}

// Ranks on one host that wait for each other by a futex were once said to wait for a lock.
#[test]
fn a_collective_that_waits_by_a_futex_for_another_process_is_collective_wait_and_for_a_thread_of_its_own_a_lock()
 {
    for (waker, cause) in [(STRESS, "collective_wait"), (LOADER, "blocked_lock")] {
        let mut s = Story::of(20);
        steps(&mut s, 15_000, 100_000);
        for _ in 0..10 {
            s.blocked(10_000, 20 * MS, FUTEX, waker);
            s.call(ops::NCCL_ALL_REDUCE, 20 * MS + 20_000);
            s.now += 20_000;
            let until = (s.now - BEGIN) / MS + 50;
            steps(&mut s, until, 100_000);
        }
        steps(&mut s, 20_000, 100_000);
        let f = first(s);
        assert_eq!(f.cause, cause);
        close(&f, 200 * MS);
    }
}

/// Twenty allocations that block for 10 ms.
pub(super) fn slow_allocations() -> Story {
    let mut s = Story::of(20);
    s.steady_until(15_000);
    for i in 0..200 {
        if i % 10 == 0 {
            s.blocked(1_000, 10 * MS, NONE, NONE);
        }
        s.call(ops::CU_MEM_ALLOC, if i % 10 == 0 { 10 * MS + 4_000 } else { 4_000 });
        s.now += 94_000;
    }
    s.steady_until(20_000);
    s
}

#[test]
fn an_allocation_that_blocks_for_no_known_reason_is_the_allocators() {
    let f = first(slow_allocations());
    assert_eq!(f.cause, "allocator");
    close(&f, 200 * MS);
}
