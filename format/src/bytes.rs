//! Little-endian reading and writing with bounds.

use crate::{FormatError, Reason};

/// Reads fixed fields from a slice; a read past the end yields an error, never a panic.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    what: &'static str,
    data: &'a [u8],
    at: usize,
}

macro_rules! read_int {
    ($($name:ident: $type:ty),*) => {$(
        /// Reads one little-endian integer.
        ///
        /// # Errors
        /// [`Reason::Short`] if the slice ends first.
        pub fn $name(&mut self) -> Result<$type, FormatError> {
            let (head, _) = self.rest().split_first_chunk::<{ size_of::<$type>() }>()
                .ok_or_else(|| self.short(size_of::<$type>()))?;
            let value = <$type>::from_le_bytes(*head);
            self.at += size_of::<$type>();
            Ok(value)
        }
    )*};
}

impl<'a> Reader<'a> {
    /// Reads from the start of `data`; `what` names the structure in errors.
    #[must_use]
    pub fn new(what: &'static str, data: &'a [u8]) -> Self {
        Self { what, data, at: 0 }
    }

    read_int!(u8: u8, u16: u16, u32: u32, u64: u64);

    /// Bytes read so far.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    /// What has not been read.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.data.get(self.at..).unwrap_or_default()
    }

    /// Reads `len` bytes.
    ///
    /// # Errors
    /// [`Reason::Short`] if fewer are left.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], FormatError> {
        let bytes = self.rest().get(..len).ok_or_else(|| self.short(len))?;
        self.at += len;
        Ok(bytes)
    }

    /// Reads `N` bytes as an array.
    ///
    /// # Errors
    /// [`Reason::Short`] if fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let (head, _) = self.rest().split_first_chunk::<N>().ok_or_else(|| self.short(N))?;
        self.at += N;
        Ok(*head)
    }

    /// Reads one unsigned LEB128 number (DWARF 5, section 7.6) of at most 64 bits.
    ///
    /// # Errors
    /// [`Reason::Short`] if the slice ends inside it, [`Reason::Range`] if it has over 64 bits.
    pub fn varint(&mut self) -> Result<u64, FormatError> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.range("varint length", 11, "1 to 10 bytes"))
    }

    /// A range refusal at the present position.
    #[must_use]
    pub fn range(&self, field: &'static str, value: u64, allowed: &'static str) -> FormatError {
        FormatError::new(self.what, self.at as u64, Reason::Range { field, value, allowed })
    }

    fn short(&self, needed: usize) -> FormatError {
        let available = self.rest().len() as u64;
        FormatError::new(self.what, self.at as u64, Reason::Short { needed: needed as u64, available })
    }
}

/// Appends a LEB128 number.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Maps small negative and positive numbers to small unsigned ones, as protocol buffers do: 0, -1, 1, -2 become
/// 0, 1, 2, 3.
#[must_use]
#[inline]
pub fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Reverses [`zigzag`].
#[must_use]
#[inline]
pub fn unzigzag(value: u64) -> i64 {
    ((value >> 1) as i64) ^ -((value & 1) as i64)
}

/// CRC32C (Castagnoli, RFC 3720) of all parts in order. `"123456789"` gives `0xe3069283`.
#[must_use]
pub fn crc32c(parts: &[&[u8]]) -> u32 {
    parts.iter().fold(0, |crc, part| crc32c::crc32c_append(crc, part))
}

/// The CRC32C of bytes with checksum `crc` followed by `part`.
#[must_use]
pub fn crc32c_append(crc: u32, part: &[u8]) -> u32 {
    crc32c::crc32c_append(crc, part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_checksum_is_crc32c_and_not_another_crc32() {
        assert_eq!(crc32c(&[b"1234", b"56789"]), 0xe306_9283);
        assert_eq!(crc32c(&[&[0; 32]]), 0x8a91_36aa);
        assert_eq!(crc32c(&[&[0xff; 32]]), 0x62a8_ab43);
    }

    proptest! {
        #[test]
        fn a_varint_reads_back_as_written(value: u64) {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            let mut reader = Reader::new("test", &bytes);
            prop_assert_eq!(reader.varint(), Ok(value));
            prop_assert!(reader.rest().is_empty());
        }

        #[test]
        fn zigzag_reverses(value: i64) {
            prop_assert_eq!(unzigzag(zigzag(value)), value);
        }

        #[test]
        fn reading_arbitrary_bytes_never_panics(bytes: Vec<u8>) {
            let mut reader = Reader::new("test", &bytes);
            while reader.varint().is_ok() {}
        }
    }

    #[test]
    fn a_varint_of_more_than_64_bits_is_refused() {
        assert!(Reader::new("test", &[0xff; 10]).varint().is_err());
        assert!(Reader::new("test", &[0x80; 10]).varint().is_err());
    }
}
