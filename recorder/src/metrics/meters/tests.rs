use super::*;

fn row(pid: u32, op: u16, end_ns: u64, dur_ns: u64) -> Row {
    Row { pid, tid: pid, op, end_ns, dur_ns, ..Row::default() }
}

fn comm(pid: u32) -> String {
    format!("p{pid}")
}

fn see(meters: &mut Meters, rows: &[Row]) {
    rows.iter().for_each(|row| meters.see(row, comm));
}

fn of(meters: &Meters, pid: u32) -> &Process {
    meters.parts().0.iter().find(|p| p.pid == pid).unwrap()
}

#[test]
fn calls_launches_and_synchronises_are_counted_by_process() {
    let mut meters = Meters::new(0);
    let launch = row(7, ops::CU_LAUNCH_KERNEL, 1_000, 600);
    let sync = row(7, ops::CU_CTX_SYNCHRONIZE, 9_000, 5_000);
    let copy = row(8, ops::CU_MEMCPY_HTOD, 9_000, 5_000);
    see(&mut meters, &[launch, launch, sync, copy, launch]);
    let (seven, eight) = (of(&meters, 7), of(&meters, 8));
    assert_eq!(seven.calls().collect::<Vec<_>>(), [("cuLaunchKernel", 3), ("cuCtxSynchronize", 1)]);
    assert_eq!((seven.launches, seven.launch.count(), seven.sync.count()), (3, 3, 1));
    assert_eq!((eight.launches, eight.launch.count(), eight.sync.count()), (0, 0, 0));
    assert_eq!((seven.comm.as_str(), seven.since_ns), ("p7", 400));
    assert_eq!(seven.launch.sum_seconds(), 1.8e-6);
}

#[test]
fn a_launch_inside_another_counts_once_and_one_without_an_end_has_no_duration() {
    let mut meters = Meters::new(0);
    let runtime = row(7, ops::CUDA_LAUNCH_KERNEL, 1_000, 600);
    let driver = Row { flags: NESTED, ..row(7, ops::CU_LAUNCH_KERNEL, 900, 400) };
    let entry = Row { flags: ENTRY_ONLY, ..row(7, ops::CU_LAUNCH_KERNEL, 2_000, 0) };
    see(&mut meters, &[driver, runtime, entry]);
    let seven = of(&meters, 7);
    assert_eq!((seven.launches, seven.launch.count()), (2, 1));
    assert_eq!(seven.calls().map(|(_, n)| n).sum::<u64>(), 3);
}

#[test]
fn time_off_the_cpu_is_told_by_state_once_a_process_uses_the_gpu() {
    let mut meters = Meters::new(0);
    let off = |ret, flags| Row { ret, flags, arg0: 50, ..row(7, ops::OFF_CPU, 1_000, 100) };
    see(&mut meters, &[off(1, 0), row(7, ops::CU_LAUNCH_KERNEL, 2_000, 10)]);
    assert_eq!(meters.parts().1.off_cpu().map(|(_, h)| h.count()).sum::<u64>(), 1, "it was nobody's yet");
    see(
        &mut meters,
        &[off(0, 0), off(1, PREEMPTED), off(1, 0), off(2, 0), off(0x402, 0), off(4, 0), off(0x102, 0)],
    );
    let found = of(&meters, 7).off_cpu().map(|(state, h)| (state.name(), h.count()));
    assert_eq!(
        found.collect::<Vec<_>>(),
        [("runnable", 2), ("sleeping", 1), ("uninterruptible", 2), ("other", 2)]
    );
    assert_eq!(of(&meters, 7).runqueue_ns, 350);
}

#[test]
fn rows_of_other_kinds_count_nothing() {
    let mut meters = Meters::new(0);
    for op in [ops::FORK, ops::EXEC, ops::EXIT, ops::OOM_KILL, ops::SAMPLE, 0, u16::MAX] {
        see(&mut meters, &[row(7, op, 1_000, 10)]);
    }
    let (processes, other) = meters.parts();
    assert!(processes.is_empty() && other.calls().next().is_none());
}

#[test]
fn processes_beyond_the_places_share_one_and_get_theirs_when_one_is_free() {
    let mut meters = Meters::new(0);
    let launch = |pid, at| row(pid, ops::CU_LAUNCH_KERNEL, at, 10);
    for _ in 0..3 {
        (1..=MAX_PROCESSES as u32 + 10).for_each(|pid| meters.see(&launch(pid, 1_000), comm));
    }
    let (processes, other) = meters.parts();
    assert_eq!((processes.len(), other.launches), (MAX_PROCESSES, 30));
    assert!(processes.iter().all(|p| p.launches == 3));
    meters.see(&row(5, ops::EXIT, 2_000, 0), comm);
    meters.tidy(2_000 + KEPT_NS - 1);
    assert_eq!(meters.parts().0.len(), MAX_PROCESSES, "somebody may not have looked yet");
    meters.tidy(2_000 + KEPT_NS);
    assert_eq!(meters.parts().0.len(), MAX_PROCESSES - 1);
    meters.see(&launch(70, 3_000), comm);
    assert_eq!(of(&meters, 70).launches, 1);
    (1..=64).filter(|pid| *pid != 5).for_each(|pid| meters.see(&launch(pid, 4_000), comm));
    assert!((1..=64).filter(|pid| *pid != 5).all(|pid| of(&meters, pid).launches == 4));
}

#[test]
fn an_id_that_the_kernel_gives_again_is_another_process() {
    let mut meters = Meters::new(0);
    let launch = |at| row(7, ops::CU_LAUNCH_KERNEL, at, 10);
    see(&mut meters, &[launch(1_000), row(7, ops::EXIT, 2_000, 0), launch(1_900)]);
    assert_eq!(of(&meters, 7).launches, 2, "a row that was late");
    see(&mut meters, &[launch(5_000), launch(6_000)]);
    let seven = of(&meters, 7);
    assert_eq!((seven.launches, seven.since_ns), (2, 4_990));
    meters.tidy(2_000 + KEPT_NS);
    assert_eq!(of(&meters, 7).launches, 2, "the new one has not ended");
}

#[test]
fn a_process_that_takes_another_name_is_called_by_it() {
    let mut meters = Meters::new(0);
    see(&mut meters, &[row(7, ops::CU_LAUNCH_KERNEL, 1_000, 10)]);
    meters.named(7, "VLLM::Worker");
    meters.named(8, "nobody");
    assert_eq!(of(&meters, 7).comm, "VLLM::Worker");
}
