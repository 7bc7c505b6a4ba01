//! SIGKILL at random moments, start and recovery included, and a full comparison after each.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use super::feeder::{WORDS, timed};
use crate::simulated::{
    contents::Contents,
    events::{CPUS, SOURCES},
    random::Random,
};

/// What one feeder had handed over when it was killed, by epoch, CPU and source.
pub type Told = BTreeMap<(u64, u16, u8), u64>;

/// Kills a feeder `times` times on one ring.
///
/// # Errors
/// The first broken promise.
pub fn run(times: u64, seed: u64) -> Result<(), String> {
    let folder = tempfile::Builder::new().prefix("ingero-kill-").tempdir().unwrap();
    let (state, told_file) = (folder.path().join("state"), folder.path().join("told"));
    fs::create_dir(&state).unwrap();
    let (mut random, mut told) = (Random::new(seed), Told::new());
    for turn in 0..times {
        let begun = kill_one(&state, &told_file, turn, &mut random);
        if begun {
            remember(&told_file, &mut told);
        }
        let found = Contents::of(&files(&state.join("ring")), &BTreeSet::new());
        check(&found, &told).map_err(|e| format!("kill {turn} of seed {seed}: {e}"))?;
        told.retain(|(epoch, ..), _| found.epochs.first().is_some_and(|oldest| epoch >= oldest));
    }
    Ok(())
}

// True if it had said READY before it died.
fn kill_one(state: &Path, told: &Path, turn: u64, random: &mut Random) -> bool {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("feed").arg(state).arg(told).arg(turn.to_string());
    let mut feeder =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    // One in eight is killed while it starts or recovers.
    let ready = if random.one_in(8) {
        std::thread::sleep(Duration::from_micros(random.below(12_000)));
        false
    } else {
        let mut line = String::new();
        BufReader::new(feeder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        std::thread::sleep(Duration::from_micros(random.below(60_000)));
        line.starts_with("READY")
    };
    feeder.kill().unwrap();
    feeder.wait().unwrap();
    ready
}

/// Reads what a feeder had handed over.
pub fn remember(path: &Path, told: &mut Told) {
    let bytes = fs::read(path).unwrap();
    let words: Vec<u64> = bytes.as_chunks::<8>().0.iter().map(|b| u64::from_le_bytes(*b)).collect();
    assert_eq!(words.len(), WORDS);
    for cpu in 0..CPUS {
        for source in SOURCES {
            let count = words[1 + usize::from(cpu) * SOURCES.len() + source as usize];
            told.insert((words[0], cpu, source as u8), count);
        }
    }
}

/// Every file of a directory with its content.
#[must_use]
pub fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|e| (e.path(), fs::read(e.path()).unwrap_or_default())).collect()
}

/// Every event that was told is there or declared lost, and no other.
///
/// # Errors
/// The first broken promise.
pub fn check(found: &Contents, told: &Told) -> Result<(), String> {
    if let Some(double) = found.doubles.first() {
        return Err(format!("{double:?} is there twice"));
    }
    for (key, row) in &found.rows {
        // Of an epoch whose feeder was killed before it could tell, nothing is known.
        let Some(count) = told.get(&(key.0, key.1, key.2)) else { continue };
        // The event in hand when it was killed may be there.
        if key.3 > *count || timed(*key) != *row {
            return Err(format!("{key:?} was never handed over as {row:?}; {count} were"));
        }
    }
    for ((epoch, cpu, source), count) in told {
        let before = found.before.get(&(*epoch, *cpu, *source)).copied().unwrap_or(0);
        if found.epochs.first().is_none_or(|oldest| epoch < oldest) {
            continue;
        }
        for seq in before..*count {
            let key = (*epoch, *cpu, *source, seq);
            if !found.rows.contains_key(&key) && !found.is_told_lost(key) {
                return Err(format!("{key:?} of {count} is missing; damage {:?}", found.damage));
            }
        }
    }
    Ok(())
}
