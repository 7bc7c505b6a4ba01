//! The footer: what a closed segment says at its end about all of it.

use crate::{FormatError, bytes::Reader, dictionary};

/// Index of a closed segment. Advisory: a scan wins every dispute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Footer {
    /// One entry for each frame before the footer.
    pub frames: Vec<FooterEntry>,
    /// Value of the digest chain before the footer.
    pub chain: u128,
}

/// Where a frame lies and what time it covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FooterEntry {
    /// Offset of its header in the file, bytes.
    pub offset: u64,
    /// Earliest end time, boottime ns.
    pub first_ns: u64,
    /// Latest end time, boottime ns.
    pub last_ns: u64,
    /// How many rows are inside.
    pub n_events: u32,
    /// Bit `n` set: rows of source number `n` are inside.
    pub sources: u32,
}

/// Bytes before the first entry.
pub(super) const FIXED_BYTES: usize = 24;
/// Bytes of an entry.
pub(super) const ENTRY_BYTES: usize = 32;

impl Footer {
    /// The unpacked payload without the dictionaries, which follow it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FIXED_BYTES + self.frames.len() * ENTRY_BYTES);
        out.extend((self.frames.len() as u64).to_le_bytes());
        out.extend(self.chain.to_le_bytes());
        for e in &self.frames {
            for value in [e.offset, e.first_ns, e.last_ns] {
                out.extend(value.to_le_bytes());
            }
            out.extend(e.n_events.to_le_bytes());
            out.extend(e.sources.to_le_bytes());
        }
        out
    }

    /// Reads a footer's unpacked payload.
    ///
    /// # Errors
    /// If it claims more entries than are there, or its dictionaries break a rule.
    pub fn read(raw: &[u8]) -> Result<Self, FormatError> {
        let (footer, tables) = Self::split(raw)?;
        dictionary::check_tables(tables)?;
        Ok(footer)
    }

    /// The index, and the tables behind it as bytes.
    pub(crate) fn split(raw: &[u8]) -> Result<(Self, &[u8]), FormatError> {
        let mut r = Reader::new("footer", raw);
        let count = r.u64()?;
        let chain = u128::from_le_bytes(r.array()?);
        if count > (r.rest().len() / ENTRY_BYTES) as u64 {
            return Err(r.range("entries", count, "as many as fit"));
        }
        let entry = |r: &mut Reader<'_>| {
            Ok(FooterEntry {
                offset: r.u64()?,
                first_ns: r.u64()?,
                last_ns: r.u64()?,
                n_events: r.u32()?,
                sources: r.u32()?,
            })
        };
        let frames = (0..count).map(|_| entry(&mut r)).collect::<Result<_, _>>()?;
        Ok((Self { frames, chain }, r.rest()))
    }
}
