//! The ring on a disk that forgets, tears and fails: its own code, driven by chance and checked by an oracle.
//! `ring-torture` runs the same for longer.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use ingero_tests::torture::scripts::{every_call, live};

/// Seeds, unless INGERO_SEEDS says how many.
fn seeds(usual: u64) -> u64 {
    std::env::var("INGERO_SEEDS").map_or(usual, |n| n.parse().unwrap())
}

#[test]
fn whatever_the_power_takes_what_was_synced_is_there_and_nothing_else_is() {
    for seed in 0..seeds(400) {
        live(seed, 120).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
    }
}

#[test]
fn whichever_call_fails_recording_goes_on_and_every_loss_is_told() {
    every_call(0).unwrap();
}
