//! A segment: a header and frames, readable without any other file.
//!
//! ```text
//!   0 magic 8         8 header_len u16 (256)  10 version u16   12 compat u32  16 incompat u32
//!  20 tick_ns u32    24 salt u64              32 segment_seq u64  40 ring_id 16
//!  56 boot_id 16     72 epoch u64             80 created_boot_ns u64  88 created_real_ns u64
//!  96 clock_uncertainty_ns u64               104 reserved      252 header_crc u32
//! frames: State first, then Events in the order they were sealed, Footer if sealed; then zeros
//! ```
//! `epoch` is the life of one set of BPF counters: (epoch, cpu, source, seq) names an event for ever.

use crate::{
    FormatError, Reason,
    bytes::{Reader, crc32c},
    frame,
};

/// First bytes of a segment.
pub const MAGIC: [u8; 8] = *b"\x89ISG\r\n\x1a\n";
/// Bytes of the header this version writes.
pub const HEADER_BYTES: usize = 256;
/// Version this code writes.
pub const VERSION: u16 = 1;
/// Incompatible features this code reads: none beyond version 1.
pub const KNOWN_INCOMPAT: u32 = 0;
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Bytes before the first frame.
    pub header_len: u16,
    /// Unit of the time columns, ns; 1 is lossless.
    pub tick_ns: u32,
    /// Random number that marks every frame of this file.
    pub salt: u64,
    /// Number of the segment in its ring; never used twice.
    pub seq: u64,
    /// The ring.
    pub ring_id: [u8; 16],
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: [u8; 16],
    /// Life of the BPF counters.
    pub epoch: u64,
    /// When it was created.
    pub created: Anchor,
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
        refuse_unknown(WHAT, incompat)?;
        Ok(Self {
            header_len,
            tick_ns: r.u32()?,
            salt: r.u64()?,
            seq: r.u64()?,
            ring_id: r.array()?,
            boot_id: r.array()?,
            epoch: r.u64()?,
            created: Anchor { boot_ns: r.u64()?, real_ns: r.u64()?, uncertainty_ns: r.u64()? },
        })
    }
}

/// Checks a CRC32C kept in the last four bytes of `whole`.
///
/// # Errors
/// [`Reason::Checksum`], or [`Reason::Short`] for fewer than four bytes.
pub(crate) fn check_crc(what: &'static str, whole: &[u8]) -> Result<(), FormatError> {
    let short = Reason::Short { needed: 4, available: whole.len() as u64 };
    let (body, stored) = whole.split_last_chunk::<4>().ok_or(FormatError::new(what, 0, short))?;
    let (stored, computed) = (u32::from_le_bytes(*stored), crc32c(&[body]));
    if stored == computed {
        Ok(())
    } else {
        Err(FormatError::new(what, 0, Reason::Checksum { stored, computed }))
    }
}

/// Refuses a file that needs a feature this code lacks, by the feature bit's name.
pub(crate) fn refuse_unknown(what: &'static str, incompat: u32) -> Result<(), FormatError> {
    let unknown = incompat & !KNOWN_INCOMPAT;
    if unknown == 0 {
        return Ok(());
    }
    let bit = unknown.trailing_zeros();
    Err(FormatError::new(what, 16, Reason::Incompatible(format!("incompatible feature bit {bit}"))))
}

/// One step of a [`Scan`].
#[derive(Debug)]
pub enum Step<'a> {
    /// A whole, checked frame and its payload.
    Frame(u64, frame::Header, &'a [u8]),
    /// Bytes that are no frame: from, to, and why.
    Damage(u64, u64, FormatError),
}

/// Walks the frames of a segment, past damage, to the unwritten tail.
///
/// Every step moves forward by at least eight bytes, so a scan of any bytes ends.
#[derive(Debug)]
pub struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    salt: u64,
    next_seq: u64,
}

impl<'a> Scan<'a> {
    /// Scans the frames of `bytes`, a whole segment file whose header was read.
    #[must_use]
    pub fn new(bytes: &'a [u8], header: &Header) -> Self {
        Self { bytes, at: usize::from(header.header_len), salt: header.salt, next_seq: 0 }
    }

    /// Offset of the next byte to look at; after the last step, where the written part ends.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.at as u64
    }

    fn frame_at(&self, at: usize) -> Result<(frame::Header, &'a [u8]), FormatError> {
        let found = frame::read(self.bytes.get(at..).unwrap_or_default(), self.salt)
            .map_err(|e| e.shifted(at as u64))?;
        if found.0.frame_seq < self.next_seq {
            let reason = Reason::Range { field: "frame_seq", value: found.0.frame_seq, allowed: "rising" };
            return Err(FormatError::new("frame header", at as u64 + 32, reason));
        }
        Ok(found)
    }
}

impl<'a> Iterator for Scan<'a> {
    type Item = Step<'a>;

    fn next(&mut self) -> Option<Step<'a>> {
        let rest = self.bytes.get(self.at..)?;
        if rest.iter().all(|b| *b == 0) {
            return None;
        }
        let from = self.at;
        let error = match self.frame_at(from) {
            Ok((header, payload)) => {
                self.at = from + header.frame_bytes() as usize;
                self.next_seq = header.frame_seq.saturating_add(1);
                return Some(Step::Frame(from as u64, header, payload));
            }
            Err(error) => error,
        };
        // Resynchronise at the next place where everything about a frame is right.
        let mut at = from;
        loop {
            at += 8;
            let end = at >= self.bytes.len();
            let magic = self.bytes.get(at..at + 8) == Some(frame::MAGIC.as_slice());
            if end || (magic && self.frame_at(at).is_ok()) {
                self.at = at.min(self.bytes.len());
                return Some(Step::Damage(from as u64, self.at as u64, error));
            }
        }
    }
}

