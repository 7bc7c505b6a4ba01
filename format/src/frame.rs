//! A frame: some rows or one record behind a checksummed header.
//!
//! ```text
//!   0 magic 8          8 header_len u16  10 minor u16   12 kind u8  13 codec u8  14 flags u16
//!  16 sources u32     20 schema u16      22 dict_id u16 24 salt u64
//!  32 frame_seq u64   40 first_ns u64    48 last_ns u64
//!  56 n_events u32    60 raw_len u32     64 payload_len u32   68 dict_threads u32
//!  72 dict_calls u32  76 dict_digest u32 80 lost_before u64   88 head_generation u64
//!  96 reserved 24    120 payload_crc u32 124 header_crc u32 (over bytes 0..124)
//! payload, zeros to a multiple of 8, trailer u64 = frame_seq ^ salt
//! ```
//! The trailer is stored last: a live reader, and a reader after kill -9, knows the frame is whole. It
//! proves nothing after a power loss; then the two checksums, the salt and the rising frame_seq decide.
//!
//! A frame that is whole may still be *unreadable* ([`Header::content`]): it counts for scanning and for the
//! digest chain, its contents are left alone.

use crate::{
    FormatError, Reason,
    bytes::{Reader, crc32c},
    ops::Source,
};

/// First bytes of a frame. CR LF and 0x1A make damage by text tools visible.
pub const MAGIC: [u8; 8] = *b"\x89IFR\r\n\x1a\n";
/// Bytes of the header this version writes; readers take longer ones.
pub const HEADER_BYTES: usize = 128;
/// Most payload bytes a reader accepts, packed or unpacked.
pub const MAX_PAYLOAD_BYTES: u32 = 32 << 20;
/// Bits of [`Header::flags`] that a reader must know.
const INCOMPAT_FLAGS: u16 = 0xff00;
const WHAT: &str = "frame header";

/// What a frame holds. Unknown kinds are skipped by readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Rows of one source, in columns.
    Events = 1,
    /// Additions to the segment's dictionaries ([`crate::dictionary`]).
    Dictionary = 2,
    /// A state record ([`crate::state::State`]).
    State = 3,
    /// The index of a closed segment ([`crate::segment::Footer`]).
    Footer = 4,
}

impl Kind {
    /// The kind with a number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Events, Self::Dictionary, Self::State, Self::Footer].into_iter().find(|k| *k as u8 == number)
    }

    /// How payloads of this kind are packed.
    #[must_use]
    pub fn codec(self) -> Codec {
        match self {
            Self::Events => Codec::Columns,
            Self::Dictionary | Self::State | Self::Footer => Codec::Record,
        }
    }
}

/// How the payload is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Codec {
    /// [`crate::columns`].
    Columns = 1,
    /// One zstd frame (RFC 8878).
    Record = 2,
}

/// A decoded header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the header itself.
    pub header_len: u16,
    /// A [`Kind`] as a number.
    pub kind: u8,
    /// A [`Codec`] as a number.
    pub codec: u8,
    /// Feature bits: the low byte may be ignored, the high byte must be known.
    pub flags: u16,
    /// Bit `n` set: rows of source number `n` are inside.
    pub sources: u32,
    /// The segment's salt.
    pub salt: u64,
    /// Number of the frame in its segment, from 0.
    pub frame_seq: u64,
    /// Earliest end time inside, boottime ns.
    pub first_ns: u64,
    /// Latest end time inside, boottime ns.
    pub last_ns: u64,
    /// How many rows are inside.
    pub n_events: u32,
    /// Unpacked bytes of the compressed block or record.
    pub raw_len: u32,
    /// Payload bytes that follow the header.
    pub payload_len: u32,
    /// Entries of the segment's Thread dictionary up to here; 0 if no column needs one.
    pub dict_threads: u32,
    /// Entries of the segment's Call dictionary up to here; 0 if no column needs one.
    pub dict_calls: u32,
    /// CRC32C of the unpacked payloads of the Dictionary frames up to here; 0 if no column needs one.
    pub dict_digest: u32,
    /// Events known lost on these sources before this frame, since the epoch began.
    pub lost_before: u64,
    /// Generation of the head slot whose rows these are; 0 if none.
    pub head_generation: u64,
    /// CRC32C of the payload.
    pub payload_crc: u32,
}

impl Header {
    /// A header of a kind with its codec, all else 0.
    #[must_use]
    pub fn of(kind: Kind) -> Self {
        Self { kind: kind as u8, codec: kind.codec() as u8, ..Self::default() }
    }

    /// Bytes from this frame's start to the next frame's.
    #[must_use]
    pub fn frame_bytes(&self) -> u64 {
        u64::from(self.header_len) + u64::from(self.payload_len).next_multiple_of(8) + 8
    }

    /// The source whose rows are inside; `None` unless exactly one known source's bit is set.
    #[must_use]
    pub fn source(&self) -> Option<Source> {
        Source::ALL.into_iter().find(|s| self.sources == 1 << *s as u8)
    }

