//! What outlives the recorder: its maps and the links of its probes, pinned in the BPF file system.
//!
//! ```text
//! /sys/fs/bpf/ingero-recorder/RING/LAYOUT/maps/NAME
//!                                        /links/GENERATION/NUMBER
//! ```
//! While no recorder runs, the programs go on writing into the maps. The next one opens the maps, places probes of
//! its own beside the old ones, changes the generation in force by one write, and removes the old ones.

use std::{
    fs, io,
    os::fd::BorrowedFd,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use aya::maps::{Array, Map, MapData, MapInfo};
use ingero_ebpf_abi::{LAYOUT, Term};
use ingero_format::units::hex;
use nix::{
    mount::{MsFlags, mount},
    sys::statfs::{BPF_FS_MAGIC, statfs},
    unistd::{AccessFlags, access},
};

use super::start_ticks;
use super::{Check, multi};

const FILE_SYSTEM: &str = "/sys/fs/bpf";
/// The maps of the BPF object that a later recorder goes on with.
pub(super) const MAPS: [&str; 10] = [
    "EVENTS",
    "NOTICES",
    "THREADS",
    "PROCESSES",
    "STACKS",
    "COUNTERS",
    "MODES",
    "TERM",
    "REQUESTS",
    "LAUNCHED",
];

/// The folder of one ring, and the generation that this recorder places.
#[derive(Debug)]
pub struct Kept {
    ring: PathBuf,
    folder: PathBuf,
    generation: u64,
    placed: AtomicU64,
}

/// A link that stays in place until its pin is removed.
#[derive(Debug)]
pub struct Pin(Option<PathBuf>);

impl Pin {
    /// Leaves the link in place.
    pub fn leave(mut self) {
        self.0 = None;
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            let _ = fs::remove_file(path);
        }
    }
}

impl Kept {
    /// The folder of a ring. The file system is mounted where it should be, if it is not.
    ///
    /// # Errors
    /// Why nothing can be kept here.
    pub fn of(ring_id: [u8; 16]) -> io::Result<Self> {
        let root = Path::new(FILE_SYSTEM);
        if !is_mounted(root) {
            mount(Some("bpf"), root, Some("bpf"), MsFlags::empty(), None::<&str>)?;
        }
        let ring = root.join("ingero-recorder").join(hex(&ring_id));
        let folder = ring.join(format!("{LAYOUT:x}"));
        // Above every one that is there, whether it was ever in force or not.
        let generation = generations(&folder).max().unwrap_or(0) + 1;
        Ok(Self { ring, folder, generation, placed: AtomicU64::new(0) })
    }

    /// The epoch of the counters that are kept, if there are any.
    #[must_use]
    pub fn epoch(&self) -> Option<u64> {
        term(&self.map("TERM"))?.get(&(Term::Epoch as u32), 0).ok().filter(|epoch| *epoch > 0)
    }

    /// The process that records with what is kept, if it lives and is not this one.
    #[must_use]
    pub fn owner(&self) -> Option<u32> {
        owner(&self.map("TERM")).filter(|pid| *pid != std::process::id())
    }

    /// The generation that this recorder places.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Where a map is pinned.
    #[must_use]
    pub fn map(&self, name: &str) -> PathBuf {
        self.folder.join("maps").join(name)
    }

    /// How many entries a kept map has room for.
    #[must_use]
    pub fn room(&self, name: &str) -> Option<u32> {
        MapInfo::from_pin(self.map(name)).ok().map(|info| info.max_entries())
    }

    /// Makes the folders.
    ///
    /// # Errors
    /// What the file system says.
    pub fn begin(&self) -> io::Result<()> {
        fs::create_dir_all(self.folder.join("maps"))?;
        fs::create_dir_all(self.links(self.generation))
    }

    fn links(&self, generation: u64) -> PathBuf {
        self.folder.join("links").join(generation.to_string())
    }

