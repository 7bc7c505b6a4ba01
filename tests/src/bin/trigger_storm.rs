//! A storm of webhooks beside a load, the time from each trigger to the moment the past is held, and what conditions on
//! rows cost the drain.
//!
//! `cargo run -p ingero-tests --bin trigger-storm`, as root.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed step is a failed measurement")]

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use clap::Parser;
use ingero_format::{Row, ops};
use ingero_recorder::{
    config::Config,
    trigger::predicate::{Conditions, Predicates, Shared},
};
use ingero_tests::{
    Lab, Program, live,
    metrics::Engine,
    standin,
    webhook::{self, Place},
};
use nix::sys::signal::Signal;
use serde_json::Value;

const TOKEN: &str = "a-token-of-this-measurement";
/// Scrape interval of the TTFT watch in the second part.
const INTERVAL: Duration = Duration::from_millis(500);

#[derive(Parser)]
struct Cli {
    /// Webhooks of the storm
    #[arg(long, default_value_t = 10_000)]
    webhooks: u64,
    /// Seconds over which they are spread
    #[arg(long, default_value_t = 55.0)]
    seconds: f64,
    /// Clients that send them
    #[arg(long, default_value_t = 4)]
    clients: u64,
    /// Calls a second of the load
    #[arg(long, default_value_t = 50_000)]
    rate: u64,
    /// Triggers of each kind in the second part
    #[arg(long, default_value_t = 20)]
    each: usize,
}

fn configure(lab: &Lab, address: &str, max_per_hour: u32, more: &str) {
    let token = lab.path("token");
    fs::write(&token, TOKEN).unwrap();
    let text = format!(
        "[ring]\nmax_bytes = \"2GiB\"\nkeep_free = \"16MiB\"\n[budget]\nthread_percent = 100\ndaemon_percent = 100\n\
         [snapshot]\nlast = \"5s\"\nafter = \"200ms\"\nmax_per_hour = {max_per_hour}\nmax_bytes = \"1GiB\"\n\
         [trigger.webhook]\nlisten = \"{address}\"\ncool_down = \"0s\"\ntoken_file = \"{}\"\n{more}",
        token.display()
    );
    fs::write(lab.path("recorder.toml"), text).unwrap();
}

fn memory(pid: u32) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let fields = status.lines().filter(|l| l.starts_with("VmRSS") || l.starts_with("RssAnon"));
    fields.map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(", ")
}

fn load(lab: &Lab, rate: u64) -> Program {
    let (rate, per_thread) = (rate.to_string(), (rate * 600).to_string());
    let args = ["--threads", "2", "--per-thread", &per_thread, "--rate", &rate, "--start-on-stdin"];
    let mut load = Program::start(&standin().calls, args);
    load.line_with("READY");
    lab.until_covered(load.pid());
    load.say("go");
    load
}

fn trigger(status: &Value, name: &str) -> Value {
    status["triggers"].as_array().unwrap().iter().find(|t| t["name"] == name).unwrap().clone()
}

// Of five: three new alerts, one that was sent before, one that is resolved or has a wrong token.
fn send(place: &Place, i: u64) -> &'static str {
    let (token, body) = match i % 5 {
        0..3 => (TOKEN, webhook::firing("Storm", &i.to_string())),
        3 => (TOKEN, webhook::firing("Storm", &(i - 3).to_string())),
        _ if i.is_multiple_of(2) => (TOKEN, webhook::payload("resolved", "Storm", &i.to_string())),
        _ => ("wrong", webhook::firing("Storm", &i.to_string())),
    };
    match webhook::post(place, Some(token), &body).get(..12) {
        Some("HTTP/1.1 200") => "200",
        Some("HTTP/1.1 401") => "401",
        _ => "other",
    }
}

fn storm(cli: &Cli) {
    let (mut lab, address) = (Lab::new(), webhook::free_address());
    configure(&lab, &address, 12, "");
    lab.start();
    let load = load(&lab, cli.rate);
    thread::sleep(Duration::from_secs(5));
    let (place, pid) = (webhook::tcp(&address), lab.recorder_pid());
    let before = lab.json(&["status"]);
    println!("before: {}; {}", memory(pid), before["events"]);
    let begun = Instant::now();
    let answers: Vec<&str> = thread::scope(|scope| {
        let client = |own| {
            let place = &place;
            let paced = move |i: u64| {
                let due = Duration::from_secs_f64(cli.seconds * i as f64 / cli.webhooks as f64);
                thread::sleep(due.saturating_sub(begun.elapsed()));
                send(place, i)
            };
            scope.spawn(move || {
                (own..cli.webhooks).step_by(cli.clients as usize).map(paced).collect::<Vec<&str>>()
            })
        };
        let clients: Vec<_> = (0..cli.clients).map(client).collect();
        clients.into_iter().flat_map(|c| c.join().unwrap()).collect()
    });
    let seconds = begun.elapsed().as_secs_f64();
    println!("after {seconds:.1} s: {}", memory(pid));
    // Those that were asked for are still being written.
    let settled = |lab: &Lab| {
        let status = lab.json(&["status"]);
        let done = &status["snapshots"];
        let fired = trigger(&status, "webhook")["fired"].as_u64().unwrap();
        done["taken"].as_u64().unwrap() + done["failed"].as_u64().unwrap() == fired
    };
    lab.until("every bundle is written", settled);
    thread::sleep(Duration::from_secs(3));
    let after = lab.json(&["status"]);
    let count = |what| answers.iter().filter(|a| **a == what).count();
    println!("answers: {} 200, {} 401, {} other", count("200"), count("401"), count("other"));
    println!("webhook: {}", trigger(&after, "webhook"));
    println!("snapshots: {}; at rest: {}; {}", after["snapshots"], memory(pid), after["events"]);
    let bundles = after["snapshots"]["taken"].as_u64().unwrap();
    let lost = after["events"]["lost"].as_u64().unwrap() - before["events"]["lost"].as_u64().unwrap();
    println!(
        "RESULT storm: {} webhooks in {seconds:.1} s, {bundles} bundles (cap 12), {lost} events lost",
        cli.webhooks
    );
    drop(load);
}

