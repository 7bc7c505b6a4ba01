//! The real file system.

use std::{
    any::Any,
    collections::HashSet,
    fs::{self, DirBuilder, File, Permissions},
    io,
    os::{
        fd::AsRawFd,
        unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    },
    path::Path,
    sync::Arc,
};

use ingero_format::segment::Anchor;
use memmap2::{Mmap, MmapMut};
use nix::fcntl::{FallocateFlags, Flock, FlockArg, fallocate};

use super::{FileHandle, Guard, Mapped, Storage, StoredFile};

/// What is recorded tells much about the host: nobody else reads it but the unit's group.
const FILE_MODE: u32 = 0o640;
const DIRECTORY_MODE: u32 = 0o750;

/// The operating system's file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileSystem;

impl Storage for FileSystem {
    fn create(&self, path: &Path) -> io::Result<FileHandle> {
        self.remove(path)?;
        let file = File::options().read(true).write(true).create_new(true).mode(FILE_MODE).open(path)?;
        file.set_permissions(Permissions::from_mode(FILE_MODE))?;
        Ok(Arc::new(file))
    }

    fn open(&self, path: &Path) -> io::Result<FileHandle> {
        Ok(Arc::new(File::options().read(true).write(true).open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        ignore(io::ErrorKind::NotFound, fs::remove_file(path))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        // On a full disk even that could fail which changes nothing.
        if fs::metadata(path).is_ok_and(|m| m.is_dir() && m.mode() & 0o7777 == DIRECTORY_MODE) {
            return Ok(());
        }
        let made = DirBuilder::new().mode(DIRECTORY_MODE).create(path);
        match made {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
            other => return other,
        }
        fs::set_permissions(path, Permissions::from_mode(DIRECTORY_MODE))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        ignore(io::ErrorKind::NotFound, fs::remove_dir_all(path))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let names = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
        names.filter_map(io::Result::transpose).collect()
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn allocated(&self, directory: &Path) -> u64 {
        add(directory, &mut HashSet::new())
    }

    fn free(&self, directory: &Path) -> u64 {
        nix::sys::statvfs::statvfs(directory)
            .map_or(u64::MAX, |s| s.blocks_available().saturating_mul(s.fragment_size()))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send>> {
        let file =
            File::options().read(true).write(true).create(true).truncate(false).mode(FILE_MODE).open(path)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Box::new(lock)),
            Err((_, e)) => Err(e.into()),
        }
    }

    fn anchor(&self) -> Anchor {
        crate::clock::anchor()
    }

    fn random(&self) -> io::Result<u64> {
        getrandom::u64().map_err(|e| io::Error::other(e.to_string()))
    }
}

fn ignore(kind: io::ErrorKind, result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if e.kind() == kind => Ok(()),
        other => other,
    }
}

fn add(directory: &Path, seen: &mut HashSet<u64>) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| {
        let meta = entry.metadata().ok()?;
        if meta.is_dir() {
            return Some(add(&entry.path(), seen));
        }
        seen.insert(meta.ino()).then(|| meta.blocks() * 512)
    });
    sizes.sum()
}

