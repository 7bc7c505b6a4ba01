use std::sync::mpsc::{Receiver, sync_channel};

use super::*;
use crate::config::Config;

const SECOND: u64 = 1_000_000_000;

fn predicates(text: &str) -> (Predicates, Receiver<Match>, Shared) {
    let (shared, (matches, found)) = (Shared::default(), sync_channel(8));
    shared.set(Conditions::of(&Config::parse(text).unwrap().trigger));
    let mut predicates = Predicates::new(shared.clone(), matches);
    predicates.turn(SECOND);
    (predicates, found, shared)
}

fn row(op: u16, pid: u32, dur_ns: u64) -> Row {
    Row { op, pid, tid: pid, dur_ns, end_ns: 5 * SECOND, ..Row::default() }
}

#[test]
fn only_what_passes_its_threshold_is_told_and_once_a_turn() {
    let text = "[trigger.predicate]\nsync_longer = \"10ms\"\noff_cpu_longer = \"20ms\"\n";
    let (mut predicates, found, _) = predicates(text);
    let long = row(ops::CU_STREAM_SYNCHRONIZE, 7, 10_000_001);
    for see in [
        row(ops::CU_STREAM_SYNCHRONIZE, 7, 10_000_000),
        row(ops::CU_LAUNCH_KERNEL, 7, u64::MAX),
        long,
        long,
        long,
    ] {
        predicates.see(&see);
    }
    predicates.see(&row(ops::CU_LAUNCH_KERNEL, 8, 1));
    predicates.see(&row(ops::OFF_CPU, 8, 20_000_000));
    predicates.see(&row(ops::OFF_CPU, 8, 30_000_000));
    predicates.see(&row(ops::OFF_CPU, 9, SECOND));
    assert!(found.try_recv().is_err(), "nothing is sent within a turn");
    predicates.turn(2 * SECOND);
    let told: Vec<Match> = found.try_iter().collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!((told[0].what, told[0].row, told[0].more), (What::Sync, long, 2));
    assert_eq!((told[1].what, told[1].row.pid, told[1].more), (What::OffCpu, 8, 0));
    predicates.turn(3 * SECOND);
    assert!(found.try_recv().is_err());
}

#[test]
fn without_conditions_nothing_matches_and_a_reload_is_taken_over_at_the_next_turn() {
    let (mut predicates, found, shared) = predicates("[trigger.predicate]\noom_kill = \"never\"\n");
    let rows =
        [row(ops::CU_CTX_SYNCHRONIZE, 1, u64::MAX), row(ops::OFF_CPU, 1, SECOND), row(ops::OOM_KILL, 1, 0)];
    rows.iter().for_each(|r| predicates.see(r));
    predicates.turn(2 * SECOND);
    assert!(found.try_recv().is_err());
    let new = "[trigger.predicate]\nsync_longer = \"1ms\"\noff_cpu_longer = \"1ms\"\noom_kill = \"any\"\n";
    shared.set(Conditions::of(&Config::parse(new).unwrap().trigger));
    predicates.turn(3 * SECOND);
    predicates.see(&row(ops::CU_LAUNCH_KERNEL, 1, 0));
    rows.iter().for_each(|r| predicates.see(r));
    predicates.turn(4 * SECOND);
    assert_eq!(found.try_iter().count(), 3);
}

#[test]
fn a_thread_that_does_not_use_the_gpu_or_did_so_long_ago_may_sleep() {
    let (mut predicates, found, _) = predicates("[trigger.predicate]\noff_cpu_longer = \"20ms\"\n");
    let asleep = |tid, end_ns| Row { end_ns, ..row(ops::OFF_CPU, tid, SECOND) };
    predicates.see(&row(ops::CU_MEMCPY, 8, 1));
    // It left the CPU two seconds after its copy had ended; another thread's id has the same low bits.
    predicates.see(&asleep(8, 8 * SECOND));
    predicates.see(&asleep(8 + GPU_THREADS as u32, 6 * SECOND));
    predicates.turn(2 * SECOND);
    assert!(found.try_recv().is_err());
    predicates.see(&asleep(8, 6 * SECOND + SECOND / 2));
    predicates.turn(3 * SECOND);
    assert_eq!(found.try_iter().count(), 1);
}

#[test]
fn each_abnormal_end_is_told_and_orderly_ones_are_not() {
    let (mut predicates, found, _) = predicates("[trigger.process]\nnames = [\"*\"]\n");
    for (pid, code) in [(1, 0), (2, 9), (3, 1 << 8)] {
        predicates.see(&Row { arg0: code, ..row(ops::EXIT, pid, 0) });
    }
    predicates.turn(2 * SECOND);
    let told: Vec<(u32, u64)> = found.try_iter().map(|m| (m.row.pid, m.row.arg0)).collect();
    assert_eq!(told, [(2, 9), (3, 256)]);
}

#[test]
fn a_fall_of_the_launch_rate_is_told_but_not_one_that_the_recorder_made_itself() {
    let text = "[trigger.predicate]\nlaunch_rate_below_percent = 30\nlaunch_rate_min = 100\nlaunch_rate_hold = \"3s\"\n";
    let (mut predicates, found, _) = predicates(text);
    let mut now = SECOND;
    let mut run = |predicates: &mut Predicates, seconds, launches| {
        for _ in 0..seconds {
            (0..launches).for_each(|_| predicates.see(&row(ops::CU_LAUNCH_KERNEL, 7, 0)));
            now += SECOND;
            predicates.turn(now);
        }
    };
    run(&mut predicates, 8, 1_000);
    run(&mut predicates, 1, 100);
    let told = found.try_recv().unwrap();
    let What::LaunchRate(drop) = told.what else { panic!("{told:?}") };
    assert_eq!((drop.pid, drop.rate), (7, 100.0));
    run(&mut predicates, 8, 1_000);
    predicates.disturb();
    run(&mut predicates, 3, 100);
    assert!(found.try_recv().is_err());
    run(&mut predicates, 8, 1_000);
    predicates.see(&row(ops::EXIT, 7, 0));
    run(&mut predicates, 3, 0);
    assert!(found.try_recv().is_err(), "to end is no drop");
}

#[test]
fn a_drain_that_was_held_up_compares_no_rates() {
    let text = "[trigger.predicate]\nlaunch_rate_below_percent = 30\nlaunch_rate_min = 100\nlaunch_rate_hold = \"3s\"\n";
    let (mut predicates, found, _) = predicates(text);
    for second in 2..10 {
        (0..1_000).for_each(|_| predicates.see(&row(ops::CU_LAUNCH_KERNEL, 7, 0)));
        predicates.turn(second * SECOND);
    }
    predicates.turn(60 * SECOND);
    predicates.turn(61 * SECOND);
    assert!(found.try_recv().is_err());
}

#[test]
fn matches_that_nobody_takes_are_counted_and_the_drain_goes_on() {
    let (mut predicates, found, shared) = predicates("[trigger.predicate]\nsync_longer = \"1ms\"\n");
    for turn in 0..100 {
        predicates.see(&row(ops::CU_CTX_SYNCHRONIZE, 1, SECOND));
        predicates.see(&row(ops::CU_CTX_SYNCHRONIZE, 1, SECOND));
        predicates.turn(2 * SECOND + turn);
    }
    assert_eq!(found.try_iter().count(), 8);
    assert_eq!(shared.take_untaken().collect::<Vec<_>>(), [(Kind::SyncLonger, 2 * 92)]);
    assert_eq!(shared.take_untaken().count(), 0);
}
