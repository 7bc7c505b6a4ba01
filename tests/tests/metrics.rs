//! What monitoring systems are told, against what the ring holds, on the real kernel.
//!
//! With `INGERO_METRICS_OUT` the page and the last export are left there, for `tests/metrics/run`.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::PathBuf,
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use ingero_format::ops::{Group, OPS};
use ingero_tests::{Lab, Program, calls, live, standin, webhook};
use rusqlite::Connection;

/// A collector that takes every export.
fn collector() -> (String, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (endpoint, (sender, taken)) =
        (format!("http://{}/v1/metrics", listener.local_addr().unwrap()), channel());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut length = 0;
            for line in (&mut reader).lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let _ = sender.send(body);
        }
    });
    (endpoint, taken)
}

fn page(lab: &Lab) -> String {
    let mut stream = webhook::connect(&webhook::unix(&lab.path("run/metrics.sock"))).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    body.to_owned()
}

/// Samples of one name whose labels hold all of `with`: each by the value of `label`.
fn by(page: &str, name: &str, with: &[&str], label: &str) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    for line in page.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{')) {
        let (labels, value) = line.rsplit_once("} ").unwrap();
        if with.iter().all(|part| labels.contains(part)) {
            let of = labels.split(&format!("{label}=\"")).nth(1).unwrap_or("").split('"').next().unwrap();
            *found.entry(of.to_owned()).or_default() += value.parse::<f64>().unwrap();
        }
    }
    found
}

fn one(page: &str, name: &str, with: &[&str]) -> f64 {
    by(page, name, with, "-").values().sum()
}

fn rows<T: rusqlite::types::FromSql>(db: &Connection, sql: &str) -> BTreeMap<String, T> {
    let mut query = db.prepare(sql).unwrap();
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Durations of calls of a group in the window, s.
fn seconds(db: &Connection, pid: u32, group: Group) -> Vec<f64> {
    let names: Vec<&str> = OPS.iter().filter(|op| op.group == group).map(|op| op.name).collect();
    let sql = "SELECT op, dur_ns FROM cuda_calls WHERE pid = ?1";
    let mut query = db.prepare(sql).unwrap();
    let rows = query.query_map([pid], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))).unwrap();
    rows.map(Result::unwrap)
        .filter(|(op, _)| names.contains(&op.as_str()))
        .map(|(_, ns)| ns as f64 / 1e9)
        .collect()
}

/// A histogram of the page holds exactly these durations.
fn holds(page: &str, name: &str, with: &[&str], durations: &[f64]) {
    assert_eq!(one(page, &format!("{name}_count"), with), durations.len() as f64, "{name} {with:?}");
    let (sum, found) = (durations.iter().sum::<f64>(), one(page, &format!("{name}_sum"), with));
    assert!((sum - found).abs() < 1e-6, "{name}: {sum} in the window, {found} on the page");
    for (bound, count) in by(page, &format!("{name}_bucket"), with, "le") {
        let bound: f64 = bound.parse().unwrap();
        let under = durations.iter().filter(|d| **d <= bound).count();
        assert_eq!(count, under as f64, "{name}: at most {bound} s");
    }
}

/// What the program calls itself, and how that stands on the page.
const NAME: &str = "a\"} 1\n\\x{b=";
const ON_PAGE: &str = r#"comm="a\"} 1\n\\x{b=""#;

/// Runs a program with a known number of calls to its end; gives its id and its own count.
fn calls_made(lab: &Lab) -> (u32, BTreeMap<String, u64>) {
    let program = lab.path(NAME);
    std::os::unix::fs::symlink(&standin().calls, &program).unwrap();
    let args = ["--threads", "4", "--per-thread", "3000", "--rate", "20000", "--start-on-stdin", "--linger"];
    let mut program = Program::start(&program, args);
    program.line_with("READY");
    lab.until_covered(program.pid());
    program.say("go");
    let truth = serde_json::from_str(&program.line_with("{")).unwrap();
    assert!(program.finish().success());
    (program.pid(), calls::recorded_ones(&truth))
}

