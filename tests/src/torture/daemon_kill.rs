//! SIGKILL of the real recorder under a real load, again and again on one ring.

use std::time::Duration;

use crate::{Lab, Program, lab::standin, simulated::random::Random};

/// Kills the recorder `times` times; after each, `ingeroctl verify` must find everything in order and not one
/// event fewer than had been stored.
///
/// # Errors
/// The first broken promise.
pub fn run(times: u64, seed: u64) -> Result<(), String> {
    let mut lab = Lab::new();
    let mut random = Random::new(seed);
    let mut load = None;
    let state = lab.path("state");
    for turn in 0..times {
        lab.start();
        let program = load.get_or_insert_with(|| {
            let mut program = Program::start(&standin().engine, ["--duration", "3600", "--start-on-stdin"]);
            program.line_with("READY");
            lab.until_covered(program.pid());
            program.say("go");
            program
        });
        lab.until_covered(program.pid());
        std::thread::sleep(Duration::from_millis(20 + random.below(400)));
        let before = lab.json(&["status"])["events"]["stored"].as_u64().unwrap();
        std::thread::sleep(Duration::from_millis(random.below(60)));
        lab.kill();
        let report = lab.json(&["verify", state.to_str().unwrap()]);
        let fine = report["ok"] == true && report["conservation"]["holds"] == true;
        if !fine || report["events"].as_u64().unwrap() < before {
            return Err(format!("kill {turn} of seed {seed}: {before} stored before, then {report}"));
        }
    }
    Ok(())
}
