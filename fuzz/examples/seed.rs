//! Writes small valid files into `corpus/`: `cargo run --example seed`. The same bytes every time.

use std::{fs, io, path::PathBuf};

use ingero_format::{
    Row,
    bundle::{Index, IndexEntry, MemberKind, Symbols, file_header, member_header, padding},
    codec,
    columns::{self, Compressor},
    control::{Reply, Request, Snapshot, Status, to_wire},
    frame::{self, Codec, Kind},
    head::{self, Geometry},
    identity::Identity,
    manifest::{Host, LibraryProbes, Manifest, SegmentEntry, Trigger},
    ops::{self, LossCause, Source},
    row::{META_CPU, flags, origin},
    segment::{Anchor, Footer, FooterEntry, Header, chain},
    state::{Account, Handle, Process, Stack, State, Task},
};
use sha2::{Digest, Sha256};

const SALT: u64 = 0x5a17_0000_0000_0001;

fn put(target: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), bytes)
}

fn launches(count: u64) -> Vec<Row> {
    let launch = |i: u64| Row {
        end_ns: 1_000_000 + i * 9_000 + (i * 7919) % 2_000,
        dur_ns: 4_000 + (i * 104_729) % 1_500,
        pid: 10,
        tid: 11,
        arg0: 0x7f00_0000_0000 + (i % 3) * 64,
        arg1: 0x55,
        origin: origin((i % 2) as u16, i / 2),
        op: ops::CU_LAUNCH_KERNEL,
        ..Row::default()
    };
    (0..count).map(launch).collect()
}

// Sizes that never repeat: arguments get columns of their own.
fn copies(count: u64) -> Vec<Row> {
    let copy =
        |row: (usize, Row)| Row { op: ops::CU_MEMCPY_HTOD_ASYNC, arg0: 4096 * (row.0 as u64 + 1), ..row.1 };
    launches(count).into_iter().enumerate().map(copy).collect()
}

fn intervals(count: u64) -> Vec<Row> {
    let interval = |i: u64| Row {
        end_ns: 2_000_000 + i * 1_000_000,
        dur_ns: 400_000 * (i + 1),
        pid: 10,
        tid: 11,
        arg0: 12_000,
        arg1: 20 << 32 | 21,
        origin: origin(1, i),
        op: ops::OFF_CPU,
        flags: if i.is_multiple_of(2) { flags::WOKEN } else { flags::PREEMPTED },
        ret: i.is_multiple_of(2).into(),
        stack: i.is_multiple_of(2).into(),
    };
    (0..count).map(interval).collect()
}

fn meta() -> Vec<Row> {
    let text = |s: &[u8; 16]| {
        (u64::from_le_bytes(s[..8].try_into().unwrap()), u64::from_le_bytes(s[8..].try_into().unwrap()))
    };
    let (name, kernel) = (text(b"engine-loop\0\0\0\0\0"), text(b"gemm_mlp\0\0\0\0\0\0\0\0"));
    let row = |i, row| Row { end_ns: 900_000 + i, origin: origin(META_CPU, i), ..row };
    vec![
        row(0, Row { op: ops::TASK_NAME, pid: 10, tid: 11, arg0: name.0, arg1: name.1, ..Row::default() }),
        row(
            1,
            Row {
                op: ops::STACK_PART,
                stack: 1,
                flags: 2,
                arg0: 0xffff_ffff_8100_0010,
                arg1: 0xffff_ffff_8100_2020,
                ..Row::default()
            },
        ),
        row(
            2,
            Row {
                op: ops::STACK_PART,
                stack: 1,
                flags: 2,
                ret: 1,
                arg0: 0xffff_ffff_8100_3030,
                ..Row::default()
            },
        ),
        row(
            3,
            Row { op: ops::TEXT_PART, stack: 1, flags: 1, arg0: kernel.0, arg1: kernel.1, ..Row::default() },
        ),
        row(4, Row { op: ops::HANDLE_NAME, pid: 10, arg0: 0x7f00_0000_0000, stack: 1, ..Row::default() }),
        row(
            5,
            Row {
                op: ops::LOSS,
                tid: 1,
                flags: Source::Sched as u16,
                ret: LossCause::RingbufFull as i32,
                arg0: 5,
                arg1: 100,
                dur_ns: 500,
                ..Row::default()
            },
        ),
        row(6, Row { op: ops::COVERED, pid: 10, arg0: 1_000, arg1: 4711, ..Row::default() }),
        row(7, Row { op: ops::ANCHOR, arg0: 1_795_000_000_000_000_000, arg1: 60, ..Row::default() }),
    ]
}