// The log says each moment at which a window is held.
fn frozen(lab: &Lab) -> usize {
    lab.log().matches(": frozen after").count()
}

fn time_of(lab: &Lab, fire: impl FnOnce()) -> Duration {
    let (before, begun) = (frozen(lab), Instant::now());
    fire();
    while frozen(lab) == before {
        assert!(begun.elapsed() < Duration::from_secs(20), "nothing was frozen\n{}", lab.log());
        thread::sleep(Duration::from_micros(300));
    }
    begun.elapsed()
}

fn report(name: &str, mut times: Vec<Duration>, limit: Duration) {
    times.sort_unstable();
    let at = |share: f64| times[((share * times.len() as f64).ceil() as usize).clamp(1, times.len()) - 1];
    println!(
        "RESULT {name} to frozen, n={}: p50 {:.1?}, p99 {:.1?}, max {:.1?} (target {limit:.0?})",
        times.len(),
        at(0.5),
        at(0.99),
        times[times.len() - 1]
    );
}

fn latencies(cli: &Cli) {
    let (mut lab, address, engine) = (Lab::new(), webhook::free_address(), Engine::start());
    let watch = format!(
        "[trigger.ttft]\npages = [\"{}\"]\ninterval = \"{}ms\"\nwindow = \"1s\"\nthreshold = \"1s\"\ncool_down = \"0s\"\n",
        engine.page(),
        INTERVAL.as_millis()
    );
    configure(&lab, &address, 1_000_000, &watch);
    lab.start();
    let load = load(&lab, cli.rate);
    thread::sleep(Duration::from_secs(5));
    let done = |lab: &Lab| lab.json(&["status"])["snapshots"]["taken"].as_u64().unwrap() as usize;
    let run = |name, limit, fire: &dyn Fn(usize)| {
        let mut times = Vec::new();
        for i in 0..cli.each {
            let taken = done(&lab);
            times.push(time_of(&lab, || fire(i)));
            lab.until("the bundle is written", |lab| done(lab) > taken);
            engine.fast();
            // Out of step with the scrape, so that its phase is not always the same.
            thread::sleep(Duration::from_millis(1_700 * u64::from(name == "ttft") + 37 * i as u64 % 500));
        }
        report(name, times, limit);
    };
    let short = Duration::from_millis(50);
    run("ctl", short, &|_| {
        // In the background: it answers when the bundle is written.
        let socket = lab.path("run/control.sock");
        thread::spawn(move || {
            let ctl = ingero_tests::lab::programs().join("ingeroctl");
            let mut command = std::process::Command::new(ctl);
            command.arg("--socket").arg(socket).args(["snapshot", "--last", "5s", "--after", "200ms"]);
            command.output().unwrap()
        });
    });
    run("signal", short, &|_| lab.signal(Signal::SIGUSR1));
    run("webhook", short, &|i| {
        let answer =
            webhook::post(&webhook::tcp(&address), Some(TOKEN), &webhook::firing("L", &format!("l{i}")));
        assert!(answer.contains("\"fired\":1"), "{answer}");
    });
    run("ttft", INTERVAL + Duration::from_millis(100), &|_| engine.slow());
    println!("events: {}", lab.json(&["status"])["events"]);
    drop(load);
}

// What the drain pays for each row: launches, copies, synchronises and off-CPU intervals of eight threads, none of which
// matches.
fn cost() {
    let ops = [
        ops::CU_LAUNCH_KERNEL,
        ops::CU_LAUNCH_KERNEL,
        ops::CU_MEMCPY_ASYNC,
        ops::OFF_CPU,
        ops::CU_STREAM_SYNCHRONIZE,
    ];
    let row = |i: u32| {
        let (pid, tid) = (100 + i / 100 % 2, 1_000 + i / 10 % 8);
        Row {
            op: ops[i as usize % ops.len()],
            pid,
            tid,
            dur_ns: 2_000,
            end_ns: u64::from(i),
            ..Row::default()
        }
    };
    let rows: Vec<Row> = (0..10_000).map(row).collect();
    let all = "[trigger.process]\nnames = [\"*\"]\n[trigger.predicate]\nsync_longer = \"50ms\"\noff_cpu_longer = \"50ms\"\nlaunch_rate_below_percent = 30\n";
    for (name, text) in [("default", ""), ("all", all)] {
        let (shared, (matches, _found)) = (Shared::default(), std::sync::mpsc::sync_channel(64));
        shared.set(Conditions::of(&Config::parse(text).unwrap().trigger));
        let mut predicates = Predicates::new(shared, matches);
        predicates.turn(1);
        let mut best = f64::INFINITY;
        for _ in 0..20 {
            let begun = Instant::now();
            (0..100).for_each(|_| std::hint::black_box(&rows).iter().for_each(|row| predicates.see(row)));
            best = best.min(begun.elapsed().as_nanos() as f64 / (100 * rows.len()) as f64);
        }
        println!("RESULT conditions on rows, {name}: {best:.2} ns a row (best of 20 rounds of 1,000,000)");
    }
}

fn main() {
    if !live() {
        return;
    }
    let cli = Cli::parse();
    cost();
    storm(&cli);
    latencies(&cli);
}
