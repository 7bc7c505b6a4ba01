//! Databases that are damaged, foreign, of another layout, or written to harm.

use std::{fs, path::PathBuf};

use clap::Parser;
use rusqlite::Connection;
use tempfile::TempDir;

use super::figures::path;
use crate::{
    cli::{self, Cli},
    error::Error,
    ingero::read,
};

const EVENTS: &str =
    "CREATE TABLE events(id INTEGER PRIMARY KEY, timestamp INTEGER, pid INTEGER, tid INTEGER,
    source INTEGER, op INTEGER, duration INTEGER)";

fn made(folder: &TempDir, sql: &str) -> PathBuf {
    let path = folder.path().join("agent.db");
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    path
}

fn run(args: &[&str]) -> Result<String, Error> {
    let cli = Cli::try_parse_from(["ingeroctl"].iter().chain(args)).unwrap();
    let mut out = Vec::new();
    cli::run(&cli, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn an_imported_database_answers_every_command_and_the_same_input_gives_the_same_bytes() {
    let folder = TempDir::new().unwrap();
    let text = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let input = path("pytorch-dataloader-starvation.db").to_str().unwrap().to_owned();
    let told = run(&["import", &input, "-o", &text("a.db")]).unwrap();
    assert!(told.contains("115 calls, 3,676 off-CPU intervals, 1 finding"), "{told}");
    run(&["import", &input, "-o", &text("b.db")]).unwrap();
    assert_eq!(fs::read(text("a.db")).unwrap(), fs::read(text("b.db")).unwrap());
    assert_eq!(run(&["import", &input, "-o", &text("a.db")]).unwrap_err().exit_code(), 1);
    let traces = read(&[PathBuf::from(&input)]).unwrap();
    assert_eq!(crate::sqlite::read(folder.path().join("a.db").as_path()).unwrap(), traces);
    let answer = run(&["explain", &text("a.db")]).unwrap();
    assert!(answer.contains("first_use") && answer.contains("stored rows only"), "{answer}");
    assert!(run(&["stats", &text("a.db")]).unwrap().contains("cudaStreamSync"));
    let sql = "SELECT count(*), count(state), count(runqueue_ns), count(cpu), count(waker_tid), count(kernel_stack_id)
               FROM off_cpu";
    let row = run(&["query", &text("a.db"), sql, "--format", "csv"]).unwrap();
    assert!(row.contains("\r\n3676,0,0,0,0,0"), "what was not recorded is NULL: {row}");
    let claims = "SELECT count(*) FROM annotations WHERE json_extract(labels, '$.kind') = 'claim'";
    assert!(run(&["query", &text("a.db"), claims, "--format", "csv"]).unwrap().contains("316"));
}

#[test]
fn what_is_no_such_database_is_refused_with_what_to_do() {
    let folder = TempDir::new().unwrap();
    let foreign = made(&folder, "CREATE TABLE t(a)");
    let refused = read(&[foreign]).unwrap_err();
    assert_eq!(refused.exit_code(), 3);
    assert!(refused.to_string().contains("Ingero agent"), "{refused}");
    let text = folder.path().join("text");
    fs::write(&text, "hello").unwrap();
    assert_eq!(read(&[text]).unwrap_err().exit_code(), 3);
    assert_eq!(read(&[folder.path().join("nowhere")]).unwrap_err().exit_code(), 1);
    let cut = folder.path().join("cut.db");
    let whole = fs::read(path("pytorch-dataloader-starvation.db")).unwrap();
    fs::write(&cut, &whole[..whole.len() / 3]).unwrap();
    assert_eq!(read(&[cut]).unwrap_err().exit_code(), 3);
    let ours = run(&["explain", path("sample-gpu-node-01.db").to_str().unwrap()]).unwrap_err();
    assert!(ours.to_string().contains("ingeroctl import"), "{ours}");
}

#[test]
fn a_database_of_few_columns_and_unknown_codes_is_read_and_says_so() {
    let folder = TempDir::new().unwrap();
    let rows = "INSERT INTO events(timestamp,pid,tid,source,op,duration) VALUES
        (1000,7,7,1,3,50),(2000,7,7,1,77,50),(3000,7,8,42,1,0),(4000,7,7,3,1,500),(5000,7,7,4,1,-3)";
    let traces = read(&[made(&folder, &format!("{EVENTS};{rows}"))]).unwrap();
    let t = &traces[0];
    assert_eq!((t.node.as_str(), t.calls.len(), t.off_cpu.len(), t.host_events.len()), ("agent", 3, 1, 1));
    assert_eq!(t.off_cpu[0].ts_ns, 3_500);
    assert_eq!(t.calls[2].dur_ns, 0, "a negative duration is none");
    let notes = t.facts.notes.join("\n");
    assert!(notes.contains("source 1 operation 77") && notes.contains("source 42"), "{notes}");
    assert!(notes.contains("layout ``"), "{notes}");
}

#[test]
fn an_empty_database_and_one_of_extreme_times_give_no_finding() {
    let folder = TempDir::new().unwrap();
    let traces = read(&[made(&folder, EVENTS)]).unwrap();
    assert_eq!((traces.len(), crate::investigate::investigate(&traces, None)), (1, vec![]));
    let folder = TempDir::new().unwrap();
    let extreme = format!(
        "{EVENTS};INSERT INTO events(timestamp,pid,tid,source,op,duration) VALUES({0},-1,99999999999,1,3,{0}),({1},0,0,3,1,{0})",
        i64::MAX,
        i64::MIN
    );
    let made = made(&folder, &extreme);
    let traces = read(&[made]).unwrap();
    assert!(crate::investigate::investigate(&traces, None).iter().all(|f| f.cause != "cpu_contention"));
    assert!(traces[0].facts.damage.join("").contains("impossible times"), "{:?}", traces[0].facts.damage);
}

#[test]
fn hostile_names_reach_neither_the_terminal_nor_sql() {
    let folder = TempDir::new().unwrap();
    let sql = format!(
        "{EVENTS}; CREATE TABLE process_names(pid INTEGER, name TEXT);
         INSERT INTO process_names VALUES(7, char(27) || '[2J<script>''; DROP TABLE meta; --'), (8, x'ff00fe');
         INSERT INTO events(timestamp,pid,tid,source,op,duration) VALUES(1700000000000000000,7,7,1,3,50000),
           (1700000001000000000,8,8,1,3,50000);"
    );
    let input = made(&folder, &sql);
    let db = folder.path().join("out.db");
    run(&["import", input.to_str().unwrap(), "-o", db.to_str().unwrap()]).unwrap();
    for command in [vec!["stats"], vec!["explain", "--per-process"]] {
        let mut args = command.clone();
        args.insert(1, db.to_str().unwrap());
        let said = run(&args).unwrap();
        assert!(!said.contains('\u{1b}'), "{said}");
    }
    let rows = run(&["query", db.to_str().unwrap(), "SELECT count(*) FROM meta", "--format", "csv"]).unwrap();
    assert!(!rows.is_empty());
}

#[test]
fn a_database_that_is_locked_is_read_all_the_same_and_not_changed() {
    let folder = TempDir::new().unwrap();
    let copy = folder.path().join("node.db");
    fs::copy(path("sample-gpu-node-02.db"), &copy).unwrap();
    let before = fs::read(&copy).unwrap();
    let writer = Connection::open(&copy).unwrap();
    writer.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert_eq!(read(std::slice::from_ref(&copy)).unwrap()[0].calls.len(), 40);
    drop(writer);
    assert_eq!(fs::read(&copy).unwrap(), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
}
