//! Commands from bundle to answer: the same from a database, the same twice, and honest about damage.

use std::{fs, path::Path};

use clap::Parser;
use ingero_format::{
    Row, ops,
    row::{META_CPU, origin},
    state::Text,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    cli::Cli,
    error::{Error, Outcome},
    load::tests::{BEGIN, Draft, launch, preempted},
    sqlite,
};

mod hostile;
mod wide;

/// An engine that launches each millisecond, and loses its CPU forty times from second 6 on.
pub(crate) fn incident() -> Draft {
    let mut draft = Draft::new(10);
    let (mut calls, mut off) = (Vec::new(), Vec::new());
    let mut at = 0;
    let mut seq = 0;
    while at < 9_990_000_000 {
        let hit = at > 6_000_000_000 && off.len() < 40 && seq % 10 == 0;
        let dur = if hit { 5_000_000 } else { 5_000 + seq % 7 * 100 };
        if hit {
            off.push(preempted(off.len() as u64, at + 1_000, 4_900_000, 500));
        }
        calls.push(launch(seq, at, dur, 0xf1));
        at += dur + 995_000;
        seq += 1;
    }
    calls.chunks(20_000).for_each(|rows| draft.frames.push((rows.to_vec(), 0)));
    draft.frames.push((off, 0));
    let fork = Row { pid: 900, tid: 900, arg0: 100, op: ops::FORK, ..launch(0, 50, 0, 0) };
    draft.frames.push((vec![Row { arg0: 100, ..fork }], 0));
    draft.state.texts.push(Text { id: 1, text: "psi_some_total_us{resource=\"cpu\"}".into() });
    let sample = |seq: u64| Row {
        end_ns: BEGIN + seq * 1_000_000_000,
        arg0: (seq as f64).to_bits(),
        stack: 1,
        origin: origin(META_CPU, seq),
        op: ops::SAMPLE,
        ..Row::default()
    };
    draft.frames.push(((0..10).map(sample).collect(), 0));
    draft
}

pub(crate) fn run(args: &[&str]) -> Result<(Outcome, String), Error> {
    let cli = Cli::try_parse_from(["ingeroctl"].iter().chain(args)).unwrap();
    let mut out = Vec::new();
    let outcome = crate::cli::run(&cli, &mut out)?;
    Ok((outcome, String::from_utf8(out).unwrap()))
}