/// Index of a sealed segment. Advisory: a scan wins every dispute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Footer {
    /// One entry for each frame before the footer.
    pub frames: Vec<FooterEntry>,
    /// xxh3-128 over the frames' headers and payload checksums in order, seeded by the previous segment's.
    pub chain: u128,
}

/// Where a frame lies and what time it covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FooterEntry {
    /// Offset in the file.
    pub offset: u64,
    /// Earliest end time, boottime ns.
    pub first_ns: u64,
    /// Latest end time, boottime ns.
    pub last_ns: u64,
    /// Rows.
    pub n_events: u32,
    /// Sources, one bit each.
    pub sources: u32,
}

const ENTRY_BYTES: usize = 32;

impl Footer {
    /// Plain payload of the footer frame.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(24 + self.frames.len() * ENTRY_BYTES);
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

    /// Reads a footer's payload.
    ///
    /// # Errors
    /// [`Reason::Short`] if it claims more entries than are there.
    pub fn read(payload: &[u8]) -> Result<Self, FormatError> {
        let mut r = Reader::new("footer", payload);
        let count = r.u64()?;
        let chain = u128::from_le_bytes(r.array()?);
        if count > (payload.len() / ENTRY_BYTES) as u64 {
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
        Ok(Self { frames, chain })
    }
}

/// The next link of the digest chain: the previous link and one frame's header.
#[must_use]
pub fn chain(previous: u128, frame: &[u8]) -> u128 {
    let header = frame.get(..frame::HEADER_BYTES).unwrap_or(frame);
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    hasher.update(&previous.to_le_bytes());
    hasher.update(header);
    hasher.digest128()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn segment(frames: u64) -> (Header, Vec<u8>) {
        let header = Header { header_len: 256, tick_ns: 1, salt: 99, seq: 5, epoch: 3, ..Header::default() };
        let mut bytes = header.to_bytes();
        for frame_seq in 0..frames {
            let h = frame::Header { kind: 1, codec: 3, salt: 99, frame_seq, ..frame::Header::default() };
            bytes.extend(frame::write(&h, &[frame_seq as u8 + 1; 50]));
        }
        (header, bytes)
    }

    fn seqs(bytes: &[u8], header: &Header) -> (Vec<u64>, usize) {
        let mut damage = 0;
        let frames = Scan::new(bytes, header)
            .filter_map(|step| match step {
                Step::Frame(_, h, _) => Some(h.frame_seq),
                Step::Damage(..) => {
                    damage += 1;
                    None
                }
            })
            .collect();
        (frames, damage)
    }

    #[test]
    fn a_header_reads_back_and_an_unknown_feature_is_refused_by_name() {
        let (header, bytes) = segment(0);
        assert_eq!(Header::read(&bytes), Ok(header));
        let mut newer = bytes;
        newer[16] = 4;
        let crc = crc32c(&[&newer[..252]]);
        newer[252..256].copy_from_slice(&crc.to_le_bytes());
        assert!(Header::read(&newer).unwrap_err().to_string().contains("feature bit 2"));
    }

    #[test]
    fn a_scan_ends_at_the_unwritten_tail_and_passes_over_one_damaged_frame() {
        let (header, mut bytes) = segment(5);
        let written = bytes.len();
        bytes.resize(written + 4096, 0);
        assert_eq!(seqs(&bytes, &header), (vec![0, 1, 2, 3, 4], 0));
        let second = 256 + (written - 256) / 5 + 130;
        bytes[second] ^= 1;
        assert_eq!(seqs(&bytes, &header), (vec![0, 2, 3, 4], 1));
    }

    #[test]
    fn a_segment_cut_at_any_byte_gives_exactly_the_frames_before_the_cut() {
        let (header, bytes) = segment(4);
        let size = (bytes.len() - 256) / 4;
        for cut in 256..bytes.len() {
            let (frames, _) = seqs(&bytes[..cut], &header);
            assert_eq!(frames.len(), (cut - 256) / size, "cut at {cut}");
        }
    }

    #[test]
    fn frames_of_an_earlier_file_in_the_tail_are_not_taken_for_ours() {
        let (header, mut bytes) = segment(2);
        let stale = frame::Header { kind: 1, codec: 3, salt: 98, frame_seq: 2, ..frame::Header::default() };
        bytes.extend(frame::write(&stale, &[7; 50]));
        assert_eq!(seqs(&bytes, &header), (vec![0, 1], 1));
    }

    #[test]
    fn a_footer_reads_back() {
        let entry = FooterEntry { offset: 1, first_ns: 2, last_ns: 3, n_events: 4, sources: 5 };
        let footer = Footer { frames: vec![entry; 3], chain: 77 };
        assert_eq!(Footer::read(&footer.to_bytes()), Ok(footer.clone()));
        assert!(Footer::read(&footer.to_bytes()[..40]).is_err());
    }

    proptest! {
        #[test]
        fn a_scan_of_arbitrary_bytes_ends(bytes: Vec<u8>, salt: u64) {
            let header = Header { header_len: 0, salt, ..Header::default() };
            prop_assert!(Scan::new(&bytes, &header).count() <= bytes.len() / 8 + 1);
        }
    }
}