    /// What kind of contents can be read; `None` for a kind that is skipped.
    ///
    /// # Errors
    /// [`Reason::Incompatible`] for an unknown incompatible flag, by its number, whatever the kind, or a known kind
    /// in a foreign codec; [`Reason::Range`] for events of anything but one known source.
    pub fn content(&self) -> Result<Option<Kind>, FormatError> {
        let unknown = self.flags & INCOMPAT_FLAGS;
        if unknown != 0 {
            let bit = unknown.trailing_zeros();
            let reason = Reason::Incompatible(format!("incompatible frame flag bit {bit}"));
            return Err(FormatError::new(WHAT, 14, reason));
        }
        let kind = Kind::from_number(self.kind);
        if kind.is_some_and(|k| k.codec() as u8 != self.codec) {
            let reason = Reason::Incompatible(format!("frame kind {} in codec {}", self.kind, self.codec));
            return Err(FormatError::new(WHAT, 13, reason));
        }
        if kind == Some(Kind::Events) && self.source().is_none() {
            let value = self.sources.into();
            let reason = Reason::Range { field: "sources", value, allowed: "exactly one bit, 0 to 4" };
            return Err(FormatError::new(WHAT, 16, reason));
        }
        Ok(kind)
    }
}

/// Writes a whole frame; `header.payload_len`, `payload_crc` and `header_len` are filled in.
#[must_use]
pub fn write(header: &Header, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + payload.len().next_multiple_of(8) + 8);
    append(&mut out, header, payload);
    out
}

/// As [`write()`], behind what `out` holds: a multiple of 8 bytes.
pub fn append(out: &mut Vec<u8>, header: &Header, payload: &[u8]) {
    let from = out.len();
    out.extend(MAGIC);
    out.extend((HEADER_BYTES as u16).to_le_bytes());
    out.extend(0u16.to_le_bytes());
    out.extend([header.kind, header.codec]);
    out.extend(header.flags.to_le_bytes());
    out.extend(header.sources.to_le_bytes());
    out.extend([0; 4]);
    for value in [header.salt, header.frame_seq, header.first_ns, header.last_ns] {
        out.extend(value.to_le_bytes());
    }
    let dictionary = [header.dict_threads, header.dict_calls, header.dict_digest];
    for value in [header.n_events, header.raw_len, payload.len() as u32].into_iter().chain(dictionary) {
        out.extend(value.to_le_bytes());
    }
    for value in [header.lost_before, header.head_generation, 0, 0, 0] {
        out.extend(value.to_le_bytes());
    }
    out.extend(crc32c(&[payload]).to_le_bytes());
    out.extend(crc32c(&[out.get(from..).unwrap_or_default()]).to_le_bytes());
    debug_assert_eq!(out.len(), from + HEADER_BYTES);
    out.extend_from_slice(payload);
    out.resize(from + (out.len() - from).next_multiple_of(8), 0);
    out.extend((header.frame_seq ^ header.salt).to_le_bytes());
}

/// Reads and checks the header at the start of `bytes`.
///
/// # Errors
/// Magic, length, checksum or range: see [`Reason`].
pub fn read_header(bytes: &[u8]) -> Result<Header, FormatError> {
    header(bytes, &mut 0)
}

fn header(bytes: &[u8], work: &mut u64) -> Result<Header, FormatError> {
    const ALLOWED: &str = "128 to 4096, a multiple of 8";
    let mut r = Reader::new(WHAT, bytes);
    if r.array::<8>()? != MAGIC {
        return Err(FormatError::new(WHAT, 0, Reason::Magic("frame")));
    }
    let header_len = r.u16()?;
    if !(HEADER_BYTES as u16..=4096).contains(&header_len) || !header_len.is_multiple_of(8) {
        return Err(r.range("header_len", u64::from(header_len), ALLOWED));
    }
    let whole = Reader::new(WHAT, bytes).take(usize::from(header_len))?;
    // Longer headers of later versions keep the checksum in their last four bytes.
    let (body, stored) = whole.split_last_chunk::<4>().ok_or_else(|| r.range("header_len", 0, ALLOWED))?;
    *work += u64::from(header_len);
    let (stored, computed) = (u32::from_le_bytes(*stored), crc32c(&[body]));
    if stored != computed {
        return Err(FormatError::new(WHAT, 0, Reason::Checksum { stored, computed }));
    }
    let header = read_fields(r, header_len)?;
    if header.payload_len > MAX_PAYLOAD_BYTES {
        return Err(r.range("payload_len", u64::from(header.payload_len), "at most 32 MiB"));
    }
    Ok(header)
}

