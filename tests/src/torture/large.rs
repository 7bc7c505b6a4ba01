//! A large ring, filled to its bound, killed, and opened again: how long until events are taken.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use ingero_recorder::storage::{FileSystem, Storage};

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Opened {
    /// Bytes of the ring.
    pub bytes: u64,
    /// From the start of the process to recording, nothing of the ring in memory.
    pub cold: Option<Duration>,
    /// The same with the page cache warm.
    pub warm: Duration,
    /// Anonymous and file-backed memory of the process that filled the ring, bytes.
    pub memory: (u64, u64),
}

/// Fills a ring of `bytes` below a temporary directory and opens it.
///
/// # Errors
/// If a feeder ends by itself.
pub fn run(bytes: u64) -> Result<Opened, String> {
    let folder = tempfile::Builder::new().prefix("ingero-large-").tempdir().unwrap();
    let (state, told) = (folder.path().join("state"), folder.path().join("told"));
    fs::create_dir(&state).unwrap();
    let memory = fill(&state, &told, bytes)?;
    let held = FileSystem.allocated(&state);
    let cold = drop_caches().then(|| reopen(&state, &told, bytes)).transpose()?;
    let warm = reopen(&state, &told, bytes)?;
    Ok(Opened { bytes: held, cold, warm, memory })
}

/// Fills the ring of a state directory up to its bound and kills who did; gives that process' anonymous and file-backed
/// memory, bytes.
///
/// # Errors
/// If the feeder ends by itself.
pub fn fill(state: &Path, told: &Path, bytes: u64) -> Result<(u64, u64), String> {
    let (mut feeder, _) = start(state, told, bytes)?;
    // Full once it evicts: the bound less what the next segment needs.
    while FileSystem.allocated(state) + (64 << 20) < bytes {
        std::thread::sleep(Duration::from_millis(200));
        if let Ok(Some(status)) = feeder.try_wait() {
            return Err(format!("the feeder ended: {status}"));
        }
    }
    let memory = memory_of(feeder.id());
    kill(&mut feeder);
    Ok(memory)
}

fn reopen(state: &Path, told: &Path, bytes: u64) -> Result<Duration, String> {
    let (mut feeder, took) = start(state, told, bytes)?;
    std::thread::sleep(Duration::from_millis(300));
    kill(&mut feeder);
    Ok(took)
}

// The feeder says READY when it takes events.
#[expect(clippy::zombie_processes, reason = "both branches hand it to somebody who waits")]
fn start(state: &Path, told: &Path, bytes: u64) -> Result<(Child, Duration), String> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("feed").args([state, told]).args(["1", "--large"]).arg(bytes.to_string());
    let begun = Instant::now();
    let mut feeder =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(feeder.stdout.take().unwrap()).read_line(&mut line).unwrap();
    if line.starts_with("READY") {
        Ok((feeder, begun.elapsed()))
    } else {
        Err("the feeder did not start".into())
    }
}

fn kill(feeder: &mut Child) {
    feeder.kill().unwrap();
    feeder.wait().unwrap();
}

fn memory_of(pid: u32) -> (u64, u64) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let bytes = |key| {
        let line = status.lines().find(|l| l.starts_with(key))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
    };
    (bytes("RssAnon").unwrap_or(0), bytes("RssFile").unwrap_or(0))
}

// Only root may; what is dirty stays.
fn drop_caches() -> bool {
    nix::unistd::sync();
    fs::write("/proc/sys/vm/drop_caches", "3").is_ok()
}
