//! Rows to segments and back.

use ingero_format::{
    Row,
    columns::{self, Compressor},
    frame::Kind,
    segment::{Anchor, Builder, Dictionaries, Header, Scan, Step},
    state::{Account, Process, State, Task},
};

use super::workload::Stream;

/// Size of a segment file.
pub const SEGMENT_BYTES: u64 = 32 << 20;

/// Rows in frames of at most so many, in the order in which full slots are sealed.
pub fn in_frames(streams: &[Stream], rows: usize) -> Vec<Stream> {
    let mut frames: Vec<Stream> =
        streams.iter().flat_map(|(source, all)| all.chunks(rows).map(|f| (*source, f.to_vec()))).collect();
    frames.sort_by_key(|(_, rows)| rows.last().map(|r| r.end_ns));
    frames
}

fn state(frames: &[Stream]) -> State {
    let mut state = State::default();
    let mut threads: Vec<(u32, u32)> =
        frames.iter().flat_map(|f| f.1.iter().map(|r| (r.pid, r.tid))).collect();
    threads.sort_unstable();
    threads.dedup();
    let mut cpus: Vec<(u16, u8)> =
        frames.iter().flat_map(|f| f.1.iter().map(|r| (r.cpu(), f.0 as u8))).collect();
    cpus.sort_unstable();
    cpus.dedup();
    state.accounts = cpus
        .iter()
        .map(|(cpu, source)| Account { cpu: *cpu, source: *source, stored: 12_345_678, lost: 0 })
        .collect();
    state.tasks = threads
        .iter()
        .map(|(pid, tid)| Task { pid: *pid, tid: *tid, since_ns: 1_000_000, comm: format!("engine-{tid}") })
        .collect();
    threads.dedup_by_key(|t| t.0);
    state.processes = threads
        .iter()
        .map(|(pid, _)| Process {
            pid: *pid,
            comm: "engine".into(),
            exe: "/opt/engine/bin/serve".into(),
            ..Process::default()
        })
        .collect();
    state
}

/// Frames as one closed segment.
pub fn segment(frames: &mut [Stream], tick_ns: u32, compressor: &mut Compressor) -> Vec<u8> {
    let header = Header {
        tick_ns,
        salt: 0x5a17,
        created: Anchor { boot_ns: 1, real_ns: 1_795_342_411_000_000_000, uncertainty_ns: 40 },
        ..Header::default()
    };
    let (mut builder, mut out) = Builder::begin(header, SEGMENT_BYTES);
    out.extend(builder.state(&state(frames)).unwrap());
    encode(&mut builder, &mut out, frames, compressor);
    out.extend(builder.footer().unwrap());
    out
}

/// What is measured: columns, zstd, checksums, digest and frames.
#[inline(never)]
pub fn encode(builder: &mut Builder, out: &mut Vec<u8>, frames: &mut [Stream], compressor: &mut Compressor) {
    for (source, rows) in frames {
        out.extend(builder.events(rows, *source, 1, 0, compressor).unwrap().expect("a segment large enough"));
    }
}

/// What is measured: scan, checksums, dictionaries, zstd, columns.
#[inline(never)]
pub fn decode(bytes: &[u8]) -> u64 {
    let header = Header::read(bytes).unwrap();
    let dictionaries = Dictionaries::collect(bytes, &header);
    let mut rows = 0;
    for step in Scan::new(bytes, &header) {
        let Step::Frame(_, frame, payload) = step else { panic!("damage") };
        if frame.content() == Ok(Some(Kind::Events)) {
            let decoded = columns::decode(&frame, payload, header.tick_ns, &dictionaries).unwrap();
            assert_eq!(decoded.unnamed, 0);
            rows += std::hint::black_box(&decoded.rows).len() as u64;
        }
    }
    rows
}

/// Rows one after the other in frames of their own dictionaries: payload bytes without any segment.
pub fn own_dictionaries(frames: &mut [Stream], compressor: &mut Compressor) -> u64 {
    let mut bytes = 0;
    for (_, rows) in frames {
        bytes += columns::encode(rows, 1, None, compressor).unwrap().payload.len() as u64 + 136;
    }
    bytes
}

/// All rows of a segment, for comparing.
pub fn rows(bytes: &[u8]) -> Vec<Row> {
    let header = Header::read(bytes).unwrap();
    let dictionaries = Dictionaries::collect(bytes, &header);
    Scan::new(bytes, &header)
        .filter_map(|step| match step {
            Step::Frame(_, frame, payload) if frame.content() == Ok(Some(Kind::Events)) => {
                Some(columns::decode(&frame, payload, header.tick_ns, &dictionaries).unwrap().rows)
            }
            _ => None,
        })
        .flatten()
        .collect()
}
