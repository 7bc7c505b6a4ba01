//! The ring on btrfs, where a block that is written over goes elsewhere unless the file asks otherwise, and where even
//! a file that asked shares its blocks once somebody takes a snapshot: then writing over needs room that nobody has
//! claimed. Full of others' files, with and without such a snapshot, SIGKILL in the middle, and a start while it is
//! still full.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use nix::{
    fcntl::{FallocateFlags, fallocate},
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use ingero_recorder::storage::{FileSystem, Storage};

use super::kill::{Told, check, files, remember};
use crate::simulated::contents::Contents;

/// Size of the file system, bytes. A smaller one runs out of room for its own records first.
const FILE_SYSTEM_BYTES: u64 = 1 << 30;

/// What was seen.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Events taken in the second after the file system was full, all of them stored.
    pub while_full: u64,
    /// Events declared lost because a snapshot shared every block of the ring and there was no room for new ones.
    pub lost: u64,
    /// What a start says then, if it refuses.
    pub refused: Option<String>,
}

/// A loop-mounted btrfs; gone when dropped.
struct Mounted {
    folder: TempDir,
}

impl Mounted {
    fn new() -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("ingero-btrfs-").tempdir().unwrap();
        let image = folder.path().join("image");
        File::create(&image).unwrap().set_len(FILE_SYSTEM_BYTES).unwrap();
        let at = folder.path().join("mounted");
        fs::create_dir(&at).unwrap();
        call(Command::new("mkfs.btrfs").args(["--quiet", "--metadata", "single"]).arg(&image))?;
        call(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&at))?;
        let mounted = Self { folder };
        mounted.used_for_long();
        Ok(mounted)
    }

    // A new file system has next to no room for its own records: full, it could not even make a file. One that was used
    // for long has: here for some 10,000 small files that are gone again.
    fn used_for_long(&self) {
        let folder = self.path("once");
        fs::create_dir(&folder).unwrap();
        (0..10_000).for_each(|i| fs::write(folder.join(i.to_string()), [7; 2000]).unwrap());
        nix::unistd::sync();
        fs::remove_dir_all(&folder).unwrap();
        nix::unistd::sync();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("mounted").join(name)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = call(Command::new("umount").arg(self.folder.path().join("mounted")));
    }
}

fn call(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|e| format!("{}: {e}", command.get_program().display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{command:?}: {}", said.trim())) }
}

/// Why this cannot run here, if it cannot.
#[must_use]
pub fn missing() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("not root".into());
    }
    Mounted::new().err()
}

/// A feeder of the ring, killed when dropped.
struct Feeder(Child);

