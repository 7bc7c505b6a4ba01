//! Recordings of processes that want to be obeyed, and databases that are not what they say.

use std::fs;

use rusqlite::Connection;
use serde_json::Value;

use super::{ASKED, Made, ask, session};
use crate::redact::tests::{TELLS, telltale};

const NASTY: &str =
    "\u{1b}]0;x\u{7}\u{1b}[2J<script>alert(1)</script>\r\n'; DROP TABLE call;-- \u{202e}\u{e0041}ignore";
const CLEAN: &str = "]0;x[2J<script>alert(1)</script>  '; DROP TABLE call;-- ignore";

fn strings(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(s) => found.push(s.clone()),
        Value::Array(list) => list.iter().for_each(|v| strings(v, found)),
        Value::Object(map) => map.iter().for_each(|(k, v)| {
            found.push(k.clone());
            strings(v, found);
        }),
        _ => {}
    }
}

#[test]
fn names_that_would_move_a_cursor_hide_text_or_end_a_statement_stay_names() {
    let made = Made::incident();
    let db = Connection::open(&made.db).unwrap();
    for sql in [
        "UPDATE task SET comm = ?1",
        "UPDATE op_stats SET comm = ?1",
        "UPDATE thread_stats SET comm = ?1",
        "UPDATE findings SET comm = ?1, summary = ?1, evidence = json_object(?1, ?1), advice = json_array(?1)",
        "UPDATE kernel SET shown = ?1",
        "UPDATE stacks SET frames = json_array(json_object('symbol', ?1, 'address', '0x1'))",
        "UPDATE process SET comm = ?1",
        "INSERT INTO meta VALUES('trigger', ?1)",
        "INSERT INTO annotations VALUES(5, 1, ?1, 1, ?1, NULL, NULL)",
    ] {
        db.execute(sql, [NASTY]).unwrap();
    }
    drop(db);
    for (tool, parameters) in ASKED.into_iter().chain([("run_sql", r#"{"query": "SELECT comm FROM task"}"#)])
    {
        let answer = made.ask(tool, parameters).unwrap();
        let mut found = Vec::new();
        strings(&answer, &mut found);
        for s in &found {
            assert!(
                !s.chars().any(|c| c.is_control() || c == '\u{202e}' || c == '\u{e0041}'),
                "{tool}: {s:?}"
            );
        }
        if ["get_trace_stats", "get_causal_chains", "run_sql", "get_timeline"].contains(&tool) {
            assert!(tool == "run_sql" || found.iter().any(|s| s.contains(CLEAN)), "{tool}: {answer}");
        }
    }
    let calls = made.ask("run_sql", r#"{"query": "SELECT count(*) FROM call"}"#).unwrap();
    assert!(calls["rows"][0][0].as_i64().unwrap() > 9_000, "nothing was dropped");
}

#[test]
fn no_tool_tells_a_name_that_was_redacted() {
    let draft = telltale();
    let (plain, redacted) = (Made::of(&draft), Made::converted(&draft, &["--redact"]));
    let everything = r#"{"query": "SELECT * FROM meta UNION ALL SELECT name, labels FROM samples"}"#;
    let mut told = 0;
    for (tool, parameters) in ASKED.into_iter().chain([("run_sql", everything)]) {
        told += plain.ask(tool, parameters).unwrap().to_string().matches(TELLS).count();
        let answer = redacted.ask(tool, parameters).unwrap().to_string();
        assert!(!answer.contains(TELLS), "{tool}: {answer}");
    }
    assert!(told > 20, "{told}");
}

#[test]
fn names_that_are_not_utf_8_are_told_with_a_mark_in_them() {
    let made = Made::incident();
    let db = Connection::open(&made.db).unwrap();
    for table in ["task", "op_stats", "thread_stats", "findings", "process"] {
        db.execute(&format!("UPDATE {table} SET comm = CAST(X'61ff62' AS TEXT)"), []).unwrap();
    }
    db.execute("UPDATE kernel SET shown = CAST(X'c328' AS TEXT)", []).unwrap();
    drop(db);
    for (tool, parameters) in ASKED {
        made.ask(tool, parameters).unwrap_or_else(|e| panic!("{tool}: {e}"));
    }
    for tool in ["get_trace_stats", "get_off_cpu", "get_timeline"] {
        assert!(made.ask(tool, "{}").unwrap().to_string().contains("a\u{fffd}b"), "{tool}");
    }
    let rows = made.ask("run_sql", r#"{"query": "SELECT DISTINCT comm FROM cuda_calls"}"#).unwrap();
    assert_eq!(rows["rows"][0][0], "a\u{fffd}b");
}

#[test]
fn a_database_that_is_not_ours_or_damaged_or_gone_is_refused_by_name() {
    let made = Made::incident();
    let session = made.session();
    let whole = fs::read(&made.db).unwrap();
    fs::remove_file(&made.db).unwrap();
    assert!(ask(&session, "get_trace_stats", "{}").unwrap_err().contains("cannot be read"));
    fs::write(&made.db, &whole[..whole.len() / 2]).unwrap();
    assert!(ask(&session, "get_trace_stats", "{}").unwrap_err().contains("database"));
    fs::write(&made.db, "hello").unwrap();
    assert!(ask(&session, "get_off_cpu", "{}").is_err());
    // Replaced by a whole one: the next question is about that.
    fs::write(&made.db, &whole).unwrap();
    assert!(ask(&session, "get_trace_stats", "{}").is_ok());
    let other = made.folder.path().join("other.db");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE t(a)").unwrap();
    let refused = crate::mcp::Session::new(Some(&other), made.folder.path(), session.time).unwrap_err();
    assert_eq!(refused.exit_code(), 3);
}

#[test]
fn what_no_tool_knows_is_refused_with_what_there_is() {
    let made = Made::incident();
    for (tool, parameters) in ASKED {
        let mut parameters: Value = serde_json::from_str(parameters).unwrap();
        parameters["sence"] = "5s".into();
        let refused = made.ask(tool, &parameters.to_string()).unwrap_err();
        assert!(refused.starts_with(&format!("unknown parameter `sence`; {tool} takes ")), "{refused}");
    }
    for (tool, parameters, word) in [
        ("get_trace_stats", r#"{"pid": "engine"}"#, "parameter `pid`"),
        ("get_stacks", r#"{"source": "gpu"}"#, "driver, runtime, nccl, cuda or sched"),
        ("get_coverage", r#"{"source": "gpu"}"#, "write one of"),
        ("run_sql", "{}", "missing field `query`"),
        ("run_sql", r#"{"query": "  "}"#, "query is empty"),
    ] {
        let refused = made.ask(tool, parameters).unwrap_err();
        assert!(refused.contains(word), "{refused}");
    }
    assert!(session(Some(&made.db), made.folder.path()).known().is_some());
}
