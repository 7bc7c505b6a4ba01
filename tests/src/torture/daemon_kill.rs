//! SIGKILL of the real recorder under a program whose calls are counted, again and again.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use crate::{Lab, calls, simulated::random::Random};

/// Kills while one program runs; its calls are counted at its end.
const KILLS_A_PROGRAM: u64 = 20;
/// Calls a second.
const RATE: u32 = 20_000;

/// What was done and what came out.
#[derive(Debug)]
pub struct Killed {
    /// Kills while the recorder recorded, and while it started.
    pub kills: [u64; 2],
    /// Longest time without a ready recorder.
    pub longest: Duration,
    /// What the ring did not account for after a kill, in the words of `verify`.
    pub wrong: Vec<String>,
    /// Calls made and recorded.
    pub counted: calls::Counted,
}

/// Kills a recorder that records `times` times while a program makes calls.
pub fn kill(lab: &mut Lab, times: u64, random: &mut Random) -> Killed {
    // About 1.3 s for each kill, and some to spare.
    let seconds = (times * 13 / 10 + 3) as u32;
    let calling = calls::begin(lab, 4, RATE / 4 * seconds, RATE);
    let (mut kills, mut longest, mut wrong) = ([0, 0], Duration::ZERO, Vec::new());
    for _ in 0..times {
        std::thread::sleep(Duration::from_millis(20 + random.below(480)));
        let begun = Instant::now();
        lab.kill();
        kills[0] += 1;
        wrong.extend(verify(lab, &lab.path("state")));
        if random.one_in(3) {
            lab.start_and_kill(Duration::from_millis(1 + random.below(400)));
            kills[1] += 1;
            wrong.extend(verify(lab, &lab.path("state")));
        }
        lab.start();
        longest = longest.max(begun.elapsed());
    }
    let counted = calling.end(lab);
    wrong.extend(verify(lab, &lab.path("state")));
    Killed { kills, longest, wrong, counted }
}

fn verify(lab: &Lab, path: &Path) -> Option<String> {
    let report = lab.json(&["verify", path.to_str().unwrap()]);
    let holds = report["ok"] == true && report["conservation"]["holds"] == true;
    (!holds).then(|| report.to_string())
}

/// Kills the recorder `times` times; every call of every program must be one row, and every event accounted for.
///
/// # Errors
/// The first broken promise.
pub fn run(times: u64, seed: u64) -> Result<(), String> {
    let (mut random, mut left) = (Random::new(seed), times);
    while left > 0 {
        // A ring of its own: checking one that grows would keep the recorder away longer than its buffer lasts.
        let mut lab = Lab::recording();
        let now = left.min(KILLS_A_PROGRAM);
        let killed = kill(&mut lab, now, &mut random);
        left -= now;
        let Killed { kills: [recording, starting], longest, wrong, counted } = killed;
        let (made, recorded): (u64, u64) = (counted.made.values().sum(), counted.recorded.values().sum());
        println!(
            "{recording} kills while recording, {starting} while starting, at most {:.2} s without a recorder: \
             {made} calls made, {recorded} recorded, {} lost",
            longest.as_secs_f64(),
            counted.lost
        );
        if counted.made != counted.recorded || counted.lost > 0 || !wrong.is_empty() {
            return Err(format!("seed {seed}, {left} kills before its end: {counted:?} {wrong:?}"));
        }
    }
    Ok(())
}
