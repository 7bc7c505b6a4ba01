//! Writes small valid files into `corpus/`: `cargo run --example seed`. The same bytes every time.

#[allow(dead_code, reason = "golden files need more samples")]
#[path = "../../format/tests/support/sample.rs"]
mod sample;

use std::{fs, io, path::PathBuf};

use ingero_format::{
    Row,
    columns::{self, Compressor, Encoded},
    control::{Reply, Request, Snapshot, Status, to_wire},
    dictionary::Ledger,
    frame::Kind,
    manifest::{Manifest, SegmentEntry},
    ops::Source,
    segment::{Footer, Header, Scan, Step},
};
use sample::{copies, intervals, launches, meta, switches};

fn put(target: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), bytes)
}

// The last frame of a segment that holds these rows and is closed or not, of this kind.
fn frame(kind: Kind, rows: Vec<Row>, closed: bool) -> Vec<u8> {
    let header = sample::segment_header(5, 1, 0);
    let bytes = sample::segment_of(header, &[(Source::Cuda, rows)], closed).0;
    let header = Header::read(&bytes).unwrap();
    let found = Scan::new(&bytes, &header).filter_map(|step| match step {
        Step::Frame(at, frame, _) if frame.kind == kind as u8 => {
            Some((at as usize, frame.frame_bytes() as usize))
        }
        _ => None,
    });
    let (at, len) = found.last().expect("a frame of this kind");
    bytes[at..at + len].to_vec()
}

fn with_mode(mode: u8, parts: &[&[u8]]) -> Vec<u8> {
    [&[mode], parts.concat().as_slice()].concat()
}

fn columns_payload(mut rows: Vec<Row>) -> Vec<u8> {
    let count = rows.len() as u32;
    let mut compressor = Compressor::new().unwrap();
    let encoded = columns::encode(&mut rows, 1, None, &mut compressor).unwrap();
    with_mode(0, &[&encoded.raw_len.to_le_bytes(), &count.to_le_bytes(), encoded.payload])
}

// Count, block bytes, columns, directory, block and raw area.
fn plain(encoded: &Encoded<'_>, count: u32) -> Vec<u8> {
    let payload = encoded.payload;
    let entries = payload[0];
    let packed = u32::from_le_bytes(payload[4..8].try_into().unwrap()) as usize;
    let directory = &payload[8..8 + usize::from(entries) * 12];
    let (block, raw) = payload[8 + directory.len()..].split_at(packed);
    let block = zstd::bulk::decompress(block, encoded.raw_len as usize).unwrap();
    [&count.to_le_bytes(), &encoded.raw_len.to_le_bytes(), [entries].as_slice(), directory, &block, raw]
        .concat()
}

fn plain_columns(mut rows: Vec<Row>) -> Vec<u8> {
    let mut compressor = Compressor::new().unwrap();
    let count = rows.len() as u32;
    with_mode(1, &[&plain(&columns::encode(&mut rows, 1, None, &mut compressor).unwrap(), count)])
}

fn shared_columns(mut rows: Vec<Row>, tick_ns: u32) -> Vec<u8> {
    let mut compressor = Compressor::new().unwrap();
    let count = rows.len() as u32;
    let encoded = columns::encode(&mut rows, tick_ns, Some(&Ledger::default()), &mut compressor).unwrap();
    let tables = encoded.additions.raw();
    let len = tables.len() as u32;
    with_mode(3, &[&tick_ns.to_le_bytes(), &len.to_le_bytes(), tables, &plain(&encoded, count)])
}

fn unpacked_footer() -> Vec<u8> {
    let (_, builder) = sample::segment_of(sample::segment_header(5, 1, 0), &sample::frames(), false);
    let footer = Footer { chain: builder.chain(), ..Footer::default() }.to_bytes();
    with_mode(4, &[&footer, &[5, 0, 2, 10, 11, 10, 12, 7, 3, 1, 1, 0, 0, 0, 8, 9]])
}

