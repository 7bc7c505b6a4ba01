//! Opening a ring: lock, identity, segments, rows left in the head.

use std::{any::Any, io, path::Path, sync::Arc};

use ingero_format::{
    Reason,
    identity::{Identity, PAGE_BYTES},
    segment::{HEADER_BYTES, Header, number_of},
};

use super::{
    Layout, Opening, Prologue, SegmentTable,
    recover::{Earlier, recover},
};
use crate::{
    Error, Result,
    continued::Continued,
    error::IoContext,
    journal,
    storage::{FileHandle, Storage, is_full},
};

/// An opened ring, before anything new is written.
pub struct OpenRing {
    /// Holds the lock for as long as it lives.
    pub lock: Box<dyn Any + Send>,
    /// The ring's identity.
    pub identity: Identity,
    /// Where it stands; not yet synced.
    pub identity_file: FileHandle,
    /// Segments found (and the one recovered from the head).
    pub table: SegmentTable,
    /// Number for the next segment.
    pub next_seq: u64,
    /// First generation for new head slots.
    pub next_generation: u64,
    /// Newest event of the earlier run if it was in this boot, boottime ns.
    pub last_event_ns: Option<u64>,
    /// The digest chain that the next segment goes on from.
    pub chain: u128,
    /// What is known of the epoch that still counts, if the ring has anything of it.
    pub continued: Option<(Prologue, Continued)>,
}

/// The id of a state directory's ring, if it has one; another recorder may hold it.
#[must_use]
pub fn ring_id(storage: &dyn Storage, layout: &Layout) -> Option<[u8; 16]> {
    let file = storage.open(&layout.ring.join("RING")).ok()?;
    read_identity(&file).ok().flatten().map(|identity| identity.ring_id)
}

/// Opens the ring or makes a new one; moves a ring that cannot be read aside.
///
/// # Errors
/// [`Error::RingInUse`] if another recorder holds it, otherwise what the file system says.
pub fn open(storage: &Arc<dyn Storage>, layout: &Layout, opening: &Opening) -> Result<OpenRing> {
    let path = layout.ring.join("RING");
    let lock = match storage.lock(&path) {
        Ok(lock) => lock,
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
            let holder = storage.open(&path).ok().and_then(|file| read_identity(&file).ok().flatten());
            return Err(Error::RingInUse {
                path: layout.ring.clone(),
                pid: holder.map_or(0, |id| id.holder_pid),
            });
        }
        Err(e) => return Err(e).at("cannot lock", &path, Layout::REMEDY),
    };
    let file = storage.open(&path).at("cannot open", &path, Layout::REMEDY)?;
    let previous = match read_identity(&file) {
        Ok(Some(identity)) => identity,
        Ok(None) => adopt(&**storage, layout).unwrap_or_default(),
        Err(e) => {
            let adopted = if is_newer(&e) { None } else { adopt(&**storage, layout) };
            if adopted.is_none() {
                let what = "moving the ring aside and starting a new one";
                journal::error(&format!("{}: {e}; {what}", path.display()));
                move_aside(&**storage, layout, &file)?;
            } else {
                journal::warning(&format!("{}: {e}; taken from the newest segment", path.display()));
            }
            adopted.unwrap_or_default()
        }
    };
    let ring_id = if previous.generation == 0 { fresh_id(&**storage)? } else { previous.ring_id };
    let identity = Identity {
        generation: previous.generation + 1,
        ring_id,
        segment_bytes: opening.segment_bytes,
        holder_pid: opening.pid,
    };
    sweep_leftovers(&**storage, layout);
    write_identity(&file, &identity, &path)?;
    let (storage, layout, counting) = (Arc::clone(storage), layout.clone(), opening.counting);
    let earlier = Earlier { storage, layout, opening: *opening, ring_id, counting };
    let recovered = recover(&earlier)?;
    Ok(OpenRing {
        lock,
        identity,
        identity_file: file,
        table: recovered.table,
        next_seq: recovered.next_seq,
        next_generation: recovered.next_generation,
        last_event_ns: recovered.last_event_ns,
        chain: recovered.chain,
        continued: recovered.continued,
    })
}

