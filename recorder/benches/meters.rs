//! Prints what counting for monitoring systems costs the drain: `cargo bench -p ingero-recorder --bench meters`.
//!
//! CPU time of the thread, median of nine rounds of ten million rows. With `--rows N` one round of each mix with N rows
//! and no clock: for callgrind, whose difference between two N is instructions a row.

use std::hint::black_box;

use ingero_format::{Row, ops};
use ingero_recorder::metrics::{Shared, Tap};
use nix::time::{ClockId, clock_gettime};

const ROUNDS: usize = 9;
const ROWS: usize = 10_000_000;

fn cpu_ns() -> f64 {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .map_or(0.0, |t| t.tv_sec() as f64 * 1e9 + t.tv_nsec() as f64)
}

/// Of ten rows seven are launches, one a copy, one a synchronise, one an interval off the CPU; processes take turns row
/// by row, which is worse than what a ring buffer brings.
fn rows(processes: u32) -> Vec<Row> {
    let op = |i: u32| match i % 10 {
        3 => ops::CU_MEMCPY_HTOD_ASYNC,
        6 => ops::CU_STREAM_SYNCHRONIZE,
        9 => ops::OFF_CPU,
        _ => ops::CU_LAUNCH_KERNEL,
    };
    // Durations of 1 to 64 µs without a pattern that a branch predictor learns.
    let dur_ns = |i: u32| 1_000 + u64::from(i.wrapping_mul(2_654_435_761) >> 16) % 64_000;
    let row = |i: u32| Row {
        pid: 4_000 + 7 * (i % processes),
        op: op(i / processes),
        dur_ns: dur_ns(i),
        end_ns: u64::from(i) * 1_000 + 1_000_000,
        ret: 1,
        ..Row::default()
    };
    (0..processes * 1_000).map(row).collect()
}

fn run(tap: &mut Tap, rows: &[Row], count: usize) {
    for row in rows.iter().cycle().take(count) {
        tap.see(black_box(row), |_| String::from("engine"));
    }
}

fn tap(on: bool) -> Tap {
    let shared = Shared::default();
    shared.switch(on);
    let mut tap = Tap::new(shared);
    tap.turn(1);
    tap
}

fn measured(on: bool, rows: &[Row]) -> f64 {
    let mut tap = tap(on);
    run(&mut tap, rows, ROWS / 10);
    let mut rounds = [0.0; ROUNDS].map(|_: f64| {
        let begun = cpu_ns();
        run(&mut tap, rows, ROWS);
        (cpu_ns() - begun) / ROWS as f64
    });
    rounds.sort_by(f64::total_cmp);
    rounds.get(ROUNDS / 2).copied().unwrap_or(f64::NAN)
}

fn main() {
    let given: Vec<String> = std::env::args().collect();
    let after = |word: &str| given.iter().position(|arg| arg == word).and_then(|at| given.get(at + 1));
    let only = after("--rows").and_then(|n| n.parse::<usize>().ok());
    let mix = after("--processes").and_then(|n| n.parse::<u32>().ok());
    for processes in [1, 8, 64, 80].into_iter().filter(|n| mix.is_none_or(|only| only == *n)) {
        let rows = rows(processes);
        if let Some(count) = only {
            run(&mut tap(true), &rows, count);
            continue;
        }
        let (off, on) = (measured(false, &rows), measured(true, &rows));
        println!("{processes} processes: off {off:.2} ns a row, on {on:.2} ns a row");
    }
}
