//! Opening a ring: lock, identity, segments, rows left in the head.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::{FileExt, PermissionsExt},
    path::{Path, PathBuf},
};

use ingero_format::identity::Identity;
use nix::fcntl::{Flock, FlockArg};

use super::{SegmentTable, recover::recover};
use crate::{Error, Result, error::IoContext, journal};

/// Directories below the state directory.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The state directory.
    pub state: PathBuf,
    /// Segments and head.
    pub ring: PathBuf,
    /// Hard links of frozen windows while their bundle is written.
    pub frozen: PathBuf,
    /// Bundles.
    pub bundles: PathBuf,
}

const REMEDY: &str = "make it a directory that this user may write, or choose another --state-dir";

impl Layout {
    /// Creates what is missing.
    ///
    /// # Errors
    /// If a directory cannot be made or written.
    pub fn create(state: &Path) -> Result<Self> {
        let below = |name| state.join(name);
        let layout = Self {
            state: state.into(),
            ring: below("ring"),
            frozen: below("frozen"),
            bundles: below("bundles"),
        };
        for directory in [&layout.state, &layout.ring, &layout.frozen, &layout.bundles] {
            fs::create_dir_all(directory).at("cannot create the directory", directory, REMEDY)?;
        }
        for directory in [&layout.ring, &layout.frozen, &layout.bundles] {
            // What is recorded tells much about the host: nobody else reads it but the unit's group.
            fs::set_permissions(directory, fs::Permissions::from_mode(0o750)).at(
                "cannot set the mode of",
                directory,
                REMEDY,
            )?;
        }
        Ok(layout)
    }
}

/// An opened ring, before anything new is written.
pub struct OpenRing {
    /// Holds the lock for as long as it lives.
    pub lock: Flock<File>,
    /// The ring's identity.
    pub identity: Identity,
    /// Segments found (and the one recovered from the head).
    pub table: SegmentTable,
    /// Number for the next segment.
    pub next_seq: u64,
    /// First generation for new head slots.
    pub next_generation: u64,
    /// Newest event of the earlier run if it was in this boot, boottime ns.
    pub last_event_ns: Option<u64>,
}

/// Opens the ring or makes a new one; moves a ring that cannot be read aside.
///
/// # Errors
/// [`Error::RingInUse`] if another recorder holds it, otherwise what the file system says.
pub fn open(layout: &Layout, segment_bytes: u64, boot_id: [u8; 16]) -> Result<OpenRing> {
    let path = layout.ring.join("RING");
    let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
    let file = file.at("cannot open", &path, REMEDY)?;
    let lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => lock,
        Err((file, nix::errno::Errno::EWOULDBLOCK)) => {
            let pid = read_identity(&file).ok().flatten().map_or(0, |id| id.holder_pid);
            return Err(Error::RingInUse { path: layout.ring.clone(), pid });
        }
        Err((_, e)) => return Err(e).at("cannot lock", &path, REMEDY),
    };
    let found = read_identity(&lock).or_else(|e| {
        journal::error(&format!("{}: {e}; moving the ring aside and starting a new one", path.display()));
        move_aside(layout)?;
        Ok::<_, Error>(None)
    })?;
    let previous = found.unwrap_or_default();
    let ring_id = if previous.generation == 0 { fresh_id()? } else { previous.ring_id };
    let generation = previous.generation + 1;
    let identity = Identity { generation, ring_id, segment_bytes, holder_pid: std::process::id() };
    write_identity(&lock, &identity).at("cannot write", &path, REMEDY)?;
    let recovered = recover(layout, boot_id, ring_id)?;
    Ok(OpenRing {
        lock,
        identity,
        table: recovered.table,
        next_seq: recovered.next_seq,
        next_generation: recovered.next_generation,
        last_event_ns: recovered.last_event_ns,
    })
}

fn fresh_id() -> Result<[u8; 16]> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|e| Error::Other(format!("no random numbers: {e}")))?;
    Ok(id)
}

// An empty file is a new ring; anything else must be an identity.
fn read_identity(file: &File) -> Result<Option<Identity>> {
    let mut bytes = vec![0; 2 * ingero_format::identity::PAGE_BYTES];
    let mut have = 0;
    while let Some(rest) = bytes.get_mut(have..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, have as u64) {
            Ok(0) => break,
            Ok(n) => have += n,
            Err(e) => return Err(Error::Other(format!("cannot read the ring's identity: {e}"))),
        }
    }
    if have == 0 {
        return Ok(None);
    }
    Ok(Some(Identity::read(bytes.get(..have).unwrap_or_default())?))
}

// The older copy is overwritten, so that one valid copy remains at every moment.
fn write_identity(file: &File, identity: &Identity) -> std::io::Result<()> {
    let page = identity.to_bytes();
    let at = (identity.generation % 2) * page.len() as u64;
    file.write_all_at(&page, at)?;
    let mut handle = file;
    handle.flush()?;
    file.sync_all()
}

// Stays below the state directory, so that the bound counts it. The lock goes with the open RING file, which
// is therefore copied and then written anew rather than moved.
fn move_aside(layout: &Layout) -> Result<()> {
    let free = (1..).map(|n| layout.state.join(format!("ring.bad-{n}"))).find(|p| !p.exists());
    let Some(bad) = free else { return Ok(()) };
    fs::create_dir(&bad).at("cannot create", &bad, REMEDY)?;
    for entry in fs::read_dir(&layout.ring).at("cannot list", &layout.ring, REMEDY)?.flatten() {
        let to = bad.join(entry.file_name());
        if entry.file_name() == "RING" {
            fs::copy(entry.path(), &to).at("cannot copy", &to, REMEDY)?;
        } else {
            fs::rename(entry.path(), &to).at("cannot move", &to, REMEDY)?;
        }
    }
    journal::warning(&format!("the unreadable ring is kept in {}", bad.display()));
    Ok(())
}
