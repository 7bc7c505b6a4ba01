//! Do no harm, continued: recorders that come and go, cleanly or not, while calls are under way.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use ingero_tests::{
    Lab, Program,
    harm::{Library, Subject},
    live, standin,
};
use serde_json::Value;

#[test]
fn a_call_that_is_open_while_the_recorder_ends_returns() {
    if !live() {
        return;
    }
    let mut lab = Lab::new();
    let subject = Subject::compile(&lab, "inflight.c", Library::Callback);
    lab.start();
    let mut program = Program::start(&subject.program, ["6"]);
    program.line_with("READY");
    // The first call began before the library was probed.
    program.line_with("INSIDE");
    lab.until_covered(program.pid());
    for round in 0..5 {
        program.say("on");
        program.line_with("INSIDE");
        if round % 2 == 0 {
            lab.stop();
        } else {
            lab.kill();
        }
        // The next call begins and ends unseen, or is open while the recorder comes.
        if round < 4 {
            lab.start();
            lab.until_covered(program.pid());
        }
    }
    program.say("on");
    program.line_with("BACK");
    assert_eq!(program.line_with("made cuLaunchHostFunc"), "made cuLaunchHostFunc 6");
    assert!(program.finish().success());
}

const LOAD: [&str; 6] = ["--threads", "4", "--per-thread", "100000", "--rate", "20000"];

fn calls(program: &mut Program) -> Value {
    let truth: Value = serde_json::from_str(&program.line_with("{")).unwrap();
    assert!(program.finish().success());
    truth.get("calls").unwrap().clone()
}

#[test]
fn recorders_that_come_and_go_under_load_leave_every_call_as_it_was() {
    if !live() {
        return;
    }
    let mut lab = Lab::new();
    // Faster, since nobody watches.
    let alone = LOAD.map(|word| if word == "20000" { "400000" } else { word });
    let expected = calls(&mut Program::start(&standin().calls, alone));

    let mut program = Program::start(&standin().calls, LOAD);
    for cycle in 0..8 {
        lab.start();
        lab.until_covered(program.pid());
        if cycle % 2 == 0 {
            lab.stop();
        } else {
            lab.kill();
        }
    }
    assert_eq!(calls(&mut program), expected);
    let state = lab.path("state");
    assert_eq!(lab.json(&["verify", state.to_str().unwrap()])["ok"], true);
}

// Was found by these tests taking 10 s each: the hint that a program began is read after its mappings, and what had
// just been found out about it was forgotten until the next sweep.
#[test]
fn a_program_that_maps_the_library_at_once_is_covered_long_before_the_next_sweep() {
    if !live() {
        return;
    }
    let mut lab = Lab::new();
    let subject = Subject::compile(&lab, "inflight.c", Library::Callback);
    lab.start();
    let late = (0..6).filter(|_| {
        let begun = std::time::Instant::now();
        drop(subject.probed(&lab));
        // Sweeps are 10 s apart; a busy machine is given half of that.
        begun.elapsed() > std::time::Duration::from_secs(5)
    });
    assert_eq!(late.count(), 0);
}