#[test]
fn what_the_page_counts_are_exactly_the_rows_that_the_ring_holds() {
    if !live() {
        return;
    }
    let (mut lab, (endpoint, taken)) = (Lab::new(), collector());
    lab.configure(&format!(
        "[metrics]\nlisten = \"unix\"\n[metrics.otlp]\nendpoint = \"{endpoint}\"\ninterval = \"1s\"\n"
    ));
    lab.start();
    lab.ok(&["snapshot", "--last", "1s", "--after", "10ms"]);
    let (pid, made) = calls_made(&lab);
    // The end of the process, and what its threads did then, is in.
    std::thread::sleep(Duration::from_secs(2));
    let page = page(&lab);
    while taken.try_recv().is_ok() {}
    let export = taken.recv_timeout(Duration::from_secs(60)).unwrap();
    if let Some(folder) = std::env::var_os("INGERO_METRICS_OUT").map(PathBuf::from) {
        fs::write(folder.join("page.txt"), &page).unwrap();
        fs::write(folder.join("export.bin"), export).unwrap();
    }
    let db = lab.window("metrics", "1h");
    assert_eq!(rows::<i64>(&db, "SELECT 'all', count(*) FROM losses")["all"], 0);

    let own = format!("pid=\"{pid}\",{ON_PAGE}");
    let told = by(&page, "ingero_cuda_calls_total", &[&own], "op");
    let held = rows::<f64>(
        &db,
        &format!("SELECT op, CAST(count(*) AS REAL) FROM cuda_calls WHERE pid = {pid} GROUP BY op"),
    );
    assert_eq!(told, held);
    for (op, count) in made {
        assert!(told.get(&op).is_some_and(|told| *told >= count as f64), "{op}: {count} made, {told:?} told");
    }
    let (launches, syncs) = (seconds(&db, pid, Group::Launch), seconds(&db, pid, Group::Sync));
    assert!(launches.len() > 1000 && !syncs.is_empty(), "{} {}", launches.len(), syncs.len());
    assert_eq!(one(&page, "ingero_launches_total", &[&own]), launches.len() as f64);
    holds(&page, "ingero_launch_duration_seconds", &[&own], &launches);
    holds(&page, "ingero_sync_duration_seconds", &[&own], &syncs);

    // What threads did before their process's first call is told under `other`: together they are all there is.
    let mut total = 0;
    for state in ["runnable", "sleeping", "uninterruptible"] {
        let mut query = db.prepare("SELECT dur_ns FROM off_cpu WHERE state = ?1").unwrap();
        let ns = query.query_map([state], |row| row.get::<_, i64>(0)).unwrap();
        let durations: Vec<f64> = ns.map(|ns| ns.unwrap() as f64 / 1e9).collect();
        total += durations.len();
        holds(&page, "ingero_off_cpu_seconds", &[&format!("state=\"{state}\"")], &durations);
    }
    assert!(total > 100, "{total} intervals off the CPU");

    let status = lab.json(&["status"]);
    assert!(one(&page, "ingero_recorder_events_stored_total", &[]) == 0.0, "it has no labels");
    let plain = |name: &str| -> f64 {
        page.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' ')).unwrap().parse().unwrap()
    };
    assert!(plain("ingero_recorder_events_stored_total") <= status["events"]["stored"].as_f64().unwrap());
    assert_eq!(plain("ingero_recorder_ring_max_bytes"), status["ring"]["max_bytes"].as_f64().unwrap());
    assert!(
        plain("ingero_recorder_drain_lag_seconds") < 5.0 && plain("ingero_recorder_cpu_seconds_total") > 0.0
    );
    assert_eq!(one(&page, "ingero_recorder_snapshots_total", &["result=\"taken\""]), 1.0);
    assert_eq!(one(&page, "ingero_recorder_events_lost_total", &[]), 0.0);
    lab.stop();
}

#[test]
fn a_reload_switches_the_page_on_and_off_and_a_bad_one_leaves_it_as_it_is() {
    if !live() {
        return;
    }
    let mut lab = Lab::recording();
    let socket = webhook::unix(&lab.path("run/metrics.sock"));
    assert!(webhook::connect(&socket).is_none(), "it is off by default");
    lab.configure("[metrics]\nlisten = \"unix\"\n");
    lab.ok(&["reload"]);
    let (pid, _) = calls_made(&lab);
    assert!(one(&page(&lab), "ingero_launches_total", &[&format!("pid=\"{pid}\"")]) > 1000.0);
    lab.configure("[metrics]\nlisten = \"192.0.2.1:9464\"\n");
    assert!(!lab.ctl(&["reload"]).status.success());
    assert!(page(&lab).ends_with("# EOF\n"));
    lab.configure("");
    lab.ok(&["reload"]);
    assert!(webhook::connect(&socket).is_none());
    lab.stop();
}
