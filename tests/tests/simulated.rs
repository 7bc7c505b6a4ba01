//! The ring on a disk that forgets, tears and fails: its own code, driven by chance and checked by an oracle.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use ingero_tests::simulated::rig::{Rig, Sizes};

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
