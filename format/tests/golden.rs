//! Golden files: what was written once must read alike for ever. `golden/README.md` says what the JSON means.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "support/dump.rs"]
mod dump;
#[allow(dead_code, reason = "the fuzz corpus is made from the same samples")]
#[path = "support/sample.rs"]
mod sample;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use ingero_format::{
    bundle::manifest_file,
    bytes::crc32c,
    frame::{self, Kind},
    head::Geometry,
    manifest::SegmentEntry,
    ops::Source,
    segment::{Footer, Header, Scan, Step},
};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1")
}

fn files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder()).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|f| f.extension().is_none_or(|e| e != "json"));
    files.sort();
    files
}

fn json_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".json");
    name.into()
}

fn name(file: &Path) -> String {
    file.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn every_golden_file_reads_as_it_did_when_it_was_written() {
    let files = files();
    assert!(files.len() >= 10, "golden files are missing");
    for file in files {
        let expected: Value = serde_json::from_slice(&fs::read(json_of(&file)).unwrap()).unwrap();
        let found = dump::dump(&name(&file), &fs::read(&file).unwrap());
        assert!(found == expected, "{} reads differently:\n{found:#}", file.display());
    }
}

#[test]
fn golden_files_stay_small() {
    for file in files() {
        assert!(fs::metadata(&file).unwrap().len() <= 24 << 10, "{}", file.display());
    }
}

#[test]
fn the_samples_of_today_read_as_the_golden_files_do() {
    for (name, bytes) in samples() {
        let expected: Value =
            serde_json::from_slice(&fs::read(folder().join(format!("{name}.json"))).unwrap()).unwrap();
        let found = dump::dump(name, &bytes);
        // What zstd makes of the same bytes may differ: lengths, offsets and digests with it.
        for key in ["rows", "unnamed", "states", "threads", "calls", "manifest", "open", "symbols", "slots"] {
            assert_eq!(found.get(key), expected.get(key), "{name}: {key}");
        }
    }
}

#[test]
#[ignore = "writes golden files that do not exist yet"]
fn write_missing_golden_files() {
    fs::create_dir_all(folder()).unwrap();
    for (name, bytes) in samples() {
        let file = folder().join(name);
        if !file.exists() {
            fs::write(&file, &bytes).unwrap();
        }
        let json = json_of(&file);
        if !json.exists() {
            fs::write(json, format!("{}\n", compact(&dump::dump(name, &fs::read(&file).unwrap()), 0)))
                .unwrap();
        }
    }
}

// Pretty, but short lists and the frames' headers on one line each.
fn compact(value: &Value, depth: usize) -> String {
    let plain = value.to_string();
    if plain.len() <= 100 || depth > 4 {
        return plain;
    }
    let indent = " ".repeat(depth + 1);
    let join = |parts: Vec<String>| parts.join(&format!(",\n{indent}"));
    let end = " ".repeat(depth);
    match value {
        Value::Array(items) => {
            let parts = items.iter().map(|v| compact(v, depth + 1)).collect();
            format!("[\n{indent}{}\n{end}]", join(parts))
        }
        Value::Object(map) => {
            let part = |(k, v)| format!("{}: {}", Value::from(String::clone(k)), compact(v, depth + 1));
            format!("{{\n{indent}{}\n{end}}}", join(map.iter().map(part).collect()))
        }
        _ => plain,
    }
}

fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let (closed, builder) = sample::segment_of(sample::segment_header(5, 1, 0), &sample::frames(), true);
    let tick = sample::segment_of(sample::segment_header(6, 16, builder.chain()), &sample::frames(), true).0;
    let bundle = sample::a_bundle();
    let mut damaged_bundle = bundle.clone();
    damaged_bundle[100] ^= 1;
    let mut headless = bundle.clone();
    headless[second_member(&bundle)] ^= 1;
    let mut torn_head = sample::a_head();
    torn_head[4096 + 64 + 5 * 64 + 9] ^= 4;
    let cut = bundle[..bundle.len() - 100].to_vec();
    let manifest = sample::a_manifest(vec![SegmentEntry { seq: 5, bytes: 4096 }]);
    vec![
        ("closed.seg", sample::segment(true)),
        ("unclosed.seg", sample::segment(false)),
        ("damaged-dictionary.seg", without_dictionary(sample::segment(false))),
        ("damaged-dictionary-closed.seg", without_dictionary(closed)),
        ("tick.seg", tick),
        ("chained.seg", sample::chained(10, 1)),
        ("chained-tick.seg", sample::chained(11, 16)),
        ("later-version.seg", later_version()),
        ("unreadable.seg", unreadable()),
        ("much-said.seg", much_said()),
        ("two-footers.seg", two_footers()),
        ("refused.seg", resealed_incompatible()),
        ("forged-headers.seg", sample::forged_headers(&sample::segment_header(9, 1, 0), 180)),
        ("two-slots.head", sample::a_head()),
        ("torn-row.head", torn_head),
        ("cut-slot.head", cut_head(2, 63)),
        ("cut-unused-slot.head", cut_head(1, 31)),
        ("RING", sample::a_ring()),
        ("whole.ingero", bundle),
        ("cut.ingero", cut),
        ("damaged-manifest.ingero", damaged_bundle),
        ("damaged-member-header.ingero", headless),
        ("MANIFEST", manifest_file(&manifest).unwrap()),
    ]
}

