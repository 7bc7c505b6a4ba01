//! The *dictionary* encoding of tuples that repeat.
//!
//! `varint count`, then each distinct tuple as N varints in order of first use, then one varint index
//! per row.

use crate::{
    FormatError, Row,
    bytes::{Reader, put_varint},
};

/// Distinct tuples in order of first use, found through an open-addressed table. The tuples come from our
/// own rows: a flood of collisions would cost time only.
struct Interner<const N: usize> {
    tuples: Vec<[u64; N]>,
    /// Index + 1 into `tuples`, or 0; a power of two of places, at most half of them in use.
    places: Vec<u32>,
}

impl<const N: usize> Interner<N> {
    fn new() -> Self {
        Self { tuples: Vec::new(), places: vec![0; 256] }
    }

    #[inline]
    fn hash(tuple: &[u64; N]) -> usize {
        let mix = |h: u64, v: &u64| (h.rotate_left(23) ^ v).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let hash = tuple.iter().fold(0, mix);
        (hash ^ (hash >> 29)) as usize
    }

    #[inline]
    fn id(&mut self, tuple: [u64; N]) -> u32 {
        let mask = self.places.len() - 1;
        let mut at = Self::hash(&tuple) & mask;
        loop {
            let Some(place) = self.places.get(at).copied() else { return 0 };
            match (place as usize).checked_sub(1).map(|i| self.tuples.get(i)) {
                Some(Some(known)) if same(known, &tuple) => return place - 1,
                Some(_) => at = (at + 1) & mask,
                None => return self.add(tuple, at),
            }
        }
    }

    #[cold]
    fn add(&mut self, tuple: [u64; N], at: usize) -> u32 {
        self.tuples.push(tuple);
        let id = self.tuples.len() as u32;
        if let Some(place) = self.places.get_mut(at) {
            *place = id;
        }
        if self.tuples.len() * 2 > self.places.len() {
            self.grow();
        }
        id - 1
    }

    fn grow(&mut self) {
        let mask = self.places.len() * 2 - 1;
        self.places = vec![0; mask + 1];
        for (i, tuple) in self.tuples.iter().enumerate() {
            let mut at = Self::hash(tuple) & mask;
            while self.places.get(at).is_some_and(|p| *p != 0) {
                at = (at + 1) & mask;
            }
            if let Some(place) = self.places.get_mut(at) {
                *place = i as u32 + 1;
            }
        }
    }
}

// Word by word: comparing arrays calls memcmp, which costs more than it compares.
#[inline]
fn same<const N: usize>(a: &[u64; N], b: &[u64; N]) -> bool {
    a.iter().zip(b).all(|(a, b)| a == b)
}

/// Encodes tuples; also says how many are distinct.
pub(super) fn encode<const N: usize>(tuples: impl Iterator<Item = [u64; N]>) -> (Vec<u8>, usize) {
    let mut interner = Interner::new();
    let mut indexes = Vec::with_capacity(tuples.size_hint().0 + 16);
    for tuple in tuples {
        put_varint(&mut indexes, u64::from(interner.id(tuple)));
    }
    let distinct = interner.tuples.len();
    let mut out = Vec::with_capacity(distinct * N * 4 + indexes.len() + 5);
    put_varint(&mut out, distinct as u64);
    interner.tuples.iter().flatten().for_each(|v| put_varint(&mut out, *v));
    out.extend(indexes);
    (out, distinct)
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