impl StoredFile for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn allocated(&self) -> io::Result<u64> {
        Ok(self.metadata()?.blocks() * 512)
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        loop {
            match FileExt::read_at(self, into, at) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn stay_in_place(&self) {
        if let Ok(about) = nix::sys::statfs::fstatfs(self)
            && about.filesystem_type() == nix::sys::statfs::BTRFS_SUPER_MAGIC
        {
            let _ = no_copy_on_write(self);
        }
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        Ok(fallocate(self, FallocateFlags::empty(), 0, len.cast_signed())?)
    }

    fn punch(&self, from: u64, len: u64) {
        let hole = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        let _ = fallocate(self, hole, from.cast_signed(), len.cast_signed());
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        Self::sync_data(self)
    }

    fn write_back(&self, at: u64, len: u64) -> io::Result<()> {
        const WRITE_AND_WAIT: u32 = libc::SYNC_FILE_RANGE_WAIT_BEFORE
            | libc::SYNC_FILE_RANGE_WRITE
            | libc::SYNC_FILE_RANGE_WAIT_AFTER;
        // SAFETY: takes a descriptor that we own and plain numbers; touches no memory of ours.
        let done = unsafe {
            libc::sync_file_range(self.as_raw_fd(), at.cast_signed(), len.cast_signed(), WRITE_AND_WAIT)
        };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    fn map(&self) -> io::Result<Box<dyn Mapped>> {
        // SAFETY: only files of our own making are mapped for writing, once, and are never cut while they
        // are; if a page cannot be had, the guard puts an empty one in its place.
        let map = unsafe { MmapMut::map_mut(self) }?;
        let guard = Guard::of(&map);
        Ok(Box::new(Map { map, guard }))
    }

    fn view(&self) -> io::Result<Box<dyn AsRef<[u8]>>> {
        // SAFETY: what is viewed is never cut by us, and the ring's lock keeps other recorders away.
        let map = unsafe { Mmap::map(self) }?;
        let guard = Guard::of(&map);
        Ok(Box::new(View { map, _guard: guard }))
    }
}

// As `chattr +C` does it. The kernel takes and gives an int, whatever the request's number says.
fn no_copy_on_write(file: &File) -> io::Result<()> {
    const NO_COPY_ON_WRITE: libc::c_int = 0x0080_0000;
    let mut flags: libc::c_int = 0;
    // SAFETY: the descriptor is ours, and the kernel writes one int to the place given.
    let read = unsafe { libc::ioctl(file.as_raw_fd(), libc::FS_IOC_GETFLAGS, &raw mut flags) };
    flags |= NO_COPY_ON_WRITE;
    // SAFETY: the descriptor is ours, and the kernel reads one int from the place given.
    if read == 0 && unsafe { libc::ioctl(file.as_raw_fd(), libc::FS_IOC_SETFLAGS, &raw const flags) } == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

// Fields are dropped in order: the guard must outlive no map, so that its range is never somebody else's.
struct Map {
    guard: Guard,
    map: MmapMut,
}

impl Mapped for Map {
    #[inline]
    fn bytes(&mut self) -> &mut [u8] {
        &mut self.map
    }

    fn is_broken(&self) -> bool {
        self.guard.is_broken()
    }
}

struct View {
    _guard: Guard,
    map: Mmap,
}

impl AsRef<[u8]> for View {
    fn as_ref(&self) -> &[u8] {
        &self.map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_two_names_is_counted_once() {
        let dir = tempfile::tempdir().unwrap();
        FileSystem.create_dir(&dir.path().join("sub")).unwrap();
        let file = FileSystem.create(&dir.path().join("a")).unwrap();
        file.write_at(&[1; 100_000], 0).unwrap();
        let once = FileSystem.allocated(dir.path());
        FileSystem.link(&dir.path().join("a"), &dir.path().join("sub/b")).unwrap();
        assert_eq!(FileSystem.allocated(dir.path()), once);
        assert!(once >= 100_000);
    }

    #[test]
    fn a_file_that_is_made_anew_leaves_the_old_one_to_those_who_hold_it() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        FileSystem.create(&a).unwrap().write_at(b"old", 0).unwrap();
        FileSystem.link(&a, &b).unwrap();
        FileSystem.create(&a).unwrap().write_at(b"new", 0).unwrap();
        assert_eq!(fs::read(b).unwrap(), b"old");
    }

    #[test]
    fn a_page_that_cannot_be_had_reads_as_zeros_and_is_told() {
        super::super::install_sigbus_handler().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let file = FileSystem.create(&dir.path().join("head")).unwrap();
        file.allocate(16_384).unwrap();
        let mut map = file.map().unwrap();
        map.bytes().fill(7);
        file.truncate(4096).unwrap();
        assert!(!map.is_broken());
        assert_eq!(map.bytes().iter().map(|b| u64::from(*b)).sum::<u64>(), 7 * 4096);
        assert!(map.is_broken());
        map.bytes().fill(9);
    }
}
