//! Honest parts to put lies into.

use ingero_format::{
    Row, bundle,
    bytes::{crc32c, put_varint},
    codec,
    columns::Compressor,
    frame::{self, Kind, pack_record},
    head::{Geometry, slot_header},
    identity::Identity,
    manifest::Manifest,
    ops::{self, Source},
    row::origin,
    segment::{Builder, Header},
    state::State,
};

/// Marks all frames.
pub const SALT: u64 = 0x11e5_0000_0000_0001;
/// When the rows ended, boottime ns.
pub const AT: u64 = 1_000_000;

/// The header of every segment.
#[must_use]
pub fn header() -> Header {
    Header { salt: SALT, seq: 1, epoch: 3, ring_id: [0xaa; 16], ..Header::default() }
}

/// Writes `value` at `at`.
pub fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

/// Makes the checksum in the last four bytes of `bytes[from..to]` right.
pub fn seal(bytes: &mut [u8], from: usize, to: usize) {
    let crc = crc32c(&[&bytes[from..to - 4]]);
    put(bytes, to - 4, &crc.to_le_bytes());
}

/// Rows that are what they say.
#[must_use]
pub fn rows(count: u64, first_seq: u64) -> Vec<Row> {
    let row = |i| Row {
        end_ns: AT + i * 1_000,
        dur_ns: 500,
        pid: 10,
        tid: 11,
        origin: origin(0, first_seq + i),
        op: ops::CU_LAUNCH_KERNEL,
        ..Row::default()
    };
    (0..count).map(row).collect()
}

/// A frame of a kind with a payload as it is.
#[must_use]
pub fn frame_of(kind: Kind, seq: u64, raw_len: usize, payload: &[u8]) -> Vec<u8> {
    let header =
        frame::Header { salt: SALT, frame_seq: seq, raw_len: raw_len as u32, ..frame::Header::of(kind) };
    frame::write(&header, payload)
}

/// A frame that holds a record.
#[must_use]
pub fn record_frame(kind: Kind, seq: u64, raw: &[u8]) -> Vec<u8> {
    frame_of(kind, seq, raw.len(), &pack_record(raw).unwrap())
}

/// A frame's header after a change to it.
#[must_use]
pub fn resealed(mut frame: Vec<u8>, at: usize, value: &[u8]) -> Vec<u8> {
    put(&mut frame, at, value);
    seal(&mut frame, 0, frame::HEADER_BYTES);
    frame
}

/// The columns of an Events frame, each with its encoding, block part and raw part.
#[derive(Clone, Debug)]
pub struct Columns(pub Vec<(u8, u8, Vec<u8>, Vec<u8>)>);

impl Columns {
    /// Four calls.
    #[must_use]
    pub fn honest() -> Self {
        let four = vec![0; 4];
        let dictionary = |tuple: &[u64]| {
            let mut block = vec![1];
            tuple.iter().for_each(|value| put_varint(&mut block, *value));
            block.extend([0; 4]);
            block
        };
        Self(vec![
            (1, 2, four.clone(), vec![]),
            (2, 2, four.clone(), vec![]),
            (3, 1, four.clone(), vec![]),
            (4, 1, four, vec![]),
            (5, 3, dictionary(&[10, 11]), vec![]),
            (7, 3, dictionary(&[0x101, 0, 0, 0, 0, 0]), vec![]),
        ])
    }

    /// The same with one column changed.
    #[must_use]
    pub fn with(mut self, column: u8, encoding: u8, block: Vec<u8>, raw: Vec<u8>) -> Self {
        self.0.retain(|c| c.0 != column);
        self.0.push((column, encoding, block, raw));
        self
    }

    /// The unpacked block.
    #[must_use]
    pub fn block(&self) -> Vec<u8> {
        self.0.iter().flat_map(|c| c.2.clone()).collect()
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        let packed = pack_record(&self.block()).unwrap();
        let mut out = (self.0.len() as u16).to_le_bytes().to_vec();
        out.extend([0; 2]);
        out.extend((packed.len() as u32).to_le_bytes());
        for (column, encoding, block, raw) in &self.0 {
            out.extend([*column, *encoding, 0, 0]);
            out.extend((block.len() as u32).to_le_bytes());
            out.extend((raw.len() as u32).to_le_bytes());
        }
        out.extend(packed);
        self.0.iter().for_each(|c| out.extend(&c.3));
        out
    }

    /// An Events frame of four rows.
    #[must_use]
    pub fn frame(&self, seq: u64) -> Vec<u8> {
        events_frame(seq, 4, self.block().len(), &self.payload())
    }
}

/// An Events frame of so many rows, with a payload as it is.
#[must_use]
pub fn events_frame(seq: u64, n_events: u32, raw_len: usize, payload: &[u8]) -> Vec<u8> {
    let header = frame::Header {
        salt: SALT,
        frame_seq: seq,
        sources: 1,
        first_ns: AT,
        last_ns: AT,
        n_events,
        raw_len: raw_len as u32,
        ..frame::Header::of(Kind::Events)
    };
    frame::write(&header, payload)
}

