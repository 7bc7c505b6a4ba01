//! Dictionaries of a segment: threads and calls that its frames name by number.
//!
//! Entries are numbered from 0 for each column and never change. Additions travel in Dictionary frames before
//! the frame that uses them, and all entries stand again in the Footer. A payload is a sequence of tables:
//!
//! ```text
//! u8 column (5 Thread, 7 Call) | varint base | varint count | count tuples of 2 or 6 varints
//! ```
//! | type | side |
//! |---|---|
//! | [`Dictionaries`] | reading: what all good Dictionary frames and Footers of a segment bring together |
//! | [`Ledger`] | writing: what the segment's frames have been given so far |

mod interner;
mod ledger;
mod tables;
mod tuple;

pub(crate) use interner::Interner;
pub use ledger::{Additions, Ledger};
pub use tuple::{Call, Thread};
pub(crate) use tuple::{Kind, Second, Tuple};

use crate::{FormatError, Reason, bytes::Reader, frame};

/// Most entries of one column's dictionary.
pub const MAX_ENTRIES: usize = 1 << 16;
/// Most bytes of tables, unpacked, in all of a segment's Dictionary frames together, and once more in its Footer.
/// Without it, a table said again and again would keep a reader busy for seconds with a few KiB.
pub const MAX_TABLE_BYTES: usize = 512 << 10;

/// What a reader knows of one id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known<T> {
    Nothing,
    One(T),
    /// Different tuples came for this id.
    Contradiction,
}

/// Entries of one column, by id.
#[derive(Clone, Debug)]
pub(crate) struct Entries<T>(Vec<Known<T>>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Tuple> Entries<T> {
    /// The entry with an id, if there is one.
    #[inline]
    pub(crate) fn get(&self, id: u64) -> Option<&T> {
        match self.0.get(usize::try_from(id).ok()?) {
            Some(Known::One(tuple)) => Some(tuple),
            _ => None,
        }
    }

    fn learn(&mut self, base: usize, tuples: &[T]) {
        if self.0.len() < base + tuples.len() {
            self.0.resize(base + tuples.len(), Known::Nothing);
        }
        for (known, tuple) in self.0.iter_mut().skip(base).zip(tuples) {
            match known {
                Known::Nothing => *known = Known::One(*tuple),
                Known::One(same) if same == tuple => {}
                Known::One(_) | Known::Contradiction => *known = Known::Contradiction,
            }
        }
    }

    fn has_first(&self, n: usize) -> bool {
        self.0.len() >= n && self.0.iter().take(n).all(|k| matches!(k, Known::One(_)))
    }

    fn count(&self) -> usize {
        self.0.iter().filter(|k| matches!(k, Known::One(_))).count()
    }
}

/// The dictionaries of one segment, for reading.
#[derive(Clone, Debug, Default)]
pub struct Dictionaries {
    pub(crate) threads: Entries<Thread>,
    pub(crate) calls: Entries<Call>,
    /// Unpacked bytes of the Dictionary frames so far.
    table_bytes: usize,
    /// A Footer has been met.
    pub(crate) footer: bool,
}

impl Dictionaries {
    // By the length that the frame declares, so before it is unpacked.
    pub(crate) fn admit(&mut self, raw_len: u32) -> Result<(), FormatError> {
        let together = self.table_bytes.saturating_add(raw_len as usize);
        if together > MAX_TABLE_BYTES {
            let (value, allowed) = (together as u64, "at most 512 KiB");
            let reason = Reason::Range { field: "raw_len of all dictionary frames", value, allowed };
            return Err(FormatError::new("dictionary", 0, reason));
        }
        self.table_bytes = together;
        Ok(())
    }

    /// Takes unpacked tables: those of a Dictionary frame, or of a Footer, which may have none.
    ///
    /// # Errors
    /// If they break a rule; then nothing is taken.
    pub fn tables(&mut self, raw: &[u8]) -> Result<(), FormatError> {
        check_tables(raw)?;
        let Self { threads, calls, .. } = self;
        tables::visit(raw, |t| threads.learn(t.base, &t.tuples), |t| calls.learn(t.base, &t.tuples))
    }

    /// The thread with an id, if known.
    #[must_use]
    pub fn thread(&self, id: u64) -> Option<Thread> {
        self.threads.get(id).copied()
    }

    /// The call with an id, if known.
    #[must_use]
    pub fn call(&self, id: u64) -> Option<Call> {
        self.calls.get(id).copied()
    }

    /// True if every entry is here that an Events frame may rely on.
    #[must_use]
    pub fn cover(&self, frame: &frame::Header) -> bool {
        self.threads.has_first(frame.dict_threads as usize) && self.calls.has_first(frame.dict_calls as usize)
    }

    /// How many threads, and how many calls, are known.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.threads.count(), self.calls.count())
    }
}

/// Checks tables without keeping them.
pub(crate) fn check_tables(raw: &[u8]) -> Result<(), FormatError> {
    if raw.len() > MAX_TABLE_BYTES {
        let bytes = raw.len() as u64;
        return Err(Reader::new("dictionary table", raw).range("bytes of tables", bytes, "at most 512 KiB"));
    }
    tables::visit(raw, drop, drop)
}

fn entry_range(at: &Reader<'_>, field: &'static str, value: u64) -> FormatError {
    at.range(field, value, "1 entry to the 65,536th")
}

#[cfg(test)]
mod tests;
