//! The worked examples of `docs/FORMAT.md` are what the code makes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::{fs, path::Path};

use ingero_format::{
    Row,
    bundle::{self, MemberKind, Symbols},
    bytes::crc32c,
    codec,
    columns::{self, Compressor, Encoded},
    control::{Reply, Request, to_wire},
    dictionary::Ledger,
    frame::{self, Kind},
    head::{self, Geometry},
    identity::Identity,
    manifest::{Manifest, VERSION},
    ops::{self, LossCause, OPS, Source, by_number},
    row::{flags, origin},
    segment::{Anchor, Builder, Dictionaries, Footer, Header},
    state::{Account, State, Task},
};

const SALT: u64 = 0x1122_3344_5566_7788;

/// Bytes that a block of the document shows, by their offsets. Text behind four spaces is a remark; `…` stands for
/// whatever lies between, zeros as a rule.
fn shown(document: &str, after: &str) -> Vec<(usize, u8)> {
    let (_, rest) = document.split_once(after).unwrap_or_else(|| panic!("the document lacks: {after}"));
    let block = rest.split("```").nth(1).expect("a block");
    let mut all = Vec::new();
    for line in block.lines() {
        let mut parts = line.trim_start().splitn(2, ' ');
        let Some(mut at) = parts.next().and_then(|n| n.parse::<usize>().ok()) else { continue };
        let line = parts.next().unwrap_or_default().trim_start();
        let bytes = line.split("    ").next().unwrap_or_default().split_whitespace();
        for byte in bytes.map_while(|b| if b.len() == 2 { u8::from_str_radix(b, 16).ok() } else { None }) {
            all.push((at, byte));
            at += 1;
        }
    }
    assert!(!all.is_empty(), "no bytes after: {after}");
    all
}

fn document() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/FORMAT.md")).unwrap()
}

