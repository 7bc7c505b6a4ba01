//! What programs say of their own time, from the socket to SQL, on the real kernel.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed step is a failed test")]

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ingero_tests::{Lab, Program, live, standin};
use serde_json::{Value, json};

fn unix_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64
}

fn connect(lab: &Lab) -> UnixStream {
    UnixStream::connect(lab.path("run/annotate.sock")).unwrap()
}

fn send(lab: &Lab, lines: &[Value]) {
    let mut stream = connect(lab);
    lines.iter().for_each(|line| writeln!(stream, "{line}").unwrap());
}

/// Rows of a query, each cell as JSON.
fn rows(db: &rusqlite::Connection, sql: &str) -> Vec<Vec<Value>> {
    let mut statement = db.prepare(sql).unwrap();
    let columns = statement.column_count();
    let cell = |v: rusqlite::types::Value| match v {
        rusqlite::types::Value::Integer(n) => json!(n),
        rusqlite::types::Value::Real(n) => json!(n),
        rusqlite::types::Value::Text(text) => json!(text),
        _ => Value::Null,
    };
    let row = |r: &rusqlite::Row<'_>| (0..columns).map(|i| r.get(i).map(cell)).collect();
    statement.query_map([], row).unwrap().map(Result::unwrap).collect()
}

/// Annotations counted by the recorder: kept, and refused for a reason.
fn counted(lab: &Lab, reason: &str) -> u64 {
    let warnings = lab.json(&["status"])["warnings"].to_string();
    let words: Vec<&str> = warnings.split([' ', ',', '(', ')']).collect();
    words.windows(2).find(|w| w[0] == reason).map_or(0, |w| w[1].parse().unwrap())
}

#[test]
fn what_a_program_says_stands_in_sql_with_its_time_its_process_and_who_said_it() {
    if !live() {
        return;
    }
    let lab = Lab::recording();
    let me = std::process::id();
    let begin = unix_ns() - 50_000_000;
    send(
        &lab,
        &[
            json!({"labels": {"step": "42", "hostile": "'\"<script>\\é"}, "pid": me, "ts": begin}),
            json!({"labels": {"request_id": "q17", "phase": "ttft"}, "span_start": begin, "span_end": begin + 30_000_000}),
            json!({"labels": {"request_id": "q17", "phase": "decode"}, "span_start": begin + 30_000_000, "span_end": begin + 31_000_000}),
            json!({"labels": {"of": "the host"}, "pid": 0, "v": 1, "start_time": 7}),
            json!({"labels": {"of": "another user's process"}, "pid": 1}),
            json!({"labels": {"bad key": "1"}}),
            json!({"labels": {"of": "yesterday"}, "ts": begin - 86_400_000_000_000}),
            json!({"labels": {"of": "nobody"}, "pid": 4_000_000_000u32}),
        ],
    );
    lab.until("the lines were counted", |lab| counted(lab, "process") == 1);
    assert_eq!((counted(&lab, "key"), counted(&lab, "time")), (1, 1));
    let db = lab.window("said", "30s");
    let found = rows(
        &db,
        "SELECT ts_ns, dur_ns, pid, labels, sender_pid, sender_uid FROM annotations ORDER BY ts_ns, dur_ns",
    );
    let labels: Vec<Value> =
        found.iter().map(|r| serde_json::from_str(r[3].as_str().unwrap()).unwrap()).collect();
    assert_eq!(
        labels,
        [
            json!({"hostile": "'\"<script>\\é", "step": "42"}),
            json!({"phase": "ttft", "request_id": "q17"}),
            json!({"phase": "decode", "request_id": "q17"}),
            json!({"of": "the host"}),
            json!({"of": "another user's process"}),
        ]
    );
    // One offset for each bundle: a clock that is being adjusted moves against it.
    let near = |row: &[Value], at: i64| (row[0].as_i64().unwrap() - at).abs() < 20_000_000;
    assert!(near(&found[0], begin), "{found:?} {begin}");
    let begins: Vec<i64> =
        found.iter().map(|row| row[0].as_i64().unwrap() - found[0][0].as_i64().unwrap()).collect();
    assert_eq!(begins[..3], [0, 0, 30_000_000], "what one program says fits together to the nanosecond");
    let rest: Vec<&[Value]> = found.iter().map(|row| &row[1..3]).collect();
    assert_eq!(rest[0], [json!(0), json!(me)]);
    assert_eq!(rest[1], [json!(30_000_000), json!(me)], "who says nothing of a process means itself");
    assert_eq!(rest[3], [json!(0), Value::Null]);
    assert_eq!(rest[4], [json!(0), json!(1)], "root may speak for all");
    assert!(found.iter().all(|row| row[4..] == [json!(me), json!(0)]), "{found:?}");
    let bundle = lab.path("said.ingero");
    let verified = lab.json(&["verify".as_ref(), bundle.as_os_str()]);
    assert_eq!((&verified["ok"], &verified["conservation"]["holds"]), (&json!(true), &json!(true)));
}

