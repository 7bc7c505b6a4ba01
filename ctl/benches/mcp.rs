//! How long each tool of the MCP server takes on a big database: the real `ingeroctl mcp`, asked over stdio.
//!
//! ```text
//! cargo bench -p ingeroctl --bench mcp -- --events 10000000
//! ```
//! Prints for each question the first and the longest time of five, from the question written to the answer read,
//! and the bytes of the answer's message. Making the database is not in the times; `--keep DB` writes it there, and
//! `--db DB` asks one that exists.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a bench may stop")]

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

#[path = "support/made.rs"]
mod made;

/// Each is asked so often.
const TIMES: usize = 5;

/// A server and the way to it.
struct Server {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    number: u64,
}

impl Server {
    fn start(db: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ingeroctl"));
        command.args(["--socket", "/nowhere/control.sock", "mcp", "--db"]).arg(db);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut server = Self { child, input, output, number: 0 };
        let who = json!({"name": "bench", "version": "0"});
        server.ask(
            "initialize",
            &json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": who}),
        );
        writeln!(server.input, "{}", json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))
            .unwrap();
        server
    }

    fn ask(&mut self, method: &str, params: &Value) -> (Duration, usize, Value) {
        self.number += 1;
        let question = json!({"jsonrpc": "2.0", "id": self.number, "method": method, "params": params});
        let begun = Instant::now();
        writeln!(self.input, "{question}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let took = begun.elapsed();
        (took, line.len(), serde_json::from_str(&line).unwrap())
    }

    fn tool(&mut self, name: &str, arguments: &Value) {
        let params = json!({"name": name, "arguments": arguments});
        let asked: Vec<_> = (0..TIMES).map(|_| self.ask("tools/call", &params)).collect();
        let ms = |d: Duration| d.as_secs_f64() * 1e3;
        let (first, bytes, answer) = &asked[0];
        let longest = asked.iter().map(|a| a.0).max().unwrap();
        let result = &answer["result"];
        let said = if result["isError"] == true {
            result["content"][0]["text"].as_str().unwrap().chars().take(60).collect()
        } else {
            let looked = &result["structuredContent"]["looked_at"]["dur_ns"];
            let seconds = looked.as_i64().unwrap() as f64 / 1e9;
            let cut = if result["structuredContent"]["truncated"] == true { ", cut" } else { "" };
            format!("about {seconds:.3} s{cut}")
        };
        println!(
            "  {name:<18} first {:>8.1} ms  longest {:>8.1} ms  {bytes:>7} bytes  {said:<24} {arguments}",
            ms(*first),
            ms(longest)
        );
    }
}

fn questions(db: &Path) -> Vec<(&'static str, Value)> {
    let path = db.to_str().unwrap();
    let told =
        Command::new(env!("CARGO_BIN_EXE_ingeroctl")).args(["stats", path, "--json"]).output().unwrap();
    let stats: Value = serde_json::from_slice(&told.stdout).unwrap();
    let seconds = stats["window"]["dur_ns"].as_i64().unwrap() / 1_000_000_000;
    let pid = stats["ops"][0]["pid"].clone();
    let half = format!("-{}s", seconds / 2);
    let end = stats["window"]["to_ns"].as_i64().unwrap();
    let by_id = format!(
        "SELECT op, count(*), sum(dur_ns) FROM cuda_calls WHERE id >= (({} - (SELECT base_ns FROM key_layout)) << \
         (SELECT bits FROM key_layout)) GROUP BY 1",
        end - 100_000_000
    );
    vec![
        ("get_check", json!({})),
        ("get_trace_stats", json!({})),
        ("get_trace_stats", json!({"since": "1s"})),
        ("get_trace_stats", json!({"since": format!("{}s", seconds / 2), "pid": pid})),
        ("get_causal_chains", json!({})),
        ("get_stacks", json!({})),
        ("get_stacks", json!({"source": "sched", "limit": 100})),
        ("graph_lifecycle", json!({})),
        ("graph_frequency", json!({"window_seconds": 10})),
        ("query_fleet", json!({"action": "overview"})),
        ("query_fleet", json!({"action": "ops"})),
        ("get_coverage", json!({})),
        ("get_off_cpu", json!({})),
        ("get_off_cpu", json!({"group": "preemptor", "pid": pid})),
        ("get_timeline", json!({})),
        ("get_timeline", json!({"from": half, "pid": pid})),
        ("compare_windows", json!({"from_a": "-4s", "to_a": "-2s", "from_b": "-2s", "to_b": "-0s"})),
        (
            "compare_windows",
            json!({"from_a": format!("-{seconds}s"), "to_a": half, "from_b": half, "to_b": "-0s"}),
        ),
        ("run_sql", json!({"query": "SELECT op, count, p99_ns FROM op_stats ORDER BY 2 DESC LIMIT 20"})),
        ("run_sql", json!({"query": by_id})),
        ("list_snapshots", json!({})),
    ]
}

fn argument(name: &str) -> Option<String> {
    let args: Vec<String> = std::env::args().collect();
    args.iter().position(|a| a == name).and_then(|i| args.get(i + 1)).cloned()
}

fn make(folder: &Path, events: usize, db: PathBuf) -> PathBuf {
    let bundle = folder.join("bench.ingero");
    made::bundle(events, &bundle);
    let mut command = Command::new(env!("CARGO_BIN_EXE_ingeroctl"));
    assert!(
        command.arg("convert").arg("--force").arg(&bundle).arg("-o").arg(&db).status().unwrap().success()
    );
    db
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let events: usize = argument("--events").map_or(1_000_000, |n| n.parse().expect("a number"));
    let kept = argument("--keep").map_or_else(|| folder.path().join("bench.db"), PathBuf::from);
    let db = argument("--db").map_or_else(|| make(folder.path(), events, kept), PathBuf::from);
    println!("{events} events, database of {} MiB", fs::metadata(&db).unwrap().len() >> 20);
    let mut server = Server::start(&db);
    let (took, bytes, _) = server.ask("tools/list", &json!({}));
    println!("  tools/list {:.1} ms, {bytes} bytes", took.as_secs_f64() * 1e3);
    for (tool, arguments) in questions(&db) {
        server.tool(tool, &arguments);
    }
    let status = fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    println!("  {}", status.lines().find(|l| l.starts_with("VmHWM")).unwrap());
    server.child.kill().unwrap();
    server.child.wait().unwrap();
}
