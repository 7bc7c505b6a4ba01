//! Prints: does every call made appear as exactly one row, with nothing lost?
//!
//! ```text
//! cargo run --release -p ingero-tests --bin exact-counts -- --runs 10
//! ```

use clap::Parser;
use ingero_tests::{Lab, calls, live};

/// Counts calls on both sides.
#[derive(Parser)]
struct Options {
    #[arg(long, default_value_t = 10)]
    runs: u32,
    #[arg(long, default_value_t = 8)]
    threads: u32,
    /// Loop rounds per thread and run.
    #[arg(long, default_value_t = 62_500)]
    per_thread: u32,
    /// Calls a second over all threads.
    #[arg(long, default_value_t = 100_000)]
    rate: u32,
}

fn main() {
    let options = Options::parse();
    if !live() {
        return;
    }
    let lab = Lab::recording();
    let mut exact = 0;
    for run in 1..=options.runs {
        let counted = calls::count(&lab, options.threads, options.per_thread, options.rate);
        let (made, recorded): (u64, u64) = (counted.made.values().sum(), counted.recorded.values().sum());
        let same = counted.made == counted.recorded && counted.lost == 0;
        exact += u32::from(same);
        println!(
            "run {run:2}: {made} calls made in {:.2} s ({:.0}/s), {recorded} recorded, {} lost, {}",
            counted.seconds,
            made as f64 / counted.seconds,
            counted.lost,
            if same { "EXACT for every operation".to_owned() } else { format!("DIFFERENT: {counted:?}") }
        );
    }
    println!("RESULT {exact} of {} runs exact", options.runs);
    std::process::exit(i32::from(exact != options.runs));
}
