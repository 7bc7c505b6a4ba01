//! The ring's identity: the file `RING`, two copies of one page; the newest valid one counts.
//!
//! ```text
//!  0 magic 8   8 version u16  10 reserved u16  12 incompat u32   16 generation u64
//! 24 ring_id 16   40 segment_bytes u64   48 holder_pid u32   52 zeros   4092 crc u32
//! ```
//! It holds no positions: those are found by scanning.

use crate::{
    FormatError, Reason,
    bytes::{Reader, crc32c},
    check::{check_crc, refuse_unknown},
};

/// First bytes of each copy.
pub const MAGIC: [u8; 8] = *b"\x89IRG\r\n\x1a\n";
/// Bytes of one copy.
pub const PAGE_BYTES: usize = 4096;
const WHAT: &str = "ring identity";

/// A ring's identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Rises with every write; the higher valid copy counts.
    pub generation: u64,
    /// The ring: a random number, made with it.
    pub ring_id: [u8; 16],
    /// Size of new segments, bytes.
    pub segment_bytes: u64,
    /// Process id of the recorder that last opened it; only for messages.
    pub holder_pid: u32,
}

impl Identity {
    /// Bytes of one copy.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(PAGE_BYTES);
        out.extend(MAGIC);
        out.extend([1, 0, 0, 0, 0, 0, 0, 0]);
        out.extend(self.generation.to_le_bytes());
        out.extend(self.ring_id);
        out.extend(self.segment_bytes.to_le_bytes());
        out.extend(self.holder_pid.to_le_bytes());
        out.resize(PAGE_BYTES - 4, 0);
        out.extend(crc32c(&[&out]).to_le_bytes());
        out
    }

    fn read_copy(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut r = Reader::new(WHAT, bytes);
        if r.array::<8>()? != MAGIC {
            return Err(FormatError::new(WHAT, 0, Reason::Magic("ring")));
        }
        check_crc(WHAT, Reader::new(WHAT, bytes).take(PAGE_BYTES)?)?;
        r.u32()?;
        refuse_unknown(WHAT, 12, r.u32()?)?;
        let generation = r.u64()?;
        Ok(Self { generation, ring_id: r.array()?, segment_bytes: r.u64()?, holder_pid: r.u32()? })
    }

    /// Reads the newest valid copy.
    ///
    /// # Errors
    /// The first copy's refusal if neither is valid.
    pub fn read(bytes: &[u8]) -> Result<Self, FormatError> {
        let first = Self::read_copy(bytes);
        let second = Self::read_copy(bytes.get(PAGE_BYTES..).unwrap_or_default());
        match (first, second) {
            (Ok(a), Ok(b)) => Ok(if b.generation > a.generation { b } else { a }),
            (Ok(a), Err(_)) => Ok(a),
            (Err(_), Ok(b)) => Ok(b),
            (Err(e), Err(_)) => Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_valid_copy_counts() {
        let old = Identity { generation: 1, segment_bytes: 5, ..Identity::default() };
        let new = Identity { generation: 2, segment_bytes: 6, ..Identity::default() };
        let mut bytes = [new.to_bytes(), old.to_bytes()].concat();
        assert_eq!(Identity::read(&bytes), Ok(new));
        bytes[100] ^= 1;
        assert_eq!(Identity::read(&bytes), Ok(old));
        bytes[5000] ^= 1;
        assert!(Identity::read(&bytes).is_err());
    }

    #[test]
    fn every_unknown_incompatible_bit_is_named() {
        for bit in 0..32 {
            let mut page = Identity::default().to_bytes();
            page[12..16].copy_from_slice(&(1u32 << bit).to_le_bytes());
            let crc = crc32c(&[&page[..PAGE_BYTES - 4]]);
            page[PAGE_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
            let refused = Identity::read(&[page.clone(), page].concat()).unwrap_err();
            assert!(refused.to_string().contains(&format!("feature bit {bit},")), "{refused}");
        }
    }
}