#[test]
fn what_comes_too_fast_is_refused_and_counted_and_others_are_heard() {
    if !live() {
        return;
    }
    let mut lab = Lab::new();
    lab.configure("[annotations]\nmax_per_second = 100\n[samples]\ninterval = \"200ms\"\n");
    lab.start();
    let lines: Vec<Value> = (0..5_000).map(|i| json!({"labels": {"step": i.to_string()}})).collect();
    send(&lab, &lines);
    lab.until("all were counted", |lab| {
        let status = lab.json(&["status"]);
        let warning = status["warnings"].to_string();
        let refused = counted(lab, "rate");
        refused > 4_000 && warning.contains(&format!("{} kept", 5_000 - refused))
    });
    std::thread::sleep(Duration::from_millis(200));
    send(&lab, &[json!({"labels": {"step": "last"}})]);
    lab.until("a sample tells what was refused", |lab| {
        let db = lab.window("rate", "60s");
        let last = "SELECT count(*) FROM annotations WHERE json_extract(labels, '$.step') = 'last'";
        let told = "SELECT max(value) FROM samples WHERE name = 'ingero_recorder_annotations_refused_total' \
                    AND json_extract(labels, '$.reason') = 'rate'";
        let kept = rows(&db, "SELECT count(*) FROM annotations")[0][0].as_u64().unwrap();
        assert!(kept >= 100, "{kept}");
        rows(&db, last) == [[json!(1)]] && rows(&db, told) == [[json!(counted(lab, "rate") as f64)]]
    });
}

