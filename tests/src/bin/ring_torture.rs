//! Tries to break the ring: `ring-torture --help`. With `--record` each run leaves its line in
//! `docs/RELIABILITY.md`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use ingero_tests::torture::{
    daemon_kill, damage,
    feeder::{self, Feed},
    kill,
    lies::{self, memory::Counting},
    record::Run,
    scripts,
};

/// So that `lies` can say how much memory readers take; it costs the other runs two additions an allocation.
#[global_allocator]
static COUNTING: Counting = Counting;

#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// Append the run's line to docs/RELIABILITY.md
    #[arg(long, global = true)]
    record: bool,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// R4: power losses on the simulated disk
    PowerLoss {
        /// Seeds, each with several losses, kills and stops
        #[arg(long, default_value_t = 10_000)]
        seeds: u64,
        /// The first seed
        #[arg(long, default_value_t = 0)]
        first: u64,
    },
    /// R6: every storage call of a script fails once, and once for good
    Faults {
        /// Scripts
        #[arg(long, default_value_t = 1)]
        scripts: u64,
    },
    /// R1: SIGKILL of a process that feeds the ring on the real file system
    Kill {
        /// How often
        #[arg(long, default_value_t = 200)]
        times: u64,
        /// Where chance begins
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// R1: SIGKILL of the recorder itself under load; needs root and real eBPF
    KillDaemon {
        /// How often
        #[arg(long, default_value_t = 20)]
        times: u64,
        /// Where chance begins
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// R2: files cut at every byte, and every subset of the last sectors and pages written
    Cut,
    /// R3: every bit of a ring and a bundle flipped, then random bits together
    Flip {
        /// How often several bits at once
        #[arg(long, default_value_t = 10_000)]
        random: u64,
    },
    /// R9: files with one lie each, through every reader
    Lies,
    /// Feeds a ring until killed; what `kill` runs
    #[command(hide = true)]
    Feed { state: PathBuf, told: PathBuf, seed: u64 },
}

fn main() {
    let arguments = Arguments::parse();
    let reached = match arguments.what {
        What::PowerLoss { seeds, first } => power_loss(seeds, first).end(arguments.record),
        What::Faults { scripts } => faults(scripts).end(arguments.record),
        What::Kill { times, seed } => {
            let what = format!("SIGKILL of a feeder at random moments, seed {seed}");
            let mut run = Run::begin("R1", what, "0 lost, invented, unreadable");
            run.runs = times;
            run.failures.extend(kill::run(times, seed).err());
            run.end(arguments.record)
        }
        What::KillDaemon { times, seed } => {
            let what = format!("SIGKILL of the recorder under load, seed {seed}");
            let mut run = Run::begin("R1", what, "0 lost, invented, unreadable");
            run.runs = times;
            run.failures.extend(daemon_kill::run(times, seed).err());
            run.end(arguments.record)
        }
        What::Cut => damage::cut_run().end(arguments.record),
        What::Flip { random } => damage::flip_run(random).end(arguments.record),
        What::Lies => lies::run().end(arguments.record),
        What::Feed { state, told, seed } => {
            let feed = Feed { segment_bytes: 256 << 10, max_bytes: 6 << 20, events: 0, noisy: false };
            feeder::run(&state, &told, seed, feed).inspect_err(|e| eprintln!("{e}")).is_ok()
        }
    };
    std::process::exit(i32::from(!reached));
}

fn power_loss(seeds: u64, first: u64) -> Run {
    let what = format!("power losses on the simulated disk, seeds {first} to {}", first + seeds - 1);
    let mut run = Run::begin("R4", what, "what was synced is there, 0 invented");
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let parts: Vec<_> = (0..workers)
        .map(|worker| {
            std::thread::spawn(move || {
                let mine = (first + worker..first + seeds).step_by(workers as usize);
                mine.filter_map(|seed| Some(format!("seed {seed}: {}", scripts::live(seed, 120).err()?)))
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    run.failures = parts.into_iter().flat_map(|part| part.join().unwrap_or_default()).collect();
    run.runs = seeds;
    run
}

fn faults(count: u64) -> Run {
    let mut run = Run::begin(
        "R6",
        format!("EIO, ENOSPC, EDQUOT, short writes at every call, once and for good, {count} scripts"),
        "goes on or names the reason; every loss told",
    );
    for seed in 0..count {
        match scripts::every_call(seed) {
            Ok(runs) => run.runs += runs,
            Err(broken) => run.failures.push(broken),
        }
    }
    run
}