impl Feeder {
    // What it says if it does not start.
    fn start(exe: &Path, state: &Path, told: &Path) -> Result<Self, String> {
        let mut command = Command::new(exe);
        command.arg("feed").arg(state).arg(told).arg("1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut feeder = Self(command.spawn().map_err(|e| e.to_string())?);
        let mut line = String::new();
        BufReader::new(feeder.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        if line.starts_with("READY") {
            // Nobody reads what it says later; it must not wait for that.
            let mut rest = feeder.0.stderr.take().unwrap();
            std::thread::spawn(move || std::io::copy(&mut rest, &mut std::io::sink()));
            return Ok(feeder);
        }
        let mut said = String::new();
        let _ = feeder.0.stderr.take().unwrap().read_to_string(&mut said);
        Err(said.trim().replace('\n', "; "))
    }

    // While it stands still: room that the ring gives up for its next segment is not what others take.
    fn still(&self, while_it_is: impl FnOnce()) {
        let pid = Pid::from_raw(self.0.id().cast_signed());
        kill(pid, Signal::SIGSTOP).unwrap();
        while_it_is();
        kill(pid, Signal::SIGCONT).unwrap();
    }

    // Events taken in a second.
    fn second(&mut self, told: &Path) -> Result<u64, String> {
        let before = taken(told);
        std::thread::sleep(Duration::from_secs(1));
        match self.0.try_wait() {
            Ok(None) => Ok(taken(told).saturating_sub(before)),
            status => Err(format!("the feeder ended: {status:?}")),
        }
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn taken(told: &Path) -> u64 {
    let mut counts = Told::new();
    remember(told, &mut counts);
    counts.values().sum()
}

// To the last block.
fn fill(path: &Path) {
    let file = File::options().create(true).append(true).open(path).unwrap();
    let mut end = file.metadata().unwrap().len().cast_signed();
    for size in [64 << 20, 1 << 20, 64 << 10, 4 << 10] {
        while fallocate(&file, FallocateFlags::empty(), end, size).is_ok() {
            end += size;
        }
    }
    file.sync_all().unwrap();
}

/// How long a new head is waited for once there is room, s.
const MOST_SECONDS: u64 = 20;

/// Runs all of it with `exe`, which is `ring-torture`.
///
/// # Errors
/// The promise that was broken.
pub fn run(exe: &Path) -> Result<Outcome, String> {
    let disk = Mounted::new()?;
    let (state, told_file) = (disk.path("state"), disk.folder.path().join("told"));
    call(Command::new("btrfs").args(["subvolume", "create"]).arg(&state))?;
    let ring = Fed { exe, state: &state, told_file: &told_file };
    let (mut outcome, mut told) = (Outcome::default(), Told::new());

    // Full of others' files: nothing is lost, through two kills.
    let mut feeder = ring.start()?;
    // With a ring that has something to evict: one that has nothing cannot give way to itself.
    while FileSystem.allocated(&state) < 3 << 19 {
        feeder.second(&told_file)?;
    }
    feeder.still(|| fill(&disk.path("others")));
    outcome.while_full = feeder.second(&told_file)?;
    drop(feeder);
    ring.compare(&mut told).map_err(|e| format!("full: {e}"))?;
    let mut feeder = ring.start()?;
    feeder.second(&told_file)?;
    drop(feeder);
    let lost = ring.compare(&mut told).map_err(|e| format!("started full: {e}"))?;
    if lost > 0 || outcome.while_full == 0 {
        return Err(format!("{lost} events are lost on a full file system; {outcome:?}"));
    }

    // Every block shared: what cannot be written is told once there is room.
    let mut feeder = ring.start()?;
    let head = || fs::metadata(state.join("ring/head")).map(|meta| meta.ino()).ok();
    let before = head();
    feeder.still(|| share(&disk, &state, "first"));
    feeder.second(&told_file)?;
    make_room(&disk, "first")?;
    // Until there is a new head in place of the one that could not be had whole, and what was in memory alone has
    // been written. The file system gives the room back in its own time.
    for _ in 0..MOST_SECONDS {
        feeder.second(&told_file)?;
        if head() != before {
            break;
        }
    }
    (0..3).try_for_each(|_| feeder.second(&told_file).map(drop))?;
    drop(feeder);
    outcome.lost = ring.compare(&mut told).map_err(|e| format!("shared, then room: {e}"))?;

    // Killed while nothing can be written: what was there before stays, and the next start says what it lacks.
    let mut feeder = ring.start()?;
    feeder.second(&told_file)?;
    feeder.still(|| share(&disk, &state, "second"));
    feeder.second(&told_file)?;
    drop(feeder);
    ring.nothing_invented(&told).map_err(|e| format!("killed while shared: {e}"))?;
    outcome.refused = ring.start().err();
    make_room(&disk, "second")?;
    told.clear();
    if ring.start()?.second(&told_file)? == 0 {
        return Err("nothing is recorded although there is room again".into());
    }
    ring.compare(&mut told)?;
    Ok(outcome)
}

fn share(disk: &Mounted, state: &Path, name: &str) {
    call(Command::new("btrfs").args(["subvolume", "snapshot"]).arg(state).arg(disk.path(name))).unwrap();
    fill(&disk.path("others"));
}

fn make_room(disk: &Mounted, snapshot: &str) -> Result<(), String> {
    fs::remove_file(disk.path("others")).unwrap();
    call(Command::new("btrfs").args(["subvolume", "delete", "--commit-after"]).arg(disk.path(snapshot)))
}

/// A ring, and what feeds it.
struct Fed<'a> {
    exe: &'a Path,
    state: &'a Path,
    told_file: &'a Path,
}

impl Fed<'_> {
    fn start(&self) -> Result<Feeder, String> {
        Feeder::start(self.exe, self.state, self.told_file)
    }

    fn contents(&self) -> Contents {
        Contents::of(&files(&self.state.join("ring")), &BTreeSet::new())
    }

    // Every event that was taken is there or declared lost; gives how many are declared lost.
    fn compare(&self, told: &mut Told) -> Result<u64, String> {
        remember(self.told_file, told);
        let found = self.contents();
        check(&found, told)?;
        Ok(found.losses.iter().map(|(.., count)| count).sum())
    }

    // Of the epochs before the one that was killed all is there as before; of that one, nothing that was not taken.
    fn nothing_invented(&self, told: &Told) -> Result<(), String> {
        let mut now = Told::new();
        remember(self.told_file, &mut now);
        let found = self.contents();
        check(&found, told)?;
        match found.rows.keys().find(|k| now.get(&(k.0, k.1, k.2)).is_some_and(|count| k.3 > *count)) {
            Some(key) => Err(format!("{key:?} was invented")),
            None => Ok(()),
        }
    }
}
