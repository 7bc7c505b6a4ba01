//! The ring on a disk that forgets, tears and fails: its own code, driven by chance and checked by an oracle.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use ingero_tests::simulated::{
    faults::{Fault, Faults},
    rig::{Rig, Sizes},
};
use nix::errno::Errno;

/// One life of a ring: steps, and at chance moments the end of a recorder in one of three ways.
fn live(seed: u64, steps: u32) -> Result<u64, String> {
    let mut rig = Rig::new(seed, Sizes::default());
    rig.start()?;
    for _ in 0..steps {
        rig.step();
        match rig.random.below(60) {
            0 => rig.power_loss()?,
            1 => rig.kill()?,
            2 => {
                rig.stop()?;
                rig.start()?;
            }
            _ => {}
        }
    }
    rig.stop()?;
    Ok(rig.oracle.count())
}

fn seeds() -> u64 {
    std::env::var("INGERO_SEEDS").map_or(200, |n| n.parse().unwrap())
}

#[test]
fn whatever_the_power_takes_what_was_synced_is_there_and_nothing_else_is() {
    let first = std::env::var("INGERO_SEED").map_or(0, |n| n.parse().unwrap());
    for seed in first..first + seeds() {
        if let Err(broken) = live(seed, 120) {
            panic!("seed {seed}: {broken}");
        }
    }
}

/// A script of chance steps in which one call fails; how many calls there were, and whether it was reached.
fn faulty(seed: u64, at: u64, fault: Fault, sticky: bool) -> Result<(u64, bool), String> {
    let mut rig = Rig::new(seed, Sizes::default());
    rig.disk.state().faults = Faults { at: Some((at, fault)), sticky, ..Faults::default() };
    let mut refused = rig.start().err();
    for _ in 0..50 {
        if refused.is_none() {
            rig.step();
        }
        if rig.random.one_in(17) {
            // Whoever restarts it finds a disk that answers again, or an error that says what is wrong.
            refused = rig.kill().err().filter(|e| e.starts_with('/'));
        }
    }
    let faults = std::mem::take(&mut rig.disk.state().faults);
    if rig.runs() {
        rig.stop()?;
    }
    rig.start()?;
    rig.stop()?;
    Ok((faults.calls, faults.hit > 0))
}

#[test]
fn whichever_call_fails_recording_goes_on_and_every_loss_is_told() {
    let faults = [Fault::Error(Errno::EIO), Fault::Error(Errno::ENOSPC), Fault::ShortWrite];
    let stride = seeds().div_ceil(50).max(1);
    for (fault, sticky) in faults.into_iter().flat_map(|f| [(f, false), (f, true)]) {
        for seed in 0..stride {
            let mut at = 0;
            loop {
                match faulty(seed, at, fault, sticky) {
                    Ok((_, true)) => at += 1,
                    Ok((_, false)) => break,
                    Err(broken) => panic!("seed {seed}, call {at}, {fault:?}, sticky {sticky}: {broken}"),
                }
            }
        }
    }
}
