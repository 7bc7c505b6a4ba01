//! A frame: some rows or one record behind a checksummed header.
//!
//! ```text
//!   0 magic 8          8 header_len u16  10 minor u16   12 kind u8  13 codec u8  14 flags u16
//!  16 sources u32     20 schema u16      22 dict_id u16 24 salt u64
//!  32 frame_seq u64   40 first_ns u64    48 last_ns u64
//!  56 n_events u32    60 raw_len u32     64 payload_len u32   68 dict_base u32
//!  72 dict_len u32    76 reserved u32    80 lost_before u64   88 head_generation u64
//!  96 reserved 24    120 payload_crc u32 124 header_crc u32 (over bytes 0..124)
//! payload, zeros to a multiple of 8, trailer u64 = frame_seq ^ salt
//! ```
//! The trailer is stored last: a live reader, and a reader after kill -9, knows the frame is whole. It
//! proves nothing after a power loss; then the two checksums, the salt and the rising frame_seq decide.

use crate::{
    FormatError, Reason,
    bytes::{Reader, crc32c},
};

/// First bytes of a frame. CR LF and 0x1A make damage by text tools visible.
pub const MAGIC: [u8; 8] = *b"\x89IFR\r\n\x1a\n";
/// Bytes of the header this version writes; readers take longer ones.
pub const HEADER_BYTES: usize = 128;
/// Most payload bytes a reader accepts.
pub const MAX_PAYLOAD_BYTES: u32 = 32 << 20;
const WHAT: &str = "frame header";

/// What a frame holds. Unknown kinds are skipped by readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Rows of one source, in columns.
    Events = 1,
    /// Additions to the segment's dictionaries (reserved).
    Dictionary = 2,
    /// A state record ([`crate::state::State`]).
    State = 3,
    /// The index of a sealed segment ([`crate::segment::Footer`]).
    Footer = 4,
}

/// How the payload is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Codec {
    /// [`crate::columns`].
    Columns = 1,
    /// One record, compressed with zstd.
    Record = 2,
    /// Plain bytes.
    Plain = 3,
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
    /// Rows inside.
    pub n_events: u32,
    /// Unpacked bytes of the compressed block.
    pub raw_len: u32,
    /// Payload bytes that follow the header.
    pub payload_len: u32,
    /// Events known lost on these sources before this frame, since the epoch began.
    pub lost_before: u64,
    /// Generation of the head slot whose rows these are; 0 if none.
    pub head_generation: u64,
    /// CRC32C of the payload.
    pub payload_crc: u32,
}

impl Header {
    /// Bytes from this frame's start to the next frame's.
    #[must_use]
    pub fn frame_bytes(&self) -> u64 {
        u64::from(self.header_len) + u64::from(self.payload_len).next_multiple_of(8) + 8
    }
}

/// Writes a whole frame; `header.payload_len`, `payload_crc` and `header_len` are filled in.
#[must_use]
pub fn write(header: &Header, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + payload.len().next_multiple_of(8) + 8);
    out.extend(MAGIC);
    out.extend((HEADER_BYTES as u16).to_le_bytes());
    out.extend(0u16.to_le_bytes());
    out.extend([header.kind, header.codec, 0, 0]);
    out.extend(header.sources.to_le_bytes());
    out.extend([0; 4]);
    for value in [header.salt, header.frame_seq, header.first_ns, header.last_ns] {
        out.extend(value.to_le_bytes());
    }
    for value in [header.n_events, header.raw_len, payload.len() as u32, 0, 0, 0] {
        out.extend(value.to_le_bytes());
    }
    for value in [header.lost_before, header.head_generation, 0, 0, 0] {
        out.extend(value.to_le_bytes());
    }
    out.extend(crc32c(&[payload]).to_le_bytes());
    out.extend(crc32c(&[&out]).to_le_bytes());
    debug_assert_eq!(out.len(), HEADER_BYTES);
    out.extend(payload);
    out.resize(out.len().next_multiple_of(8), 0);
    out.extend((header.frame_seq ^ header.salt).to_le_bytes());
    out
}

