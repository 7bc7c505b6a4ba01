//! The simulated storage.
//!
//! A file is a memory file, which programs read, write and map, and beside it what the disk holds. `sync_data`
//! copies the one to the other. When the power goes, each sector of 512 bytes that differs is kept or dropped by
//! chance, so that writes are lost, torn and reordered as no real disk would dare.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ingero_format::segment::Anchor;
use ingero_recorder::storage::{FileHandle, Mapped, Storage, StoredFile};
use memmap2::MmapMut;
use nix::{
    errno::Errno,
    sys::memfd::{MFdFlags, memfd_create},
};

use super::{
    faults::{Fault, Faults},
    names::Names,
    random::Random,
};

const SECTOR: usize = 512;
const BLOCK: u64 = 4096;

/// A simulated disk; clones are the same one.
#[derive(Clone)]
pub struct Disk(Arc<Mutex<State>>);

/// What is in it.
pub struct State {
    files: BTreeMap<u64, Inode>,
    names: Names,
    next_inode: u64,
    random: Random,
    /// Calls that fail.
    pub faults: Faults,
    /// Bytes of the disk.
    pub capacity: u64,
    /// CLOCK_BOOTTIME, ns.
    pub boot_ns: u64,
    /// CLOCK_REALTIME, ns.
    pub real_ns: u64,
    /// Maps made from now on lose a page.
    pub break_maps: bool,
    /// Names that were taken away on purpose.
    pub removed: BTreeSet<PathBuf>,
    /// A file was synced again after that had failed.
    pub synced_after_failure: bool,
}

struct Inode {
    memory: Arc<File>,
    stable: Vec<u8>,
    /// Allocated blocks of 4 KiB.
    blocks: BTreeSet<u64>,
    /// Ranges handed to the device, which the next sync of any file makes durable.
    handed: Vec<(u64, Vec<u8>)>,
    sync_failed: bool,
    /// Its pages are in memory: reading them does not fail.
    mapped: bool,
}

impl Inode {
    fn content(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.memory.metadata()?.len() as usize];
        FileExt::read_exact_at(&*self.memory, &mut bytes, 0)?;
        Ok(bytes)
    }

    fn settle(&mut self) {
        for (at, bytes) in std::mem::take(&mut self.handed) {
            let end = at as usize + bytes.len();
            if self.stable.len() < end {
                self.stable.resize(end, 0);
            }
            self.stable[at as usize..end].copy_from_slice(&bytes);
        }
    }

    // The length itself may be the old one, if the file grew and was never synced.
    fn crash(&mut self, random: &mut Random) -> io::Result<()> {
        let current = self.content()?;
        for (at, bytes) in std::mem::take(&mut self.handed) {
            keep_some(&mut self.stable, at as usize, &bytes, random);
        }
        let len = if random.one_in(2) { current.len() } else { self.stable.len() };
        keep_some(&mut self.stable, 0, &current, random);
        self.stable.resize(len, 0);
        self.memory = memory(&self.stable)?;
        (self.sync_failed, self.mapped) = (false, false);
        Ok(())
    }
}

fn keep_some(stable: &mut Vec<u8>, at: usize, bytes: &[u8], random: &mut Random) {
    if stable.len() < at + bytes.len() {
        stable.resize(at + bytes.len(), 0);
    }
    // Some crashes keep nearly all, some nearly nothing: each kind finds other faults.
    let chance = [1, 2, 2, 16][random.below(4) as usize];
    let drop_most = random.one_in(3);
    for (i, sector) in bytes.chunks(SECTOR).enumerate() {
        let place = &mut stable[at + i * SECTOR..at + i * SECTOR + sector.len()];
        if place != sector && (random.one_in(chance) != drop_most) {
            place.copy_from_slice(sector);
        }
    }
}

fn memory(content: &[u8]) -> io::Result<Arc<File>> {
    let file = File::from(memfd_create(c"simulated", MFdFlags::MFD_CLOEXEC)?);
    file.set_len(content.len() as u64)?;
    file.write_all_at(content, 0)?;
    Ok(Arc::new(file))
}

impl Disk {
    /// An empty disk with one directory.
    #[must_use]
    pub fn new(seed: u64, root: &Path) -> Self {
        let mut names = Names::default();
        names.directories.push(root.into());
        Self(Arc::new(Mutex::new(State {
            files: BTreeMap::new(),
            names,
            next_inode: 1,
            random: Random::new(seed ^ 0xd15c),
            faults: Faults::default(),
            capacity: u64::MAX,
            boot_ns: 1_000_000_000_000,
            real_ns: 1_795_000_000_000_000_000,
            break_maps: false,
            removed: BTreeSet::new(),
            synced_after_failure: false,
        })))
    }

    /// Looks inside.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The kernel writes back, on its own account, some of what is dirty.
    pub fn write_back_some(&self) {
        let mut state = self.state();
        let State { files, random, .. } = &mut *state;
        for inode in files.values_mut() {
            if random.one_in(2) {
                let current = inode.content().unwrap();
                keep_some(&mut inode.stable, 0, &current, random);
            }
        }
    }

