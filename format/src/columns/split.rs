//! The *split* encoding of numbers whose low bits are noise.
//!
//! Class byte of a value of bit length `b` (0 for 0): the value itself for `b < 3`, where nothing
//! remains; else `4 * b - 8 + m`, with `m` the two bits below the leading one; the `b - 3` bits below them go
//! raw, least significant first.

use crate::{FormatError, Row, bytes::Reader};

/// Number of classes: 252 to 255 do not exist.
const CLASSES: usize = 252;

/// Appends class bytes to `classes` and packed remainders, from a whole byte on, to `raw`.
pub(super) fn encode(values: impl Iterator<Item = u64>, classes: &mut Vec<u8>, raw: &mut Vec<u8>) {
    let rows = values.size_hint().0;
    raw.reserve(rows * 3);
    let mut bits = BitWriter { out: raw, pending: 0, used: 0 };
    classes.extend(values.map(|value| {
        let (class, rest) = class(value);
        bits.put(value & ((1 << rest) - 1), rest);
        class
    }));
    bits.finish();
}

/// Class of a value, and how many raw bits it has, at most 61.
#[inline]
pub(super) fn class(value: u64) -> (u8, u32) {
    let length = 64 - value.leading_zeros();
    if length < 3 {
        return (value as u8, 0);
    }
    let rest = length - 3;
    ((4 * length - 8) as u8 + ((value >> rest) as u8 & 3), rest)
}

struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    pending: u64,
    /// Bits of `pending` in use, below 64.
    used: u32,
}

impl BitWriter<'_> {
    /// Appends the lower `width` bits, at most 61; those above are 0.
    #[inline]
    fn put(&mut self, value: u64, width: u32) {
        self.pending |= value << self.used;
        self.used += width;
        if self.used >= 64 {
            self.out.extend_from_slice(&self.pending.to_le_bytes());
            self.used -= 64;
            self.pending = value >> (width - self.used);
        }
    }

    fn finish(self) {
        let bytes = self.used.div_ceil(8) as usize;
        self.out.extend_from_slice(self.pending.to_le_bytes().get(..bytes).unwrap_or_default());
    }
}

/// Value of a class without its raw bits, and how many there are.
const TABLE: [(u64, u32); 256] = {
    let mut table = [(0, 0); 256];
    let mut class = 0;
    while class < CLASSES {
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
        {
            table[class] = match class {
                0..=3 => (class as u64, 0),
                _ => ((4 | (class as u64 % 4)) << ((class - 4) / 4), (class as u32 - 4) / 4),
            };
        }
        class += 1;
    }
    table
};

/// Values of a column, one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Split<'a> {
    classes: &'a [u8],
    raw: &'a [u8],
    /// Bits of `raw` read so far.
    at: usize,
}

impl<'a> Split<'a> {
    /// A column of `count` values.
    pub(super) fn new(classes: &'a [u8], raw: &'a [u8], count: usize) -> Result<Self, FormatError> {
        let mut reader = Reader::new("split column", classes);
        let classes = reader.take(count)?;
        match classes.iter().find(|c| usize::from(**c) >= CLASSES) {
            Some(class) => Err(reader.range("class", u64::from(*class), "0 to 251")),
            None => Ok(Self { classes, raw, at: 0 }),
        }
    }

    /// Gives the next value to each of `rows`.
    #[inline]
    pub(super) fn fill(
        &mut self,
        rows: &mut [Row],
        mut set: impl FnMut(&mut Row, u64),
    ) -> Result<(), FormatError> {
        let (now, later) = self.classes.split_at_checked(rows.len()).unwrap_or((self.classes, &[]));
        self.classes = later;
        for (row, class) in rows.iter_mut().zip(now) {
            #[expect(clippy::indexing_slicing, reason = "a byte indexes 256 entries")]
            let (base, width) = TABLE[usize::from(*class)];
            set(row, base | self.bits(width)?);
        }
        Ok(())
    }

    // Eight bytes from the byte that the bits begin in hold at least 57 of them.
    #[inline]
    fn bits(&mut self, width: u32) -> Result<u64, FormatError> {
        let (byte, bit) = (self.at / 8, self.at % 8);
        let Some(word) = self.raw.get(byte..).and_then(|b| b.first_chunk::<8>()) else {
            return self.last_bits(width);
        };
        if width > 57 {
            return self.last_bits(width);
        }
        self.at += width as usize;
        Ok(u64::from_le_bytes(*word) >> bit & ((1 << width) - 1))
    }

    // Near the end of the area, and for the widest values: byte by byte.
    #[cold]
    fn last_bits(&mut self, width: u32) -> Result<u64, FormatError> {
        let (byte, bit) = (self.at / 8, self.at % 8);
        let mut reader = Reader::new("split column", self.raw);
        reader.take(byte)?;
        let bytes = reader.take((bit + width as usize).div_ceil(8))?;
        let all = bytes.iter().rev().fold(0u128, |all, b| all << 8 | u128::from(*b));
        self.at += width as usize;
        Ok((all >> bit) as u64 & ((1 << width) - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(values: &[u64]) -> (Vec<u8>, Vec<u8>) {
        let (mut classes, mut raw) = (Vec::new(), Vec::new());
        encode(values.iter().copied(), &mut classes, &mut raw);
        (classes, raw)
    }

    fn decoded(classes: &[u8], raw: &[u8], count: usize) -> Result<Vec<u64>, FormatError> {
        let mut rows = vec![Row::default(); count];
        let mut split = Split::new(classes, raw, count)?;
        for chunk in rows.chunks_mut(7) {
            split.fill(chunk, |row, value| row.arg0 = value)?;
        }
        Ok(rows.iter().map(|r| r.arg0).collect())
    }

    #[test]
    fn classes_are_those_the_format_document_lists() {
        let values = [0, 1, 2, 3, 4, 7, 8, 15, 1000, u64::MAX];
        let (classes, raw) = encoded(&values);
        assert_eq!(classes, [0, 1, 2, 3, 4, 7, 8, 11, 35, 251]);
        assert_eq!(decoded(&classes, &raw, values.len()).unwrap(), values);
    }

    #[test]
    fn classes_that_do_not_exist_and_missing_bits_are_refused() {
        for class in 252..=255 {
            assert!(decoded(&[class], &[0; 16], 1).is_err());
        }
        assert!(decoded(&[251], &[0; 7], 1).is_err());
        assert!(decoded(&[251], &[0; 8], 1).is_ok());
        assert!(decoded(&[251, 251], &[0; 15], 2).is_err());
        assert!(decoded(&[1], &[], 2).is_err());
    }

    proptest! {
        #[test]
        fn any_values_read_back(values in prop::collection::vec(any::<u64>().prop_flat_map(|v| (0u32..64).prop_map(move |s| v >> s)), 0..400)) {
            let (classes, raw) = encoded(&values);
            prop_assert_eq!(decoded(&classes, &raw, values.len()).unwrap(), values);
        }

        #[test]
        fn arbitrary_bytes_never_panic(classes: Vec<u8>, raw: Vec<u8>, count in 0usize..300) {
            let _ = decoded(&classes, &raw, count);
        }
    }
}
