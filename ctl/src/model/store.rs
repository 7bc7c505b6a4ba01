//! A table of events: in memory, or, where it is large, in a file without a name that is mapped.
//!
//! The kernel may write such a table out and drop it from memory; [`Events::release`] tells it when to.

use std::{
    fmt::{self, Debug},
    io,
    marker::PhantomData,
    ops::{Deref, DerefMut, Range},
    path::PathBuf,
};

use memmap2::{MmapMut, UncheckedAdvice};

use super::{Call, OffCpu};
use crate::error::Error;

/// Tables of all a window's events together below this size are kept in memory.
const IN_MEMORY_BYTES: u64 = 256 << 20;

/// Events between two times at which memory is given back.
pub(super) const AT_A_TIME: usize = 1 << 20;

/// Rows that may lie in a file.
///
/// # Safety
/// Zeros are a valid value, and dropping one does nothing.
pub unsafe trait Plain: Copy {}

// SAFETY: integers, and `FirstUse`, whose first value is 0.
unsafe impl Plain for Call {}
// SAFETY: integers.
unsafe impl Plain for OffCpu {}

/// Where tables that are too large for memory go.
#[derive(Clone, Debug)]
pub struct Spool {
    folder: PathBuf,
    in_memory_bytes: u64,
}

impl Default for Spool {
    /// The folder for temporary files.
    fn default() -> Self {
        Self::in_folder(std::env::temp_dir())
    }
}

impl Spool {
    /// Files go into `folder`; they never have a name there.
    #[must_use]
    pub fn in_folder(folder: PathBuf) -> Self {
        Self { folder, in_memory_bytes: IN_MEMORY_BYTES }
    }

    /// Even the smallest table goes into a file.
    #[cfg(test)]
    pub fn always() -> Self {
        Self { in_memory_bytes: 0, ..Self::default() }
    }

    /// What it means that there was no room.
    pub fn failed(&self, e: io::Error) -> Error {
        Error::writing(&self.folder)(e)
    }

    /// Room for tables of so many rows each.
    ///
    /// # Errors
    /// If the folder has not enough room.
    pub fn tables(&self, calls: usize, off_cpu: usize) -> io::Result<(Events<Call>, Events<OffCpu>)> {
        let bytes = bytes_of::<Call>(calls)? + bytes_of::<OffCpu>(off_cpu)?;
        if bytes as u64 <= self.in_memory_bytes {
            let (calls, off_cpu) = (vec![Call::default(); calls], vec![OffCpu::default(); off_cpu]);
            return Ok((calls.into(), off_cpu.into()));
        }
        Ok((self.table(calls)?, self.table(off_cpu)?))
    }

    fn table<T: Plain>(&self, len: usize) -> io::Result<Events<T>> {
        if len == 0 {
            return Ok(Vec::new().into());
        }
        let bytes = bytes_of::<T>(len)?;
        let file = tempfile::tempfile_in(&self.folder)?;
        // A store into a mapped hole of a full disk would end the process: so the room is taken first.
        nix::fcntl::posix_fallocate(&file, 0, bytes as i64)?;
        // SAFETY: the file has no name, so nobody else can open, change or truncate it.
        let map = unsafe { memmap2::MmapOptions::new().len(bytes).map_mut(&file) }?;
        Ok(Events { store: Store::File(map), len, of: PhantomData })
    }
}

fn bytes_of<T>(rows: usize) -> io::Result<usize> {
    let bytes = rows.checked_mul(size_of::<T>()).filter(|b| isize::try_from(*b).is_ok());
    bytes.ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))
}

/// Events as a slice, wherever they lie.
pub struct Events<T> {
    store: Store<T>,
    /// Rows in the file.
    len: usize,
    of: PhantomData<T>,
}

enum Store<T> {
    Memory(Vec<T>),
    File(MmapMut),
}

impl<T: Plain> Events<T> {
    /// Adds one at the end.
    pub fn push(&mut self, event: T) {
        self.memory().push(event);
    }