    /// A new process cannot know which syncs of an earlier one failed.
    pub fn forget_failed_syncs(&self) {
        let mut state = self.state();
        state.files.values_mut().for_each(|inode| (inode.sync_failed, inode.mapped) = (false, false));
    }

    /// The power goes and comes back. Nobody may hold a file or map of before.
    pub fn crash(&self) {
        let mut state = self.state();
        let State { files, names, random, .. } = &mut *state;
        names.crash(random);
        let alive: BTreeSet<u64> = names.now.values().copied().collect();
        files.retain(|inode, _| alive.contains(inode));
        for inode in files.values_mut() {
            inode.crash(random).unwrap();
        }
        state.forget_unnamed();
    }

    /// Content of every file below a directory.
    #[must_use]
    pub fn files(&self, below: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = self.state();
        let named = state.names.now.iter().filter(|(path, _)| path.starts_with(below));
        named.map(|(path, inode)| (path.clone(), state.files[inode].content().unwrap())).collect()
    }

    /// Overwrites a file's content in memory and on the disk.
    pub fn replace(&self, path: &Path, content: &[u8]) {
        let mut state = self.state();
        let inode = state.names.get(path).unwrap();
        let file = state.files.get_mut(&inode).unwrap();
        file.memory = memory(content).unwrap();
        file.stable = content.to_vec();
    }
}

impl State {
    // A file without a name takes no space, though it may come back.
    fn used(&self) -> u64 {
        let named: BTreeSet<u64> = self.names.now.values().copied().collect();
        named.iter().map(|inode| self.files[inode].blocks.len() as u64 * BLOCK).sum()
    }

    fn forget_unnamed(&mut self) {
        let names = &self.names;
        let held = |inode: &Inode| Arc::strong_count(&inode.memory) > 1;
        self.files.retain(|number, inode| names.may_have(*number) || held(inode));
    }

    fn claim(&mut self, inode: u64, from: u64, to: u64) -> io::Result<()> {
        let blocks = from / BLOCK..to.div_ceil(BLOCK);
        let known = &self.files[&inode].blocks;
        let new = blocks.clone().filter(|b| !known.contains(b)).count() as u64 * BLOCK;
        if self.used() + new > self.capacity {
            return Err(Errno::ENOSPC.into());
        }
        self.files.get_mut(&inode).unwrap().blocks.extend(blocks);
        Ok(())
    }

    fn handle(&self, disk: &Disk, inode: u64) -> FileHandle {
        Arc::new(Handle { disk: disk.clone(), inode, memory: Arc::clone(&self.files[&inode].memory) })
    }
}

impl Storage for Disk {
    fn create(&self, path: &Path) -> io::Result<FileHandle> {
        let mut state = self.state();
        state.faults.check()?;
        let inode = state.next_inode;
        state.next_inode += 1;
        let file = Inode {
            memory: memory(&[])?,
            stable: Vec::new(),
            blocks: BTreeSet::new(),
            handed: Vec::new(),
            sync_failed: false,
            mapped: false,
        };
        state.files.insert(inode, file);
        if state.names.get(path).is_ok() {
            state.names.remove(path);
        }
        state.names.add(path, inode);
        let handle = state.handle(self, inode);
        state.forget_unnamed();
        Ok(handle)
    }

    fn open(&self, path: &Path) -> io::Result<FileHandle> {
        let mut state = self.state();
        state.faults.check()?;
        let inode = state.names.get(path)?;
        Ok(state.handle(self, inode))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.faults.check()?;
        state.names.rename(from, to)?;
        state.forget_unnamed();
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.faults.check()?;
        let inode = state.names.get(from)?;
        state.names.add(to, inode);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.faults.check()?;
        if state.names.get(path).is_ok() {
            state.names.remove(path);
            state.removed.insert(path.into());
            state.forget_unnamed();
        }
        Ok(())
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.faults.check()?;
        if !state.names.directories.iter().any(|d| d == path) {
            state.names.directories.push(path.into());
        }
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.faults.check()?;
        let below: Vec<_> = state.names.now.keys().filter(|p| p.starts_with(path)).cloned().collect();
        below.iter().for_each(|p| state.names.remove(p));
        state.names.directories.retain(|d| !d.starts_with(path));
        state.forget_unnamed();
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.faults.check()?;
        let all = state.names.now.keys().chain(&state.names.directories);
        let inside = all.filter(|p| p.parent() == Some(path));
        Ok(inside.filter_map(|p| Some(p.file_name()?.to_str()?.to_owned())).collect())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.faults.check()?;
        state.names.sync(path);
        Ok(())
    }