/// A segment: header, state, eight honest rows in two frames with the lying frame (number 3) between them.
#[must_use]
pub fn segment_around(lie: &[u8]) -> Vec<u8> {
    let mut bytes = header().to_bytes();
    bytes.extend(record_frame(Kind::State, 0, &[]));
    let mut compressor = Compressor::new().unwrap();
    let honest = |first_seq, compressor: &mut Compressor| {
        let (mut builder, _) = Builder::begin(header(), u64::MAX);
        builder.state(&State::default()).unwrap();
        let mut list = rows(4, first_seq);
        builder.events(&mut list, Source::Cuda, 0, 0, compressor).unwrap().unwrap()
    };
    bytes.extend(honest(0, &mut compressor));
    bytes.extend(lie);
    // The same dictionary again, and frames numbered on.
    let mut last = honest(4, &mut compressor);
    renumber(&mut last, 8);
    bytes.extend(last);
    bytes.resize(bytes.len() + 64, 0);
    bytes
}

fn renumber(frames: &mut [u8], by: u64) {
    let mut at = 0;
    while at + frame::HEADER_BYTES <= frames.len() {
        let number = |at: usize| u64::from_le_bytes(frames[at..at + 8].try_into().unwrap());
        let (seq, payload) = (number(at + 32) + by, number(at + 64) as u32 as usize);
        put(frames, at + 32, &seq.to_le_bytes());
        seal(frames, at, at + frame::HEADER_BYTES);
        let trailer = at + frame::HEADER_BYTES + payload.next_multiple_of(8);
        put(frames, trailer, &(seq ^ SALT).to_le_bytes());
        at = trailer + 8;
    }
}

/// A head of two slots of a page with three rows in the first, and generation 9.
#[must_use]
pub fn head() -> Vec<u8> {
    let geometry = Geometry { slots: 2, slot_bytes: 4096 };
    let mut bytes = geometry.to_bytes();
    let at = bytes.len();
    bytes.resize(geometry.file_bytes() as usize, 0);
    put(&mut bytes, at, &slot_header(9, 3, Source::Cuda));
    bytes[at + 32] = 3;
    for (i, row) in rows(3, 100).iter().enumerate() {
        put(&mut bytes, at + 64 + i * 64, &row.to_bytes(9));
    }
    bytes
}

/// Both pages of a `RING`.
#[must_use]
pub fn ring() -> Vec<u8> {
    let page =
        |generation| Identity { generation, ring_id: [0xaa; 16], segment_bytes: 1 << 20, holder_pid: 1 };
    [page(2).to_bytes(), page(1).to_bytes()].concat()
}

/// A manifest of a window that holds all rows.
#[must_use]
pub fn manifest() -> Manifest {
    Manifest { version: 1, id: "x".into(), to_ns: 1 << 40, ..Manifest::default() }
}

/// A member that is what it says.
#[must_use]
pub fn member(kind: u16, number: u64, payload: &[u8]) -> Vec<u8> {
    member_claiming(kind, number, payload.len() as u64, payload)
}

/// A member whose header claims another length.
#[must_use]
pub fn member_claiming(kind: u16, number: u64, len: u64, payload: &[u8]) -> Vec<u8> {
    let mut out = b"INGM".to_vec();
    out.extend(kind.to_le_bytes());
    out.extend([0; 2]);
    out.extend(number.to_le_bytes());
    out.extend(len.to_le_bytes());
    out.extend(if kind == 2 { 0 } else { crc32c(&[payload]) }.to_le_bytes());
    out.extend(crc32c(&[&out]).to_le_bytes());
    out.extend(payload);
    out.resize(out.len().next_multiple_of(8), 0);
    out
}

/// A bundle of these members.
#[must_use]
pub fn bundle_of(members: &[Vec<u8>]) -> Vec<u8> {
    [bundle::file_header(), members.concat()].concat()
}

/// Manifest, segment and head, and what else is given.
#[must_use]
pub fn bundle_with(more: &[Vec<u8>]) -> Vec<u8> {
    let honest = [
        member(1, 0, &manifest().to_bytes().unwrap()),
        member(2, 1, &segment_around(&[])),
        member(3, 0, &head()),
    ];
    bundle_of(&[&honest, more].concat())
}

/// The last member.
#[must_use]
pub fn end() -> Vec<u8> {
    member(7, 0, &[])
}

/// A record's bytes.
#[must_use]
pub fn record<T: codec::Encode>(value: &T) -> Vec<u8> {
    codec::encode("lie", value).unwrap()
}

/// A zstd frame that unpacks to so many zeros, however many: blocks of 128 KiB in four bytes each.
#[must_use]
pub fn bomb(bytes: u64) -> Vec<u8> {
    const BLOCK: u64 = 128 << 10;
    let mut out = vec![0x28, 0xb5, 0x2f, 0xfd, 0xc0];
    // Window of 128 KiB, then the length in eight bytes.
    out.push(7 << 3);
    out.extend(bytes.to_le_bytes());
    let blocks = bytes.div_ceil(BLOCK).max(1);
    for i in 0..blocks {
        let (size, last) = ((bytes - i * BLOCK).min(BLOCK), u64::from(i + 1 == blocks));
        out.extend(&(size << 3 | 1 << 1 | last).to_le_bytes()[..3]);
        out.push(0);
    }
    out
}
