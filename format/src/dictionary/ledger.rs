//! The writer's side: which entries a segment's frames already have.

use super::{Call, Interner, MAX_ENTRIES, MAX_TABLE_BYTES, Thread, Tuple, tables};
use crate::bytes::crc32c_append;

/// Entries given out in one segment. Planning what a frame adds changes nothing: a frame that turns out not to
/// fit leaves the ledger as it was.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    threads: Interner<Thread>,
    calls: Interner<Call>,
    table_bytes: usize,
    digest: u32,
}

/// What one frame adds to the dictionaries.
#[derive(Clone, Debug, Default)]
pub struct Additions {
    threads: Vec<Thread>,
    calls: Vec<Call>,
    raw: Vec<u8>,
}

impl Additions {
    /// Unpacked payload of the Dictionary frame that must stand before the frame; empty if none need.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    pub(crate) fn clear(&mut self) {
        self.threads.clear();
        self.calls.clear();
        self.raw.clear();
    }

    /// Plans ids for the distinct `threads` of a frame; false, and nothing planned, if that passes a limit.
    pub(crate) fn threads(&mut self, ledger: &Ledger, threads: &[Thread], ids: &mut Vec<u32>) -> bool {
        let known = ledger.table_bytes;
        plan(tables::THREAD, known, &ledger.threads, threads, &mut self.threads, &mut self.raw, ids)
    }

    /// Plans ids for the distinct `calls` of a frame; false, and nothing planned, if that passes a limit.
    pub(crate) fn calls(&mut self, ledger: &Ledger, calls: &[Call], ids: &mut Vec<u32>) -> bool {
        let known = ledger.table_bytes;
        plan(tables::CALL, known, &ledger.calls, calls, &mut self.calls, &mut self.raw, ids)
    }
}

// Gives each tuple the id it has or the next one; what is new goes into `new` and as a table behind `raw`.
fn plan<T: Tuple>(
    column: u8,
    table_bytes: usize,
    known: &Interner<T>,
    tuples: &[T],
    new: &mut Vec<T>,
    raw: &mut Vec<u8>,
    ids: &mut Vec<u32>,
) -> bool {
    ids.clear();
    let base = known.len();
    for tuple in tuples {
        ids.push(known.find(tuple).unwrap_or_else(|| {
            new.push(*tuple);
            (base + new.len() - 1) as u32
        }));
    }
    let before = raw.len();
    tables::write(raw, column, base, new);
    let fits = base + new.len() <= MAX_ENTRIES && table_bytes + raw.len() <= MAX_TABLE_BYTES;
    if !fits {
        raw.truncate(before);
        new.clear();
    }
    fits
}

impl Ledger {
    /// Threads, calls and digest (CRC32C of all unpacked tables) once `additions` are in: what the header of the frame
    /// that needs them says.
    #[must_use]
    pub fn after(&self, additions: &Additions) -> (u32, u32, u32) {
        let count = |old: usize, new: usize| (old + new) as u32;
        (
            count(self.threads.len(), additions.threads.len()),
            count(self.calls.len(), additions.calls.len()),
            self.digest_with(&additions.raw),
        )
    }

    fn digest_with(&self, raw: &[u8]) -> u32 {
        crc32c_append(self.digest, raw)
    }

    /// Takes additions for good.
    pub fn commit(&mut self, additions: &Additions) {
        for thread in &additions.threads {
            self.threads.id(*thread);
        }
        for call in &additions.calls {
            self.calls.id(*call);
        }
        self.table_bytes += additions.raw.len();
        self.digest = self.digest_with(&additions.raw);
    }

    /// Upper bound of [`Ledger::write_all`], bytes, with `additions` bytes more of tables in.
    #[must_use]
    pub fn bytes_with(&self, additions: usize) -> usize {
        // Two tables that begin at 0; those of the frames had headers too, so this is generous.
        self.table_bytes + additions + 10
    }

    /// Appends all entries, as a Footer has them.
    pub fn write_all(&self, out: &mut Vec<u8>) {
        tables::write(out, tables::THREAD, 0, self.threads.tuples());
        tables::write(out, tables::CALL, 0, self.calls.tuples());
    }
}