fn a_state() -> State {
    State {
        accounts: vec![Account { cpu: 1, source: 1, stored: 100, lost: 5 }],
        tasks: vec![Task { pid: 10, tid: 11, since_ns: 900_000, comm: "engine-loop".into() }],
        stacks: vec![Stack { id: 1, frames: vec![0xffff_ffff_8100_0010, 0xffff_ffff_8100_2020] }],
        handles: vec![Handle { pid: 10, handle: 0x7f00_0000_0000, name: "gemm_mlp".into() }],
        processes: vec![a_process()],
    }
}

fn a_process() -> Process {
    Process {
        pid: 10,
        start_ns: 1_000,
        covered_ns: 2_000,
        comm: "engine".into(),
        exe: "/opt/engine".into(),
        cgroup: "/system.slice/engine.service".into(),
        libraries: vec!["/usr/lib/libcuda.so.1".into()],
    }
}

fn a_manifest(segment_bytes: u64) -> Manifest {
    Manifest {
        version: ingero_format::manifest::VERSION,
        id: "20261122T101340-0001".into(),
        triggers: vec![Trigger { kind: "command".into(), reason: "slow".into(), at_ns: 9_000_000 }],
        asked_last_ns: 9_000_000,
        from_ns: 0,
        to_ns: 9_000_000,
        anchor: Anchor { boot_ns: 9_000_000, real_ns: 1_795_342_420_000_000_000, uncertainty_ns: 50 },
        host: Host {
            name: "node-1".into(),
            kernel: "6.18.0".into(),
            machine: "x86_64".into(),
            cpus: 2,
            ..Host::default()
        },
        segments: vec![SegmentEntry { seq: 5, bytes: segment_bytes }],
        processes: vec![a_process()],
        probes: vec![LibraryProbes {
            path: "/usr/lib/libcuda.so.1".into(),
            inode: 4711,
            probed: 64,
            slow: vec!["cuInit".into()],
            failed: Vec::new(),
        }],
        config_digest: "00".into(),
        recorder_version: "0.1.0".into(),
        notes: vec!["the recorder holds nothing for the first 1.00 s of the window asked for".into()],
        ..Manifest::default()
    }
}

fn events(source: Source, mut rows: Vec<Row>, frame_seq: u64, generation: u64) -> Vec<u8> {
    let encoded = columns::encode(&mut rows, &mut Compressor::new().unwrap()).unwrap();
    let header = frame::Header {
        kind: Kind::Events as u8,
        codec: Codec::Columns as u8,
        sources: 1 << source as u8,
        salt: SALT,
        frame_seq,
        first_ns: encoded.span.0,
        last_ns: encoded.span.1,
        n_events: rows.len() as u32,
        raw_len: encoded.raw_len,
        head_generation: generation,
        ..frame::Header::default()
    };
    frame::write(&header, &encoded.payload)
}

fn state_frame() -> Vec<u8> {
    let raw = a_state().to_bytes().unwrap();
    let header = frame::Header {
        kind: Kind::State as u8,
        codec: Codec::Record as u8,
        salt: SALT,
        raw_len: raw.len() as u32,
        ..frame::Header::default()
    };
    frame::write(&header, &frame::pack_record(&raw).unwrap())
}

fn segment(sealed: bool) -> Vec<u8> {
    let header = Header {
        header_len: 256,
        tick_ns: 1,
        salt: SALT,
        seq: 5,
        epoch: 3,
        created: Anchor { boot_ns: 900_000, real_ns: 1_795_342_411_000_000_000, uncertainty_ns: 40 },
        ..Header::default()
    };
    let mut bytes = header.to_bytes();
    let mut footer = Footer::default();
    let parts = [
        state_frame(),
        events(Source::Meta, meta(), 1, 1),
        events(Source::Cuda, launches(60), 2, 2),
        events(Source::Sched, intervals(6), 3, 3),
    ];
    for part in parts {
        let h = frame::read_header(&part).unwrap();
        let offset = bytes.len() as u64;
        footer.chain = chain(footer.chain, &part);
        footer.frames.push(FooterEntry {
            offset,
            first_ns: h.first_ns,
            last_ns: h.last_ns,
            n_events: h.n_events,
            sources: h.sources,
        });
        bytes.extend(part);
    }
    if sealed {
        let payload = footer.to_bytes();
        let header = frame::Header {
            kind: Kind::Footer as u8,
            codec: Codec::Plain as u8,
            salt: SALT,
            frame_seq: 4,
            raw_len: payload.len() as u32,
            ..frame::Header::default()
        };
        bytes.extend(frame::write(&header, &payload));
    }
    bytes.resize(bytes.len() + 64, 0);
    bytes
}

// Three slots: one of calls, one never used, one of intervals; cut after the last row, as a frozen copy is.
fn a_head() -> Vec<u8> {
    let geometry = Geometry { slots: 3, slot_bytes: 4096 };
    let mut bytes = geometry.to_bytes();
    for (slot, source, rows, generation) in
        [(0, Source::Cuda, launches(20), 7), (2, Source::Sched, intervals(4), 8)]
    {
        bytes.resize(geometry.slot_offset(slot), 0);
        let at = bytes.len();
        bytes.extend(head::slot_header(generation, 3, source));
        bytes[at + head::PUBLISHED_OFFSET] = rows.len() as u8;
        bytes.extend(rows.iter().flat_map(|row| row.to_bytes(generation)));
    }
    bytes
}

