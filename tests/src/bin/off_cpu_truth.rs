//! Prints: does recorded off-CPU time agree with the kernel's own account?
//!
//! ```text
//! cargo run --release -p ingero-tests --bin off-cpu-truth
//! ```

use clap::Parser;
use ingero_tests::{Lab, live, switcher};

/// Compares off-CPU time with schedstat.
#[derive(Parser)]
struct Options {
    #[arg(long, default_value_t = 5)]
    runs: u32,
    #[arg(long, default_value_t = 10)]
    seconds: u32,
}

fn main() {
    let options = Options::parse();
    if !live() {
        return;
    }
    let lab = Lab::recording();
    let mut worst: f64 = 0.0;
    for run in 1..=options.runs {
        let seen = switcher::measure(&lab, options.seconds);
        worst = worst.max(seen.error());
        println!(
            "run {run}: schedstat run-delay {} + sleeps {} = {} ns; recorded {} ns in {} intervals (run queue {}); \
             off by {:.4} %; hog named in {:.1} % of delays over 100 us",
            seen.run_delay_ns,
            seen.slept_ns,
            seen.truth_ns(),
            seen.recorded_ns,
            seen.intervals,
            seen.recorded_runqueue_ns,
            seen.error() * 100.0,
            seen.hog_named * 100.0
        );
    }
    println!("RESULT worst {:.4} % (limit 1 %)", worst * 100.0);
    std::process::exit(i32::from(worst > 0.01));
}
