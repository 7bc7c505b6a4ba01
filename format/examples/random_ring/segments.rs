//! Segments: as a recorder writes them, and as it never would.

use ingero_format::{
    columns::{self, Compressor},
    dictionary::Ledger,
    frame::{self, Kind},
    segment::{Anchor, Builder, Header},
    state::{Owner, State, Text},
};

use crate::{
    damage,
    random::Random,
    rows::{Pool, any},
    sample,
};

fn header(seq: u64, chain_before: u128, random: &mut Random) -> Header {
    let tick_ns = match random.below(4) {
        0 => [16, 7, 1_000, 1_000_000][random.below(4) as usize],
        _ => 1,
    };
    Header {
        tick_ns,
        salt: random.next(),
        seq,
        ring_id: u128::from(any(random)).to_le_bytes(),
        boot_id: u128::from(any(random)).to_le_bytes(),
        epoch: any(random),
        created: Anchor { boot_ns: any(random), real_ns: any(random), uncertainty_ns: any(random) },
        chain_before,
        ..Header::default()
    }
}

fn state(random: &mut Random) -> State {
    if random.once_in(3) {
        return State::default();
    }
    let text = Text { id: random.below(40) as u32, text: "psi_some_total_us{resource=\"io\"}".into() };
    let (texts, owners) = (vec![text], vec![Owner { stack: 1, pid: 10 }]);
    if random.once_in(2) { sample::a_state() } else { State { texts, owners, ..sample::a_state() } }
}

/// A segment, damaged or not, and the digest chain's value after it.
pub fn segment(seq: u64, chain_before: u128, random: &mut Random) -> (Vec<u8>, u128) {
    let header = header(seq, chain_before, random);
    if random.once_in(300) {
        // Some of these numbers of headers are below what a reader bears, some above.
        return (sample::forged_headers(&header, 100 + random.below(160) as usize), chain_before);
    }
    let (mut bytes, chain) =
        if random.once_in(3) { (odd(&header, random), chain_before) } else { proper(header, random) };
    if random.once_in(2) {
        bytes.resize(bytes.len() + random.below(300) as usize, 0);
    }
    if random.once_in(2) {
        damage::segment(&mut bytes, random);
    }
    (bytes, chain)
}

fn proper(header: Header, random: &mut Random) -> (Vec<u8>, u128) {
    let mut compressor = Compressor::new().unwrap();
    let mut pool = Pool::new(random);
    let (mut builder, mut bytes) = Builder::begin(header, u64::MAX);
    bytes.extend(builder.state(&state(random)).unwrap());
    for _ in 0..random.below(7) {
        let (source, mut rows) = pool.rows(random);
        let (generation, lost) = (any(random), any(random));
        let frames = builder.events(&mut rows, source, generation, lost, &mut compressor).unwrap();
        bytes.extend(frames.expect("room without end"));
    }
    if !random.once_in(3) {
        bytes.extend(builder.footer().unwrap());
    }
    (bytes, builder.chain())
}

// Frames in any order and number, with what later versions or forgers might put into them.
fn odd(header: &Header, random: &mut Random) -> Vec<u8> {
    let mut bytes = header.to_bytes();
    let mut pool = Pool::new(random);
    let mut ledger = Ledger::default();
    let mut seq = any(random) >> 8;
    for _ in 0..random.below(9) {
        seq += if random.once_in(5) { random.below(5) } else { 1 };
        let (mut frame, payload) = match random.below(8) {
            0 => state_frame(random),
            1 | 2 => dictionary(random),
            3 => footer(random),
            _ => events(header, &mut pool, &mut ledger, random),
        };
        frame.salt = header.salt;
        frame.frame_seq = seq;
        twist(&mut frame, random);
        let longer = if random.once_in(8) { 8 * random.below(20) as usize } else { 0 };
        bytes.extend(damage::longer_header(frame::write(&frame, &payload), longer));
    }
    bytes
}

fn record(kind: Kind, raw: &[u8]) -> (frame::Header, Vec<u8>) {
    (frame::Header { raw_len: raw.len() as u32, ..frame::Header::of(kind) }, frame::pack_record(raw).unwrap())
}

fn twist(frame: &mut frame::Header, random: &mut Random) {
    match random.below(40) {
        0 => frame.flags = 1 << random.below(16),
        1 => frame.kind = random.next() as u8,
        2 => frame.codec = random.below(4) as u8,
        3 => frame.raw_len = frame.raw_len.wrapping_add(random.below(3) as u32).wrapping_sub(1),
        4 => frame.n_events = frame.n_events.wrapping_add(random.below(3) as u32).wrapping_sub(1),
        5 => frame.first_ns = any(random),
        _ => {}
    }
}

fn events(
    header: &Header,
    pool: &mut Pool,
    ledger: &mut Ledger,
    random: &mut Random,
) -> (frame::Header, Vec<u8>) {
    let (source, mut rows) = pool.rows(random);
    let mut compressor = Compressor::new().unwrap();
    let shared = if random.once_in(4) { None } else { Some(&*ledger) };
    let encoded = columns::encode(&mut rows, header.tick_ns, shared, &mut compressor).unwrap();
    let frame = frame::Header {
        sources: 1 << source as u8,
        first_ns: encoded.span.0,
        last_ns: encoded.span.1,
        n_events: rows.len() as u32,
        raw_len: encoded.raw_len,
        dict_calls: random.below(9) as u32,
        ..frame::Header::of(Kind::Events)
    };
    let payload = encoded.payload.to_vec();
    // Their Dictionary frame never comes; another one may, with other entries.
    let additions = encoded.additions.clone();
    ledger.commit(&additions);
    if random.once_in(2) && !additions.raw().is_empty() {
        return record(Kind::Dictionary, additions.raw());
    }
    (frame, payload)
}

fn varint(out: &mut Vec<u8>, value: u64) {
    ingero_format::bytes::put_varint(out, value);
}

fn tables(random: &mut Random) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..random.below(4) {
        let call = random.once_in(2);
        out.push(if random.once_in(20) { random.below(9) as u8 } else { 5 + 2 * u8::from(call) });
        let count = random.below(12);
        let base = if random.once_in(6) { 65_530 } else { random.below(20) };
        varint(&mut out, base);
        varint(&mut out, if random.once_in(20) { any(random) } else { count });
        for _ in 0..count * if call { 6 } else { 2 } {
            let value = any(random);
            varint(&mut out, if random.once_in(3) { value } else { value % 3 });
        }
    }
    out
}

fn dictionary(random: &mut Random) -> (frame::Header, Vec<u8>) {
    record(Kind::Dictionary, &tables(random))
}

fn footer(random: &mut Random) -> (frame::Header, Vec<u8>) {
    let entries = random.below(4);
    let mut raw = if random.once_in(8) { any(random) } else { entries }.to_le_bytes().to_vec();
    for _ in 0..2 + entries * 4 {
        raw.extend(random.next().to_le_bytes());
    }
    raw.extend(tables(random));
    if random.once_in(6) {
        raw.truncate(random.below(raw.len() as u64) as usize);
    }
    record(Kind::Footer, &raw)
}

fn state_frame(random: &mut Random) -> (frame::Header, Vec<u8>) {
    let mut raw = state(random).to_bytes().unwrap();
    match random.below(6) {
        0 => raw.extend([99, 0, 7, 7, 3, 0, 0, 0, 1, 2, 3]),
        1 => raw.extend_from_within(..),
        2 => raw.truncate(random.below(raw.len() as u64 + 1) as usize),
        3 => raw.extend([2, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        _ => {}
    }
    record(Kind::State, &raw)
}