#[test]
fn clients_that_send_rubbish_or_nothing_harm_neither_the_recorder_nor_each_other() {
    if !live() {
        return;
    }
    let lab = Lab::recording();
    // A line without an end, and one that never goes on.
    let mut endless = connect(&lab);
    let wrote = (0..10 * 64).take_while(|_| endless.write_all(&[b'x'; 16 << 10]).is_ok()).count();
    assert!(wrote < 10 * 64, "what floods is left");
    let mut half = connect(&lab);
    half.write_all(b"{\"labels\":{\"a\":").unwrap();
    let noise: Vec<u8> = (0..60_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    connect(&lab).write_all(&noise).unwrap();
    // Far more connections than are served: each of the rest is closed at once.
    let mut many: Vec<UnixStream> = (0..1_000).map(|_| connect(&lab)).collect();
    lab.until("those too many were closed", |lab| counted(lab, "connections") > 900);
    let closed = many.iter_mut().map(|stream| {
        stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        matches!(stream.read(&mut [0]), Ok(0))
    });
    assert!(closed.filter(|closed| *closed).count() > 900);
    let python = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n\
                  s.sendall(b'{\"labels\":{\"of\":\"another process\"}}\\n')";
    let other = std::process::Command::new("python3");
    let status = { other }.arg("-c").arg(python).arg(lab.path("run/annotate.sock")).status().unwrap();
    assert!(status.success());
    drop(many);
    half.write_all(b"\"1\"}}\n").unwrap();
    drop(half);
    lab.until("both are there", |lab| {
        let db = lab.window("rubbish", "60s");
        let labels = rows(&db, "SELECT labels FROM annotations ORDER BY labels");
        labels == [[json!("{\"a\":\"1\"}")], [json!("{\"of\":\"another process\"}")]]
    });
    assert!(counted(&lab, "too_long") >= 1 && counted(&lab, "malformed") >= 1 && counted(&lab, "flood") >= 1);
}

#[test]
fn who_has_no_right_to_a_process_may_not_speak_for_it() {
    if !live() {
        return;
    }
    let mut lab = Lab::new();
    lab.configure("[annotations]\nmode = \"0666\"\n");
    lab.start();
    // The folder of a lab is its user's alone: who is in it already gets at the socket.
    let python = "import os,socket,sys\nos.chdir(sys.argv[1])\nos.setresuid(65534,65534,65534)\ns=socket.socket(socket.AF_UNIX)\n\
                  s.connect('annotate.sock')\n\
                  s.sendall(b'{\"labels\":{\"a\":\"mine\"},\"pid\":%d}\\n{\"labels\":{\"a\":\"init\"},\"pid\":1}\\n' % os.getpid())";
    std::fs::set_permissions(lab.path("run"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut user = std::process::Command::new("python3");
    assert!(user.args(["-c", python]).arg(lab.path("run")).status().unwrap().success());
    lab.until("it was refused", |lab| counted(lab, "process") == 1);
    let db = lab.window("right", "60s");
    let found = rows(&db, "SELECT labels, sender_uid FROM annotations");
    assert_eq!(found, [[json!("{\"a\":\"mine\"}"), json!(65_534)]]);
}

#[test]
fn a_request_is_set_beside_the_thread_that_launched_in_its_time() {
    if !live() {
        return;
    }
    let lab = Lab::recording();
    let mut engine = Program::start(&standin().engine, ["--duration", "3", "--start-on-stdin"]);
    lab.until_covered(engine.pid());
    engine.say("go");
    std::thread::sleep(Duration::from_millis(1_500));
    let now = unix_ns();
    let labels = |id: &str, phase: &str| json!({"request_id": id, "phase": phase});
    let span = |labels: Value, begin: i64, dur: i64| json!({"labels": labels, "pid": engine.pid(), "span_start": begin, "span_end": begin + dur});
    send(
        &lab,
        &[
            span(labels("q1", "ttft"), now - 1_000_000_000, 800_000_000),
            span(labels("q1", "decode"), now - 200_000_000, 100_000_000),
            span(labels("q2", "ttft"), now - 900_000_000, 200_000_000),
            span(labels("q3", "ttft"), now - 800_000_000, 200_000_000),
        ],
    );
    let pid = engine.pid();
    assert!(engine.wait().success());
    lab.until("the window has them", |lab| {
        let kept = lab.window("requests", "30s");
        rows(&kept, "SELECT count(*) FROM annotations") == [[json!(4)]]
    });
    let told = lab.json(&["requests".as_ref(), lab.path("requests.ingero").as_os_str()]);
    let found = told["requests"].as_array().unwrap();
    let ids: Vec<&str> = found.iter().map(|r| r["request_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["q1", "q2", "q3"], "the longest first; of each the wait for the first token");
    for request in found {
        assert_eq!(request["thread"]["pid"], pid, "{request}");
        assert!(request["thread"]["launches"].as_u64() > Some(0), "{request}");
        let ns = |key: &str| request[key].as_i64().unwrap();
        let columns = ["first_use", "runnable", "blocked", "gpu_wait", "idle", "on_cpu", "unexplained"];
        assert_eq!(columns.map(|c| ns(&format!("{c}_ns"))).iter().sum::<i64>(), ns("dur_ns"), "{request}");
        assert!(ns("unexplained_ns") * 10 < ns("dur_ns"), "the thread was recorded all the time: {request}");
    }
    assert_eq!(found[0]["times_median"], 4.0);
}
