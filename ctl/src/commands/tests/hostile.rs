//! One recording whose every name wants something else than to be read, through every command.

use std::{collections::HashMap, fs, path::Path};

use ingero_format::control::{ProcessStatus, Reply, Snapshot, SnapshotCounts, Status, TriggerStatus};
use ingero_format::ops;
use parquet::file::reader::{FileReader, SerializedFileReader};
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

use super::{incident, said, text};
use crate::{
    commands::{check, snapshots, verify},
    load::tests::{Draft, said as annotation},
    printable::{harmful, printable},
    screen::tests::on_80_columns,
    status,
};

/// A formula, an element, a statement, escape sequences, line ends, a NUL, text turned around, JSON's own signs.
const NASTY: &str = "=cmd|'!A0</script><img src=x onerror=alert(1)>'; DROP TABLE call;-- \u{1b}]0;x\u{7}\u{1b}[2J\
                     \u{9b}31m\r\none\ttwo\0three\u{202e}gpj\u{2066}\u{200b}\u{e0041}\"],}{\\&lt;{{x}}";

/// The names of the incident, all of them `name` where a process, a host or a library can choose.
fn called(name: &str) -> Draft {
    let mut draft = incident();
    let long = name.repeat(30);
    draft.manifest.host.name = name.into();
    draft.manifest.triggers[0].reason = name.into();
    draft.manifest.notes = vec![name.into()];
    for process in draft.manifest.processes.iter_mut().chain(&mut draft.state.processes) {
        process.comm = name.into();
        process.exe = name.into();
        process.cgroup = format!("/system.slice/{name}.service");
        process.libraries = vec![name.into()];
    }
    draft.state.tasks.iter_mut().for_each(|t| t.comm = name.into());
    draft.state.handles[0].name = long;
    draft.state.texts[0].text = format!("psi_some_total_us{{resource={}}}", label(name));
    let rows = draft.frames.iter_mut().flat_map(|(rows, _)| rows);
    rows.filter(|row| row.op == ops::OFF_CPU).for_each(|row| row.stack = draft.state.stacks[0].id);
    draft.symbols.kernel.iter_mut().for_each(|s| s.1 = name.into());
    let labels = serde_json::json!({ "phase": "ttft", "request_id": name, name: name }).to_string();
    draft.frames.push((annotation(1, 9_000_000_000, [6_500_000_000, 900_000_000], &labels), 0));
    draft
}