    fn allocated(&self, directory: &Path) -> u64 {
        let state = self.state();
        let inodes: BTreeSet<u64> =
            state.names.now.iter().filter(|(p, _)| p.starts_with(directory)).map(|(_, i)| *i).collect();
        inodes.iter().map(|i| state.files[i].blocks.len() as u64 * BLOCK).sum()
    }

    fn free(&self, _: &Path) -> u64 {
        let state = self.state();
        state.capacity.saturating_sub(state.used())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send>> {
        if self.state().names.get(path).is_err() {
            self.create(path)?;
        }
        Ok(Box::new(()))
    }

    fn anchor(&self) -> Anchor {
        let mut state = self.state();
        state.boot_ns += 1_000;
        state.real_ns += 1_000;
        Anchor { boot_ns: state.boot_ns, real_ns: state.real_ns, uncertainty_ns: 1 }
    }

    fn random(&self) -> io::Result<u64> {
        Ok(self.state().random.number())
    }
}

struct Handle {
    disk: Disk,
    inode: u64,
    memory: Arc<File>,
}

impl Handle {
    fn with<T>(&self, work: impl FnOnce(&mut State, &mut Inode) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.disk.state();
        let Some(mut inode) = state.files.remove(&self.inode) else {
            return Err(Errno::ESTALE.into());
        };
        let result = work(&mut state, &mut inode);
        state.files.insert(self.inode, inode);
        result
    }

    fn sync(&self, hand: impl FnOnce(&mut Inode) -> io::Result<()>) -> io::Result<()> {
        self.with(|state, inode| {
            state.synced_after_failure |= inode.sync_failed;
            if let Err(e) = state.faults.check() {
                inode.sync_failed = true;
                return Err(e);
            }
            hand(inode)
        })
    }
}

impl StoredFile for Handle {
    fn length(&self) -> io::Result<u64> {
        Ok(self.memory.metadata()?.len())
    }

    fn allocated(&self) -> io::Result<u64> {
        self.with(|_, inode| Ok(inode.blocks.len() as u64 * BLOCK))
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        if !state.files.get(&self.inode).is_some_and(|inode| inode.mapped) {
            state.faults.check()?;
        }
        FileExt::read_at(&*self.memory, into, at)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let fault = state.faults.hit_next();
        let bytes = match fault {
            Some(Fault::Error(errno)) => return Err(errno.into()),
            Some(Fault::ShortWrite) => &bytes[..bytes.len() / 2],
            None => bytes,
        };
        state.claim(self.inode, at, at + bytes.len() as u64)?;
        self.memory.write_all_at(bytes, at)?;
        if fault.is_some() { Err(Errno::ENOSPC.into()) } else { Ok(()) }
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.faults.check()?;
        state.claim(self.inode, 0, len)?;
        self.memory.set_len(len.max(self.memory.metadata()?.len()))
    }

    fn punch(&self, from: u64, len: u64) {
        let mut state = self.disk.state();
        let blocks = from.div_ceil(BLOCK)..(from + len) / BLOCK;
        let Some(file) = state.files.get_mut(&self.inode) else { return };
        for block in blocks {
            file.blocks.remove(&block);
            let _ = self.memory.write_all_at(&[0; BLOCK as usize], block * BLOCK);
        }
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.with(|state, inode| {
            state.faults.check()?;
            inode.blocks.retain(|b| *b < len.div_ceil(BLOCK));
            self.memory.set_len(len)
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync(|inode| {
            inode.stable = inode.content()?;
            inode.handed.clear();
            Ok(())
        })?;
        self.disk.state().files.values_mut().for_each(Inode::settle);
        Ok(())
    }

    fn write_back(&self, at: u64, len: u64) -> io::Result<()> {
        self.sync(|inode| {
            let mut bytes = vec![0; len as usize];
            let n = FileExt::read_at(&*inode.memory, &mut bytes, at)?;
            bytes.truncate(n);
            inode.handed.push((at, bytes));
            Ok(())
        })
    }

    fn map(&self) -> io::Result<Box<dyn Mapped>> {
        let mut state = self.disk.state();
        state.faults.check()?;
        let broken = std::mem::take(&mut state.break_maps);
        if let Some(inode) = state.files.get_mut(&self.inode) {
            inode.mapped = true;
        }
        // SAFETY: the memory file is cut only after every map of it is gone.
        let map = unsafe { MmapMut::map_mut(&*self.memory) }?;
        Ok(Box::new(Map { map, _memory: Arc::clone(&self.memory), broken }))
    }

    fn view(&self) -> io::Result<Box<dyn AsRef<[u8]>>> {
        self.with(|state, inode| {
            state.faults.check()?;
            Ok(Box::new(inode.content()?) as Box<dyn AsRef<[u8]>>)
        })
    }
}

struct Map {
    map: MmapMut,
    _memory: Arc<File>,
    broken: bool,
}

impl Mapped for Map {
    fn bytes(&mut self) -> &mut [u8] {
        &mut self.map
    }

    fn is_broken(&self) -> bool {
        self.broken
    }
}
