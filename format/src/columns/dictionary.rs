//! The *dictionary* encoding of tuples that repeat.
//!
//! `varint count`, then each distinct tuple as N varints in order of first use, then one varint index
//! per row.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use crate::{
    FormatError, Row,
    bytes::{Reader, put_varint},
};

/// Multiply-and-rotate: the keys come from our own rows, and a flood of collisions costs time only.
#[derive(Default)]
struct TupleHasher(u64);

impl Hasher for TupleHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.write_u64(u64::from(*b)));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(23) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }
}

/// Encodes tuples; also says how many are distinct.
pub(super) fn encode<const N: usize>(tuples: impl Iterator<Item = [u64; N]>) -> (Vec<u8>, usize) {
    let mut ids: HashMap<Key<N>, u32, BuildHasherDefault<TupleHasher>> = HashMap::default();
    let (mut entries, mut indexes) = (Vec::new(), Vec::new());
    for tuple in tuples {
        let next = ids.len() as u32;
        let id = *ids.entry(Key(tuple)).or_insert_with(|| {
            tuple.iter().for_each(|&v| put_varint(&mut entries, v));
            next
        });
        put_varint(&mut indexes, u64::from(id));
    }
    let mut out = Vec::with_capacity(entries.len() + indexes.len() + 5);
    put_varint(&mut out, ids.len() as u64);
    out.extend(entries);
    out.extend(indexes);
    (out, ids.len())
}

#[derive(PartialEq, Eq)]
struct Key<const N: usize>([u64; N]);

// Arrays of u64 hash as one byte slice by default; words are quicker.
#[expect(
    clippy::derived_hash_with_manual_eq,
    reason = "equality is derived; only the order of writes differs"
)]
impl<const N: usize> std::hash::Hash for Key<N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.iter().for_each(|&v| state.write_u64(v));
    }
}

/// Reads one tuple for each row and hands both to `set`.
pub(super) fn decode<const N: usize>(
    block: &[u8],
    rows: &mut [Row],
    set: impl Fn(&mut Row, [u64; N]),
) -> Result<(), FormatError> {
    let mut r = Reader::new("dictionary column", block);
    let count = r.varint()?;
    if count > rows.len() as u64 {
        return Err(r.range("dictionary entries", count, "at most one per row"));
    }
    let mut tuples = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let mut tuple = [0; N];
        for value in &mut tuple {
            *value = r.varint()?;
        }
        tuples.push(tuple);
    }
    for row in rows {
        let index = r.varint()?;
        let tuple = usize::try_from(index).ok().and_then(|i| tuples.get(i));
        set(row, *tuple.ok_or_else(|| r.range("dictionary index", index, "below the entry count"))?);
    }
    Ok(())
}
