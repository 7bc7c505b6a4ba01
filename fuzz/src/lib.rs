//! What must hold for any bytes whatever. Each function is a fuzz target and is run by `tests/corpus.rs`
//! over the files of `corpus/`; it panics where a property does not hold.
//!
//! | function | holds for any input |
//! |---|---|
//! | [`frame`] | a frame that reads, written again, reads alike; its unpacked payload stays within its limits |
//! | [`segment`] | a scan ends, goes forward, covers every byte at most once, and reads not many more than there are |
//! | [`head`] | rows fit into the file; a row that verifies does so again when written again |
//! | [`state`] | a record that reads, written again, reads alike |
//! | [`manifest`] | a record that reads is byte for byte what writing it gives, but for fields of later versions |
//! | [`bundle`] | members follow each other within the file; records inside are as above |
//! | [`control`] | a message that reads is byte for byte what sending it gives |
//! | [`columns`] | rows that decode, encoded again, also into two frames of a segment that share dictionaries, decode alike; entries of a dictionary that reads are numbered within its limits |
//!
//! Inputs are looked at twice where checksums guard them: as they are, and with the checksums made right.

mod repair;

use ingero_format::{
    Row,
    bundle::{Bundle, Condition, Index, MemberKind, Symbols, UserSymbols},
    codec,
    columns::{self as cols, Compressor, MAX_BLOCK_BYTES, MAX_ROWS},
    control::{self as wire, Reply, Request},
    dictionary::MAX_ENTRIES,
    frame::{self as frames, Kind, MAX_PAYLOAD_BYTES},
    head as heads,
    identity::Identity,
    manifest::{self as manifests, Manifest},
    ops::Source,
    row::ROW_BYTES,
    segment::{self as segments, Builder, Dictionaries, Footer, Header, Scan, Step},
    state::State,
};

/// One frame, then what its payload holds.
pub fn frame(data: &[u8]) {
    let salt = data.get(24..32).and_then(|b| b.first_chunk()).map_or(0, |b| u64::from_le_bytes(*b));
    one_frame(data, salt);
    let mut repaired = data.to_vec();
    repair::frame(&mut repaired, 0, salt);
    one_frame(&repaired, salt);
}

fn one_frame(data: &[u8], salt: u64) {
    let Ok((header, payload)) = frames::read(data, salt) else { return };
    assert!(header.frame_bytes() <= data.len() as u64, "a frame longer than the bytes it was read from");
    assert!(frames::read(data, !salt).is_err(), "a frame of another file was taken");
    let again = frames::write(&header, payload);
    let (back, same) = frames::read(&again, salt).expect("what was written does not read");
    assert_eq!(back, frames::Header { header_len: back.header_len, ..header });
    assert_eq!(same, payload);
    contents(&header, payload, 1, &Dictionaries::default());
}

fn contents(header: &frames::Header, payload: &[u8], tick_ns: u32, known: &Dictionaries) {
    match header.content() {
        Ok(Some(Kind::Events)) => {
            if let Ok(decoded) = cols::decode(header, payload, tick_ns, known) {
                assert_eq!(decoded.rows.len(), header.n_events as usize);
                assert!(decoded.unnamed <= decoded.rows.len() as u64);
                assert!(decoded.rows.len() <= MAX_ROWS && header.raw_len as usize <= MAX_BLOCK_BYTES);
                encode_again(decoded.rows);
            }
        }
        Ok(Some(kind)) => {
            let Ok(raw) = frames::unpack_record(header, payload) else { return };
            assert!(raw.len() <= MAX_PAYLOAD_BYTES as usize);
            match kind {
                Kind::State => state(&raw),
                Kind::Footer => footer(&raw),
                _ => drop(tables(&raw)),
            }
        }
        Ok(None) | Err(_) => {}
    }
}

fn footer(raw: &[u8]) {
    if let Ok(footer) = Footer::read(raw) {
        let bytes = footer.to_bytes();
        assert_eq!(raw.get(..bytes.len()), Some(bytes.as_slice()));
        assert!(tables(&raw[bytes.len()..]).is_some(), "a footer whose dictionaries do not read");
    }
}

fn tables(raw: &[u8]) -> Option<Dictionaries> {
    let mut known = Dictionaries::default();
    known.tables(raw).ok()?;
    let counts = known.counts();
    assert!(counts.0.max(counts.1) <= MAX_ENTRIES && known.thread(MAX_ENTRIES as u64).is_none());
    // Saying the same twice changes nothing.
    known.tables(raw).expect("what reads once reads twice");
    assert!(known.counts().0 <= counts.0 && known.counts().1 <= counts.1);
    Some(known)
}

/// A segment file.
pub fn segment(data: &[u8]) {
    one_segment(data);
    let mut repaired = data.to_vec();
    repair::segment(&mut repaired);
    one_segment(&repaired);
}

