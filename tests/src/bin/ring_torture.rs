//! Tries to break the ring: `ring-torture --help`. With `--record` each run leaves its line in
//! `docs/RELIABILITY.md`.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, Subcommand};
use ingero_tests::torture::{
    copy_on_write, daemon_kill, damage,
    feeder::{self, Feed},
    freeze, kill, large,
    lies::{self, memory::Counting},
    overload, quota,
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
    /// R11: the recorder kept from its buffer for 1 to 20 times as long as it holds; needs root
    Overload,
    /// R7: bytes below the state directory, every 100 ms, of the recorder under load with snapshots; needs root
    Quota {
        /// How long
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Freezes back to back under load, by each path, as root (R12)
    Freeze {
        /// Size of the full ring, GiB
        #[arg(long, default_value_t = 1)]
        gib: u64,
        /// Freezes by each path
        #[arg(long, default_value_t = 1000)]
        times: u32,
    },
    /// R14: time from start to recording on a full ring after SIGKILL
    Recover {
        /// Size of the ring, GiB
        #[arg(long, default_value_t = 4)]
        gib: u64,
    },
    /// R2: files cut at every byte, and every subset of the last sectors and pages written
    Cut,
    /// R3: every bit of a ring and a bundle flipped, then random bits together
    Flip {
        /// How often several bits at once
        #[arg(long, default_value_t = 10_000)]
        random: u64,
        /// Only several bits at once, and only of files of this name: head, RING
        #[arg(long)]
        file: Option<String>,
    },
    /// R9: files with one lie each, through every reader
    Lies,
    /// R6: a full btrfs, with and without a snapshot that shares the ring's blocks; needs root and mkfs.btrfs
    CopyOnWrite {
        /// How often
        #[arg(long, default_value_t = 10)]
        times: u64,
    },
    /// Feeds a ring until killed; what `kill` and `recover` run
    #[command(hide = true)]
    Feed {
        state: PathBuf,
        told: PathBuf,
        seed: u64,
        /// Bound of a large ring, bytes
        #[arg(long)]
        large: Option<u64>,
    },
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
        What::Flip { random, file } => damage::flip_run(random, file.as_deref()).end(arguments.record),
        What::Lies => lies::run().end(arguments.record),
        What::CopyOnWrite { times } => full_btrfs(times).end(arguments.record),
        What::Overload => overloaded().end(arguments.record),
        What::Quota { seconds } => quota(seconds).end(arguments.record),
        What::Recover { gib } => recover(gib).end(arguments.record),
        What::Freeze { gib, times } => freezes(gib, times).end(arguments.record),
        What::Feed { state, told, seed, large } => {
            let small = Feed {
                segment_bytes: 128 << 10,
                max_bytes: 2 << 20,
                slot_bytes: 64 << 10,
                sync_interval: Duration::from_millis(20),
                noisy: false,
            };
            let feed = large.map_or(small, |max_bytes| Feed {
                segment_bytes: 16 << 20,
                max_bytes,
                slot_bytes: 1 << 20,
                sync_interval: Duration::from_secs(1),
                noisy: true,
            });
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
                let (mut losses, mut failures) = (0, Vec::new());
                for seed in (first + worker..first + seeds).step_by(workers as usize) {
                    match scripts::live(seed, 120) {
                        Ok(count) => losses += count,
                        Err(broken) => failures.push(format!("seed {seed}: {broken}")),
                    }
                }
                (losses, failures)
            })
        })
        .collect();
    for part in parts {
        let (losses, failures) = part.join().unwrap_or((0, vec!["a worker panicked".to_owned()]));
        run.runs += losses;
        run.failures.extend(failures);
    }
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

fn full_btrfs(times: u64) -> Run {
    let what = "a full btrfs, a snapshot of the ring, SIGKILL, a start while it is full";
    let mut run = Run::begin("R6", what, "recording goes on; every loss told");
    let exe = std::env::current_exe().unwrap_or_default();
    let (mut slowest, mut lost) = (u64::MAX, 0);
    for _ in 0..times {
        match copy_on_write::run(&exe) {
            Ok(outcome) => {
                eprintln!("{outcome:?}");
                slowest = slowest.min(outcome.while_full);
                lost = lost.max(outcome.lost);
            }
            Err(e) => run.failures.push(e),
        }
        run.runs += 1;
    }
    run.worst = format!("{slowest} events stored in a second while full; {lost} lost and told while shared");
    run
}

fn quota(seconds: u64) -> Run {
    let what = format!("allocated bytes every 100 ms for {seconds} s, recorder under load, snapshots");
    let mut run = Run::begin("R7", what, "at most max_bytes at every look");
    match quota::run(Duration::from_secs(seconds)) {
        Ok((looks, most)) => {
            run.runs = looks;
            run.worst = format!("{:.1} of {} MiB", most as f64 / 1_048_576.0, quota::MAX_BYTES >> 20);
        }
        Err(e) => run.failures.push(e),
    }
    run
}

fn overloaded() -> Run {
    let what = "recorder stopped for 1, 2, 5, 10 and 20 times as long as its buffer holds, three times each";
    let mut run = Run::begin("R11", what, "calls made = rows + calls told as lost");
    let came_out = overload::run();
    let [made, recorded, lost] = came_out.calls;
    run.runs = made;
    run.worst = format!("{made} calls made, {recorded} rows, {lost} lost");
    if lost == 0 || !came_out.adds_up() {
        run.failures.push(format!("{came_out:?}"));
    }
    run
}

fn freezes(gib: u64, times: u32) -> Run {
    let what = format!("freezes back to back at 100,000 calls/s on a full ring of {gib} GiB, by each path");
    let mut run = Run::begin("R12", what, "frozen p99 < 10 ms, 0 lost");
    match freeze::run(gib, times) {
        Ok(paths) => {
            run.runs = paths.iter().map(|p| p.frozen_ns.len() as u64).sum();
            run.worst = paths.iter().map(freeze::Frozen::line).collect::<Vec<_>>().join("; ");
            for path in paths {
                let p99 = path.frozen_ns.get(path.frozen_ns.len() * 99 / 100).or(path.frozen_ns.last());
                if path.lost > 0 || p99.is_none_or(|ns| *ns >= 10_000_000) {
                    run.failures.push(path.line());
                }
            }
        }
        Err(e) => run.failures.push(e),
    }
    run
}

fn recover(gib: u64) -> Run {
    let mut run = Run::begin(
        "R14",
        format!("start on a full ring of {gib} GiB after SIGKILL"),
        "< 500 ms to recording",
    );
    match large::run(gib << 30) {
        Ok(opened) => {
            let ms = |took: Duration| format!("{:.0} ms", took.as_secs_f64() * 1e3);
            let cold = opened.cold.map_or("not run: not root".into(), ms);
            let mib = |bytes: u64| bytes >> 20;
            run.runs = 1 + u64::from(opened.cold.is_some());
            run.worst = format!(
                "cold {cold}, warm {}; ring of {} MiB; filling it took {} MiB anonymous, {} MiB mapped",
                ms(opened.warm),
                mib(opened.bytes),
                mib(opened.memory.0),
                mib(opened.memory.1)
            );
            if opened.cold.unwrap_or(opened.warm).max(opened.warm) >= Duration::from_millis(500) {
                run.failures.push("slower than 500 ms".into());
            }
            if opened.memory.0 > 32 << 20 {
                run.failures.push("more than 32 MiB anonymous memory".into());
            }
        }
        Err(e) => run.failures.push(e),
    }
    run
}