fn read_fields(mut r: Reader<'_>, header_len: u16) -> Result<Header, FormatError> {
    r.u16()?;
    let (kind, codec, flags) = (r.u8()?, r.u8()?, r.u16()?);
    let sources = r.u32()?;
    r.u32()?;
    let (salt, frame_seq, first_ns, last_ns) = (r.u64()?, r.u64()?, r.u64()?, r.u64()?);
    let (n_events, raw_len, payload_len) = (r.u32()?, r.u32()?, r.u32()?);
    let (dict_threads, dict_calls, dict_digest) = (r.u32()?, r.u32()?, r.u32()?);
    let (lost_before, head_generation) = (r.u64()?, r.u64()?);
    r.take(24)?;
    let payload_crc = r.u32()?;
    Ok(Header {
        header_len,
        kind,
        codec,
        flags,
        sources,
        salt,
        frame_seq,
        first_ns,
        last_ns,
        n_events,
        raw_len,
        payload_len,
        dict_threads,
        dict_calls,
        dict_digest,
        lost_before,
        head_generation,
        payload_crc,
    })
}

/// Checks everything about the frame at the start of `bytes` and gives its header and payload.
///
/// # Errors
/// As [`read_header`]; [`Reason::Salt`] for another file's frame; [`Reason::Uncommitted`] without its
/// trailer; [`Reason::Checksum`] for a damaged payload.
pub fn read(bytes: &[u8], salt: u64) -> Result<(Header, &[u8]), FormatError> {
    accept(bytes, salt, None, &mut 0)
}

/// As [`read`], for a frame whose number must be above that of the frame accepted `last`. Adds the bytes it
/// computes checksums over to `work`. What is cheap to look at comes before what is dear, in the order that
/// the format document gives: bytes must not be able to make a reader work for nothing.
pub(crate) fn accept<'a>(
    bytes: &'a [u8],
    salt: u64,
    last: Option<u64>,
    work: &mut u64,
) -> Result<(Header, &'a [u8]), FormatError> {
    let header = header(bytes, work)?;
    if header.salt != salt {
        return Err(FormatError::new(WHAT, 24, Reason::Salt));
    }
    if last.is_some_and(|last| header.frame_seq <= last) {
        let reason = Reason::Range { field: "frame_seq", value: header.frame_seq, allowed: "rising" };
        return Err(FormatError::new(WHAT, 32, reason));
    }
    let mut r = Reader::new("frame", bytes);
    r.take(usize::from(header.header_len))?;
    let payload = r.take(header.payload_len as usize)?;
    r.take((header.payload_len as usize).next_multiple_of(8) - header.payload_len as usize)?;
    let offset = r.position() as u64;
    if r.u64()? != header.frame_seq ^ salt {
        return Err(FormatError::new("frame", offset, Reason::Uncommitted));
    }
    *work += u64::from(header.payload_len);
    let computed = crc32c(&[payload]);
    if computed != header.payload_crc {
        let reason = Reason::Checksum { stored: header.payload_crc, computed };
        return Err(FormatError::new("frame payload", u64::from(header.header_len), reason));
    }
    Ok((header, payload))
}

/// First bytes of a zstd frame.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Unpacks the one zstd frame that fills `packed` to exactly `raw_len` bytes, which the caller has bounded.
pub(crate) fn unpack(what: &'static str, packed: &[u8], raw_len: u32) -> Result<Vec<u8>, FormatError> {
    let refused = |text: String| FormatError::new(what, 0, Reason::Compression(text));
    // zstd itself goes on to further frames, and takes those that it skips and those of its early versions too.
    let whole = zstd::zstd_safe::find_frame_compressed_size(packed);
    if !packed.starts_with(&ZSTD_MAGIC) || whole != Ok(packed.len()) {
        return Err(refused("not exactly one zstd frame".to_owned()));
    }
    let raw = zstd::bulk::decompress(packed, raw_len as usize).map_err(|e| refused(e.to_string()))?;
    if raw.len() != raw_len as usize {
        return Err(refused(format!("{} bytes where the header says {raw_len}", raw.len())));
    }
    Ok(raw)
}

/// Unpacks a [`Codec::Record`] payload.
///
/// # Errors
/// [`Reason::Compression`] if it is not one zstd frame of `raw_len` bytes, [`Reason::Range`] if that is too much.
pub fn unpack_record(header: &Header, payload: &[u8]) -> Result<Vec<u8>, FormatError> {
    if header.raw_len > MAX_PAYLOAD_BYTES {
        let reason =
            Reason::Range { field: "raw_len", value: header.raw_len.into(), allowed: "at most 32 MiB" };
        return Err(FormatError::new("record", 0, reason));
    }
    unpack("record", payload, header.raw_len)
}

/// Packs a record for a [`Codec::Record`] frame.
///
/// # Errors
/// [`Reason::Compression`] if zstd fails.
pub fn pack_record(raw: &[u8]) -> Result<Vec<u8>, FormatError> {
    zstd::bulk::compress(raw, 1)
        .map_err(|e| FormatError::new("record", 0, Reason::Compression(e.to_string())))
}

#[cfg(test)]
mod tests;
