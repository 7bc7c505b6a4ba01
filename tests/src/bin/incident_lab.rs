//! Makes incidents whose cause is known, records and explains them, and prints how often that was right.
//!
//! ```text
//! cargo run -p ingero-tests --bin incident-lab            # all: a quarter of an hour
//! cargo run -p ingero-tests --bin incident-lab -- --quick # eight of them: about a minute
//! ```
//! Needs root and at least two CPUs: what happens to the program comes from the other one.
#![expect(clippy::expect_used, reason = "a failed step ends the measurement")]

use std::path::{Path, PathBuf};

use clap::Parser;
use ingero_tests::{
    incident::{Outcome, Stage, full, group::Controller, quick, score, thin::Recording},
    live,
};

/// Scores explanations of incidents with a known cause.
#[derive(Parser)]
struct Options {
    /// Eight incidents only
    #[arg(long)]
    quick: bool,
    /// Sizes are drawn from it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this cause
    #[arg(long)]
    cause: Option<String>,
    /// Only kinds with this in their names
    #[arg(long)]
    kind: Option<String>,
    /// Leave bundles and labels here
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Score what was left here, instead of making anything
    #[arg(long, conflicts_with_all = ["quick", "keep"])]
    again: Option<PathBuf>,
    /// Take records out of what was left here at random, tell them as lost, and see what is still said
    #[arg(long, conflicts_with_all = ["quick", "keep", "again"])]
    thin: Option<PathBuf>,
}

/// Records taken out, per mille.
const SHARES: [u64; 3] = [10, 100, 500];

/// Bundles of a folder and those in it.
fn bundles(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder of recordings").flatten() {
        if entry.path().is_dir() {
            found.extend(bundles(&entry.path()));
        } else if entry.path().extension().is_some_and(|e| e == "ingero") {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

fn again(folder: &Path, cause: Option<&str>) {
    let mut marks = Vec::new();
    for bundle in bundles(folder) {
        let outcome = Outcome::again(&bundle);
        if cause.is_some_and(|cause| outcome.cause != cause) {
            continue;
        }
        let mark = score::mark(&outcome);
        println!("{}", score::line(&outcome, &mark));
        marks.push((outcome, mark));
    }
    print!("\n{}", score::sum(&marks));
}

fn thinned(folder: &Path, cause: Option<&str>, seed: u64) {
    let scratch = tempfile::tempdir().expect("a folder");
    let mut counts = std::collections::BTreeMap::new();
    for (n, bundle) in (1u64..).zip(bundles(folder)) {
        let whole = Outcome::again(&bundle);
        if cause.is_some_and(|cause| whole.cause != cause) {
            continue;
        }
        let recording = Recording::read(&bundle);
        for share in SHARES {
            let out = scratch.path().join("thin.ingero");
            let (taken, all) = recording.thin(&out, share, seed ^ n << 10 ^ share);
            let part = Outcome::of(&out, &bundle);
            let verdict = score::thinned(&whole, &part);
            *counts.entry((share, verdict)).or_insert(0) += 1;
            println!(
                "{verdict:?}  {:<17}{:<22}{taken} of {all} taken out  first: {}",
                whole.cause,
                whole.kind,
                score::mark(&part).first,
            );
        }
    }
    println!();
    for ((share, verdict), count) in counts {
        println!("{:>4.1} % taken out: {verdict:?} {count}", share as f64 / 10.0);
    }
}

fn main() {
    let options = Options::parse();
    if let Some(folder) = &options.thin {
        return thinned(folder, options.cause.as_deref(), options.seed);
    }
    if let Some(folder) = &options.again {
        return again(folder, options.cause.as_deref());
    }
    if !live() {
        return;
    }
    let mut plan = if options.quick { quick(options.seed) } else { full(options.seed) };
    if let Some(cause) = &options.cause {
        plan.retain(|i| i.cause == cause);
    }
    if let Some(kind) = &options.kind {
        plan.retain(|i| i.kind.contains(kind.as_str()));
    }
    if !Controller::Cpu.is_here() {
        println!("skipped: cpu_throttled, since CPU groups cannot be limited here");
        plan.retain(|i| i.cause != "cpu_throttled");
    }
    if !Controller::Memory.is_here() {
        println!("skipped: memory_pressure and oom, since memory groups cannot be limited here");
        plan.retain(|i| i.cause != "memory_pressure" && i.cause != "oom");
    }
    if let Some(folder) = &options.keep {
        std::fs::create_dir_all(folder).expect("--keep can be written");
    }
    let mut stage = Stage::set();
    let mut marks = Vec::new();
    for incident in &plan {
        let outcome = stage.make(incident, options.keep.as_deref());
        let mark = score::mark(&outcome);
        println!("{}", score::line(&outcome, &mark));
        marks.push((outcome, mark));
    }
    println!("\nseed {}", options.seed);
    print!("{}", score::sum(&marks));
}