fn two_footers() -> Vec<u8> {
    let (mut bytes, mut builder) =
        sample::segment_of(sample::segment_header(5, 1, 0), &sample::frames()[..2], true);
    bytes.extend(builder.footer().unwrap());
    bytes
}

fn main() -> io::Result<()> {
    put("frame", "events", &frame(Kind::Events, launches(60), false))?;
    put("frame", "events-split-arguments", &frame(Kind::Events, copies(20), false))?;
    put("frame", "state", &frame(Kind::State, launches(1), false))?;
    put("frame", "dictionary", &frame(Kind::Dictionary, launches(20), false))?;
    put("frame", "footer", &frame(Kind::Footer, launches(20), true))?;
    put("segment", "active", &sample::segment(false))?;
    put("segment", "sealed", &sample::segment(true))?;
    let ticks = sample::segment_of(sample::segment_header(6, 16, 7), &sample::frames(), true).0;
    put("segment", "ticks", &ticks)?;
    put("segment", "two-footers", &two_footers())?;
    put("segment", "chained", &sample::chained(10, 16))?;
    put("head", "three-slots", &sample::a_head())?;
    put("head", "ring-identity", &sample::a_ring())?;
    put("state", "full", &sample::a_state().to_bytes().unwrap())?;
    // Empty lists are left out and there is no record without a section to edit: one this version does not know.
    put("state", "unknown-section", &[99, 0, 0, 0, 3, 0, 0, 0, 1, 2, 3])?;
    let manifest = sample::a_manifest(vec![SegmentEntry { seq: 5, bytes: 4096 }]);
    put("manifest", "full", &manifest.to_bytes().unwrap())?;
    let later = Manifest { version: manifest.version + 1, ..manifest };
    put("manifest", "later", &[later.to_bytes().unwrap(), b"more".to_vec()].concat())?;
    put("manifest", "empty", &Manifest::default().to_bytes().unwrap())?;
    let whole = sample::a_bundle();
    put("bundle", "whole", &whole)?;
    put("bundle", "cut", &whole[..whole.len() - 100])?;
    // Right behind the manifest stands the header of the first segment.
    let mut headless = whole.clone();
    let manifest_bytes = u64::from_le_bytes(whole[48..56].try_into().unwrap()) as usize;
    headless[64 + manifest_bytes.next_multiple_of(8)] ^= 1;
    put("bundle", "damaged-member-header", &headless)?;
    let snapshot =
        Request::Snapshot { last_ns: 60_000_000_000, after_ns: 5_000_000_000, reason: "slow".into(), unit: false };
    put("control", "request-snapshot", &to_wire(&snapshot).unwrap())?;
    put("control", "request-status", &to_wire(&Request::Status).unwrap())?;
    let status = Status { state: "recording".into(), seconds_held: 12.5, ..Status::default() };
    put("control", "reply-status", &to_wire(&Reply::Status(Box::new(status))).unwrap())?;
    put(
        "control",
        "reply-snapshots",
        &to_wire(&Reply::Snapshots(vec![Snapshot { id: "a-1".into(), ..Snapshot::default() }])).unwrap(),
    )?;
    put("columns", "launches", &columns_payload(launches(60)))?;
    put("columns", "launches-plain", &plain_columns(launches(12)))?;
    put("columns", "copies-plain", &plain_columns(copies(12)))?;
    put("columns", "meta-plain", &plain_columns(meta()))?;
    put("columns", "launches-shared", &shared_columns(launches(20), 1))?;
    put("columns", "intervals-shared-ticks", &shared_columns(intervals(12), 1_000))?;
    put("columns", "switches-plain", &plain_columns(switches(70)))?;
    put("columns", "switches-shared-ticks", &shared_columns(switches(70), 16))?;
    put("columns", "footer", &unpacked_footer())?;
    let rows: Vec<u8> = intervals(8).iter().flat_map(|r| r.to_bytes(0)).collect();
    put("columns", "rows", &with_mode(2, &[&rows]))
}
