//! Whole pages, of databases written for the test.

use std::{fs, path::Path};

use clap::Parser;
use ingero_format::ops;
use serde_json::Value;
use tempfile::TempDir;

use super::{MAX_BYTES, Report, report, within};
use crate::{
    cli::Cli,
    error::{Error, Outcome},
    investigate::investigate,
    model::{Call, FirstUse, Frame, Loss, NONE, OffCpu, Process, Sample, Series, Stack, Task, Trace},
    progress::Progress,
    sqlite,
};

const MS: i64 = 1_000_000;
const BEGIN: i64 = 1_700_000_000_000_000_000;
const HOSTILE: &str =
    "</script><script>window.owned=1</script><img src=x onerror=owned()>{{script}}&lt;\u{2028}\"'";

fn launch(at: i64, dur_ns: i64, task: u32) -> Call {
    Call {
        ts_ns: BEGIN + at,
        dur_ns,
        task,
        op: ops::CU_LAUNCH_KERNEL,
        kernel: NONE,
        stack: NONE,
        ..Call::default()
    }
}

fn preempted(at: i64, dur_ns: i64, preemptor: u32) -> OffCpu {
    let off = OffCpu { ts_ns: BEGIN + at, dur_ns, runqueue_ns: dur_ns, preemptor, ..OffCpu::default() };
    OffCpu { task: 0, waker: NONE, stack: 0, ..off }
}

/// A thread that launches each millisecond for `seconds`, and loses its CPU forty times.
fn incident(seconds: i64, name: &str) -> Trace {
    let mut trace = Trace {
        node: name.into(),
        from_ns: BEGIN,
        to_ns: BEGIN + seconds * 1000 * MS,
        tasks: vec![
            Task { pid: 100, tid: 100, comm: name.into() },
            Task { pid: 500, tid: 500, comm: format!("stress{name}") },
        ],
        processes: vec![Process { pid: 100, start_ns: BEGIN, comm: name.into(), ..Process::default() }],
        kernels: vec![name.into()],
        stacks: vec![Stack {
            kind: "kernel".into(),
            frames: vec![Frame { symbol: Some(format!("futex_wait{name}")), ..Frame::default() }],
        }],
        series: vec![Series {
            pid: 0,
            name: format!("gpu_utilization_percent{name}"),
            labels: serde_json::json!({"gpu": name}).to_string(),
        }],
        ..Trace::default()
    };
    let mut at = 0;
    while at < (seconds * 1000 - 10) * MS {
        let hit = at > seconds * 600 * MS && trace.off_cpu.len() < 40;
        let dur = if hit { 5 * MS } else { 5_000 + at % 700 };
        if hit {
            trace.off_cpu.push(preempted(at + 1_000, 4_900_000, 1));
        }
        let first_use = if trace.calls.is_empty() { FirstUse::Evident } else { FirstUse::No };
        trace.calls.push(Call { kernel: 0, first_use, ..launch(at, dur, 0) });
        at += dur + MS;
    }
    trace.samples =
        (0..seconds).map(|s| Sample { ts_ns: BEGIN + s * 1000 * MS, series: 0, value: s as f64 }).collect();
    trace.facts.notes = vec![name.into()];
    trace.facts.triggers = vec![name.into()];
    trace.losses =
        vec![Loss { from_ns: BEGIN + MS, to_ns: BEGIN + 2 * MS, count: 3, cause: 1, cpu: 0, source: 2 }];
    trace
}

fn database(folder: &TempDir, traces: &[Trace]) -> std::path::PathBuf {
    let path = folder.path().join("one.db");
    sqlite::write(&path, true, traces, &investigate(traces, None), &Progress::none()).unwrap();
    path
}

fn page_of(traces: &[Trace]) -> Report {
    let folder = TempDir::new().unwrap();
    report(&database(&folder, traces), &Progress::none()).unwrap()
}

/// What the page's script reads.
fn data(html: &str) -> Value {
    let begin = html.find("id=\"data\">").unwrap() + "id=\"data\">".len();
    let end = begin + html[begin..].find("</script>").unwrap();
    serde_json::from_str(&html[begin..end]).unwrap()
}

