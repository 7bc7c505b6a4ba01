//! Tables of dictionary entries as bytes.

use super::{Call, MAX_ENTRIES, Thread, Tuple, entry_range};
use crate::{
    FormatError,
    bytes::{Reader, put_varint},
};

/// Column number of thread tables.
pub(super) const THREAD: u8 = 5;
/// Column number of call tables.
pub(super) const CALL: u8 = 7;

/// Entries with rising ids.
pub(super) struct Table<T> {
    /// Id of the first.
    pub(super) base: usize,
    /// The entries.
    pub(super) tuples: Vec<T>,
}

/// Appends a table; one with no entries is left out.
pub(super) fn write<T: Tuple>(out: &mut Vec<u8>, column: u8, base: usize, tuples: &[T]) {
    if tuples.is_empty() {
        return;
    }
    out.push(column);
    put_varint(out, base as u64);
    put_varint(out, tuples.len() as u64);
    tuples.iter().for_each(|tuple| tuple.write(out));
}

/// Reads tables to the end of `raw`, one after the other: all of them together may be far longer than `raw`.
pub(super) fn visit(
    raw: &[u8],
    mut threads: impl FnMut(Table<Thread>),
    mut calls: impl FnMut(Table<Call>),
) -> Result<(), FormatError> {
    let mut r = Reader::new("dictionary table", raw);
    while !r.rest().is_empty() {
        match r.u8()? {
            THREAD => threads(table(&mut r)?),
            CALL => calls(table(&mut r)?),
            column => return Err(r.range("column", column.into(), "5 or 7")),
        }
    }
    Ok(())
}

fn table<T: Tuple>(r: &mut Reader<'_>) -> Result<Table<T>, FormatError> {
    let (base, count) = (r.varint()?, r.varint()?);
    if count == 0 || base.saturating_add(count) > MAX_ENTRIES as u64 {
        return Err(entry_range(r, "dictionary table's end", base.saturating_add(count)));
    }
    // Before anything is allocated: a value takes at least one byte.
    if count > (r.rest().len() / T::VALUES) as u64 {
        return Err(r.range("entries", count, "as many as the table's bytes hold"));
    }
    let mut tuples = Vec::with_capacity(count as usize);
    for _ in 0..count {
        tuples.push(T::read(r)?);
    }
    Ok(Table { base: base as usize, tuples })
}
