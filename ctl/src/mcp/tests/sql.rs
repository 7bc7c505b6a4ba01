//! `run_sql`: reading, and nothing else; it ends when it should.

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use rmcp::model::JsonObject;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Made, runtime};
use crate::mcp::{refusal::Refusal, tools};

const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n";

fn asked(sql: &str) -> Option<JsonObject> {
    json!({"query": sql}).as_object().cloned()
}

#[test]
fn whatever_is_more_than_reading_is_refused_with_the_reason() {
    let made = Made::incident();
    let before = fs::read(&made.db).unwrap();
    let file = made.folder.path().join("new.db");
    let attach = format!("ATTACH '{}' AS x", file.display());
    let vacuum = format!("VACUUM INTO '{}'", file.display());
    for (sql, reason) in [
        ("DELETE FROM meta", "write to meta"),
        ("UPDATE op_stats SET count = 0", "write to op_stats"),
        ("INSERT INTO meta VALUES('a', 'b')", "write to meta"),
        ("WITH x AS (SELECT 1) DELETE FROM meta", "write to meta"),
        ("DROP TABLE meta", "only reading is allowed"),
        ("CREATE TABLE t(a)", "only reading is allowed"),
        ("CREATE TEMP TABLE t(a)", "only reading is allowed"),
        ("ALTER TABLE meta RENAME TO m", "only reading is allowed"),
        (&attach, "attach a file"),
        ("ATTACH ':memory:' AS m", "attach a file"),
        ("DETACH main", "detach a file"),
        (&vacuum, "only reading is allowed"),
        ("PRAGMA query_only = OFF", "PRAGMA query_only"),
        ("PRAGMA hard_heap_limit = 0", "PRAGMA hard_heap_limit"),
        ("SELECT * FROM pragma_database_list", "only reading is allowed"),
        ("SELECT load_extension('x')", "load code"),
        ("BEGIN", "begin a transaction"),
        ("SAVEPOINT s", "begin a transaction"),
        ("SELECT 1; DELETE FROM meta", "write to meta"),
        ("SELECT 1; SELECT 2", "ultiple statements"),
        ("SELECT", "incomplete input"),
        ("-- nothing", "answers with no rows"),
        ("SELECT * FROM nowhere", "no such table"),
        ("SELECT randomblob(2000000)", "1048576 bytes"),
        ("SELECT hex(zeroblob(900000))", "1048576 bytes"),
    ] {
        let refused = made.ask("run_sql", &json!({"query": sql}).to_string()).unwrap_err();
        assert!(refused.contains(reason), "{sql}: {refused}");
        assert!(refused.contains("ingero://schema"), "{refused}");
    }
    assert!(!file.exists());
    assert_eq!(fs::read(&made.db).unwrap(), before);
    assert_eq!(fs::read_dir(made.folder.path()).unwrap().count(), 2, "no journal was made");
    for sql in ["WITH x AS (SELECT 1) SELECT * FROM x", "EXPLAIN QUERY PLAN SELECT * FROM cuda_calls"] {
        made.ask("run_sql", &json!({"query": sql}).to_string()).unwrap();
    }
}

#[test]
fn rows_are_limited_and_kinds_of_cells_are_kept() {
    let made = Made::incident();
    let ask = |parameters: Value| made.ask("run_sql", &parameters.to_string()).unwrap();
    let three = ask(json!({"query": "SELECT ts_ns FROM cuda_calls", "limit": 3}));
    assert_eq!((&three["row_count"], &three["truncated"]), (&json!(3), &json!(true)));
    assert!(three["more"].to_string().contains("limit was 3"));
    let exact = ask(json!({"query": "SELECT 1 UNION SELECT 2 UNION SELECT 3", "limit": 3}));
    assert_eq!(exact["truncated"], false);
    let kinds = ask(json!({"query": "SELECT NULL, 9007199254740993, 0.5, 'x', x'0102'"}));
    assert_eq!(kinds["rows"][0], json!([null, 9_007_199_254_740_993i64, 0.5, "x", "2 bytes"]));
    assert!(kinds["duration_ns"].is_u64());
}

#[test]
fn a_statement_that_sorts_without_end_or_without_bound_is_stopped() {
    let made = Made::incident();
    let session =
        crate::mcp::Session::new(Some(&made.db), made.folder.path(), Duration::from_millis(200)).unwrap();
    let refused = super::ask(&session, "run_sql", &json!({"query": ENDLESS}).to_string()).unwrap_err();
    assert!(refused.contains("stopped after 200ms"), "{refused}");
}

fn run(
    sql: &'static str,
) -> impl FnOnce(&crate::mcp::Session, &Arc<crate::sqlite::Stop>) -> Result<Value, Refusal> + Send + 'static {
    move |session, stop| {
        let all = tools::all();
        let entry = all.iter().find(|e| e.tool.name == "run_sql").unwrap();
        (entry.run)(session, stop, asked(sql))
    }
}

#[test]
fn a_cancelled_statement_stops_and_gives_its_place_to_the_next() {
    let made = Made::incident();
    let server = made.server();
    runtime().block_on(async {
        // Twice as many as there are places, none of which would end by itself for ten seconds.
        let begun = Instant::now();
        let cancel = CancellationToken::new();
        let waiting: Vec<_> = (0..16)
            .map(|_| {
                let (server, cancel) = (server.clone(), cancel.clone());
                tokio::spawn(async move { server.answer(&cancel, run(ENDLESS)).await })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(300)).await;
        cancel.cancel();
        for task in waiting {
            assert!(task.await.unwrap().unwrap_err().text().contains("cancelled"));
        }
        // A client that went without a word: its answer is not waited for any more.
        let gone = server.clone();
        let task = tokio::spawn(async move { gone.answer(&CancellationToken::new(), run(ENDLESS)).await });
        tokio::time::sleep(Duration::from_millis(100)).await;
        task.abort();
        let never = CancellationToken::new();
        let answers = (0..8).map(|_| server.answer(&never, run("SELECT count(*) FROM cuda_calls")));
        let answers: Vec<_> = answers.collect();
        for answer in answers {
            assert!(answer.await.unwrap()["rows"][0][0].as_i64().unwrap() > 9_000);
        }
        assert!(begun.elapsed() < Duration::from_secs(9), "no place was kept until the time was over");
    });
}

#[test]
fn eight_clients_at_once_get_the_same_answers() {
    let made = Made::incident();
    let server = made.server();
    let expected = made.ask("get_off_cpu", "{}").unwrap();
    runtime().block_on(async {
        let tasks: Vec<_> = (0..64)
            .map(|_| {
                let server = server.clone();
                tokio::spawn(async move {
                    let ask = |session: &crate::mcp::Session, stop: &Arc<crate::sqlite::Stop>| {
                        let all = tools::all();
                        let entry = all.iter().find(|e| e.tool.name == "get_off_cpu").unwrap();
                        (entry.run)(session, stop, None)
                    };
                    server.answer(&CancellationToken::new(), ask).await
                })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap().unwrap(), expected);
        }
    });
}
