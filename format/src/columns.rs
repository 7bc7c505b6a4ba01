//! Rows as columns, most of them compressed, the noise of time stamps kept apart.
//!
//! A frame's payload is a column directory, one zstd block, and one raw area:
//!
//! ```text
//! u16 columns | u16 0 | u32 zstd bytes | per column: u8 id, u8 encoding, u16 0, u32 block bytes, u32 raw bytes
//! zstd block (all columns' block parts, one after the other) | raw area (all columns' raw parts)
//! ```
//! Encodings:
//! * *varint* – one LEB128 number per row.
//! * *split* – a class byte per row in the block (the number's bit length, and its two bits below the
//!   leading one), the remaining low bits packed in the raw area. A compressor gains nothing on the low
//!   bits of a duration and pays for trying.
//! * *dictionary* – distinct tuples in order of first use, then one index per row.
//! * *chained* – durations as the distance from the row before's end on the same CPU to the row's start, *split*: an
//!   interval off a CPU began, as a rule, when another one ended there.
//! * *centred* – a number, then every value as its distance from that, *split*.
//! * *segment dictionary* – one id per row; the tuples stand in the segment's Dictionary frames
//!   ([`crate::dictionary`]).
//!
//! Rows are put in order of their end, so that end times are small non-negative steps. With a tick above 1 ns
//! times are rounded down to it first.

mod choose;
mod decode;
mod encode;
mod numbers;
mod pack;
mod per_cpu;
mod split;
mod varint;

pub use decode::{Decoded, decode};
pub use encode::{Compressor, Encoded, encode};

use crate::{FormatError, Reason};

/// Most rows one frame may hold.
pub const MAX_ROWS: usize = 1 << 16;
/// Most bytes the zstd block of one frame may unpack to.
pub const MAX_BLOCK_BYTES: usize = 16 << 20;

const WHAT: &str = "frame payload";

/// Column identities. Numbers are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Column {
    /// Step from the previous row's end (the first: from the frame's first time) in ticks, *split* or *centred*.
    End = 1,
    /// Duration in ticks, *split*, *centred* or *chained*.
    Duration = 2,
    /// CPU, *varint*.
    Cpu = 3,
    /// Zigzag distance from the number expected on that CPU, *varint*.
    Seq = 4,
    /// (pid, tid), *segment dictionary* or *dictionary*.
    Thread = 5,
    /// (op, flags, ret, stack), *dictionary*.
    Kind = 6,
    /// (op, flags, ret, stack, arg0, arg1), *segment dictionary* or *dictionary*; replaces Kind, Arg0 and Arg1.
    Call = 7,
    /// First value, *split* or *centred*.
    Arg0 = 8,
    /// Second value, one-tuple *dictionary*.
    Arg1 = 9,
}

impl Column {
    const ALL: [Self; 9] = [
        Self::End,
        Self::Duration,
        Self::Cpu,
        Self::Seq,
        Self::Thread,
        Self::Kind,
        Self::Call,
        Self::Arg0,
        Self::Arg1,
    ];

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|c| *c as u8 == number)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Encoding {
    Varint = 1,
    Split = 2,
    Dictionary = 3,
    Segment = 4,
    Chained = 5,
    Centred = 6,
}

fn check_row_count(value: u64) -> Result<(), FormatError> {
    if (1..=MAX_ROWS as u64).contains(&value) {
        return Ok(());
    }
    let reason = Reason::Range { field: "row count", value, allowed: "1 to 65536" };
    Err(FormatError::new(WHAT, 0, reason))
}

#[cfg(test)]
mod tests;
