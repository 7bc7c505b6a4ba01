//! A segment: a header and frames, readable without any other file.
//!
//! ```text
//!   0 magic 8         8 header_len u16 (256)  10 version u16   12 compat u32  16 incompat u32
//!  20 tick_ns u32    24 salt u64              32 segment_seq u64  40 ring_id 16
//!  56 boot_id 16     72 epoch u64             80 created_boot_ns u64  88 created_real_ns u64
//!  96 clock_uncertainty_ns u64               104 chain_before 16  120 reserved   252 header_crc u32
//! frames: State first, then Dictionary and Events in the order they were sealed, Footer if closed; then zeros
//! ```
//! `epoch` is the life of one set of BPF counters: (epoch, cpu, source, seq) names an event for ever.
//!
//! | side | type |
//! |---|---|
//! | writing | [`Builder`]: the bytes of a segment, one write after the other |
//! | reading | [`Scan`]: frames past any damage; [`Dictionaries`]: names for their rows; [`follow`]: the chain |

mod builder;
mod chain;
mod dictionaries;
mod footer;
mod name;
mod scan;

pub use builder::Builder;
pub use chain::{Links, chain, follow};
pub use footer::{Footer, FooterEntry};
pub use name::{file_name, number_of};
pub use scan::{Scan, Step};

pub use crate::dictionary::Dictionaries;
use crate::{
    FormatError, Reason,
    bytes::{Reader, crc32c},
    check::{KNOWN_INCOMPAT, check_crc, refuse_unknown},
};

/// First bytes of a segment.
pub const MAGIC: [u8; 8] = *b"\x89ISG\r\n\x1a\n";
/// Bytes of the header this version writes.
pub const HEADER_BYTES: usize = 256;
/// Version this code writes.
pub const VERSION: u16 = 1;
/// Longest unit of the time columns, ns.
pub const MAX_TICK_NS: u32 = 1_000_000;
const WHAT: &str = "segment header";

/// A moment on both clocks.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, crate::codec::Encode, crate::codec::Decode, serde::Serialize,
)]
pub struct Anchor {
    /// CLOCK_BOOTTIME, ns.
    pub boot_ns: u64,
    /// CLOCK_REALTIME at that moment, Unix ns.
    pub real_ns: u64,
    /// How far apart the two readings may be, ns.
    pub uncertainty_ns: u64,
}

/// A decoded segment header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes before the first frame.
    pub header_len: u16,
    /// Unit of the time columns, ns, 1 to [`MAX_TICK_NS`]; 1 is lossless.
    pub tick_ns: u32,
    /// Random number that marks every frame of this file.
    pub salt: u64,
    /// Number of the segment in its ring; never used twice.
    pub seq: u64,
    /// The ring ([`crate::identity::Identity::ring_id`]).
    pub ring_id: [u8; 16],
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: [u8; 16],
    /// Life of the BPF counters: when they began, Unix ns. Readers only compare it.
    pub epoch: u64,
    /// When it was created.
    pub created: Anchor,
    /// Value of the digest chain before the first frame: that after the last frame of the segment before.
    pub chain_before: u128,
}

impl Default for Header {
    /// Of this version's length, lossless, all else 0.
    fn default() -> Self {
        Self {
            header_len: HEADER_BYTES as u16,
            tick_ns: 1,
            salt: 0,
            seq: 0,
            ring_id: [0; 16],
            boot_id: [0; 16],
            epoch: 0,
            created: Anchor::default(),
            chain_before: 0,
        }
    }
}

impl Header {
    /// The header's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.extend(MAGIC);
        out.extend((HEADER_BYTES as u16).to_le_bytes());
        out.extend(VERSION.to_le_bytes());
        for value in [0u32, KNOWN_INCOMPAT, self.tick_ns] {
            out.extend(value.to_le_bytes());
        }
        out.extend(self.salt.to_le_bytes());
        out.extend(self.seq.to_le_bytes());
        out.extend(self.ring_id);
        out.extend(self.boot_id);
        for value in [self.epoch, self.created.boot_ns, self.created.real_ns, self.created.uncertainty_ns] {
            out.extend(value.to_le_bytes());
        }
        out.extend(self.chain_before.to_le_bytes());
        out.resize(HEADER_BYTES - 4, 0);
        out.extend(crc32c(&[&out]).to_le_bytes());
        out
    }

    /// Reads and checks the header at the start of `bytes`.
    ///
    /// # Errors
    /// Magic, checksum, range, or [`Reason::Incompatible`] naming the unknown feature bit.
    pub fn read(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut r = Reader::new(WHAT, bytes);
        if r.array::<8>()? != MAGIC {
            return Err(FormatError::new(WHAT, 0, Reason::Magic("segment")));
        }
        let header_len = r.u16()?;
        if !(HEADER_BYTES as u16..=4096).contains(&header_len) || !header_len.is_multiple_of(8) {
            return Err(r.range("header_len", u64::from(header_len), "256 to 4096, a multiple of 8"));
        }
        let whole = Reader::new(WHAT, bytes).take(usize::from(header_len))?;
        check_crc(WHAT, whole)?;
        let (_version, _compat, incompat) = (r.u16()?, r.u32()?, r.u32()?);
        refuse_unknown(WHAT, 16, incompat)?;
        let tick_ns = r.u32()?;
        if !(1..=MAX_TICK_NS).contains(&tick_ns) {
            return Err(r.range("tick_ns", tick_ns.into(), "1 to 1,000,000"));
        }
        Ok(Self {
            header_len,
            tick_ns,
            salt: r.u64()?,
            seq: r.u64()?,
            ring_id: r.array()?,
            boot_id: r.array()?,
            epoch: r.u64()?,
            created: Anchor { boot_ns: r.u64()?, real_ns: r.u64()?, uncertainty_ns: r.u64()? },
            chain_before: u128::from_le_bytes(r.array()?),
        })
    }
}

#[cfg(test)]
mod tests;