fn run(args: &[&str]) -> Result<(Outcome, String), Error> {
    let cli = Cli::try_parse_from(["ingeroctl"].iter().chain(args)).unwrap();
    let mut out = Vec::new();
    let outcome = crate::cli::run(&cli, &mut out)?;
    Ok((outcome, String::from_utf8(out).unwrap()))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn the_answer_is_that_of_explain_and_every_call_is_counted() {
    let folder = TempDir::new().unwrap();
    let traces = [incident(10, "engine")];
    let db = database(&folder, &traces);
    let made = report(&db, &Progress::none()).unwrap();
    let data = data(&made.html);
    let told = run(&["explain", text(&db)]).unwrap().1;
    assert_eq!(data["headline"]["sentence"], told.lines().next().unwrap());
    assert_eq!(data["headline"]["cause"], "cpu_contention");
    let lane = &data["lanes"][0];
    assert_eq!(lane["calls"]["seen"], traces[0].calls.len());
    assert_eq!(
        lane["calls"]["ts"].as_array().unwrap().len(),
        traces[0].calls.len(),
        "few enough to draw each"
    );
    assert_eq!(lane["off_cpu"]["seen"], 40);
    assert_eq!(lane["first_uses"]["seen"], 1);
    assert_eq!(data["preemptors"]["rows"][0]["by"], "stressengine/500");
    assert_eq!(data["preemptors"]["rows"][0]["ns"], 40 * 4_900_000_i64);
    assert_eq!(data["losses"]["rows"][0]["from"], MS);
    assert!(!made.complete);
}

#[test]
fn hostile_names_are_data_everywhere() {
    let html = page_of(&[incident(10, HOSTILE)]).html;
    assert_eq!(html.matches("<script").count(), 2, "the data and the page's own");
    assert_eq!(html.matches("</script").count(), 2);
    assert_eq!(html.matches("\"use strict\"").count(), 1, "a name is no place of the template");
    assert!(!html.contains("<img"));
    assert!(!html.contains("window.owned=1</"));
    let data = data(&html);
    for (place, value) in [
        ("comm", &data["lanes"][0]["comm"]),
        ("node", &data["window"]["nodes"][0]["node"]),
        ("note", &data["coverage"]["notes"][0]),
        ("finding", &data["findings"][0]["comm"]),
    ] {
        assert_eq!(value, HOSTILE, "{place}");
    }
    let everything = data.to_string();
    for prefix in ["stress", "futex_wait", "gpu_utilization_percent"] {
        let name = Value::from(format!("{prefix}{HOSTILE}")).to_string();
        assert!(everything.contains(name.trim_matches('"')), "{prefix}");
    }
}

#[test]
fn the_same_database_gives_the_same_bytes() {
    let folder = TempDir::new().unwrap();
    let db = database(&folder, &[incident(10, "engine"), incident(10, "other")]);
    let [a, b] = [(); 2].map(|()| report(&db, &Progress::none()).unwrap().html);
    assert!(a == b);
    let [a, b] = ["a.html", "b.html"].map(|name| folder.path().join(name));
    run(&["report", text(&db), "-o", text(&a)]).unwrap();
    run(&["report", text(&db), "-o", text(&b)]).unwrap();
    assert!(fs::read(a).unwrap() == fs::read(b).unwrap());
}

#[test]
fn many_threads_with_long_names_make_a_page_of_bounded_size_that_says_what_it_left_out() {
    let mut trace = incident(10, "engine");
    for thread in 0..40 {
        let task = trace.tasks.len() as u32;
        trace.tasks.push(Task { pid: 100, tid: 200 + thread, comm: format!("t{thread}") });
        for i in 0..2000 {
            let kernel = trace.kernels.len() as u32;
            trace.kernels.push(format!("kernel_{thread}_{i}_{}", "x".repeat(200)));
            trace
                .calls
                .push(Call { kernel, ..launch(i * 5 * MS + i64::from(thread), 4_000 + i % 97 * 1000, task) });
        }
    }
    trace.facts.notes = (0..10_000).map(|n| format!("note {n} {}", "y".repeat(3000))).collect();
    trace.sort();
    let folder = TempDir::new().unwrap();
    let db = database(&folder, &[trace]);
    let full = report(&db, &Progress::none()).unwrap().html;
    assert!(full.len() <= MAX_BYTES, "{}", full.len());
    let small = within(800_000, &db, &Progress::none()).unwrap().html;
    assert!(small.len() <= 800_000, "{}", small.len());
    let (full, small) = (data(&full), data(&small));
    let shown = |data: &Value| data["lanes"][0]["calls"]["ts"].as_array().unwrap().len();
    assert!(shown(&small) < shown(&full));
    assert!(small["lanes"][0]["calls"]["stretch_ns"].as_i64() > Some(0), "the page can say what it shows");
    assert!(full["threads_without_lane"].as_u64() > Some(20));
}

#[test]
fn an_empty_investigation_and_one_of_losses_alone_have_pages_too() {
    let empty = Trace { node: "alpha".into(), from_ns: BEGIN, to_ns: BEGIN + 1000 * MS, ..Trace::default() };
    let made = page_of(std::slice::from_ref(&empty));
    assert!(made.complete && made.sentence.starts_with("Nothing to explain"));
    assert_eq!(data(&made.html)["lanes"].as_array().map(Vec::len), Some(0));
    let loss = Loss { from_ns: BEGIN - MS, to_ns: i64::MAX, count: 0, cause: 1, cpu: 0, source: 1 };
    let made = page_of(&[Trace { losses: vec![loss], ..empty }]);
    assert!(!made.complete);
    let data = data(&made.html);
    assert_eq!(data["losses"]["rows"][0]["from"], -MS);
    assert_eq!(data["coverage"]["lost"].as_array().map(Vec::len), Some(1));
    let nothing = page_of(&[]);
    assert!(nothing.sentence.starts_with("Nothing to explain"));
}

#[test]
fn an_existing_file_is_replaced_only_by_force_and_other_files_are_no_recordings() {
    let folder = TempDir::new().unwrap();
    let db = database(&folder, &[incident(10, "engine")]);
    let page = folder.path().join("page.html");
    fs::write(&page, "mine").unwrap();
    let error = run(&["report", text(&db), "-o", text(&page)]).unwrap_err();
    assert!(error.exit_code() == 1 && error.to_string().contains("--force"), "{error}");
    assert_eq!(fs::read_to_string(&page).unwrap(), "mine");
    let (outcome, told) = run(&["report", text(&db), "-o", text(&page), "--force"]).unwrap();
    assert!(outcome.partial && told.contains("open it in any browser"), "{told}");
    assert!(fs::read_to_string(&page).unwrap().starts_with("<!doctype html>"));
    let error = run(&["report", text(&page), "-o", text(&folder.path().join("b.html"))]).unwrap_err();
    assert_eq!(error.exit_code(), 3, "{error}");
    let error = run(&["report", text(&db), "-o", text(&db), "--force"]).unwrap_err();
    assert_eq!(error.exit_code(), 2, "{error}");
    let error = run(&["report", text(&db), "-o", "/nowhere/at/all.html"]).unwrap_err();
    assert!(error.exit_code() == 1 && error.to_string().contains("cannot be written"), "{error}");
    let left: Vec<_> = fs::read_dir(&folder).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn a_bundle_gives_the_page_of_its_database() {
    use crate::load::tests::{Draft, launch, preempted};
    let folder = TempDir::new().unwrap();
    let mut draft = Draft::new(10);
    draft.frames.push(((0..900).map(|i| launch(i, i * 10_000_000, 5_000 + i % 7 * 100, 0xf1)).collect(), 0));
    draft.frames.push((vec![preempted(0, 6_000_000, 4_900_000, 500)], 0));
    let bundle = draft.write(&folder, "one.ingero");
    let [db, a, b] = ["one.db", "a.html", "b.html"].map(|name| folder.path().join(name));
    run(&["convert", text(&bundle), "-o", text(&db)]).unwrap();
    run(&["report", text(&db), "-o", text(&a)]).unwrap();
    run(&["report", text(&bundle), "-o", text(&b)]).unwrap();
    assert!(fs::read(a).unwrap() == fs::read(b).unwrap());
}
