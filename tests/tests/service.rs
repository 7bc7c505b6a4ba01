//! Configuration, snapshots that are kept or go, and signals.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed step is a failed test")]

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
};

use ingero_format::control::{Reply, Request, from_wire, to_wire};
use ingero_tests::{Lab, Program, calls, live, standin};
use nix::sys::signal::Signal;

fn warns(lab: &Lab, of: &str) -> bool {
    let status = lab.json(&["status"]);
    status["warnings"].as_array().unwrap().iter().any(|w| w.as_str().unwrap().contains(of))
}

#[test]
fn a_pinned_snapshot_outlives_its_age_and_another_does_not() {
    if !live() {
        return;
    }
    let lab = Lab::recording();
    calls::count(&lab, 1, 200, 20_000);
    for name in ["kept", "old"] {
        lab.ok(&["snapshot", "--last", "5s", "--after", "0ms", "--reason", name]);
    }
    let list = || lab.json(&["snapshots"])["snapshots"].as_array().unwrap().clone();
    let id = |name: &str| {
        let found = list().into_iter().find(|s| s["reason"].as_str().unwrap().contains(name));
        found.unwrap()["id"].as_str().unwrap().to_owned()
    };
    let kept = id("kept");
    lab.ok(&["pin", &kept]);
    lab.configure("");
    let text = std::fs::read_to_string(lab.path("recorder.toml")).unwrap();
    let aged = text.replace("[snapshot]\n", "[snapshot]\nmax_age = \"1s\"\n");
    std::fs::write(lab.path("recorder.toml"), aged).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    lab.ok(&["reload"]);
    let left = list();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!((left[0]["id"].as_str().unwrap(), left[0]["pinned"].as_bool()), (kept.as_str(), Some(true)));
    lab.ok(&["pin", &kept, "--off"]);
    lab.ok(&["reload"]);
    assert!(list().is_empty());
}

#[test]
fn a_bad_configuration_is_told_in_status_until_a_good_one_is_read_which_acts_at_once() {
    if !live() {
        return;
    }
    let lab = Lab::recording();
    let good = std::fs::read_to_string(lab.path("recorder.toml")).unwrap();
    std::fs::write(lab.path("recorder.toml"), "[budget]\nthread_percent = \"much\"\n").unwrap();
    lab.signal(Signal::SIGHUP);
    lab.until("the refusal is told", |lab| warns(lab, "configuration not reloaded"));
    assert!(lab.log().contains("line 2"), "{}", lab.log());
    let mut load = Program::start(&standin().engine, ["--duration", "30", "--start-on-stdin"]);
    load.line_with("READY");
    lab.until_covered(load.pid());
    load.say("go");
    assert!(!warns(&lab, "overhead budget"), "the old one is in force");
    let strict = good.replace("thread_percent = 100", "thread_percent = 0.01");
    std::fs::write(lab.path("recorder.toml"), strict).unwrap();
    lab.signal(Signal::SIGHUP);
    lab.until("the refusal is gone", |lab| !warns(lab, "configuration not reloaded"));
    lab.until("the new budget acts", |lab| warns(lab, "overhead budget"));
    let status = lab.json(&["status"]);
    assert_eq!(status["cost"]["thread_limit_percent"], 0.01);
}

#[test]
fn a_reload_without_its_file_or_that_does_not_fit_the_ring_in_force_changes_nothing() {
    if !live() {
        return;
    }
    let lab = Lab::recording();
    let path = lab.path("recorder.toml");
    let good = std::fs::read_to_string(&path).unwrap();
    // The ring's new size would take effect at the next start only, the snapshots' share at once.
    let larger = good.replace("256MiB", "1GiB").replace("128MiB", "512MiB");
    std::fs::write(&path, larger).unwrap();
    let refused = lab.ctl(&["reload"]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("share"));
    std::fs::remove_file(&path).unwrap();
    let refused = lab.ctl(&["reload"]);
    assert!(!refused.status.success(), "the defaults were taken");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("cannot read the configuration"));
    std::fs::write(&path, good).unwrap();
    lab.ok(&["reload"]);
}

