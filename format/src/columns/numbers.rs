//! Reading columns of numbers and of durations, whichever way they are written.

use super::{per_cpu::LastEnds, split::Split};
use crate::{
    FormatError, Row,
    bytes::{Reader, unzigzag},
};

/// Numbers of a column, one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers<'a> {
    values: Split<'a>,
    /// What the values are distances from; `None` if they are the numbers themselves.
    centre: Option<u64>,
}

impl<'a> Numbers<'a> {
    /// A column in encoding *split*.
    pub(super) fn split(block: &'a [u8], raw: &'a [u8], count: usize) -> Result<Self, FormatError> {
        Ok(Self { values: Split::new(block, raw, count)?, centre: None })
    }

    /// A column in encoding *centred*.
    pub(super) fn centred(block: &'a [u8], raw: &'a [u8], count: usize) -> Result<Self, FormatError> {
        let mut r = Reader::new("centred column", block);
        let centre = Some(r.varint()?);
        Ok(Self { values: Split::new(r.rest(), raw, count)?, centre })
    }

    /// Gives the next number to each of `rows`.
    #[inline]
    pub(super) fn fill(
        &mut self,
        rows: &mut [Row],
        mut set: impl FnMut(&mut Row, u64),
    ) -> Result<(), FormatError> {
        match self.centre {
            None => self.values.fill(rows, set),
            Some(centre) => self
                .values
                .fill(rows, |row, value| set(row, centre.wrapping_add(unzigzag(value).cast_unsigned()))),
        }
    }
}

/// Durations, one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) enum Durations<'a> {
    /// Each by itself.
    Numbers(Numbers<'a>),
    /// Each from the row before on its CPU.
    Chained(Split<'a>),
}

impl Durations<'_> {
    /// Gives the next duration to each of `rows`, whose ends and CPUs are there; `last_ends` are those of the rows
    /// before.
    pub(super) fn fill(
        &mut self,
        rows: &mut [Row],
        tick_ns: u64,
        last_ends: &mut LastEnds,
    ) -> Result<(), FormatError> {
        match self {
            Self::Numbers(numbers) => {
                numbers.fill(rows, |row, ticks| row.dur_ns = ticks.wrapping_mul(tick_ns))
            }
            Self::Chained(values) => values.fill(rows, |row, value| {
                let distance_ns = unzigzag(value).cast_unsigned().wrapping_mul(tick_ns);
                let start_ns = last_ends.replace(row.cpu(), row.end_ns).wrapping_add(distance_ns);
                row.dur_ns = row.end_ns.wrapping_sub(start_ns);
            }),
        }
    }
}
