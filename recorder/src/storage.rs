//! Everything the ring and the freezer ask of a file system, behind two traits.
//!
//! The real one is [`FileSystem`]. The tests put a simulator in its place that loses, tears and reorders what
//! was not synced, and fails any call: the very same ring code runs on both. What a caller may rely on is what
//! POSIX and Linux promise, no more:
//!
//! * a write is seen by every later read and map, and is on stable storage only after [`StoredFile::sync_data`];
//! * a name (create, rename, link, remove) is on stable storage only after [`Storage::sync_dir`] of its
//!   directory;
//! * after a failed sync the data may be gone from memory too: nobody syncs that file again.

mod file_system;
mod sigbus;

use std::{any::Any, io, path::Path, sync::Arc};

use ingero_format::segment::Anchor;

pub use file_system::FileSystem;
pub use sigbus::{Forgiving, Guard, install as install_sigbus_handler};

/// A file system, or what stands in for one.
pub trait Storage: Send + Sync {
    /// A new, empty file, readable by owner and group. A file that has the name loses it, not its content:
    /// who holds it by another name or open goes on with it.
    ///
    /// # Errors
    /// As the file system says.
    fn create(&self, path: &Path) -> io::Result<FileHandle>;

    /// An existing file, for reading and writing.
    ///
    /// # Errors
    /// As the file system says.
    fn open(&self, path: &Path) -> io::Result<FileHandle>;

    /// Gives a file another name, in place of the one that has it.
    ///
    /// # Errors
    /// As the file system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file a second name.
    ///
    /// # Errors
    /// As the file system says.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes a name away; the file goes with its last name. No error if there is none of that name.
    ///
    /// # Errors
    /// As the file system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes a directory, closed to others than owner and group; no error if it is there.
    ///
    /// # Errors
    /// As the file system says.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Removes a directory with all in it; no error if there is none.
    ///
    /// # Errors
    /// As the file system says.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;

    /// Names in a directory, in no order.
    ///
    /// # Errors
    /// As the file system says.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;

    /// Makes the names in a directory durable (fsync(2)).
    ///
    /// # Errors
    /// As the file system says.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Allocated bytes of all files below a directory, each file once however many names it has.
    fn allocated(&self, directory: &Path) -> u64;

    /// Bytes that others may still use on a directory's file system; unknown counts as plenty.
    fn free(&self, directory: &Path) -> u64;

    /// Locks a file for one process (flock(2)), making it if need be; held until the value is dropped.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if somebody holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send>>;

    /// Both clocks now: boottime and Unix time.
    fn anchor(&self) -> Anchor;

    /// A random number of 64 bits.
    ///
    /// # Errors
    /// If the system has none.
    fn random(&self) -> io::Result<u64>;
}

/// An open file, shared.
pub type FileHandle = Arc<dyn StoredFile>;

/// An open file.
pub trait StoredFile: Send + Sync {
    /// Length, bytes.
    ///
    /// # Errors
    /// As the file system says.
    fn length(&self) -> io::Result<u64>;

    /// Allocated bytes.
    ///
    /// # Errors
    /// As the file system says.
    fn allocated(&self) -> io::Result<u64>;

    /// Reads up to `into.len()` bytes from byte `at` on, and gives how many; 0 at the end.
    ///
    /// # Errors
    /// As the file system says.
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize>;

    /// Writes all of `bytes`, from byte `at` on.
    ///
    /// # Errors
    /// As the file system says; a part may have been written.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;

    /// Asks that what is written over stays where it is, on a file system that would write it elsewhere (and so need
    /// room that nobody has claimed). For files that are still empty. Advisory.
    fn stay_in_place(&self) {}

    /// Claims space and makes the file `len` bytes long (fallocate(2)).
    ///
    /// # Errors
    /// As the file system says, a full one above all.
    fn allocate(&self, len: u64) -> io::Result<()>;

    /// Gives the space of `len` bytes back (`FALLOC_FL_PUNCH_HOLE`); they read as zeros and the length stays. Advisory.
    fn punch(&self, from: u64, len: u64);

    /// Cuts a file that nobody maps to `len` bytes.
    ///
    /// # Errors
    /// As the file system says.
    fn truncate(&self, len: u64) -> io::Result<()>;

    /// Makes the content, and the length it needs, durable, and everything written back before (fdatasync(2)).
    ///
    /// # Errors
    /// As the file system says; then never sync this file again.
    fn sync_data(&self) -> io::Result<()>;

    /// Writes `len` bytes back to the device (sync_file_range(2)), where only the next `sync_data` of any file makes
    /// them durable.
    ///
    /// # Errors
    /// As the file system says; then never sync this file again.
    fn write_back(&self, at: u64, len: u64) -> io::Result<()>;

    /// Maps the whole file for writing. It must not be cut while mapped.
    ///
    /// # Errors
    /// As the file system says.
    fn map(&self) -> io::Result<Box<dyn Mapped>>;

    /// The whole content, for reading.
    ///
    /// # Errors
    /// As the file system says.
    fn view(&self) -> io::Result<Box<dyn AsRef<[u8]>>>;

    /// Fills `into` from byte `at` on.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] if the file ends before.
    fn read_exact_at(&self, into: &mut [u8], mut at: u64) -> io::Result<()> {
        let mut rest = into;
        while !rest.is_empty() {
            let n = self.read_at(rest, at)?;
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            rest = rest.get_mut(n..).unwrap_or_default();
            at += n as u64;
        }
        Ok(())
    }
}

/// A mapped file.
pub trait Mapped: Send {
    /// Its bytes.
    fn bytes(&mut self) -> &mut [u8];

    /// True if a page of it could not be had (a full disk, a failed read) and zeros stand in its place.
    fn is_broken(&self) -> bool;
}

/// True for a full disk or quota (`ENOSPC`, `EDQUOT`).
#[must_use]
pub fn is_full(e: &io::Error) -> bool {
    use nix::errno::Errno;
    matches!(e.raw_os_error().map(Errno::from_raw), Some(Errno::ENOSPC | Errno::EDQUOT))
}

/// A full disk, as an error.
#[must_use]
pub fn full() -> io::Error {
    io::Error::from_raw_os_error(nix::errno::Errno::ENOSPC as i32)
}