fn one_segment(data: &[u8]) {
    let Ok(header) = Header::read(data) else { return };
    assert!(usize::from(header.header_len) <= data.len());
    let again = header.to_bytes();
    let same = Header { header_len: segments::HEADER_BYTES as u16, ..header };
    assert_eq!(Header::read(&again), Ok(same));
    let known = Dictionaries::collect(data, &header);
    let (mut steps, mut end, mut next) = (0, u64::from(header.header_len), 0);
    let mut scan = Scan::new(data, &header);
    for step in &mut scan {
        steps += 1;
        assert!(steps <= data.len() / 8 + 1, "a scan that does not end");
        match step {
            Step::Frame(from, frame, payload) => {
                assert_eq!(from, end, "frames and damage leave a hole or overlap");
                assert!(frame.frame_seq >= next && frame.salt == header.salt);
                next = frame.frame_seq.saturating_add(1);
                end = from + frame.frame_bytes();
                assert!(end <= data.len() as u64);
                contents(&frame, payload, header.tick_ns, &known);
            }
            Step::Damage(from, to, _) => {
                assert_eq!(from, end, "frames and damage leave a hole or overlap");
                assert!(to > from && to <= data.len() as u64, "damage that does not go forward");
                end = to;
            }
        }
    }
    assert_eq!(scan.position(), end);
    assert!(scan.checked_bytes() <= 18 * data.len() as u64 + (2 << 20), "a scan that works for nothing");
    assert_eq!(segments::follow(data, &header), segments::follow(data, &header));
    assert!(data[end as usize..].iter().all(|b| *b == 0), "bytes that were neither frame, damage nor tail");
}

/// A head file; also the two pages of a `RING` file.
pub fn head(data: &[u8]) {
    one_head(data);
    let mut repaired = data.to_vec();
    repair::head(&mut repaired);
    one_head(&repaired);
    if let Ok(identity) = Identity::read(data) {
        assert_eq!(Identity::read(&identity.to_bytes()), Ok(identity));
    }
}

fn one_head(data: &[u8]) {
    let Ok((slots, damaged)) = heads::read(data) else { return };
    let geometry = heads::Geometry::read(data).expect("slots without a geometry");
    assert!(slots.len() as u64 + damaged <= u64::from(geometry.slots));
    let rows: u64 = slots.iter().map(|s| s.rows.len() as u64 + s.torn).sum();
    assert!(rows <= (data.len() / ROW_BYTES) as u64, "more rows than fit");
    for slot in &slots {
        for row in &slot.rows {
            assert_eq!(Row::from_head(&row.to_bytes(slot.generation), slot.generation), Some(*row));
        }
    }
}

/// A state record, not compressed.
pub fn state(data: &[u8]) {
    if let Ok(state) = State::read(data) {
        let bytes = state.to_bytes().expect("a record too large to write");
        assert!(bytes.len() <= data.len());
        assert_eq!(State::read(&bytes), Ok(state));
    }
}

/// A manifest.
pub fn manifest(data: &[u8]) {
    if let Ok(manifest) = Manifest::read(data) {
        let bytes = manifest.to_bytes().expect("a record too large to write");
        assert_eq!(data.get(..bytes.len()), Some(bytes.as_slice()));
        assert!(bytes.len() == data.len() || manifest.version > manifests::VERSION);
    }
}

/// A bundle with its members.
pub fn bundle(data: &[u8]) {
    one_bundle(data);
    let mut repaired = data.to_vec();
    repair::bundle(&mut repaired);
    one_bundle(&repaired);
}

fn one_bundle(data: &[u8]) {
    let Ok(mut bundle) = Bundle::read(data) else { return };
    bundle.check_digests();
    assert!(bundle.complete || !bundle.damage.is_empty(), "neither complete nor damaged");
    for damage in &bundle.damage {
        assert!(!damage.skipped || (damage.error.offset < damage.to && damage.to <= data.len() as u64));
    }
    let mut end = ingero_format::bundle::HEADER_BYTES as u64;
    for member in &bundle.members {
        assert_eq!(member.offset % 8, 0);
        assert!(member.offset >= end + ingero_format::bundle::HEADER_BYTES as u64, "members overlap");
        end = member.offset + member.payload.len() as u64;
        assert!(end <= data.len() as u64);
        assert_eq!(member.condition == Condition::Cut, member.payload_len != member.payload.len() as u64);
        inside(member.kind, member.payload);
    }
}

fn inside(kind: u16, payload: &[u8]) {
    match kind {
        k if k == MemberKind::Manifest as u16 => manifest(payload),
        k if k == MemberKind::Segment as u16 => one_segment(payload),
        k if k == MemberKind::Head as u16 => one_head(payload),
        k if k == MemberKind::Symbols as u16 => same_bytes::<Symbols>(payload),
        k if k == MemberKind::UserSymbols as u16 => same_bytes::<UserSymbols>(payload),
        k if k == MemberKind::Index as u16 => same_bytes::<Index>(payload),
        _ => {}
    }
}

fn same_bytes<T: codec::Encode + codec::Decode<()>>(data: &[u8]) {
    if let Ok(record) = codec::decode::<T>("record", data) {
        assert_eq!(codec::encode("record", &record).expect("a record too large to write"), data);
    }
}

