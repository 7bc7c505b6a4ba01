//! The ring on a disk that forgets, tears and fails: its own code, driven by chance and checked by an oracle.
//! `ring-torture` runs the same for longer.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::path::Path;

use ingero_recorder::storage::Storage;
use ingero_tests::{
    simulated::rig::{Rig, Sizes},
    torture::{
        damage::specimen::is_segment,
        scripts::{every_call, live},
    },
};

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

// Each kill once cost up to a whole segment of space, until that segment was evicted.
#[test]
fn a_segment_left_open_by_a_kill_gives_its_unwritten_space_back_and_keeps_its_bytes() {
    let mut rig = Rig::new(1, Sizes::default());
    rig.start().unwrap();
    for _ in 0..4 {
        (0..100).for_each(|_| rig.give());
        rig.seal_all();
        let mut files = rig.disk.files(Path::new("/state/ring"));
        files.retain(|path, _| is_segment(path));
        let (path, before) = files.pop_last().unwrap();
        let written = before.len() - before.iter().rev().take_while(|b| **b == 0).count();
        assert!(rig.disk.open(&path).unwrap().allocated().unwrap() > written.next_multiple_of(4096) as u64);
        rig.kill().unwrap();
        let file = rig.disk.open(&path).unwrap();
        assert!(file.allocated().unwrap() <= written.next_multiple_of(4096) as u64);
        assert_eq!(rig.disk.files(Path::new("/state/ring"))[&path], before);
    }
}