// As the document shows bytes, for putting them there.
fn dump(bytes: &[u8]) -> String {
    let hex = |b: &[u8]| b.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ");
    let line = |(i, b): (usize, &[u8])| {
        let (low, high) = b.split_at(b.len().min(8));
        format!("{:3}  {:23}   {}", i * 16, hex(low), hex(high)).trim_end().to_owned()
    };
    bytes.chunks(16).enumerate().map(line).collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn compare(document: &str, after: &str, bytes: &[u8]) {
    for (at, byte) in shown(document, after) {
        assert_eq!(bytes.get(at), Some(&byte), "{after}: byte {at}; the code makes\n{}", dump(bytes));
    }
}

fn inline(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn contains(document: &str, bytes: &[u8]) {
    let flat = document.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains(&inline(bytes)), "the document lacks {}", inline(bytes));
}

fn segment_header() -> Header {
    Header {
        salt: SALT,
        seq: 5,
        ring_id: [0xaa; 16],
        boot_id: [0xbb; 16],
        epoch: 3,
        created: Anchor { boot_ns: 900_000, real_ns: 1_795_342_411_000_000_000, uncertainty_ns: 40 },
        ..Header::default()
    }
}

fn state() -> State {
    State {
        accounts: vec![Account { cpu: 1, source: 1, stored: 100, lost: 5 }],
        tasks: vec![Task { pid: 10, tid: 11, since_ns: 900_000, comm: "loop".into() }],
        ..State::default()
    }
}

fn launches() -> Vec<Row> {
    let times = [(1_000_000, 4_000), (1_010_919, 4_500), (1_019_838, 5_000), (1_028_757, 5_500)];
    let launch = |(i, (end_ns, dur_ns)): (u64, (u64, u64))| Row {
        end_ns,
        dur_ns,
        pid: 10,
        tid: 11,
        op: 0x0100,
        arg0: 0x70,
        arg1: 0x55,
        origin: origin((i % 2) as u16, 5 + i / 2),
        ..Row::default()
    };
    (0..).zip(times).map(launch).collect()
}

fn events_header(encoded: &Encoded<'_>) -> frame::Header {
    frame::Header {
        sources: 1,
        salt: SALT,
        frame_seq: 2,
        first_ns: encoded.span.0,
        last_ns: encoded.span.1,
        n_events: 4,
        raw_len: encoded.raw_len,
        head_generation: 7,
        ..frame::Header::of(Kind::Events)
    }
}

// The unpacked block of an Events frame with so many columns.
fn block(payload: &[u8], raw_len: u32) -> Vec<u8> {
    let from = 8 + usize::from(payload[0]) * 12;
    let packed = u32::from_le_bytes(payload[4..8].try_into().unwrap()) as usize;
    zstd::bulk::decompress(&payload[from..from + packed], raw_len as usize).unwrap()
}

#[test]
fn rows_heads_and_identities_are_as_the_document_shows_them() {
    let document = document();
    let row = Row {
        end_ns: 0x0102_0304_0506_0708,
        dur_ns: 9,
        pid: 10,
        tid: 11,
        arg0: 12,
        arg1: 13,
        origin: origin(3, 77),
        op: 0x101,
        flags: flags::NESTED,
        ret: -5,
        stack: 14,
    };
    compare(&document, "Example, generation 42", &row.to_bytes(42));
    contains(&document, &row.to_bytes(0)[60..]);
    let page = Geometry::DEFAULT.to_bytes();
    contains(&document, &page[..20]);
    contains(&document, &page[4092..]);
    contains(&document, &head::slot_header(7, 3, Source::Sched)[..8]);
    contains(&document, &head::slot_header(7, 3, Source::Sched)[28..32]);
    let identity = Identity { generation: 2, ring_id: [0xaa; 16], segment_bytes: 16 << 20, holder_pid: 4711 };
    compare(&document, "Generation 2, ring `aa…`, 16 MiB, pid 4711:", &identity.to_bytes());
}

#[test]
fn segments_states_and_footers_are_as_the_document_shows_them() {
    let document = document();
    compare(&document, "Example (salt `0x1122334455667788`, segment 5", &segment_header().to_bytes());
    let state = state();
    compare(&document, "before compression:", &state.to_bytes().unwrap());
    let (mut builder, _) = Builder::begin(segment_header(), u64::MAX);
    let frame = builder.state(&state).unwrap();
    compare(&document, "That State frame (the record of section 9", &frame);
    assert!(
        document.contains(&format!("whose chain is `{:032x}`", builder.chain())),
        "{:032x}",
        builder.chain()
    );
    let footer = builder.footer().unwrap();
    let (header, payload) = frame::read(&footer, SALT).unwrap();
    compare(
        &document,
        "A footer that lists one State frame",
        &frame::unpack_record(&header, payload).unwrap(),
    );
    assert!(
        document.contains(&format!("After the Footer it is `{:032x}`", builder.chain())),
        "{:032x}",
        builder.chain()
    );
}

#[test]
fn manifests_bundles_and_messages_are_as_the_document_shows_them() {
    let document = document();
    let manifest = Manifest { version: VERSION, ..Manifest::default() };
    let bytes = manifest.to_bytes().unwrap();
    assert_eq!(bytes.len(), 200);
    contains(&document, &bundle::file_header());
    contains(&document, &bundle::member_header(MemberKind::Manifest, 0, 200, crc32c(&[&bytes])));
    contains(&document, &bundle::member_header(MemberKind::Segment, 5, 4096, 1));
    contains(&document, &bundle::member_header(MemberKind::End, 0, 0, 0));
    let symbols = Symbols { kernel: vec![(0xffff_ffff_8100_0010, "schedule".into(), 0x10)] };
    compare(&document, "Symbols with the one entry", &codec::encode("symbols", &symbols).unwrap());
    contains(&document, &to_wire(&Request::Status).unwrap());
    contains(&document, &to_wire(&Reply::Failed { message: "no".into() }).unwrap());
}

#[test]
fn a_frame_taken_apart_is_as_the_document_shows_it() {
    let document = document();
    let mut compressor = Compressor::new().unwrap();
    let encoded = columns::encode(&mut launches(), 1, None, &mut compressor).unwrap();
    compare(&document, "Four launches by pid 10", &frame::write(&events_header(&encoded), encoded.payload));
    compare(&document, "The block unpacks to 35 bytes:", &block(encoded.payload, encoded.raw_len));
}

#[test]
fn a_segment_with_dictionaries_is_as_the_document_shows_it() {
    let document = document();
    let mut compressor = Compressor::new().unwrap();
    let (mut builder, _) = Builder::begin(segment_header(), u64::MAX);
    let state = builder.state(&State::default()).unwrap();
    compare(&document, "A State frame without a section", &state);
    let both = builder.events(&mut launches(), Source::Cuda, 7, 0, &mut compressor).unwrap().unwrap();
    let (header, payload) = frame::read(&both, SALT).unwrap();
    let (dictionary, events) = both.split_at(header.frame_bytes() as usize);
    compare(&document, "The Dictionary frame at offset", dictionary);
    compare(&document, "Its payload unpacks to", &frame::unpack_record(&header, payload).unwrap());
    let (header, payload) = frame::read(events, SALT).unwrap();
    compare(&document, "The Events frame at offset", events);
    compare(&document, "Its block unpacks to", &block(payload, header.raw_len));
    let footer = builder.footer().unwrap();
    let (header, payload) = frame::read(&footer, SALT).unwrap();
    let raw = frame::unpack_record(&header, payload).unwrap();
    compare(&document, "The Footer's payload unpacks to", &raw);
    assert_eq!(Footer::read(&raw).unwrap().frames.len(), 3);
    let mut known = Dictionaries::default();
    known.frame(&header, payload).unwrap();
    assert_eq!(known.counts(), (1, 1));
    let mut second = launches();
    second.iter_mut().for_each(|row| row.end_ns += 1_000_000);
    let mut ledger = Ledger::default();
    let first =
        columns::encode(&mut launches(), 1, Some(&ledger), &mut compressor).unwrap().additions.clone();
    ledger.commit(&first);
    assert!(
        columns::encode(&mut second, 1, Some(&ledger), &mut compressor).unwrap().additions.raw().is_empty()
    );
}

// The document's table of operations, made from the list in the code and what is said there about each.
fn operations() -> String {
    let code = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ops/table.rs")).unwrap();
    let mut remarks: Vec<&str> = Vec::new();
    let mut table = String::from("| number | name | arg0 and arg1 |\n|---|---|---|\n");
    let list = code.split_once("\nops! {").and_then(|(_, rest)| rest.split_once("\n}")).expect("a list").0;
    for line in list.lines().map(str::trim) {
        if let Some(remark) = line.strip_prefix("/// ") {
            remarks.push(remark);
        } else if let Some((_, number)) = line.split_once(" = 0x") {
            let op = by_number(u16::from_str_radix(&number[..4], 16).unwrap()).unwrap();
            let remark = if op.number < 0x6000 { remarks.join(" ") } else { "below".into() };
            table +=
                &format!("| `{:#06x}` | `{}` | {} |\n", op.number, op.name, remark.trim_end_matches('.'));
            remarks.clear();
        }
    }
    assert_eq!(table.lines().count(), OPS.len() + 2);
    table
}

#[test]
fn the_table_of_operations_is_the_one_in_the_code() {
    let table = operations();
    assert!(document().contains(&format!("\n{table}\n")), "the document lacks\n{table}");
}

#[test]
fn sources_causes_and_ranges_of_operations_are_those_in_the_document() {
    let document = document();
    let named: Vec<String> = Source::ALL.iter().map(|s| format!("{} `{}`", *s as u8, s.name())).collect();
    assert!(document.contains(&format!("**Sources.** {}.", named.join(", "))));
    for cause in LossCause::ALL {
        let number = cause as i32;
        assert!(document.contains(&format!("| {number} | `{}` |", cause.name())), "{cause:?}");
        assert_eq!(LossCause::from_number(number), Some(cause));
    }
    assert_eq!(
        (LossCause::from_number(0), LossCause::from_number(11), Source::from_number(5)),
        (None, None, None)
    );
    let ranges = [(0x0100, "driver", "cuda"), (0x07ff, "driver", "cuda"), (0x0800, "runtime", "cuda")];
    let host =
        [(0x2000, "sched"), (0x3fff, "sched"), (0x4000, "process"), (0x4fff, "process"), (0x5000, "host")];
    for (number, layer, source) in ranges
        .into_iter()
        .chain(host.map(|(n, s)| (n, "host", s)))
        .chain([(0x1fff, "nccl", "cuda"), (0x5fff, "host", "host")])
        .chain([(0x6000, "host", "meta"), (0xffff, "host", "meta")])
    {
        assert_eq!(ops::source(number).name(), source, "{number:#x}");
        let known = ops::by_number(number).map_or(layer, |op| op.layer());
        assert_eq!(known, layer, "{number:#x}");
    }
}

// A payload whose columns are given: id, encoding, block part, raw part.
fn payload(columns: &[(u8, u8, &[u8], &[u8])]) -> (Vec<u8>, u32) {
    let block: Vec<u8> = columns.iter().flat_map(|c| c.2).copied().collect();
    let packed = zstd::bulk::compress(&block, 1).unwrap();
    let mut out = [columns.len() as u32, packed.len() as u32].map(u32::to_le_bytes).concat();
    for (id, encoding, block, raw) in columns {
        out.extend([*id, *encoding, 0, 0]);
        out.extend([block.len() as u32, raw.len() as u32].map(u32::to_le_bytes).concat());
    }
    out.extend(packed);
    columns.iter().for_each(|c| out.extend(c.3));
    (out, block.len() as u32)
}

#[test]
fn chained_and_centred_columns_are_as_the_document_shows_them() {
    let document = document();
    let (durations, duration_bits) = ([0x2f, 0, 0, 2], [0x3f, 3]);
    let (ends, end_bits) = ([0x90, 0x4e, 0x34, 0x27, 0x28, 0x28], [0x1f, 0xee, 0x12, 0x27, 0x0e]);
    contains(&document, &durations);
    assert!(document.contains("raw 3f 03"));
    contains(&document, &ends);
    contains(&document, &end_bits);
    let (payload, raw_len) =
        payload(&[(1, 6, &ends, &end_bits), (2, 5, &durations, &duration_bits), (3, 1, &[0, 1, 0, 1], &[])]);
    let header =
        frame::Header { n_events: 4, first_ns: 1_000_000, raw_len, ..frame::Header::of(Kind::Events) };
    let decoded = columns::decode(&header, &payload, 1, &Dictionaries::default()).unwrap().rows;
    let times: Vec<(u64, u64)> = decoded.iter().map(|r| (r.end_ns, r.dur_ns)).collect();
    assert_eq!(times, [(1_000_000, 4_000), (1_010_919, 10_919), (1_019_838, 19_838), (1_028_757, 17_837)]);
}

#[test]
#[ignore = "prints the examples for the document"]
fn print_examples() {
    println!("{}", operations());
    let show = |name: &str, bytes: &[u8]| println!("== {name}, {} bytes\n{}", bytes.len(), dump(bytes));
    let (mut builder, _) = Builder::begin(segment_header(), u64::MAX);
    show("state", &state().to_bytes().unwrap());
    show("state frame", &builder.state(&state()).unwrap());
    println!("chain {:032x}", builder.chain());
    let footer = builder.footer().unwrap();
    let (header, payload) = frame::read(&footer, SALT).unwrap();
    show("footer", &frame::unpack_record(&header, payload).unwrap());
    println!("chain {:032x}", builder.chain());
    let manifest = Manifest { version: VERSION, ..Manifest::default() }.to_bytes().unwrap();
    println!("{}", inline(&bundle::member_header(MemberKind::Manifest, 0, 200, crc32c(&[&manifest]))));
    println!("{}", inline(&bundle::member_header(MemberKind::Segment, 5, 4096, 0)));
    let mut compressor = Compressor::new().unwrap();
    let encoded = columns::encode(&mut launches(), 1, None, &mut compressor).unwrap();
    show("own", &frame::write(&events_header(&encoded), encoded.payload));
    show("own block", &block(encoded.payload, encoded.raw_len));
    let (mut builder, _) = Builder::begin(segment_header(), u64::MAX);
    show("empty state", &builder.state(&State::default()).unwrap());
    println!("at {}", builder.bytes());
    let both = builder.events(&mut launches(), Source::Cuda, 7, 0, &mut compressor).unwrap().unwrap();
    let (header, payload) = frame::read(&both, SALT).unwrap();
    let (dictionary, events) = both.split_at(header.frame_bytes() as usize);
    show("dictionary", dictionary);
    show("tables", &frame::unpack_record(&header, payload).unwrap());
    show("events", events);
    let (header, payload) = frame::read(events, SALT).unwrap();
    show("block", &block(payload, header.raw_len));
    println!("at {} chain {:032x}", builder.bytes(), builder.chain());
    let footer = builder.footer().unwrap();
    let (header, payload) = frame::read(&footer, SALT).unwrap();
    show("footer", &frame::unpack_record(&header, payload).unwrap());
    println!("footer frame {} bytes, end {}", footer.len(), builder.bytes());
}
