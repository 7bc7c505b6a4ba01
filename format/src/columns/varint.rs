//! Reading one LEB128 number for each row.

use crate::{FormatError, bytes::Reader};

/// Numbers of a column, one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Varints<'a> {
    what: &'static str,
    data: &'a [u8],
    at: usize,
}

impl<'a> Varints<'a> {
    pub(super) fn new(what: &'static str, data: &'a [u8]) -> Self {
        Self { what, data, at: 0 }
    }

    /// The next number. Nearly all take one or two bytes.
    #[inline]
    pub(super) fn next(&mut self) -> Result<u64, FormatError> {
        match self.data.get(self.at..) {
            Some([low, ..]) if *low < 0x80 => {
                self.at += 1;
                Ok(u64::from(*low))
            }
            Some([low, high, ..]) if *high < 0x80 => {
                self.at += 2;
                Ok(u64::from(*low & 0x7f) | u64::from(*high) << 7)
            }
            _ => self.long(),
        }
    }

    #[cold]
    fn long(&mut self) -> Result<u64, FormatError> {
        let mut reader = self.reader();
        let value = reader.varint()?;
        self.at += reader.position();
        Ok(value)
    }

    fn reader(&self) -> Reader<'a> {
        Reader::new(self.what, self.data.get(self.at..).unwrap_or_default())
    }

    /// A refusal of the number just read.
    #[cold]
    pub(super) fn range(&self, field: &'static str, value: u64, allowed: &'static str) -> FormatError {
        self.reader().range(field, value, allowed).shifted(self.at as u64)
    }
}