    /// Keeps those for which `keep` is true, in their order.
    pub fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        let mut kept = 0;
        for i in 0..self.len() {
            if let Some(event) = self.get(i).copied().filter(&keep) {
                self.iter_mut().skip(kept).take(1).for_each(|place| *place = event);
                kept += 1;
            }
        }
        self.truncate(kept);
    }

    /// Keeps the first `len`.
    pub fn truncate(&mut self, len: usize) {
        match &mut self.store {
            Store::Memory(list) => list.truncate(len),
            Store::File(_) => self.len = self.len.min(len),
        }
    }

    /// Changes each event of a part; of a table in a file few are in memory at a time.
    pub fn each(&mut self, rows: Range<usize>, mut change: impl FnMut(&mut T)) {
        for from in rows.clone().step_by(AT_A_TIME) {
            let part = from..rows.end.min(from + AT_A_TIME);
            self.get_mut(part.clone()).unwrap_or_default().iter_mut().for_each(&mut change);
            self.release(part);
        }
    }

    /// Says that a part is not needed for a while: memory that only holds what the file has is given back.
    pub fn release(&self, rows: Range<usize>) {
        let Store::File(map) = &self.store else { return };
        let (from, to) = (rows.start * size_of::<T>(), rows.end.min(self.len) * size_of::<T>());
        if from < to {
            // SAFETY: the mapping is shared with its file, so pages that are dropped come back as they were.
            // A refusal changes nothing.
            let _ = unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, from, to - from) };
        }
    }

    fn memory(&mut self) -> &mut Vec<T> {
        if let Store::File(_) = &self.store {
            self.store = Store::Memory(self.to_vec());
        }
        match &mut self.store {
            Store::Memory(list) => list,
            Store::File(_) => unreachable!("was made memory above"),
        }
    }
}

impl<T: Plain> Deref for Events<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.store {
            Store::Memory(list) => list,
            // SAFETY: the mapping begins at a page, is as long as `len` rows, lives as long as `self`, and holds
            // zeros or rows that were stored as `T`.
            Store::File(map) => unsafe { std::slice::from_raw_parts(map.as_ptr().cast(), self.len) },
        }
    }
}

impl<T: Plain> DerefMut for Events<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.store {
            Store::Memory(list) => list,
            // SAFETY: as in `deref`; `self` is borrowed alone.
            Store::File(map) => unsafe { std::slice::from_raw_parts_mut(map.as_mut_ptr().cast(), self.len) },
        }
    }
}

impl<T> From<Vec<T>> for Events<T> {
    fn from(list: Vec<T>) -> Self {
        Self { store: Store::Memory(list), len: 0, of: PhantomData }
    }
}

impl<T> Default for Events<T> {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl<T: Plain> Clone for Events<T> {
    /// A copy in memory.
    fn clone(&self) -> Self {
        self.to_vec().into()
    }
}

impl<T: Plain + PartialEq> PartialEq for Events<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Plain + Debug> Debug for Events<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<'a, T: Plain> IntoIterator for &'a Events<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(ts_ns: i64) -> Call {
        Call { ts_ns, ..Call::default() }
    }

    #[test]
    fn a_table_in_a_file_is_as_one_in_memory_also_after_its_pages_were_given_back() {
        let (mut calls, off_cpu) = Spool::always().tables(5_000, 0).unwrap();
        assert!(matches!(calls.store, Store::File(_)) && off_cpu.is_empty());
        assert_eq!(calls[4_999], Call::default());
        (0..).zip(calls.iter_mut()).for_each(|(i, c)| *c = call(i));
        calls.release(0..5_000);
        calls.each(4_990..5_000, |c| c.ret = 7);
        assert_eq!(calls.iter().filter(|c| c.ret == 7).count(), 10);
        calls.each(0..5_000, |c| c.ret = 0);
        let expected: Events<Call> = (0..5_000).map(call).collect::<Vec<_>>().into();
        assert_eq!(calls, expected);
        calls.retain(|c| c.ts_ns % 1_000 == 7);
        assert_eq!(calls.iter().map(|c| c.ts_ns).collect::<Vec<_>>(), [7, 1_007, 2_007, 3_007, 4_007]);
        calls.release(0..usize::MAX / 128);
        calls.push(call(9));
        assert_eq!((calls.len(), calls[4].ts_ns, calls[5].ts_ns), (6, 4_007, 9));
        assert_eq!(calls.clone(), calls);
    }

    #[test]
    fn small_tables_stay_in_memory_and_what_no_disk_can_hold_is_an_error() {
        let (calls, off_cpu) = Spool::default().tables(3, 2).unwrap();
        assert!(matches!((&calls.store, &off_cpu.store), (Store::Memory(_), Store::Memory(_))));
        assert!(Spool::always().tables(1 << 50, 0).is_err());
        assert!(Spool::always().tables(usize::MAX, 0).is_err());
        let nowhere = Spool { folder: "/nonexistent/folder".into(), in_memory_bytes: 0 };
        assert!(nowhere.tables(1, 0).is_err());
    }
}
