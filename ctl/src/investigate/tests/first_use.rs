//! Which launch of a function is its first use, and how that is known.

use std::collections::HashSet;

use ingero_format::ops;

use super::story::*;
use crate::{
    derive::{Known, derive},
    limits,
    model::FirstUse::{self, Certain, Evident, No, Seen},
};

const US: i64 = 1_000;

fn launch(s: &mut Story, function: u64, dur_ns: i64) {
    s.call(ops::CU_LAUNCH_KERNEL, dur_ns).arg0 = function;
    s.now += 5 * MS;
}

/// Of each launch by time: function, and what it is.
fn told(mut s: Story, launched_before: &[(u32, u64)]) -> Vec<(u64, FirstUse)> {
    s.trace.sort();
    let launched_before: HashSet<_> = launched_before.iter().copied().collect();
    derive(&mut s.trace, &Known { launched_before: &launched_before, looked_up: &s.looked_up });
    let mut calls: Vec<_> = s.trace.calls.iter().filter(|c| c.function().is_some()).collect();
    calls.sort_by_key(|c| c.ts_ns);
    calls.iter().map(|c| (c.arg0, c.first_use)).collect()
}

#[test]
fn only_the_first_launch_of_a_function_in_a_process_is_a_first_use_and_none_that_was_launched_before() {
    let story = || {
        let mut s = Story::of(20);
        for function in [1, 2, 1, 2] {
            launch(&mut s, function, 5 * US);
        }
        // Another thread, later; another process, later still.
        for (task, function) in [(WORKER, 1), (WORKER, 3), (STRESS, 1)] {
            s.as_task(task, |s| launch(s, function, 5 * US));
        }
        s
    };
    let all = [(1, Seen), (2, Seen), (1, No), (2, No), (1, No), (3, Seen), (1, Seen)];
    assert_eq!(told(story(), &[]), all);
    let mut known = all;
    known[0].1 = No;
    assert_eq!(told(story(), &[(100, 1)]), known);
}

#[test]
fn the_first_launch_is_the_earliest_of_all_threads() {
    let mut s = Story::of(20);
    s.now += SECOND;
    launch(&mut s, 1, 5 * US);
    s.now = BEGIN;
    s.as_task(WORKER, |s| launch(s, 1, 5 * US));
    assert_eq!(told(s, &[]), [(1, Seen), (1, No)]);
}

#[test]
fn a_function_that_the_runtime_and_the_driver_launch_is_first_used_in_both() {
    let mut s = Story::of(20);
    for op in [ops::CUDA_LAUNCH_KERNEL, ops::CU_LAUNCH_KERNEL, ops::CUDA_LAUNCH_KERNEL] {
        s.call(op, 5 * US).arg0 = 1;
        s.now += 5 * MS;
    }
    assert_eq!(told(s, &[]), [(1, Seen), (1, Seen), (1, No)]);
}

#[test]
fn of_a_process_recorded_from_its_start_or_a_function_looked_up_in_the_recording_it_is_certain() {
    let mut s = Story::of(20);
    launch(&mut s, 1, 5 * US);
    launch(&mut s, 2, 5 * US);
    s.looked_up.insert((100, 2));
    assert_eq!(told(s, &[]), [(1, Seen), (2, Certain)]);
    // Started in the window; recording of it began with it, or later.
    for (started, covered, first) in [(0, 0, Certain), (0, 1, Seen), (-1, -1, Seen)] {
        let mut s = Story::of(20);
        s.trace.processes[0].start_ns = BEGIN + started;
        s.trace.processes[0].covered_ns = BEGIN + covered;
        launch(&mut s, 1, 5 * US);
        assert_eq!(told(s, &[]), [(1, first)], "{started} {covered}");
    }
}

#[test]
fn a_first_launch_that_cost_ten_times_a_warm_one_and_fifty_microseconds_more_is_evident() {
    let of = |warm_ns: i64, first_ns: i64, off_cpu_ns: i64| {
        let mut s = Story::of(20);
        launch(&mut s, 1, 900 * US);
        for _ in 0..5 {
            launch(&mut s, 1, warm_ns);
        }
        if off_cpu_ns > 0 {
            s.preempted(10, off_cpu_ns);
        }
        launch(&mut s, 2, first_ns);
        told(s, &[])[6].1
    };
    assert_eq!([of(10 * US, 100 * US, 0), of(10 * US, 100 * US - 1, 0)], [Evident, Seen]);
    assert_eq!([of(5 * US, 55 * US, 0), of(5 * US, 55 * US - 1, 0)], [Evident, Seen]);
    // Off its CPU is no cost of the launch.
    assert_eq!(of(10 * US, 100 * US, US), Seen);
}

#[test]
fn a_load_inside_a_launch_or_up_to_a_millisecond_before_it_makes_it_evident() {
    let after = |gap_ns: i64, between: bool| {
        let mut s = Story::of(20);
        launch(&mut s, 9, 5 * US);
        s.call(ops::CU_MODULE_LOAD_DATA, 5 * US);
        if between {
            s.call(ops::CU_LAUNCH_KERNEL, 5 * US).arg0 = 9;
        }
        s.now += gap_ns;
        launch(&mut s, 1, 5 * US);
        told(s, &[]).into_iter().find(|(function, _)| *function == 1).unwrap().1
    };
    assert_eq!(
        [after(limits::LOAD_BEFORE_LAUNCH_NS, false), after(limits::LOAD_BEFORE_LAUNCH_NS + 1, false)],
        [Evident, Seen]
    );
    assert_eq!(after(10, true), Seen);
    let inside = |from_ns: i64| {
        let mut s = Story::of(20);
        launch(&mut s, 9, 5 * US);
        launch(&mut s, 9, 5 * US);
        s.call(ops::CU_LAUNCH_KERNEL, 20 * US).arg0 = 1;
        s.now += from_ns - 20 * US;
        s.call(ops::CU_MODULE_LOAD_DATA, 5 * US);
        told(s, &[]).into_iter().find(|(function, _)| *function == 1).unwrap().1
    };
    assert_eq!([inside(US), inside(20 * US - 1), inside(20 * US)], [Evident, Evident, Seen]);
}
