//! Who called: stacks of user code, from the probe to names in the database.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use ingero_tests::{Lab, Program, live, standin};
use rusqlite::Connection;
use serde_json::Value;

const FEW: [&str; 7] = ["--threads", "2", "--per-thread", "300", "--rate", "5000", "--start-on-stdin"];

fn recording() -> Lab {
    let mut lab = Lab::new();
    lab.configure("[probes]\nuser_stacks = \"always\"\n");
    lab.start();
    lab
}

/// A program that makes its calls, and has looked its last at whoever looks at its code.
fn called(lab: &Lab) -> Program {
    let mut program = Program::start(&standin().calls, FEW);
    program.line_with("READY");
    lab.until_covered(program.pid());
    std::thread::sleep(std::time::Duration::from_millis(1500));
    program.say("go");
    program.line_with("{");
    program
}

/// Frames of every stack that a process's launches have.
fn stacks(db: &Connection, pid: u32) -> Vec<Vec<Value>> {
    let sql = "SELECT DISTINCT s.frames FROM cuda_calls c JOIN stacks s ON s.id = c.stack_id
               WHERE c.pid = ?1 AND c.op = 'cuLaunchKernel' AND s.kind = 'user'";
    let mut query = db.prepare(sql).unwrap();
    let frames = query.query_map([pid], |r| r.get::<_, String>(0)).unwrap();
    frames.map(|text| serde_json::from_str(&text.unwrap()).unwrap()).collect()
}

/// Each stack is of the program's own thread function, named with the file that it is in.
fn assert_named(found: &[Vec<Value>]) {
    assert!(!found.is_empty());
    for frames in found {
        let caller = frames.first().unwrap();
        assert!(caller["module"].as_str().is_some_and(|m| m.ends_with("/standin-calls")), "{frames:?}");
        assert!(caller["symbol"].as_str().is_some_and(|s| !s.is_empty()), "{frames:?}");
        assert!(caller["offset"].as_u64() > Some(0), "{frames:?}");
        // Which of them are left as functions of their own is the compiler's choice.
        let ours = ["one_call", "paced_calls", "work"];
        let symbols = frames.iter().filter_map(|f| f["symbol"].as_str());
        assert!(symbols.clone().any(|s| ours.iter().any(|name| s.starts_with(name))), "{frames:?}");
    }
}

#[test]
fn a_call_names_its_callers_while_the_program_runs_and_after_it_has_ended() {
    if !live() {
        return;
    }
    let lab = recording();
    let program = called(&lab);
    let pid = program.pid();
    assert_named(&stacks(&lab.window("running", "30s"), pid));
    drop(program);
    assert_named(&stacks(&lab.window("ended", "60s"), pid));
    let bundle = lab.path("ended.ingero");
    assert_eq!(lab.json(&["verify", bundle.to_str().unwrap()])["ok"], true);
}