// The probes of a step were placed on every known library: from then on each launch at the runtime was a row beside
// its driver's.
#[test]
fn a_budget_that_leaves_out_the_ends_of_launches_does_not_begin_to_record_those_of_the_runtime() {
    if !live() {
        return;
    }
    let mut lab = Lab::new();
    let text = std::fs::read_to_string(lab.path("recorder.toml")).unwrap();
    let strict = text.replace("thread_percent = 100", "thread_percent = 0.5");
    std::fs::write(lab.path("recorder.toml"), strict).unwrap();
    lab.start();
    let mut load = Program::start(&standin().engine, ["--duration", "60", "--start-on-stdin"]);
    load.line_with("READY");
    lab.until_covered(load.pid());
    load.say("go");
    lab.until("a step is taken", |lab| warns(lab, "without their ends"));
    std::thread::sleep(std::time::Duration::from_millis(500));
    let db = lab.window("shed", "60s");
    let count = |of: &str| -> i64 {
        db.query_row(&format!("SELECT count(*) FROM cuda_calls WHERE {of}"), [], |r| r.get(0)).unwrap()
    };
    assert!(count("layer = 'driver' AND dur_ns = 0") > 0, "launches without their ends are recorded");
    assert_eq!(count("layer = 'runtime'"), 0);
}

#[test]
fn a_process_is_shown_with_its_launches_and_waits() {
    if !live() {
        return;
    }
    let lab = Lab::recording();
    let mut load = Program::start(&standin().engine, ["--duration", "30", "--start-on-stdin"]);
    load.line_with("READY");
    lab.until_covered(load.pid());
    load.say("go");
    lab.until("it is seen to launch", |lab| {
        let status = lab.json(&["status"]);
        let processes = status["processes"].as_array().unwrap();
        processes.iter().any(|p| {
            p["pid"] == load.pid()
                && p["launches_per_second"].as_f64().unwrap() > 100.0
                && p["calls_per_second"].as_f64() > p["launches_per_second"].as_f64()
                && (0.0..=100.0).contains(&p["off_cpu_percent"].as_f64().unwrap_or(-1.0))
        })
    });
    let text = lab.ok(&["top"]);
    assert!(text.contains("of past"), "not a terminal: once, as status: {text}");
}

#[test]
fn a_second_sigterm_changes_nothing_and_silent_clients_hold_nothing_up() {
    if !live() {
        return;
    }
    let mut lab = Lab::recording();
    let silent: Vec<UnixStream> =
        (0..40).map(|_| UnixStream::connect(lab.path("run/control.sock")).unwrap()).collect();
    calls::count(&lab, 2, 1_000, 20_000);
    let stored = lab.json(&["status"])["events"]["stored"].as_u64().unwrap();
    lab.signal(Signal::SIGTERM);
    lab.signal(Signal::SIGTERM);
    lab.signal(Signal::SIGINT);
    lab.stop();
    drop(silent);
    let report = lab.json(&["verify", lab.path("state").to_str().unwrap()]);
    assert_eq!((&report["ok"], &report["conservation"]["holds"]), (&true.into(), &true.into()), "{report}");
    assert!(report["events"].as_u64().unwrap() >= stored);
}

#[test]
fn a_client_of_another_version_is_answered_in_words_and_who_asks_for_a_change_is_noted() {
    if !live() {
        return;
    }
    let lab = Lab::recording();
    for version in [1u16, 99] {
        let mut stream = UnixStream::connect(lab.path("run/control.sock")).unwrap();
        let mut wire = to_wire(&Request::Status).unwrap();
        wire[4..6].copy_from_slice(&version.to_le_bytes());
        stream.write_all(&wire).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let Reply::Failed { message } = from_wire(&answer[4..]).unwrap() else { panic!("{answer:?}") };
        assert!(message.contains(&format!("control protocol {version}")), "{message}");
        assert!(message.contains("of one version"), "{message}");
    }
    let refused = lab.ctl(&["rm", "../../etc/passwd"]);
    assert!(!refused.status.success());
    let log = lab.log();
    assert!(
        log.contains("uid 0 (process ") && log.contains(") asks: remove snapshot of no valid id"),
        "{log}"
    );
    assert!(!log.contains("passwd"), "{log}");
}