/// A label's value as Prometheus writes it.
fn label(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

struct Made {
    folder: TempDir,
}

impl Made {
    fn of(name: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let bundle = called(name).write(&folder, "one.ingero");
        let made = Self { folder };
        inert(&made.run(&["convert", text(&bundle), "-o", "one.db"]), "convert");
        made
    }

    fn path(&self, name: &str) -> String {
        text(&self.folder.path().join(name)).to_owned()
    }

    /// Runs a command; words that are names of files here are completed.
    fn run(&self, args: &[&str]) -> String {
        let files = ["one.db", "one.ingero", "one.html", "one.pftrace", "views"];
        let word = |w: &&str| if files.contains(w) { self.path(w) } else { (*w).to_owned() };
        let words: Vec<String> = args.iter().map(word).collect();
        said(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

/// Nothing but what is seen, and line ends.
fn inert(output: &str, of: &str) {
    let bad = output.chars().find(|c| *c != '\n' && harmful(*c));
    assert_eq!(bad, None, "{of}: {output:?}");
}

fn strings(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(s) => found.push(s.clone()),
        Value::Array(list) => list.iter().for_each(|v| strings(v, found)),
        Value::Object(map) => map.values().for_each(|v| strings(v, found)),
        _ => {}
    }
}

/// Each view with texts, and how many rows of it are enough.
const ASKED: [&str; 9] = [
    "SELECT comm, node, kernel, kernel_raw FROM cuda_calls LIMIT 3",
    "SELECT comm, node, preemptor_comm FROM off_cpu LIMIT 3",
    "SELECT comm, exe, cgroup, libraries, unit FROM processes",
    "SELECT node, comm, op, count FROM op_stats",
    "SELECT comm, summary, evidence FROM findings",
    "SELECT name, labels, value FROM samples LIMIT 3",
    "SELECT node, labels FROM annotations",
    "SELECT frames FROM stacks",
    "SELECT key, value FROM meta",
];

#[test]
fn names_that_move_cursors_end_elements_or_statements_are_only_read_in_what_people_see() {
    let made = Made::of(NASTY);
    let shown = printable(NASTY);
    for file in ["one.ingero", "one.db"] {
        for args in [
            vec!["stats", file],
            vec!["explain", file],
            vec!["explain", file, "--per-process"],
            vec!["requests", file],
        ] {
            let output = made.run(&args);
            inert(&output, args[0]);
            assert!(output.contains(&shown), "{args:?}: {output}");
            inert(&on_80_columns(|| made.run(&args)), args[0]);
        }
    }
    let mut out = Vec::new();
    verify::text(&crate::verify::verify(Path::new(&made.path("one.ingero"))).unwrap(), &mut out).unwrap();
    inert(&String::from_utf8(out).unwrap(), "verify");
    for sql in ASKED {
        let output = made.run(&["query", "one.db", sql]);
        inert(&output, sql);
        inert(&on_80_columns(|| made.run(&["query", "one.db", sql])), sql);
    }
}

#[test]
fn a_csv_has_no_formula_and_as_many_fields_in_each_line_as_it_names() {
    let made = Made::of(NASTY);
    for sql in ASKED {
        let csv = made.run(&["query", "one.db", sql, "--format", "csv"]);
        inert(&csv.replace("\r\n", "\n"), sql);
        for line in csv.split("\r\n") {
            assert!(!line.starts_with(['=', '+', '-', '@']), "{sql}: {line}");
            assert!(!line.contains(",=") && !line.contains(",\"="), "{sql}: {line}");
            assert_eq!(line.matches('"').count() % 2, 0, "{sql}: {line}");
        }
    }
    let comm = made.run(&["query", "one.db", "SELECT -5, comm FROM task LIMIT 1", "--format", "csv"]);
    assert!(comm.contains("\r\n-5,\"'=cmd|'!A0</script>"), "{comm}");
}

#[test]
fn json_and_sql_have_the_names_as_they_were_and_json_is_harmless_on_a_terminal() {
    let made = Made::of(NASTY);
    let asked = ["stats", "explain", "requests"].map(|c| vec![c, "one.ingero", "--json"]);
    let queries = ASKED.map(|sql| vec!["query", "one.db", sql, "--format", "json"]);
    for args in asked.into_iter().chain(queries) {
        let output = made.run(&args);
        inert(&output, args[0]);
        let value: Value = serde_json::from_str(&output).unwrap_or_else(|e| panic!("{args:?}: {e}"));
        let mut found = Vec::new();
        strings(&value, &mut found);
        let inside = serde_json::to_string(NASTY).unwrap();
        let inside = inside.trim_matches('"');
        let told = found.iter().any(|s| s.contains(NASTY) || s.contains(inside));
        assert!(told, "{args:?}: {output}");
    }
    let db = Connection::open(made.path("one.db")).unwrap();
    let one = |sql: &str| db.query_row(sql, [], |r| r.get::<_, String>(0)).unwrap();
    for sql in [
        "SELECT DISTINCT comm FROM cuda_calls",
        "SELECT DISTINCT node FROM cuda_calls",
        "SELECT DISTINCT preemptor_comm FROM off_cpu",
        "SELECT DISTINCT comm FROM processes",
        "SELECT json_extract(libraries, '$[0]') FROM processes",
        "SELECT json_extract(labels, '$.resource') FROM samples LIMIT 1",
        "SELECT json_extract(labels, '$.request_id') FROM annotations",
        "SELECT json_extract(frames, '$[0].symbol') FROM stacks",
    ] {
        assert_eq!(one(sql), NASTY, "{sql}");
    }
    assert_eq!(one("SELECT DISTINCT kernel_raw FROM cuda_calls"), NASTY.repeat(30));
    assert!(one("SELECT value FROM meta WHERE key = 'trigger'").contains(NASTY));
}

#[test]
fn a_page_has_no_element_that_a_name_made() {
    let pages = [NASTY, "engine"].map(|name| {
        let made = Made::of(name);
        inert(&made.run(&["report", "one.db", "-o", "one.html"]), "report");
        fs::read_to_string(made.path("one.html")).unwrap()
    });
    let elements = |page: &str| page.matches('<').count();
    assert_eq!(elements(&pages[0]), elements(&pages[1]));
    assert!(!pages[0].contains("<img") && pages[0].contains("\\u003cimg"));
    let raw = pages[0].chars().find(|c| !matches!(c, '\n' | '\t') && harmful(*c));
    assert_eq!(raw, None);
}

#[test]
fn exports_have_the_names_as_they_were_below_their_own_folder() {
    let made = Made::of(NASTY);
    inert(&made.run(&["export", "one.db", "--format", "perfetto", "-o", "one.pftrace"]), "perfetto");
    let trace = fs::read(made.path("one.pftrace")).unwrap();
    assert!(trace.windows(NASTY.len()).any(|w| w == NASTY.as_bytes()));
    inert(&made.run(&["export", "one.db", "--format", "parquet", "-o", "views"]), "parquet");
    let mut entries: Vec<_> =
        fs::read_dir(made.folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    entries.sort();
    assert_eq!(entries, ["one.db", "one.ingero", "one.pftrace", "views"]);
    let calls = file_below(Path::new(&made.path("views/cuda_calls")));
    let reader = SerializedFileReader::new(fs::File::open(calls).unwrap()).unwrap();
    let row = reader.get_row_iter(None).unwrap().next().unwrap().unwrap();
    let row: HashMap<String, String> = row
        .get_column_iter()
        .filter_map(|(name, field)| match field {
            parquet::record::Field::Str(text) => Some((name.clone(), text.clone())),
            _ => None,
        })
        .collect();
    assert_eq!((row["comm"].as_str(), row["kernel_raw"].as_str()), (NASTY, NASTY.repeat(30).as_str()));
}

fn file_below(folder: &Path) -> std::path::PathBuf {
    let inside = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    if inside.is_dir() { file_below(&inside) } else { inside }
}

#[test]
fn names_that_are_not_utf_8_are_shown_with_a_mark_in_them() {
    let made = Made::of("engine");
    let db = Connection::open(made.path("one.db")).unwrap();
    for sql in [
        "UPDATE task SET comm = CAST(X'61ff621b' AS TEXT)",
        "UPDATE op_stats SET comm = CAST(X'61ff621b' AS TEXT)",
        "UPDATE thread_stats SET comm = CAST(X'61ff621b' AS TEXT)",
        "UPDATE findings SET comm = CAST(X'61ff621b' AS TEXT)",
        "UPDATE node SET name = CAST(X'61ff621b' AS TEXT)",
        "UPDATE annotations SET labels = CAST(X'61ff621b' AS TEXT)",
    ] {
        db.execute(sql, []).unwrap();
    }
    drop(db);
    for args in [
        vec!["stats", "one.db"],
        vec!["explain", "one.db"],
        vec!["query", "one.db", "SELECT comm, node FROM cuda_calls LIMIT 1"],
        vec!["query", "one.db", "SELECT comm, node FROM cuda_calls LIMIT 1", "--format", "json"],
        vec!["report", "one.db", "-o", "one.html"],
        vec!["export", "one.db", "--format", "perfetto", "-o", "one.pftrace"],
        vec!["export", "one.db", "--format", "parquet", "-o", "views"],
    ] {
        inert(&made.run(&args), args[0]);
    }
    assert!(made.run(&["stats", "one.db"]).contains("a\u{fffd}b"));
}

#[test]
fn what_a_recorder_says_is_only_read() {
    let nasty = || NASTY.to_owned();
    let snapshot = Snapshot { reason: nasty(), ..Snapshot::default() };
    let status = Status {
        processes: vec![ProcessStatus {
            comm: nasty(),
            libraries: vec![nasty()],
            ..ProcessStatus::default()
        }],
        snapshots: SnapshotCounts { last: vec![snapshot.clone()], ..SnapshotCounts::default() },
        triggers: vec![TriggerStatus { name: nasty(), armed: true, ..TriggerStatus::default() }],
        warnings: vec![nasty()],
        ..Status::default()
    };
    let mut out = Vec::new();
    status::text(&status, &mut out).unwrap();
    snapshots::rows(&[snapshot], &mut out).unwrap();
    let checks = serde_json::json!({
        "checks": [{"name": NASTY, "found": NASTY, "ok": false, "remedy": NASTY}],
        "libraries": [{"path": NASTY, "functions": 5}, {"path": NASTY, "error": NASTY}],
        "processes": [{"pid": 5, "comm": NASTY}],
    });
    check::text(&checks, check::Running::Yes, &mut out).unwrap();
    let output = String::from_utf8(out).unwrap();
    inert(&output, "status, snapshots and check");
    assert_eq!(output.matches(&printable(NASTY)).count(), 13, "{output}");
    let refused = crate::client::odd(&Reply::Failed { message: nasty() }).to_string();
    inert(&printable(&refused), "what main says of an error");
}
