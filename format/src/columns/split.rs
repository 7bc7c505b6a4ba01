//! The *split* encoding of numbers whose low bits are noise.
//!
//! Class byte of a value of bit length `b` (0 for 0): the value itself for `b < 3`, where nothing
//! remains; else `4 * b - 8 + m`, with `m` the two bits below the leading one; the `b - 3` bits below them go raw, least
//! significant first.

use crate::{FormatError, bytes::Reader};

/// Class bytes and packed remainders.
pub(super) fn encode(values: impl Iterator<Item = u64>) -> (Vec<u8>, Vec<u8>) {
    let rows = values.size_hint().0;
    let mut classes = Vec::with_capacity(rows);
    let mut bits = BitWriter { out: Vec::with_capacity(rows * 3), ..BitWriter::default() };
    for value in values {
        let length = 64 - value.leading_zeros();
        if length < 3 {
            classes.push(value as u8);
        } else {
            let rest = length - 3;
            let top = (value >> rest) as u8 & 3;
            classes.push((4 * length - 8) as u8 + top);
            bits.put(value & ((1 << rest) - 1), rest);
        }
    }
    (classes, bits.finish())
}

/// Reads `count` values back.
pub(super) fn decode(classes: &[u8], raw: &[u8], count: usize) -> Result<Vec<u64>, FormatError> {
    let mut reader = Reader::new("split column", classes);
    let classes = reader.take(count)?;
    let mut bits = BitReader::new(raw);
    classes
        .iter()
        .map(|&class| match class {
            0..=3 => Ok(u64::from(class)),
            _ => {
                let (rest, top) = (u32::from(class - 4) / 4, u64::from(class) % 4);
                if rest > 61 {
                    return Err(reader.range("class", u64::from(class), "0 to 251"));
                }
                Ok((4 | top) << rest | bits.take(rest)?)
            }
        })
        .collect()
}

#[derive(Default)]
struct BitWriter {
    out: Vec<u8>,
    pending: u64,
    used: u32,
}

impl BitWriter {
    // Fewer than 8 bits are pending on entry, so up to 56 fit at once; wider values go in two parts.
    #[inline]
    fn put(&mut self, value: u64, width: u32) {
        if width > 56 {
            self.put(value & 0xffff_ffff, 32);
            return self.put(value >> 32, width - 32);
        }
        self.pending |= value << self.used;
        self.used += width;
        let whole = (self.used / 8) as usize;
        let bytes = self.pending.to_le_bytes();
        self.out.extend_from_slice(bytes.get(..whole).unwrap_or_default());
        self.pending = if whole == 8 { 0 } else { self.pending >> (8 * whole) };
        self.used %= 8;
    }

    fn finish(mut self) -> Vec<u8> {
        let bytes = self.used.div_ceil(8) as usize;
        self.out.extend(self.pending.to_le_bytes().into_iter().take(bytes));
        self.out
    }
}

struct BitReader<'a> {
    data: Reader<'a>,
    pending: u128,
    have: u32,
}

impl<'a> BitReader<'a> {
    fn new(raw: &'a [u8]) -> Self {
        Self { data: Reader::new("split column", raw), pending: 0, have: 0 }
    }

    fn take(&mut self, width: u32) -> Result<u64, FormatError> {
        while self.have < width {
            let (byte, width) = match self.data.rest().len() {
                4.. => (u128::from(self.data.u32()?), 32),
                _ => (u128::from(self.data.u8()?), 8),
            };
            self.pending |= byte << self.have;
            self.have += width;
        }
        let value = (self.pending & ((1u128 << width) - 1)) as u64;
        self.pending >>= width;
        self.have -= width;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn classes_are_those_the_format_document_lists() {
        let values = [0, 1, 2, 3, 4, 7, 8, 15, 1000, u64::MAX];
        let (classes, raw) = encode(values.into_iter());
        assert_eq!(classes, [0, 1, 2, 3, 4, 7, 8, 11, 35, 251]);
        assert_eq!(decode(&classes, &raw, values.len()).unwrap(), values);
    }

    proptest! {
        #[test]
        fn any_values_read_back(values in prop::collection::vec(any::<u64>().prop_flat_map(|v| (0u32..64).prop_map(move |s| v >> s)), 0..400)) {
            let (classes, raw) = encode(values.iter().copied());
            prop_assert_eq!(decode(&classes, &raw, values.len()).unwrap(), values);
        }

        #[test]
        fn arbitrary_bytes_never_panic(classes: Vec<u8>, raw: Vec<u8>, count in 0usize..300) {
            let _ = decode(&classes, &raw, count);
        }
    }
}
