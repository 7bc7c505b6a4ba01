//! Return probes are given up where a probed program under a seccomp filter would not survive them.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed step is a failed test")]

use std::process::Command;

use ingero_recorder::attach::safety::FAKE;
use ingero_tests::{Lab, calls, lab::programs, live};
use serde_json::Value;

const TOLD: &str = "calls are recorded without their ends";

/// Makes calls; gives how many of them have a duration, and the notes in the window's coverage.
fn recorded(lab: &Lab) -> (i64, String) {
    let counted = calls::count(lab, 2, 1_000, 20_000);
    assert_eq!((&counted.recorded, counted.lost), (&counted.made, 0));
    let bundle = lab.path("ends.ingero");
    let db = lab.window("ends", "60s");
    let ended = db.query_row("SELECT count(*) FROM cuda_calls WHERE dur_ns > 0", [], |r| r.get(0)).unwrap();
    let stats = lab.json(&["stats", bundle.to_str().unwrap()]);
    (ended, stats["coverage"]["notes"].to_string())
}

fn warnings(lab: &Lab) -> String {
    lab.json(&["status"])["warnings"].to_string()
}

#[test]
fn where_return_probes_kill_a_filtered_program_calls_are_recorded_by_their_entries_and_that_is_told() {
    if !live() {
        return;
    }
    let mut lab = Lab::new();
    lab.start_with(&[(FAKE, "1")]);
    let (ended, notes) = recorded(&lab);
    assert_eq!(ended, 0);
    assert!(notes.contains(TOLD) && notes.contains("SIGSYS"), "{notes}");
    assert!(warnings(&lab).contains(TOLD), "{}", warnings(&lab));
    assert!(lab.log().contains(TOLD) && lab.log().contains("return_probes = \"always\""), "{}", lab.log());
}

#[test]
fn return_probes_that_are_insisted_on_are_placed_with_a_warning() {
    if !live() {
        return;
    }
    let mut lab = Lab::new();
    lab.configure("[probes]\nreturn_probes = \"always\"\n");
    lab.start_with(&[(FAKE, "1")]);
    let (ended, notes) = recorded(&lab);
    assert!(ended > 1_000 && !notes.contains(TOLD), "{ended} {notes}");
    assert!(warnings(&lab).contains("not safe here"), "{}", warnings(&lab));
}

#[test]
fn return_probes_that_are_not_wanted_are_not_placed_and_windows_say_so() {
    if !live() {
        return;
    }
    let mut lab = Lab::new();
    lab.configure("[probes]\nreturn_probes = \"never\"\n");
    lab.start();
    let (ended, notes) = recorded(&lab);
    assert_eq!(ended, 0);
    assert!(notes.contains(TOLD), "{notes}");
    assert!(!warnings(&lab).contains(TOLD), "{}", warnings(&lab));
}

#[test]
fn the_test_of_this_host_is_a_line_of_check_with_its_remedy() {
    if !live() {
        return;
    }
    let report = |fake: bool| -> Value {
        let mut command = Command::new(programs().join("ingeroctl"));
        command.args(["check", "--json"]);
        if fake {
            command.env(FAKE, "1");
        }
        let report: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
        let checks = report["checks"].as_array().unwrap();
        checks.iter().find(|c| c["name"] == "return probes").unwrap().clone()
    };
    let faked = report(true);
    assert_eq!(faked["ok"], false, "{faked}");
    assert!(faked["found"].as_str().unwrap().contains("SIGSYS"), "{faked}");
    assert!(faked["remedy"].as_str().unwrap().contains("return_probes"), "{faked}");
    assert_eq!(faked["required"], false);
    // Here and now the real one: this kernel lets the calls pass, or says that it does not.
    let real = report(false);
    assert!(real["ok"] == true || real["found"].as_str().unwrap().contains("ended with"), "{real}");
}