// Where the header of the first segment stands: right behind the manifest.
fn second_member(bundle: &[u8]) -> usize {
    let manifest = u64::from_le_bytes(bundle[48..56].try_into().unwrap()) as usize;
    64 + manifest.next_multiple_of(8)
}

// One bit of the first Dictionary frame's payload is another one.
fn without_dictionary(mut bytes: Vec<u8>) -> Vec<u8> {
    let header = Header::read(&bytes).unwrap();
    let at = Scan::new(&bytes, &header).find_map(|step| match step {
        Step::Frame(offset, frame, _) if frame.kind == Kind::Dictionary as u8 => Some(offset as usize),
        _ => None,
    });
    bytes[at.expect("a Dictionary frame") + frame::HEADER_BYTES + 9] ^= 0x10;
    bytes
}

fn resealed_incompatible() -> Vec<u8> {
    let mut bytes = sample::segment_header(7, 1, 0).to_bytes();
    bytes[18] = 1;
    let crc = crc32c(&[&bytes[..252]]);
    bytes[252..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

// What this version must read of later ones: longer headers, compatible bits, kinds, sections and flags it does
// not know.
fn later_version() -> Vec<u8> {
    let (first, _) = sample::segment_of(sample::segment_header(8, 1, 0), &sample::frames()[..2], false);
    let mut bytes = first[..252].to_vec();
    bytes.resize(264, 0x77);
    bytes[8..10].copy_from_slice(&264u16.to_le_bytes());
    bytes[12] = 0x80;
    let crc = crc32c(&[&bytes[..260]]);
    bytes[260..].copy_from_slice(&crc.to_le_bytes());
    bytes.extend(&first[256..]);
    let record = [sample::a_state().to_bytes().unwrap(), vec![99, 0, 0, 0, 3, 0, 0, 0, 1, 2, 3]].concat();
    let packed = frame::pack_record(&record).unwrap();
    let header = |frame_seq, kind, flags| frame::Header {
        kind,
        flags,
        frame_seq,
        salt: sample::SALT,
        raw_len: record.len() as u32,
        ..frame::Header::of(Kind::State)
    };
    bytes.extend(frame::write(&header(10, 3, 0x0001), &packed));
    bytes.extend(frame::write(&header(11, 3, 0x0200), &packed));
    bytes.extend(frame::write(&header(13, 77, 0), b"a kind of a later version"));
    bytes.extend(frame::write(&frame::Header { codec: 9, ..header(14, 3, 0) }, &packed));
    bytes
}

// A head that ends so many bytes into a slot: the second was never used, the third is in use.
fn cut_head(slot: usize, bytes: usize) -> Vec<u8> {
    let mut head = sample::a_head();
    head.truncate(Geometry::read(&head).unwrap().slot_offset(slot) + bytes);
    head
}

// Whole frames that must not be used: of no source, of two, of one that does not exist; whose zstd frame is followed by
// another, by one that is skipped, by a byte; of an unknown kind with an unknown incompat flag. One between them is good.
fn unreadable() -> Vec<u8> {
    let (mut bytes, builder) =
        sample::segment_of(sample::segment_header(12, 1, 0), &[(Source::Cuda, sample::launches(4))], false);
    let read = Header::read(&bytes).unwrap();
    let events = Scan::new(&bytes, &read).find_map(|step| match step {
        Step::Frame(_, frame, payload) if frame.kind == Kind::Events as u8 => Some((frame, payload.to_vec())),
        _ => None,
    });
    let (events, columns) = events.expect("an Events frame");
    let mut seq = builder.frames();
    let mut put = |header: frame::Header, payload: &[u8]| {
        bytes.extend(frame::write(&frame::Header { salt: sample::SALT, frame_seq: seq, ..header }, payload));
        seq += 1;
    };
    for sources in [0, 3, 0x8000_0000, 0x11, 8] {
        put(frame::Header { sources, ..events }, &columns);
    }
    let record = sample::a_state().to_bytes().unwrap();
    let packed = frame::pack_record(&record).unwrap();
    let state = frame::Header { raw_len: record.len() as u32, ..frame::Header::of(Kind::State) };
    let skipped: &[u8] = &[0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0];
    for more in [&frame::pack_record(&[]).unwrap(), skipped, &[0], &[]] {
        put(state, &[&packed, more].concat());
    }
    put(frame::Header { raw_len: 0, ..state }, skipped);
    put(frame::Header { kind: 77, flags: 0x0100, ..state }, &packed);
    put(frame::Header { kind: 77, flags: 0x0001, ..state }, &packed);
    bytes
}

// More tables than a segment may have, and more Footers: what is beyond is unreadable, the rest is used.
fn much_said() -> Vec<u8> {
    let (mut bytes, builder) =
        sample::segment_of(sample::segment_header(13, 1, 0), &[(Source::Cuda, sample::launches(4))], false);
    let mut seq = builder.frames();
    let mut put = |kind, raw: &[u8]| {
        let header = frame::Header {
            salt: sample::SALT,
            frame_seq: seq,
            raw_len: raw.len() as u32,
            ..frame::Header::of(kind)
        };
        bytes.extend(frame::write(&header, &frame::pack_record(raw).unwrap()));
        seq += 1;
    };
    let thread = |id: u8, bytes: usize| [5, id, 1, id, id].repeat(bytes / 5);
    put(Kind::Dictionary, &thread(100, 400_000));
    put(Kind::Dictionary, &thread(101, 200_000));
    put(Kind::Dictionary, &[thread(102, 100_000), vec![9]].concat());
    put(Kind::Dictionary, &thread(103, 20_000));
    put(Kind::Dictionary, &thread(104, 20_000));
    let footer =
        |chain, tables: &[u8]| [Footer { frames: vec![], chain }.to_bytes(), tables.to_vec()].concat();
    put(Kind::Footer, &footer(1, &thread(105, 524_290)));
    put(Kind::Footer, &footer(2, &thread(106, 5)));
    bytes
}

// The first Footer counts, whatever the second says.
fn two_footers() -> Vec<u8> {
    let frames = [(Source::Cuda, sample::launches(4))];
    let (mut bytes, builder) = sample::segment_of(sample::segment_header(14, 1, 0), &frames, true);
    let raw = [Footer { frames: vec![], chain: 7 }.to_bytes(), vec![5, 0, 1, 9, 9]].concat();
    let header = frame::Header {
        salt: sample::SALT,
        frame_seq: builder.frames(),
        raw_len: raw.len() as u32,
        ..frame::Header::of(Kind::Footer)
    };
    bytes.extend(frame::write(&header, &frame::pack_record(&raw).unwrap()));
    bytes
}

#[test]
fn the_golden_files_have_every_way_of_writing_numbers() {
    let mut found = BTreeSet::new();
    for file in files().iter().filter(|f| f.extension().is_some_and(|e| e == "seg")) {
        let bytes = fs::read(file).unwrap();
        let Ok(header) = Header::read(&bytes) else { continue };
        for step in Scan::new(&bytes, &header) {
            if let Step::Frame(_, frame, payload) = step
                && frame.kind == Kind::Events as u8
            {
                let directory = payload[8..].chunks(12).take(payload[0].into());
                found.extend(directory.map(|entry| (entry[0], entry[1])));
            }
        }
    }
    for way in [(1, 2), (1, 6), (2, 2), (2, 5), (2, 6), (5, 4), (6, 3), (7, 4), (8, 2), (8, 6), (9, 3)] {
        assert!(found.contains(&way), "column {} in encoding {}: {found:?}", way.0, way.1);
    }
}
