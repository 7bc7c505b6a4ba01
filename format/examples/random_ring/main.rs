//! Writes many small rings, whole and damaged, each with what a reader must find in it:
//! `cargo run --release -p ingero-format --example random_ring -- --seed 1 --count 1000 --out DIR`
//!
//! `DIR/ring-<n>/` holds `RING`, `head`, one to five segments and sometimes a bundle; beside each file, under the
//! same name with `.json` behind it, lies its dump (`tests/golden/README.md`). A decoder in another language is
//! compared with those. The same seed gives the same rings.
//!
//! Two rings of three are files thrown together, which have nothing to do with each other. The third is one that a
//! recorder could have left; `ring.json` says which copy of its rows counts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod coherent;
mod damage;
#[path = "../../tests/support/dump.rs"]
mod dump;
mod files;
#[path = "../../tests/support/random.rs"]
mod random;
mod rows;
#[allow(dead_code, reason = "only the records are needed")]
#[path = "../../tests/support/sample.rs"]
mod sample;
mod segments;

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use ingero_format::segment::file_name;
use random::Random;

struct Arguments {
    seed: u64,
    count: u64,
    out: PathBuf,
}

fn arguments() -> Option<Arguments> {
    let (mut seed, mut count, mut out) = (1, 100, None);
    let mut all = env::args().skip(1);
    while let (Some(name), value) = (all.next(), all.next()) {
        match (name.as_str(), value) {
            ("--seed", Some(v)) => seed = v.parse().ok()?,
            ("--count", Some(v)) => count = v.parse().ok()?,
            ("--out", Some(v)) => out = Some(v.into()),
            _ => return None,
        }
    }
    Some(Arguments { seed, count, out: out? })
}

fn main() -> ExitCode {
    let Some(arguments) = arguments() else {
        eprintln!("usage: random_ring --seed N --count M --out DIR");
        return ExitCode::FAILURE;
    };
    for n in 0..arguments.count {
        let mut random = Random::new(arguments.seed ^ (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        if let Err(e) = ring(&arguments.out.join(format!("ring-{n}")), &mut random) {
            eprintln!("ring {n}: {e}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn ring(folder: &Path, random: &mut Random) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    if random.once_in(3) { coherent_ring(folder, random) } else { any_ring(folder, random) }
}

fn coherent_ring(folder: &Path, random: &mut Random) -> io::Result<()> {
    let ring = coherent::ring(random);
    for (name, bytes) in &ring.files {
        fs::write(folder.join(name), bytes)?;
        fs::write(folder.join(format!("{name}.json")), format!("{}\n", dump::dump(name, bytes)))?;
    }
    fs::write(folder.join("ring.json"), format!("{}\n", ring.counted))
}

fn any_ring(folder: &Path, random: &mut Random) -> io::Result<()> {
    let put = |name: &str, bytes: &[u8]| {
        fs::write(folder.join(name), bytes)?;
        fs::write(folder.join(format!("{name}.json")), format!("{}\n", dump::dump(name, bytes)))
    };
    put("RING", &files::ring(random))?;
    let head = files::head(random);
    put("head", &head)?;
    let first = rows::any(random) >> 24;
    let mut chain_before = 0;
    let mut segments = Vec::new();
    for seq in first..=first + random.below(3) {
        let (bytes, chain) = segments::segment(seq, chain_before, random);
        chain_before = chain;
        put(&file_name(seq), &bytes)?;
        segments.push((seq, bytes));
    }
    if random.once_in(4) {
        put("window.ingero", &files::bundle(&segments, &head, random))?;
        put("MANIFEST", &files::manifest(random))?;
    }
    Ok(())
}
