// SPDX-License-Identifier: Apache-2.0
//! The programs do what they say they did, and nothing takes less time than
//! the model says. Nothing here says how long anything may take at most: the
//! tests run on busy hosts.
#![allow(clippy::expect_used, clippy::indexing_slicing)] // a failed test panics

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use ingero_standin::Unpacked;
use serde_json::Value;

/// The files, unpacked once and before any child is started.
fn files() -> &'static Unpacked {
    static FILES: OnceLock<Unpacked> = OnceLock::new();
    FILES.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("standin-behaves");
        ingero_standin::unpack(&dir).expect("the files unpack")
    })
}

/// Runs a program to its end and gives what it printed.
fn output(program: &Path, args: &[&str]) -> String {
    let out = Command::new(program).args(args).stderr(Stdio::inherit()).output().expect("the program runs");
    assert!(out.status.success(), "{args:?}: {}", out.status);
    String::from_utf8(out.stdout).expect("the output is text")
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("the line is JSON")
}

/// A running program that waits for its start line.
struct Waiting {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Waiting {
    fn start(program: &Path, args: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stdin = child.stdin.take().expect("a pipe");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut waiting = Self { child, stdin, stdout };
        let ready = waiting.line();
        assert_eq!(ready, format!("READY {}\n", waiting.child.id()));
        waiting
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("a line");
        line
    }

    fn go(&mut self) {
        self.stdin.write_all(b"go\n").expect("the program listens");
    }

    /// Ends standard input and gives the rest of the output.
    fn finish(mut self) -> String {
        drop(self.stdin);
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).expect("text");
        assert!(self.child.wait().expect("the program ends").success());
        rest
    }
}

fn counts(report: &Value, key: &str) -> BTreeMap<String, u64> {
    let object = report[key].as_object().expect("an object of counts");
    object.iter().map(|(name, n)| (name.clone(), n.as_u64().expect("a count"))).collect()
}

fn number(report: &Value, key: &str) -> u64 {
    report[key].as_u64().unwrap_or_else(|| panic!("no {key}"))
}

#[test]
fn calls_counts_every_call_it_makes() {
    let args = ["--threads", "4", "--per-thread", "1000", "--rate", "40000"];
    let report = json(&output(&files().calls, &args));

    // A hundred calls in a row hold the mix; teardown and setup come on top.
    let after = counts(&report, "calls_after_start");
    let expected = [
        ("cuLaunchKernel", 4 * 600),
        ("cuLaunchKernelEx", 4 * 50),
        ("cuMemcpyHtoDAsync_v2", 4 * 60),
        ("cuMemcpyDtoHAsync_v2", 4 * 60),
        ("cuMemsetD8Async", 4 * 50),
        ("cuStreamSynchronize", 4 * (40 + 1)),
        ("cuEventRecord", 4 * 40),
        ("cuEventSynchronize", 4 * 20),
        ("cuStreamQuery", 4 * 20),
        ("cuMemAlloc_v2", 4 * 30),
        ("cuMemFree_v2", 4 * (30 + 1)),
        ("cuMemFreeHost", 4),
        ("cuEventDestroy_v2", 4),
        ("cuStreamDestroy_v2", 4),
        ("cuCtxSynchronize", 1),
        ("cuModuleUnload", 1),
        ("cuCtxDestroy_v2", 1),
    ];
    let expected: BTreeMap<String, u64> =
        expected.into_iter().map(|(name, n)| (name.to_owned(), n)).collect();
    assert_eq!(after, expected);

    let teardown = 4 * 5 + 3;
    assert_eq!(after.values().sum::<u64>(), 4 * 1000 + teardown);
    let setup = 4 * 7 + 4 + 8;
    let all = counts(&report, "calls");
    assert_eq!(all.values().sum::<u64>(), 4 * 1000 + teardown + setup);
    assert_eq!(all["cuModuleGetFunction"], 8);
}

#[test]
fn calls_keeps_to_its_rate_at_most() {
    let args = ["--threads", "2", "--per-thread", "500", "--rate", "10000"];
    let report = json(&output(&files().calls, &args));
    // The last batch starts one batch before the end of the schedule.
    let took = number(&report, "end_ns") - number(&report, "start_ns");
    assert!(took >= 98_000_000, "1000 calls took {took} ns");
}

#[test]
fn calls_waits_for_its_start_and_stays_until_its_end() {
    let args = ["--threads", "2", "--per-thread", "100", "--start-on-stdin", "--linger"];
    let mut calls = Waiting::start(&files().calls, &args);
    calls.go();
    let report = json(&calls.line());
    assert_eq!(number(&report, "pid"), u64::from(calls.child.id()));
    let running = calls.child.try_wait().expect("a state");
    assert!(running.is_none(), "it did not linger");
    assert_eq!(calls.finish(), "");
}