pub(crate) fn said(args: &[&str]) -> String {
    run(args).unwrap().1
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_bundle_and_its_database_give_the_same_answers() {
    let folder = TempDir::new().unwrap();
    let bundle = incident().write(&folder, "one.ingero");
    let db = folder.path().join("one.db");
    let told = said(&["convert", text(&bundle), "-o", text(&db)]);
    assert!(told.contains("40 off-CPU intervals, 1 finding,"), "{told}");
    assert_eq!(
        crate::recording::read(&bundle, &crate::progress::Progress::none()).unwrap(),
        sqlite::read(&db).unwrap()
    );
    for command in [
        vec!["stats"],
        vec!["stats", "--json"],
        vec!["explain"],
        vec!["explain", "--json"],
        vec!["explain", "--per-process"],
        vec!["explain", "--json", "--from", "-5s", "--to", "-1s", "--pid", "100"],
    ] {
        let from = |path: &Path| {
            let mut args = command.clone();
            args.insert(1, text(path));
            said(&args)
        };
        assert_eq!(from(&bundle), from(&db), "{command:?}");
    }
    let answer = said(&["explain", text(&db)]);
    let sentence = answer.lines().next().unwrap();
    assert!(sentence.starts_with("engine/100 tid 100 wanted to run for 19"), "{sentence}");
    assert!(sentence.contains("stress/500"), "{sentence}");
}

#[test]
fn the_same_bundle_gives_the_same_bytes() {
    let folder = TempDir::new().unwrap();
    let bundle = incident().write(&folder, "one.ingero");
    let [a, b] = ["a.db", "b.db"].map(|name| folder.path().join(name));
    said(&["convert", text(&bundle), "-o", text(&a)]);
    said(&["convert", text(&bundle), "-o", text(&b)]);
    assert_eq!(fs::read(a).unwrap(), fs::read(b).unwrap());
}

#[test]
fn the_views_have_the_columns_of_the_contract() {
    let folder = TempDir::new().unwrap();
    let bundle = incident().write(&folder, "one.ingero");
    let db = folder.path().join("one.db");
    said(&["convert", text(&bundle), "-o", text(&db)]);
    for (view, columns) in [
        (
            "cuda_calls",
            "id, ts_ns, dur_ns, layer, op, pid, tid, comm, node, cpu, arg0, arg1, ret, kernel, stack_id, \
             off_cpu_ns, off_cpu_count, first_use",
        ),
        (
            "off_cpu",
            "id, ts_ns, dur_ns, pid, tid, comm, node, cpu, state, runqueue_ns, waker_pid, waker_tid, waker_comm, \
             preemptor_pid, preemptor_tid, preemptor_comm, kernel_stack_id",
        ),
        ("host_events", "id, ts_ns, dur_ns, source, op, pid, tid, comm, node, cpu, arg0, arg1"),
        (
            "op_stats",
            "node, pid, comm, layer, op, count, total_ns, min_ns, p50_ns, p95_ns, p99_ns, max_ns, \
             first_use_count, first_use_ns, off_cpu_calls, off_cpu_ns",
        ),
        ("rates", "node, pid, op, bucket_ts_ns, bucket_ns, count, total_ns"),
        ("stacks", "id, kind, depth, frames"),
        (
            "findings",
            "id, rank, severity, cause, node, pid, tid, comm, from_ns, to_ns, attributed_ns, calls_affected, \
             calls_total, summary, evidence, counter_evidence, coverage, advice",
        ),
        ("losses", "ts_ns, node, cpu, source, cause, count, from_ns, to_ns"),
        ("samples", "ts_ns, node, name, labels, value"),
        ("annotations", "ts_ns, dur_ns, node, pid, labels, sender_pid, sender_uid"),
        ("cuda_calls", "kernel, kernel_raw"),
        ("processes", "node, pid, comm, cgroup, container, runtime, pod_uid, qos, unit"),
        ("meta", "key, value"),
    ] {
        let sql = format!("SELECT {columns} FROM {view} LIMIT 1");
        said(&["query", text(&db), &sql, "--format", "csv"]);
    }
    let sql = "SELECT state, preemptor_comm, preemptor_pid, count(*) AS n FROM off_cpu GROUP BY 1, 2, 3";
    let rows: Value = serde_json::from_str(&said(&["query", text(&db), sql, "--format", "json"])).unwrap();
    assert_eq!(
        rows["rows"][0],
        serde_json::json!({"state": "runnable", "preemptor_comm": "stress", "preemptor_pid": 500, "n": 40})
    );
    let inside =
        "SELECT sum(off_cpu_count), sum(off_cpu_ns), min(ts_ns) FROM cuda_calls WHERE off_cpu_ns > 0";
    let row = said(&["query", text(&db), inside, "--format", "csv"]);
    assert!(row.contains("\r\n40,196000000,"), "{row}");
}

#[test]
fn an_existing_database_is_replaced_only_by_force_and_survives_a_failure() {
    let folder = TempDir::new().unwrap();
    let bundle = incident().write(&folder, "one.ingero");
    let bad = folder.path().join("bad.ingero");
    fs::write(&bad, b"not a bundle at all").unwrap();
    let db = folder.path().join("one.db");
    fs::write(&db, "precious").unwrap();
    let exists = run(&["convert", text(&bundle), "-o", text(&db)]).unwrap_err();
    assert_eq!(exists.exit_code(), 1);
    assert!(exists.to_string().contains("--force"));
    let refused = run(&["convert", "--force", text(&bad), "-o", text(&db)]).unwrap_err();
    assert_eq!(refused.exit_code(), 3);
    assert_eq!(fs::read_to_string(&db).unwrap(), "precious");
    said(&["convert", "--force", text(&bundle), "-o", text(&db)]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "nothing unfinished is left");
    let wrong_way = run(&["convert", text(&db), "-o", text(&folder.path().join("x.db"))]).unwrap_err();
    assert_eq!(wrong_way.exit_code(), 3);
    assert_eq!(run(&["query", text(&bundle), "SELECT 1"]).unwrap_err().exit_code(), 3);
}

#[test]
fn a_cut_bundle_is_converted_as_far_as_it_goes_and_says_so() {
    let folder = TempDir::new().unwrap();
    let mut bytes = incident().bytes();
    bytes.truncate(bytes.len() * 2 / 3);
    let bundle = folder.path().join("cut.ingero");
    fs::write(&bundle, bytes).unwrap();
    let db = folder.path().join("cut.db");
    let (outcome, told) = run(&["convert", text(&bundle), "-o", text(&db)]).unwrap();
    assert!(outcome.partial && told.contains("incomplete"), "{told}");
    let answer: Value = serde_json::from_str(&said(&["explain", text(&db), "--json"])).unwrap();
    assert_eq!(answer["coverage"]["complete"], false);
    assert!(answer["coverage"]["damage"].to_string().contains("cut"));
    let meta = said(&["query", text(&db), "SELECT value FROM meta WHERE key = 'damage'"]);
    assert!(meta.contains("cut"), "{meta}");
}

#[test]
fn a_damaged_database_is_refused_as_damaged() {
    let folder = TempDir::new().unwrap();
    let bundle = incident().write(&folder, "one.ingero");
    let db = folder.path().join("one.db");
    said(&["convert", text(&bundle), "-o", text(&db)]);
    let whole = fs::read(&db).unwrap();
    fs::write(&db, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(run(&["stats", text(&db)]).unwrap_err().exit_code(), 3);
    let other = folder.path().join("other.db");
    rusqlite::Connection::open(&other).unwrap().execute_batch("CREATE TABLE t(a)").unwrap();
    assert_eq!(run(&["explain", text(&other)]).unwrap_err().exit_code(), 3);
}

#[test]
fn a_query_cannot_write() {
    let folder = TempDir::new().unwrap();
    let bundle = incident().write(&folder, "one.ingero");
    let db = folder.path().join("one.db");
    said(&["convert", text(&bundle), "-o", text(&db)]);
    let before = fs::read(&db).unwrap();
    let attach = format!("ATTACH '{}' AS x", folder.path().join("new.db").display());
    let vacuum = format!("VACUUM INTO '{}'", folder.path().join("new.db").display());
    for sql in [
        "DELETE FROM meta",
        "DROP TABLE meta",
        "SELECT",
        "SELECT 1; SELECT 2",
        "CREATE TEMP TABLE t(a)",
        "PRAGMA query_only = OFF",
        "PRAGMA writable_schema = ON",
        "BEGIN",
        "SELECT load_extension('x')",
        "ATTACH ':memory:' AS m",
        &attach,
        &vacuum,
    ] {
        assert_eq!(run(&["query", text(&db), sql]).unwrap_err().exit_code(), 1, "{sql}");
    }
    assert!(!folder.path().join("new.db").exists());
    assert_eq!(fs::read(&db).unwrap(), before);
    for sql in ["WITH x AS (SELECT 1) SELECT * FROM x", "EXPLAIN QUERY PLAN SELECT * FROM cuda_calls"] {
        said(&["query", text(&db), sql]);
    }
}

#[test]
fn a_query_without_end_is_stopped_and_a_long_answer_cut_where_one_says() {
    let folder = TempDir::new().unwrap();
    let bundle = incident().write(&folder, "one.ingero");
    let db = folder.path().join("one.db");
    said(&["convert", text(&bundle), "-o", text(&db)]);
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n";
    let stopped = run(&["query", text(&db), endless, "--timeout", "100ms"]).unwrap_err();
    assert!(stopped.to_string().contains("stopped after"), "{stopped}");
    let args = ["query", text(&db), "SELECT ts_ns FROM cuda_calls", "--limit", "3", "--format", "json"];
    let (outcome, answer) = run(&args).unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((answer["rows"].as_array().unwrap().len(), &answer["truncated"]), (3, &Value::Bool(true)));
    assert!(outcome.partial);
    assert_eq!(run(&["query", text(&db), "SELECT 1", "--timeout", "soon"]).unwrap_err().exit_code(), 2);
}

#[test]
fn two_machines_are_two_nodes_and_nothing_is_shared_between_them() {
    let folder = TempDir::new().unwrap();
    let first = incident().write(&folder, "a.ingero");
    let mut beta = incident();
    beta.manifest.host.name = "beta".into();
    beta.manifest.host.boot_id = [8; 16];
    beta.frames.retain(|(rows, _)| rows[0].op != ops::OFF_CPU);
    beta.state.tasks.retain(|t| t.pid == 100);
    let second = beta.write(&folder, "b.ingero");
    let db = folder.path().join("both.db");
    said(&["convert", text(&second), text(&first), "-o", text(&db)]);
    let traces = sqlite::read(&db).unwrap();
    assert_eq!(traces.iter().map(|t| t.node.as_str()).collect::<Vec<_>>(), ["alpha", "beta"]);
    let single = crate::recording::read(&first, &crate::progress::Progress::none()).unwrap();
    assert_eq!(traces[0], single[0]);
    let answer: Value = serde_json::from_str(&said(&["explain", text(&db), "--json"])).unwrap();
    let causes: Vec<_> =
        answer["findings"].as_array().unwrap().iter().map(|f| (&f["node"], &f["cause"])).collect();
    assert_eq!(causes[0], (&Value::from("alpha"), &Value::from("cpu_contention")));
    assert!(causes[1..].iter().all(|(_, cause)| *cause != "cpu_contention"));
}

#[test]
fn a_question_about_another_time_or_process_is_a_usage_error() {
    let folder = TempDir::new().unwrap();
    let bundle = incident().write(&folder, "one.ingero");
    for bad in [["--from", "+5s"], ["--to", "-60s"], ["--from", "noon"], ["--pid", "77"]] {
        let args = ["explain", text(&bundle), bad[0], bad[1]];
        assert_eq!(run(&args).unwrap_err().exit_code(), 2, "{bad:?}");
    }
    assert!(Cli::try_parse_from(["ingeroctl", "convert", "x"]).is_err());
}

#[test]
fn events_of_one_nanosecond_keep_their_time() {
    let folder = TempDir::new().unwrap();
    let mut draft = Draft::new(1);
    let rows: Vec<Row> =
        (0..300).map(|i| Row { tid: 100 + i, ..launch(u64::from(i), 10, 5, 0xf1) }).collect();
    draft.frames.push((rows, 0));
    let bundle = draft.write(&folder, "one.ingero");
    let db = folder.path().join("one.db");
    said(&["convert", text(&bundle), "-o", text(&db)]);
    let sql = "SELECT count(*), count(DISTINCT id), min(ts_ns), max(ts_ns) FROM cuda_calls";
    let ts = BEGIN as i64 + crate::load::tests::OFFSET + 10;
    assert!(said(&["query", text(&db), sql, "--format", "csv"]).contains(&format!("300,300,{ts},{ts}")));
}

#[test]
fn completions_are_written_for_every_shell() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(said(&["completions", shell]).contains("explain"));
    }
}

#[test]
fn a_process_has_its_container_and_pod_in_the_database() {
    let folder = TempDir::new().unwrap();
    let mut draft = incident();
    let id = "0123456789abcdef".repeat(4);
    let pod = "kubepods-burstable-pod12345678_9abc_def0_1234_56789abcdef0.slice";
    let cgroup = format!("/kubepods.slice/{pod}/cri-containerd-{id}.scope");
    draft.manifest.processes[0].cgroup.clone_from(&cgroup);
    draft.state.processes[0].cgroup = cgroup;
    let bundle = draft.write(&folder, "one.ingero");
    let db = folder.path().join("one.db");
    said(&["convert", text(&bundle), "-o", text(&db)]);
    let sql = "SELECT container, runtime, pod_uid, qos FROM processes WHERE pid = 100";
    let rows: Value = serde_json::from_str(&said(&["query", text(&db), sql, "--format", "json"])).unwrap();
    let expected = serde_json::json!({
        "container": id, "runtime": "containerd", "pod_uid": "12345678-9abc-def0-1234-56789abcdef0",
        "qos": "burstable",
    });
    assert_eq!(rows["rows"][0], expected);
}