/// Reads and checks the header at the start of `bytes`.
///
/// # Errors
/// Magic, length, checksum or range: see [`Reason`].
pub fn read_header(bytes: &[u8]) -> Result<Header, FormatError> {
    let mut r = Reader::new(WHAT, bytes);
    if r.array::<8>()? != MAGIC {
        return Err(FormatError::new(WHAT, 0, Reason::Magic("frame")));
    }
    let header_len = r.u16()?;
    if !(HEADER_BYTES as u16..=4096).contains(&header_len) {
        return Err(r.range("header_len", u64::from(header_len), "128 to 4096"));
    }
    let whole = Reader::new(WHAT, bytes).take(usize::from(header_len))?;
    // Longer headers of later versions keep the checksum in their last four bytes.
    let (body, stored) =
        whole.split_last_chunk::<4>().ok_or_else(|| r.range("header_len", 0, "128 to 4096"))?;
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
    let (kind, codec, _flags) = (r.u8()?, r.u8()?, r.u16()?);
    let sources = r.u32()?;
    r.u32()?;
    let (salt, frame_seq, first_ns, last_ns) = (r.u64()?, r.u64()?, r.u64()?, r.u64()?);
    let (n_events, raw_len, payload_len) = (r.u32()?, r.u32()?, r.u32()?);
    r.take(12)?;
    let (lost_before, head_generation) = (r.u64()?, r.u64()?);
    r.take(24)?;
    let payload_crc = r.u32()?;
    Ok(Header {
        header_len,
        kind,
        codec,
        sources,
        salt,
        frame_seq,
        first_ns,
        last_ns,
        n_events,
        raw_len,
        payload_len,
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
    let header = read_header(bytes)?;
    if header.salt != salt {
        return Err(FormatError::new(WHAT, 24, Reason::Salt));
    }
    let mut r = Reader::new("frame", bytes);
    r.take(usize::from(header.header_len))?;
    let payload = r.take(header.payload_len as usize)?;
    r.take((header.payload_len as usize).next_multiple_of(8) - header.payload_len as usize)?;
    let offset = r.position() as u64;
    if r.u64()? != header.frame_seq ^ salt {
        return Err(FormatError::new("frame", offset, Reason::Uncommitted));
    }
    let computed = crc32c(&[payload]);
    if computed != header.payload_crc {
        let reason = Reason::Checksum { stored: header.payload_crc, computed };
        return Err(FormatError::new("frame payload", u64::from(header.header_len), reason));
    }
    Ok((header, payload))
}

/// Unpacks a [`Codec::Record`] payload.
///
/// # Errors
/// [`Reason::Compression`] if it does not unpack to `raw_len` bytes, [`Reason::Range`] if that is too much.
pub fn unpack_record(header: &Header, payload: &[u8]) -> Result<Vec<u8>, FormatError> {
    if header.raw_len > MAX_PAYLOAD_BYTES {
        let reason =
            Reason::Range { field: "raw_len", value: header.raw_len.into(), allowed: "at most 32 MiB" };
        return Err(FormatError::new("record", 0, reason));
    }
    let compression = |text: String| FormatError::new("record", 0, Reason::Compression(text));
    let raw =
        zstd::bulk::decompress(payload, header.raw_len as usize).map_err(|e| compression(e.to_string()))?;
    if raw.len() != header.raw_len as usize {
        return Err(compression(format!("{} bytes where the header says {}", raw.len(), header.raw_len)));
    }
    Ok(raw)
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
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let header =
            Header { kind: 3, codec: 3, salt: 7, frame_seq: 2, first_ns: 5, last_ns: 6, ..Header::default() };
        write(&header, b"hello")
    }

    #[test]
    fn a_frame_reads_back_and_says_where_the_next_begins() {
        let bytes = sample();
        let (header, payload) = read(&bytes, 7).unwrap();
        assert_eq!(payload, b"hello");
        assert_eq!((header.frame_seq, header.first_ns, header.last_ns), (2, 5, 6));
        assert_eq!(header.frame_bytes(), bytes.len() as u64);
    }

    #[test]
    fn any_flipped_bit_but_in_the_padding_is_noticed() {
        let bytes = sample();
        for bit in 0..bytes.len() * 8 {
            let mut torn = bytes.clone();
            torn[bit / 8] ^= 1 << (bit % 8);
            let padding = (HEADER_BYTES + 5..HEADER_BYTES + 8).contains(&(bit / 8));
            assert_eq!(read(&torn, 7).is_ok(), padding, "bit {bit}");
        }
    }

    #[test]
    fn a_frame_cut_anywhere_or_of_another_file_is_refused() {
        let bytes = sample();
        for cut in 0..bytes.len() {
            assert!(read(&bytes[..cut], 7).is_err(), "cut at {cut}");
        }
        assert_eq!(read(&bytes, 8).unwrap_err().reason, Reason::Salt);
    }
}