/// One line of the first-use log.
struct FirstUse {
    start: u64,
    duration: u64,
    name: String,
}

fn first_uses(path: &Path) -> Vec<FirstUse> {
    let text = std::fs::read_to_string(path).expect("the log is there");
    text.lines()
        .map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            assert_eq!((fields.len(), fields[0]), (5, "first_use"), "{line}");
            FirstUse {
                start: fields[1].parse().expect("a time"),
                duration: fields[2].parse().expect("a duration"),
                name: fields[4].to_owned(),
            }
        })
        .collect()
}

#[test]
fn engine_steps_and_pays_for_each_first_use_once() {
    for sync in ["spin", "block"] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let log = dir.path().join("log");
        let args = [
            "--duration",
            "0.6",
            "--storm-at",
            "0.2",
            "--storm-kernels",
            "10",
            "--storm-load-us",
            "3000",
            "--sync",
            sync,
            "--log",
            log.to_str().expect("a plain path"),
        ];
        let report = json(&output(&files().engine, &args));

        let steps = number(&report, "steps");
        assert!(steps > 0);
        // Warm-up and capture make 10 launches; every step makes 32.
        assert_eq!(number(&report, "launches"), 10 + 32 * steps + 10);
        assert_eq!(number(&report, "graph_launches"), steps / 16);
        // The kernels of a step take 2147 us, its host work 650 us.
        assert!(number(&report, "step_p50_ns") >= 2_797_000);
        assert!(number(&report, "step_max_ns") >= 30_000_000);

        let storm_start = number(&report, "storm_start_ns");
        let storm_end = storm_start + number(&report, "storm_ns");
        assert!(storm_end - storm_start >= 30_000_000);
        assert!(storm_start - number(&report, "loop_start_ns") >= 200_000_000);

        let uses = first_uses(&log);
        let cold: Vec<&FirstUse> = uses.iter().filter(|u| u.name.starts_with("cold_kernel_")).collect();
        assert_eq!((uses.len(), cold.len()), (7 + 10, 10));
        for (i, one) in cold.iter().enumerate() {
            assert_eq!(one.name, format!("cold_kernel_{i:03}@5:3000"));
            assert!(one.duration >= 3_000_000);
            assert!(one.start >= storm_start && one.start + one.duration <= storm_end);
        }
    }
}

#[test]
fn hog_uses_its_cpu_only_while_it_is_busy() {
    let args = ["--seconds", "0.2", "--busy-ms", "5", "--idle-ms", "15"];
    let report = json(&output(&files().hog, &args));
    let cpu = number(&report, "cpu_ns");
    // Ten rounds of 20 ms; the process itself needs a little as well.
    assert!(cpu > 0 && cpu < 150_000_000, "{cpu} ns of CPU time");
}

#[test]
fn hog_takes_the_name_it_is_given() {
    let mut child = Command::new(&files().hog)
        .args(["--seconds", "30", "--name", "backup-job"])
        .spawn()
        .expect("the program starts");
    let path = format!("/proc/{}/comm", child.id());
    let mut comm = String::new();
    while comm != "backup-job\n" {
        assert!(child.try_wait().expect("a state").is_none());
        std::thread::sleep(std::time::Duration::from_millis(5));
        comm = std::fs::read_to_string(&path).expect("the child runs");
    }
    child.kill().expect("the child can be ended");
    child.wait().expect("the child ends");
}

#[test]
fn switcher_accounts_for_its_time() {
    let args = ["--seconds", "0.2", "--sleep-us", "2000", "--work-us", "500", "--cuda", "--start-on-stdin"];
    let mut switcher = Waiting::start(&files().switcher, &args);
    switcher.go();
    let text = switcher.finish();
    let lines: Vec<Vec<&str>> = text.lines().map(|l| l.split(' ').collect()).collect();
    let names: Vec<&str> = lines.iter().map(|fields| fields[0]).collect();
    assert_eq!(names, ["schedstat", "schedstat", "slept", "wall", "sleeps"]);

    let value = |line: usize, field: usize| -> u64 { lines[line][field].parse().expect("a number") };
    let (slept, wall, sleeps) = (value(2, 1), value(3, 1), value(4, 1));
    assert_eq!(value(1, 1) - value(0, 1), wall);
    assert!(wall >= 200_000_000);
    // The last sleep is the short one before the account is read.
    assert!(sleeps > 1 && slept >= (sleeps - 1) * 2_000_000);
    assert!(slept < wall);
    // It did not run while it slept. It can run in the moments between waking
    // up and looking at the clock; those are not worth a millisecond a sleep.
    let on_cpu = value(1, 2) - value(0, 2);
    assert!(on_cpu > 0 && on_cpu <= wall - slept + sleeps * 1_000_000);
}
