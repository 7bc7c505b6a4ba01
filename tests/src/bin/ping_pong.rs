//! Two threads hand a byte to and fro: bytes that the ring and `perf record -z` need for the same switches, in
//! the same run; and how fast they still are under either, in turn with nobody watching. Needs root, tracefs at /sys/kernel/tracing and the `perf` program.
//!
//! ```text
//! cargo run --release -p ingero-tests --bin ping-pong
//! ```
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed step is a failed measurement")]

use std::process::Command;

use clap::Parser;
use ingero_format::{
    frame::Kind,
    ops::Source,
    segment::{Header, Scan, Step},
};
use ingero_tests::{Lab, paired::Paired, standin};

#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// Round trips
    #[arg(long, default_value_t = 1_000_000)]
    trips: u64,
    /// Round trips of one measurement of speed
    #[arg(long, default_value_t = 200_000)]
    short: u64,
    /// Pairs of measurements of speed
    #[arg(long, default_value_t = 9)]
    pairs: u32,
}

fn bench(trips: u64) -> Command {
    let mut command = Command::new("perf");
    command.args(["bench", "-f", "simple", "sched", "pipe", "-T", "-l"]).arg(trips.to_string());
    command
}

/// Round trips a second.
fn speed(mut command: Command, trips: u64) -> f64 {
    let output = command.output().unwrap_or_else(|e| panic!("perf: {e}; install the package linux-perf"));
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    trips as f64 / text.split_whitespace().last().unwrap().parse::<f64>().unwrap()
}

/// What is left of the speed under the recorder and under `perf record -z`, each beside its own free run.
fn speeds(trips: u64, pairs: u32) {
    let (mut ours, mut perf) = (Paired::default(), Paired::default());
    for _ in 0..pairs {
        let free = speed(bench(trips), trips);
        let mut lab = Lab::recording();
        let mut command = bench(trips);
        // The stand-in library makes it a GPU process.
        command.env("LD_PRELOAD", &standin().libcuda);
        ours.push(speed(command, trips), free);
        let intervals = lab.json(&["status"])["events"]["stored"].as_u64().unwrap_or(0);
        lab.stop();
        assert!(intervals > trips, "{intervals} intervals of {trips} round trips");

        let free = speed(bench(trips), trips);
        let mut command = Command::new("perf");
        command.args(["record", "-z", "-q", "-m", "16M", "-e", "sched:sched_switch", "-a", "-o"]);
        command.arg(lab.path("speed.data")).arg("--").arg("perf").args(bench(trips).get_args());
        perf.push(speed(command, trips), free);
    }
    println!("speed under the recorder / free: {ours}; limit 0.80: {}", ours.at_least(0.8));
    println!("speed under perf record -z / free: {perf}");
}

fn main() {
    let Arguments { trips, short, pairs } = Arguments::parse();
    speeds(short, pairs);
    let mut lab = Lab::recording();
    let data = lab.path("perf.data");
    // The stand-in library makes it a GPU process; the recorder finds it while it runs.
    let preload = format!("LD_PRELOAD={}", standin().libcuda.display());
    let mut perf = Command::new("perf");
    perf.args(["record", "-z", "-q", "-m", "16M", "-e", "sched:sched_switch", "-a", "-o"]).arg(&data);
    perf.args(["--", "env", &preload, "perf", "bench", "sched", "pipe", "-T", "-l"]).arg(trips.to_string());
    let status = perf.status().unwrap_or_else(|e| panic!("perf: {e}; install the package linux-perf"));
    assert!(status.success(), "perf: {status}; mount tracefs at /sys/kernel/tracing");
    lab.stop();

    let script = Command::new("perf").args(["script", "-F", "event", "-i"]).arg(&data).output().unwrap();
    let switches = script.stdout.iter().filter(|b| **b == b'\n').count() as f64;
    let perf_bytes = std::fs::metadata(&data).unwrap().len() as f64;
    let (mut bytes, mut events, mut sched, mut all) = (0, 0, 0, 0);
    for entry in std::fs::read_dir(lab.path("state/ring")).unwrap().flatten() {
        let content = std::fs::read(entry.path()).unwrap();
        let Ok(header) = Header::read(&content) else { continue };
        all += u64::from(header.header_len);
        for step in Scan::new(&content, &header) {
            let Step::Frame(_, frame, _) = step else { continue };
            all += frame.frame_bytes();
            if frame.kind == Kind::Events as u8 && frame.sources == 1 << Source::Sched as u8 {
                (bytes, events, sched) =
                    (bytes + frame.frame_bytes(), events + u64::from(frame.n_events), sched + 1);
            }
        }
    }
    let ours = bytes as f64 / events as f64;
    println!("machine: {} virtual CPUs, Linux {}", num_cpus(), kernel());
    println!(
        "perf record -z: {switches} switches, {perf_bytes} bytes, {:.2} B/switch",
        perf_bytes / switches
    );
    println!(
        "ring, frames of sched: {events} off-CPU intervals in {sched} frames, {bytes} bytes, {ours:.2} B/interval"
    );
    println!("ring, everything: {all} bytes, {:.2} B/interval", all as f64 / events as f64);
    println!(
        "ratio perf -z / ring (everything): {:.2}",
        perf_bytes / switches / (all as f64 / events as f64)
    );
}

fn num_cpus() -> usize {
    std::thread::available_parallelism().map_or(0, std::num::NonZero::get)
}

fn kernel() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()
}
