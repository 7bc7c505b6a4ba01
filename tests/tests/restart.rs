//! What happens between two runs of the recorder is not lost.

use std::path::{Path, PathBuf};

use ingero_tests::{Lab, calls, live, simulated::random::Random, torture::daemon_kill};

const KEPT: &str = "/sys/fs/bpf/ingero-recorder";

fn kept() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(KEPT).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

#[test]
fn kills_under_load_lose_nothing_and_double_nothing() {
    if !live() {
        return;
    }
    let mut lab = Lab::recording();
    let killed = daemon_kill::kill(&mut lab, 5, &mut Random::new(1));
    assert_eq!(killed.wrong, Vec::<String>::new());
    assert_eq!(killed.counted.recorded, killed.counted.made, "{killed:?}");
    assert_eq!(killed.counted.lost, 0, "{killed:?}");
    assert!(lab.log().contains("recording goes on where it stopped"), "{}", lab.log());
}

#[test]
fn a_buffer_that_overflows_between_two_runs_is_told_to_the_last_event() {
    if !live() {
        return;
    }
    let mut lab = Lab::new();
    let small = [("INGERO_TEST_EVENTS_BYTES", "65536")];
    lab.start_with(&small);
    let calling = calls::begin(&lab, 2, 10_000, 40_000);
    lab.kill();
    std::thread::sleep(std::time::Duration::from_secs(1));
    lab.start_with(&small);
    let counted = calling.end(&lab);
    let (made, recorded): (u64, u64) = (counted.made.values().sum(), counted.recorded.values().sum());
    assert!(counted.lost > 0 && recorded < made, "{counted:?}");
    // Others may be lost beside the calls: intervals of the program's threads.
    assert!(counted.lost >= made - recorded, "{counted:?}");
    let report = lab.json(&["verify", lab.path("state").to_str().unwrap()]);
    assert_eq!(report["conservation"]["holds"], true, "{report}");
    let of_calls = report["losses"].as_array().unwrap().iter().filter(|l| l["source"] == "cuda");
    let lost: u64 = of_calls.map(|l| l["count"].as_u64().unwrap()).sum();
    assert_eq!(lost, made - recorded, "{report}");
}

#[test]
fn a_stop_in_good_order_and_an_order_to_release_leave_nothing_in_the_kernel() {
    if !live() {
        return;
    }
    // Once it is our turn: others' probes are there while it is theirs.
    let mut lab = Lab::new();
    let before = kept().len();
    lab.start();
    assert_eq!(kept().len(), before + 1);
    lab.stop();
    assert_eq!(kept().len(), before);
    lab.start();
    let release = || lab.recorder_command().arg("--release").output().unwrap();
    let refused = release();
    assert!(!refused.status.success(), "a recorder runs: {refused:?}");
    lab.kill();
    assert_eq!(kept().len(), before + 1);
    let lab = lab;
    assert!(lab.recorder_command().arg("--release").output().unwrap().status.success());
    assert_eq!(kept().len(), before);
}

#[test]
fn a_ring_that_was_taken_away_between_two_runs_begins_anew() {
    if !live() {
        return;
    }
    let mut lab = Lab::recording();
    calls::count(&lab, 1, 500, 20_000);
    lab.kill();
    let ring = lab.path("state/ring");
    for entry in std::fs::read_dir(&ring).unwrap().flatten() {
        let is_identity = entry.path() == Path::new(&ring).join("RING");
        if !is_identity {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    lab.start();
    let counted = calls::count(&lab, 1, 500, 20_000);
    assert_eq!((&counted.recorded, counted.lost), (&counted.made, 0));
    let report = lab.json(&["verify", lab.path("state").to_str().unwrap()]);
    assert_eq!((&report["ok"], &report["conservation"]["holds"]), (&true.into(), &true.into()), "{report}");
}

// Whoever copies a state directory and starts a second recorder on the copy must not take the first one's probes.
#[test]
fn a_recorder_on_a_copy_of_a_ring_leaves_the_probes_of_the_one_that_lives_alone() {
    if !live() {
        return;
    }
    let lab = Lab::recording();
    calls::count(&lab, 1, 500, 20_000);
    let copy = lab.path("copy");
    let copied =
        std::process::Command::new("cp").arg("-r").arg(lab.path("state")).arg(&copy).status().unwrap();
    assert!(copied.success());
    let mut second = std::process::Command::new(lab.recorder_command().get_program())
        .arg("--config")
        .arg(lab.path("recorder.toml"))
        .args(["--state-dir", copy.to_str().unwrap(), "--run-dir", lab.path("run2").to_str().unwrap()])
        .stderr(std::fs::File::create(lab.path("log2")).unwrap())
        .spawn()
        .unwrap();
    lab.until("the second is ready", |lab| {
        std::fs::read_to_string(lab.path("log2")).unwrap_or_default().contains("; ready")
    });
    let counted = calls::count(&lab, 1, 500, 20_000);
    second.kill().unwrap();
    second.wait().unwrap();
    let log = std::fs::read_to_string(lab.path("log2")).unwrap();
    assert!(log.contains("is a copy of the one that process"), "{log}");
    assert_eq!((&counted.recorded, counted.lost), (&counted.made, 0));
}
