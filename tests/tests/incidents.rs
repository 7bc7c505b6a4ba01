//! A few incidents of the lab, live: what was done to a program is what is found, and nothing where nothing was done.

use ingero_tests::{
    incident::{Stage, quick, score},
    live,
};

/// Sizes of these are drawn from it; thresholds were tuned on others.
const SEED: u64 = 11;

#[test]
fn what_was_done_to_a_program_is_the_first_finding_and_quiet_programs_have_none() {
    if !live() {
        return;
    }
    let mut stage = Stage::set();
    let mut marks = Vec::new();
    for incident in quick(SEED) {
        let outcome = stage.make(&incident, None);
        let mark = score::mark(&outcome);
        println!("{}", score::line(&outcome, &mark));
        marks.push((outcome, mark));
    }
    let (score, text) = (score::Score::of(&marks, false), score::sum(&marks));
    println!("{text}");
    // Without those that other work disturbed, which is then rightly found first; and once more it may be.
    assert!(score.right + 1 >= score.incidents, "{text}");
    let loud = |answer: &serde_json::Value| {
        let list = answer["findings"].as_array().cloned().unwrap_or_default();
        list.iter().any(|f| f["severity"] != "LOW" && f["cause"] != "cpu_contention")
    };
    assert!(!marks.iter().any(|(o, _)| o.is_control() && loud(&o.answer)), "{text}");
}