// The older copy is overwritten, so that one valid copy remains at every moment. Room for both is claimed once.
fn write_identity(file: &FileHandle, identity: &Identity, path: &Path) -> Result<()> {
    let page = identity.to_bytes();
    let place = (identity.generation % 2) * page.len() as u64;
    let new = identity.generation == 1;
    let claimed = if new {
        file.stay_in_place();
        file.allocate(2 * page.len() as u64)
    } else {
        Ok(())
    };
    match claimed.and_then(|()| file.write_at(&page, place)) {
        // What it says stands in the other copy and in the segments: no reason not to record.
        Err(e) if !new && is_full(&e) => {
            journal::warning(&format!("{}: cannot write: {e}; free some space there", path.display()));
            Ok(())
        }
        written => written.at("cannot write", path, Layout::REMEDY),
    }
}

// Written by a later version: what it means by its segments is not ours to say.
fn is_newer(e: &Error) -> bool {
    matches!(e, Error::Format(e) if matches!(e.reason, Reason::Incompatible(_)))
}

// All that the identity says stands in the segments too: a power loss that tore both its pages costs nothing.
fn adopt(storage: &dyn Storage, layout: &Layout) -> Option<Identity> {
    let mut names = storage.list(&layout.ring).ok()?;
    names.retain(|name| number_of(name).is_some());
    names.sort_unstable();
    let header = |name: &String| {
        let mut bytes = [0; HEADER_BYTES];
        storage.open(&layout.ring.join(name)).ok()?.read_exact_at(&mut bytes, 0).ok()?;
        Header::read(&bytes).ok()
    };
    let ring_id = names.iter().rev().find_map(header)?.ring_id;
    Some(Identity { generation: 1, ring_id, ..Identity::default() })
}

fn fresh_id(storage: &dyn Storage) -> Result<[u8; 16]> {
    let mut id = [0; 16];
    for half in id.as_chunks_mut::<8>().0 {
        *half = storage.random().map_err(|e| Error::Other(format!("no random numbers: {e}")))?.to_le_bytes();
    }
    Ok(id)
}

// An empty file is a new ring; anything else must be an identity.
fn read_identity(file: &FileHandle) -> Result<Option<Identity>> {
    let mut bytes = vec![0; 2 * PAGE_BYTES];
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

// Stays below the state directory, so that the bound counts it. The lock goes with the open RING file, which
// is therefore copied and then written anew rather than moved.
fn move_aside(storage: &dyn Storage, layout: &Layout, identity: &FileHandle) -> Result<()> {
    let taken = storage.list(&layout.state).unwrap_or_default();
    let free = (1..).map(|n| format!("ring.bad-{n}")).find(|name| !taken.contains(name));
    let Some(bad) = free.map(|name| layout.state.join(name)) else { return Ok(()) };
    storage.create_dir(&bad).at("cannot create", &bad, Layout::REMEDY)?;
    for name in storage.list(&layout.ring).at("cannot list", &layout.ring, Layout::REMEDY)? {
        let (from, to) = (layout.ring.join(&name), bad.join(&name));
        if name == "RING" {
            copy(storage, identity, &to).at("cannot copy", &to, Layout::REMEDY)?;
        } else {
            storage.rename(&from, &to).at("cannot move", &to, Layout::REMEDY)?;
        }
    }
    journal::warning(&format!("the unreadable ring is kept in {}", bad.display()));
    Ok(())
}

fn copy(storage: &dyn Storage, from: &FileHandle, to: &Path) -> io::Result<()> {
    let mut bytes = vec![0; 2 * PAGE_BYTES];
    let have = from.read_at(&mut bytes, 0)?;
    storage.create(to)?.write_at(bytes.get(..have).unwrap_or_default(), 0)
}

// A freeze or bundle that an earlier run did not finish serves nobody and holds segments.
fn sweep_leftovers(storage: &dyn Storage, layout: &Layout) {
    for name in storage.list(&layout.frozen).unwrap_or_default() {
        let path = layout.frozen.join(name);
        journal::warning(&format!("{}: unfinished freeze removed", path.display()));
        let _ = storage.remove_dir(&path);
    }
    for name in storage.list(&layout.bundles).unwrap_or_default() {
        if name.ends_with(".new") {
            let _ = storage.remove(&layout.bundles.join(name));
        }
    }
    for name in ["next.seg", "head.new"] {
        let _ = storage.remove(&layout.ring.join(name));
    }
}
