//! Prints what recording costs the machine: CPU and memory of the recorder under a steady load.
//!
//! ```text
//! cargo run --release -p ingero-tests --bin daemon-cost
//! ```
//! CPU is the sum of `/proc/PID/task/*/schedstat`, in ns, between the program's start and end marks.

use std::{
    fs,
    io::{Read, Write},
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::Parser;
use ingero_tests::{Lab, Program, live, standin, webhook};

/// Measures the recorder under load.
#[derive(Parser)]
struct Options {
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// Events a second that are asked for; the machine may not reach the highest
    #[arg(long, value_delimiter = ',', default_value = "1000,100000,1000000")]
    rates: Vec<u32>,
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// With its metrics page, read once a second
    #[arg(long)]
    metrics: bool,
}

/// Reads the page once a second until the process ends.
fn read_metrics(socket: PathBuf) {
    std::thread::spawn(move || {
        loop {
            if let Some(mut stream) = webhook::connect(&webhook::unix(&socket)) {
                let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
                let _ = stream.read_to_end(&mut Vec::new());
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    });
}

fn cpu_ns(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let stats = tasks.filter_map(|t| fs::read_to_string(t.path().join("schedstat")).ok());
    stats.filter_map(|s| s.split(' ').next()?.parse::<u64>().ok()).sum()
}

fn memory(pid: u32) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let lines =
        status.lines().filter(|l| ["VmRSS", "VmHWM", "RssAnon", "RssFile"].iter().any(|k| l.starts_with(k)));
    lines.map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(", ")
}

fn stored(lab: &Lab) -> (u64, u64) {
    let status = lab.json(&["status"]);
    let number = |key| status.pointer(key).and_then(serde_json::Value::as_u64).unwrap_or(0);
    (number("/events/stored"), number("/events/lost"))
}

fn main() {
    let options = Options::parse();
    if !live() {
        return;
    }
    let mut lab = Lab::new();
    if options.metrics {
        lab.configure("[metrics]\nlisten = \"unix\"\n");
        read_metrics(lab.path("run/metrics.sock"));
    }
    lab.start();
    let pid = lab.recorder_pid();
    std::thread::sleep(Duration::from_secs(3));
    let (begun, before) = (Instant::now(), cpu_ns(pid));
    std::thread::sleep(Duration::from_secs(5));
    println!(
        "idle: {:.3} % of a core",
        (cpu_ns(pid) - before) as f64 / begun.elapsed().as_nanos() as f64 * 100.0
    );
    for rate in options.rates {
        let mut shares: Vec<f64> = (0..options.runs).map(|_| run(&lab, rate, options.seconds)).collect();
        shares.sort_by(f64::total_cmp);
        let median = shares.get(shares.len() / 2).copied().unwrap_or(f64::NAN);
        let limit = match rate {
            100_000 => "; limit 1 %",
            1_000_000 => "; limit 8 %",
            _ => "",
        };
        println!("RESULT {rate} calls/s asked for: median {median:.2} % of a core{limit}; {}", memory(pid));
    }
}

/// Loads the recorder at a rate; gives its share of a core, percent.
fn run(lab: &Lab, rate: u32, seconds: u32) -> f64 {
    let pid = lab.recorder_pid();
    let per_thread = (u64::from(rate) * u64::from(seconds) / 8).to_string();
    let asked = rate.to_string();
    let args = ["--threads", "8", "--per-thread", &per_thread, "--rate", &asked, "--start-on-stdin"];
    let mut load = Program::start(&standin().calls, args);
    load.line_with("READY");
    lab.until_covered(load.pid());
    let (first, cpu, begun) = (stored(lab), cpu_ns(pid), Instant::now());
    load.say("go");
    load.line_with("{");
    let (wall, cpu) = (begun.elapsed(), cpu_ns(pid) - cpu);
    std::thread::sleep(Duration::from_millis(200));
    let now = stored(lab);
    let (events, lost) = (now.0 - first.0, now.1 - first.1);
    let share = cpu as f64 / wall.as_nanos() as f64 * 100.0;
    println!(
        "{rate} asked for: {:.0} events/s for {:.1} s, {share:.2} % of a core, {:.0} ns per event, {lost} lost; {}",
        events as f64 / wall.as_secs_f64(),
        wall.as_secs_f64(),
        cpu as f64 / events as f64,
        memory(pid)
    );
    share
}