fn bundle() -> Vec<u8> {
    let segment = segment(true);
    let open = Row {
        end_ns: 9_000_000,
        dur_ns: 1_000_000,
        pid: 10,
        tid: 11,
        origin: origin(META_CPU, 0),
        op: ops::CU_CTX_SYNCHRONIZE,
        flags: flags::OPEN,
        ..Row::default()
    };
    let symbols = Symbols { kernel: vec![(0xffff_ffff_8100_0010, "schedule".into(), 0x10)] };
    let members = [
        (MemberKind::Manifest, 0, a_manifest(segment.len() as u64).to_bytes().unwrap()),
        (MemberKind::Segment, 5, segment),
        (MemberKind::Head, 0, a_head()),
        (MemberKind::Open, 1, open.to_bytes(0).to_vec()),
        (MemberKind::Symbols, 0, codec::encode("symbols", &symbols).unwrap()),
    ];
    let mut bytes = file_header();
    let mut index = Index::default();
    for (kind, number, payload) in members {
        member(&mut bytes, kind, number, &payload);
        let offset = (bytes.len() - payload.len() - padding(payload.len() as u64) as usize) as u64;
        let sha256 = Sha256::digest(&payload).into();
        index.members.push(IndexEntry {
            kind: kind as u16,
            number,
            offset,
            bytes: payload.len() as u64,
            sha256,
        });
    }
    member(&mut bytes, MemberKind::Index, 0, &codec::encode("index", &index).unwrap());
    member(&mut bytes, MemberKind::End, 0, &[]);
    bytes
}

fn member(bytes: &mut Vec<u8>, kind: MemberKind, number: u64, payload: &[u8]) {
    bytes.extend(member_header(kind, number, payload.len() as u64));
    bytes.extend(payload);
    bytes.resize(bytes.len() + padding(payload.len() as u64) as usize, 0);
}

fn with_mode(mode: u8, parts: &[&[u8]]) -> Vec<u8> {
    [&[mode], parts.concat().as_slice()].concat()
}

fn columns_payload(mut rows: Vec<Row>) -> Vec<u8> {
    let count = rows.len() as u32;
    let encoded = columns::encode(&mut rows, &mut Compressor::new().unwrap()).unwrap();
    with_mode(0, &[&encoded.raw_len.to_le_bytes(), &count.to_le_bytes(), &encoded.payload])
}

fn plain_columns(mut rows: Vec<Row>) -> Vec<u8> {
    let count = rows.len() as u32;
    let encoded = columns::encode(&mut rows, &mut Compressor::new().unwrap()).unwrap();
    let payload = encoded.payload;
    let entries = payload[0];
    let packed = u32::from_le_bytes(payload[4..8].try_into().unwrap()) as usize;
    let directory = &payload[8..8 + usize::from(entries) * 12];
    let (block, raw) = payload[8 + directory.len()..].split_at(packed);
    let block = zstd::bulk::decompress(block, encoded.raw_len as usize).unwrap();
    with_mode(1, &[&count.to_le_bytes(), &encoded.raw_len.to_le_bytes(), &[entries], directory, &block, raw])
}

fn main() -> io::Result<()> {
    put("frame", "events", &events(Source::Cuda, launches(60), 2, 2))?;
    put("frame", "events-split-arguments", &events(Source::Cuda, copies(20), 2, 2))?;
    put("frame", "state", &state_frame())?;
    put("segment", "active", &segment(false))?;
    put("segment", "sealed", &segment(true))?;
    put("head", "three-slots", &a_head())?;
    let identity =
        |generation| Identity { generation, ring_id: [7; 16], segment_bytes: 16 << 20, holder_pid: 99 };
    put("head", "ring-identity", &[identity(2).to_bytes(), identity(1).to_bytes()].concat())?;
    put("state", "full", &a_state().to_bytes().unwrap())?;
    put("state", "empty", &State::default().to_bytes().unwrap())?;
    put("manifest", "full", &a_manifest(4096).to_bytes().unwrap())?;
    put("manifest", "empty", &Manifest::default().to_bytes().unwrap())?;
    let whole = bundle();
    put("bundle", "whole", &whole)?;
    put("bundle", "cut", &whole[..whole.len() - 100])?;
    let snapshot =
        Request::Snapshot { last_ns: 60_000_000_000, after_ns: 5_000_000_000, reason: "slow".into() };
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
    let rows: Vec<u8> = intervals(8).iter().flat_map(|r| r.to_bytes(0)).collect();
    put("columns", "rows", &with_mode(2, &[&rows]))
}
