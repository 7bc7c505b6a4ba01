//! Answers of bounded size and time, whatever is in the database.

use rusqlite::Connection;
use serde_json::{Value, json};

use super::{ASKED, Made};
use crate::{
    mcp::fit::{MESSAGE_BYTES, message_bytes},
    sqlite::{Scanner, Span, Stop, Take},
};

#[test]
fn no_answer_is_longer_than_its_bound_and_what_is_left_out_is_counted() {
    let made = Made::incident();
    let db = Connection::open(&made.db).unwrap();
    let name = "a\\\"b".repeat(300);
    for table in ["op_stats", "thread_stats", "findings"] {
        let columns: Vec<String> = db
            .prepare(&format!("SELECT name FROM pragma_table_info('{table}')"))
            .unwrap()
            .query_map([], |r| r.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let chosen: Vec<String> = columns
            .iter()
            .map(|c| match c.as_str() {
                "comm" => format!("'{name}'"),
                "rank" | "tid" => "n".to_owned(),
                other => other.to_owned(),
            })
            .collect();
        let sql = format!(
            "WITH RECURSIVE s(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM s WHERE n < 500)
             INSERT INTO {table} SELECT {} FROM s, (SELECT * FROM {table} LIMIT 1)",
            chosen.join(",")
        );
        db.execute(&sql, []).unwrap();
    }
    let labels = json!({"text": "x".repeat(500)}).to_string();
    let many = "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 500)";
    db.execute(
        &format!("{many} INSERT INTO annotations SELECT 5, 1, 'alpha', 1, ?, NULL, NULL FROM s"),
        [labels],
    )
    .unwrap();
    db.execute(&format!("{many} INSERT INTO loss SELECT NULL, 1, from_ns, to_ns, 1, 1, 'sched', 1, 'ringbuf_full', 7 FROM s, node"), []).unwrap();
    drop(db);
    let extra = [
        ("get_causal_chains", r#"{"top_n": 0}"#),
        ("get_timeline", r#"{"from": "-10s", "to": "-0s", "limit": 5000}"#),
        ("run_sql", r#"{"query": "SELECT * FROM findings", "limit": 10000}"#),
        ("run_sql", r#"{"query": "SELECT * FROM cuda_calls", "limit": 10000, "tsc": true}"#),
        ("query_fleet", r#"{"action": "chains", "limit": 500}"#),
        ("query_fleet", r#"{"action": "ops", "limit": 500}"#),
        ("query_fleet", r#"{"action": "sql", "query": "SELECT * FROM op_stats"}"#),
    ];
    let (mut cut, session) = (0, made.session());
    for (tool, parameters) in ASKED.into_iter().chain(extra) {
        let answer =
            super::ask(&session, tool, parameters).unwrap_or_else(|e| panic!("{tool} {parameters}: {e}"));
        assert!(message_bytes(&answer) <= MESSAGE_BYTES, "{tool} {parameters}");
        if answer["truncated"] == true {
            cut += 1;
            assert!(answer["more"].is_string(), "{tool} {parameters}");
            let counted = !answer["left_out"].as_object().unwrap().is_empty();
            assert!(
                counted || answer["next_from_ns"].is_i64() || !answer["rows"].is_null(),
                "{tool} {parameters}"
            );
        }
    }
    assert!(cut >= 6, "{cut}");
    let chains = made.ask("get_causal_chains", r#"{"top_n": 0}"#).unwrap();
    let told = chains["findings"].as_array().unwrap().len() as u64;
    assert_eq!(told + chains["left_out"]["findings"].as_u64().unwrap(), 500);
    assert_eq!(chains["findings"][0]["rank"], 1, "the most important stay");
}

#[test]
fn a_scan_that_is_cut_says_of_which_time_all_rows_are_there() {
    let made = Made::incident();
    let scan = Scanner::open(&made.db, &Stop::after(std::time::Duration::from_secs(10))).unwrap();
    let always = Span { from_ns: i64::MIN, to_ns: i64::MAX };
    let all = scan.calls(always, Take::Latest(usize::MAX)).unwrap();
    assert_eq!(all.span, always);
    let some = scan.calls(always, Take::Latest(100)).unwrap();
    assert!(some.rows.len() <= 100 && some.rows.len() > 90);
    assert!(some.rows.iter().all(|r| r.ts_ns >= some.span.from_ns));
    let since = all.rows.iter().filter(|r| r.ts_ns >= some.span.from_ns).count();
    assert_eq!(since, some.rows.len(), "since then none is missing");
    let first = scan.calls(always, Take::Earliest(100)).unwrap();
    let until = all.rows.iter().filter(|r| r.ts_ns < first.span.to_ns).count();
    assert_eq!((until, first.rows[0].ts_ns), (first.rows.len(), all.rows.last().unwrap().ts_ns));
    let (from_ns, to_ns) = (all.rows[200].ts_ns, all.rows[100].ts_ns);
    let part = scan.calls(Span { from_ns, to_ns }, Take::Latest(usize::MAX)).unwrap();
    assert_eq!(part.rows.len(), 100, "the begin is inside, the end is not");
    assert!(scan.calls(Span { from_ns: 0, to_ns: 5 }, Take::Latest(10)).unwrap().rows.is_empty());
}

#[test]
fn an_answer_out_of_time_is_refused_and_says_so() {
    let made = Made::incident();
    let all = super::tools::all();
    let stop = Stop::after(std::time::Duration::from_nanos(1));
    let endless = json!({"query": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n"});
    for (tool, parameters) in
        [("run_sql", endless), ("get_off_cpu", json!({})), ("get_trace_stats", json!({"since": "9s"}))]
    {
        let entry = all.iter().find(|e| e.tool.name == tool).unwrap();
        let asked: Option<rmcp::model::JsonObject> = Value::as_object(&parameters).cloned();
        // A few rows are read before the clock is looked at for the first time; so few that it may be over before.
        if let Err(refused) = (entry.run)(&made.session(), &stop, asked) {
            assert!(refused.text().contains("stopped"), "{tool}: {}", refused.text());
        } else {
            assert_ne!(tool, "run_sql");
        }
    }
}