/// A control message with its length.
pub fn control(data: &[u8]) {
    let Some((prefix, rest)) = data.split_first_chunk::<4>() else { return };
    let Some(body) = wire::body_len(*prefix).ok().and_then(|len| rest.get(..len)) else { return };
    if let Ok(request) = wire::from_wire::<Request>(body) {
        sent_alike(&request, body);
    }
    if let Ok(reply) = wire::from_wire::<Reply>(body) {
        sent_alike(&reply, body);
    }
}

fn sent_alike<T: codec::Encode>(message: &T, body: &[u8]) {
    let wire = wire::to_wire(message).expect("a message too large to send");
    // Bytes 2 and 3 of the body are reserved: a reader ignores them.
    assert_eq!(wire.get(8..), body.get(4..));
}

/// The recorder's configuration: it is read, or refused in one line that a person can act upon.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match ingero_recorder::config::Config::parse(text) {
        Ok(config) => {
            assert!(config.snapshot.max_bytes.0 < config.ring.max_bytes.0);
            assert!((1..=1_000_000).contains(&config.ring.tick.0));
        }
        Err(refused) => assert!(!refused.is_empty() && !refused.contains('\n'), "{refused:?}"),
    }
}

/// Columns and dictionaries. The first byte chooses how the rest is taken: as a payload, as a payload whose block
/// is still to be compressed, as rows, as such a payload with the segment's dictionaries before it, or as what a
/// footer unpacks to.
pub fn columns(data: &[u8]) {
    let Some((mode, data)) = data.split_first() else { return };
    match mode % 5 {
        0 => payload(data),
        1 => plain_payload(data, 1, &Dictionaries::default()),
        3 => with_tables(data),
        4 => footer(data),
        _ => encode_again(data.as_chunks::<ROW_BYTES>().0.iter().take(4096).map(Row::from_bytes).collect()),
    }
}

fn split_u32(data: &[u8]) -> (u32, &[u8]) {
    data.split_first_chunk().map_or((0, &[]), |(n, rest)| (u32::from_le_bytes(*n), rest))
}

// u32 raw_len | u32 count | payload
fn payload(data: &[u8]) {
    let (raw_len, rest) = split_u32(data);
    let (count, rest) = split_u32(rest);
    decode(rest, raw_len, count, 1, &Dictionaries::default());
}

// u32 tick | u32 bytes of tables | tables | as plain_payload
fn with_tables(data: &[u8]) {
    let (tick_ns, rest) = split_u32(data);
    let (len, rest) = split_u32(rest);
    let (raw, rest) = rest.split_at((len as usize).min(rest.len()));
    plain_payload(rest, tick_ns.clamp(1, segments::MAX_TICK_NS), &tables(raw).unwrap_or_default());
}

// u32 count | u32 block bytes | u8 columns | directory entries | block | raw area
fn plain_payload(data: &[u8], tick_ns: u32, known: &Dictionaries) {
    let (count, rest) = split_u32(data);
    let (block_len, rest) = split_u32(rest);
    let Some((entries, rest)) = rest.split_first() else { return };
    let (Some(directory), Some(rest)) =
        (rest.get(..usize::from(*entries) * 12), rest.get(usize::from(*entries) * 12..))
    else {
        return;
    };
    let (block, raw) = rest.split_at((block_len as usize).min(rest.len()));
    let packed = zstd::bulk::compress(block, 1).expect("zstd packs anything");
    let mut payload = vec![*entries, 0, 0, 0];
    payload.extend((packed.len() as u32).to_le_bytes());
    payload.extend(directory);
    payload.extend(packed);
    payload.extend(raw);
    decode(&payload, block.len() as u32, count, tick_ns, known);
}

fn decode(payload: &[u8], raw_len: u32, n_events: u32, tick_ns: u32, known: &Dictionaries) {
    let header = frames::Header { raw_len, n_events, first_ns: 1_000, ..frames::Header::of(Kind::Events) };
    if let Ok(decoded) = cols::decode(&header, payload, tick_ns, known) {
        assert!(decoded.rows.len() == n_events as usize && decoded.rows.len() <= MAX_ROWS);
        encode_again(decoded.rows);
    }
}

// Twice into one segment: the second frame needs no entries of its own.
fn encode_again(mut rows: Vec<Row>) {
    if rows.is_empty() {
        return;
    }
    let mut compressor = Compressor::new().expect("zstd can be set up");
    let (mut builder, mut bytes) = Builder::begin(Header::default(), u64::MAX);
    for _ in 0..2 {
        let frames = builder.events(&mut rows, Source::Cuda, 1, 0, &mut compressor);
        bytes.extend(frames.expect("rows that cannot be encoded").expect("room without end"));
    }
    let header = Header::read(&bytes).expect("what was written does not read");
    let known = Dictionaries::collect(&bytes, &header);
    let mut events = 0;
    for step in Scan::new(&bytes, &header) {
        let Step::Frame(_, frame, payload) = step else { panic!("damage in what was written") };
        if frame.kind == Kind::Events as u8 {
            let decoded = cols::decode(&frame, payload, 1, &known).expect("what was written does not decode");
            assert!(decoded.unnamed == 0 && decoded.rows == rows);
            events += 1;
        }
    }
    assert_eq!(events, 2);
}