    /// Pins a link.
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn pin(&self, link: BorrowedFd<'_>) -> io::Result<Pin> {
        let path = self.next_place();
        multi::pin(link, &path)?;
        Ok(Pin(Some(path)))
    }

    /// The same for a link of aya's.
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn pin_link(&self, link: aya::programs::links::FdLink) -> Result<Pin, aya::pin::PinError> {
        let path = self.next_place();
        link.pin(&path)?;
        Ok(Pin(Some(path)))
    }

    fn next_place(&self) -> PathBuf {
        let number = self.placed.fetch_add(1, Ordering::Relaxed);
        self.links(self.generation).join(number.to_string())
    }

    /// Removes the probes of every other generation, and what recorders of another layout left.
    pub fn remove_others(&self) {
        for generation in generations(&self.folder).filter(|g| *g != self.generation) {
            remove_all(&self.links(generation));
        }
        let layouts = fs::read_dir(&self.ring).into_iter().flatten().flatten();
        layouts
            .map(|entry| entry.path())
            .filter(|path| *path != self.folder)
            .for_each(|path| remove_all(&path));
    }

    /// Removes the probes of this generation: it did not come to be in force.
    pub fn give_up(&self) {
        remove_all(&self.links(self.generation));
    }

    /// Removes everything: probes and maps.
    pub fn remove(&self) {
        remove_all(&self.ring);
    }

    /// True if probes or maps of the ring are in place.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.ring.exists()
    }
}

fn term(pin: &Path) -> Option<Array<MapData, u64>> {
    Map::from_map_data(MapData::from_pin(pin).ok()?).ok()?.try_into().ok()
}

// The process that the map names, if it is still that process.
fn owner(pin: &Path) -> Option<u32> {
    let term = term(pin)?;
    let pid = u32::try_from(term.get(&(Term::Recorder as u32), 0).ok()?).ok()?;
    let started = term.get(&(Term::RecorderStart as u32), 0).ok()?;
    (start_ticks(pid) == Some(started)).then_some(pid)
}

/// Rings whose probes are in place although the recorder that placed them is gone.
fn left_alone() -> usize {
    let rings = fs::read_dir(Path::new(FILE_SYSTEM).join("ingero-recorder")).into_iter().flatten().flatten();
    rings.filter(|ring| owner(&ring.path().join(format!("{LAYOUT:x}/maps/TERM"))).is_none()).count()
}

/// Whether probes can outlive a recorder here, and whether any did.
pub fn check() -> Check {
    let root = Path::new(FILE_SYSTEM);
    let ok = is_mounted(root) && access(root, AccessFlags::W_OK).is_ok();
    let found = match (ok, left_alone()) {
        (false, _) => {
            format!("{FILE_SYSTEM} is no BPF file system that can be written; at start a recorder mounts one")
        }
        (true, 0) => format!("probes can outlive a recorder, in {FILE_SYSTEM}"),
        (true, n) => {
            format!("probes of {n} recorders that were killed are in place, in {FILE_SYSTEM}/ingero-recorder")
        }
    };
    Check {
        name: "bpf file system",
        ok: ok && left_alone() == 0,
        found,
        required: false,
        remedy: "mount it (mount -t bpf bpf /sys/fs/bpf): without it a restart loses what happens meanwhile; of a \
                 killed recorder, start it again or run ingero-recorder --release with its --state-dir",
    }
}

fn is_mounted(root: &Path) -> bool {
    statfs(root).is_ok_and(|found| found.filesystem_type() == BPF_FS_MAGIC)
}

fn generations(folder: &Path) -> impl Iterator<Item = u64> + use<> {
    let entries = fs::read_dir(folder.join("links")).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

// Links before maps: nothing may write into a map that nobody can find any more.
fn remove_all(folder: &Path) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            remove_all(&path);
        } else {
            let _ = fs::remove_file(path);
        }
    }
    let _ = fs::remove_dir(folder);
}
