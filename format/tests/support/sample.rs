//! Small files with one of everything, the same bytes every time (but for what zstd makes of them).

use ingero_format::{
    Row,
    bundle::{self, Index, IndexEntry, MemberKind, Symbols},
    bytes::crc32c,
    codec,
    columns::Compressor,
    frame::{self, Kind},
    head::{self, Geometry},
    identity::Identity,
    manifest::{Host, LibraryProbes, Manifest, SegmentEntry, Trigger},
    ops::{self, LossCause, Source},
    row::{META_CPU, flags, origin},
    segment::{Anchor, Builder, Header},
    state::{Account, Handle, Process, Stack, State, Task},
};
use sha2::{Digest, Sha256};

/// Salt of the segments.
pub const SALT: u64 = 0x5a17_0000_0000_0001;

/// Calls by one thread, three different ones.
pub fn launches(count: u64) -> Vec<Row> {
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

/// Sizes that never repeat: arguments get columns of their own.
pub fn copies(count: u64) -> Vec<Row> {
    let copy =
        |row: (usize, Row)| Row { op: ops::CU_MEMCPY_HTOD_ASYNC, arg0: 4096 * (row.0 as u64 + 1), ..row.1 };
    launches(count).into_iter().enumerate().map(copy).collect()
}

/// Off-CPU intervals.
pub fn intervals(count: u64) -> Vec<Row> {
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

/// Off-CPU intervals of three CPUs, each of two threads that hand it to each other: most begin where the one before on
/// their CPU ended.
pub fn switches(count: u64) -> Vec<Row> {
    let noise = |i: u64, below: u64| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) % below;
    let mut last_ns = [3_000_000; 3];
    let mut now_ns = 3_000_000;
    let mut switch = |i: u64| {
        let cpu = (i + noise(i, 2)) % 3;
        now_ns += 5_000 + noise(i + 1, 250);
        let before_ns = std::mem::replace(&mut last_ns[cpu as usize], now_ns);
        let dur_ns = now_ns - before_ns + if i % 40 == 7 { 70_000 } else { 0 };
        let (cpu, other) = (cpu as u16, 20 + i % 2);
        Row {
            end_ns: now_ns,
            dur_ns,
            pid: 20,
            tid: 20 + (i % 2) as u32,
            arg0: 610 + noise(i + 2, 40),
            arg1: (41 - other) << 32,
            origin: origin(cpu, i),
            op: ops::OFF_CPU,
            flags: flags::WOKEN | flags::STACK_SKIPPED,
            ret: 1,
            stack: 0,
        }
    };
    (0..count).map(&mut switch).collect()
}

/// A closed segment whose columns are chained and centred.
pub fn chained(seq: u64, tick_ns: u32) -> Vec<u8> {
    let mut steady = launches(100);
    steady.iter_mut().for_each(|r| r.dur_ns = 4_090 + r.dur_ns % 97);
    let frames = [(Source::Sched, switches(130)), (Source::Cuda, steady)];
    segment_of(segment_header(seq, tick_ns, 0), &frames, true).0
}

/// One META row of each kind.
pub fn meta() -> Vec<Row> {
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

/// A state with one of everything.
pub fn a_state() -> State {
    State {
        accounts: vec![Account { cpu: 1, source: 1, stored: 100, lost: 5 }],
        tasks: vec![Task { pid: 10, tid: 11, since_ns: 900_000, comm: "engine-loop".into() }],
        stacks: vec![Stack { id: 1, frames: vec![0xffff_ffff_8100_0010, 0xffff_ffff_8100_2020] }],
        handles: vec![Handle { pid: 10, handle: 0x7f00_0000_0000, name: "gemm_mlp".into() }],
        processes: vec![a_process()],
        ..State::default()
    }
}

/// A process.
pub fn a_process() -> Process {
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

/// A manifest with one of everything.
pub fn a_manifest(segments: Vec<SegmentEntry>) -> Manifest {
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
        segments,
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

/// Header of segment `seq`.
pub fn segment_header(seq: u64, tick_ns: u32, chain_before: u128) -> Header {
    Header {
        tick_ns,
        salt: SALT,
        seq,
        ring_id: [0xaa; 16],
        boot_id: [0xbb; 16],
        epoch: 3,
        created: Anchor { boot_ns: 900_000, real_ns: 1_795_342_411_000_000_000, uncertainty_ns: 40 },
        chain_before,
        ..Header::default()
    }
}

/// Frames of all sources; the second of calls brings no entries, the third some, the fourth has columns for its
/// arguments.
pub fn frames() -> Vec<(Source, Vec<Row>)> {
    let later = |mut rows: Vec<Row>, ns: u64, number: u64| {
        rows.iter_mut().for_each(|r| (r.end_ns, r.origin) = (r.end_ns + ns, r.origin + number));
        rows
    };
    let other = |mut rows: Vec<Row>| {
        rows.iter_mut().for_each(|r| (r.tid, r.arg1) = (12, 0x66));
        rows
    };
    vec![
        (Source::Meta, meta()),
        (Source::Cuda, launches(24)),
        (Source::Cuda, later(launches(16), 1_000_000, 12)),
        (Source::Sched, intervals(12)),
        (Source::Cuda, later(other(launches(16)), 2_000_000, 20)),
        (Source::Cuda, later(copies(16), 3_000_000, 28)),
    ]
}

/// A segment of these frames, and its builder at the end.
pub fn segment_of(header: Header, frames: &[(Source, Vec<Row>)], closed: bool) -> (Vec<u8>, Builder) {
    let mut compressor = Compressor::new().unwrap();
    let (mut builder, mut bytes) = Builder::begin(header, u64::MAX);
    bytes.extend(builder.state(&a_state()).unwrap());
    for (generation, (source, rows)) in (1..).zip(frames) {
        let frame = builder.events(&mut rows.clone(), *source, generation, 0, &mut compressor).unwrap();
        bytes.extend(frame.expect("room without end"));
    }
    if closed {
        bytes.extend(builder.footer().unwrap());
    }
    (bytes, builder)
}

/// A segment with one of everything and 64 bytes not written.
pub fn segment(closed: bool) -> Vec<u8> {
    let mut bytes = segment_of(segment_header(5, 1, 0), &frames(), closed).0;
    bytes.resize(bytes.len() + 64, 0);
    bytes
}

/// So many forged headers, each good and of a payload that reaches to the same trailer and does not verify, and a good
/// frame behind them. With 180 of them a reader has read enough for nothing before it gets there.
pub fn forged_headers(header: &Header, count: usize) -> Vec<u8> {
    let mut bytes = header.to_bytes();
    for left in (0..count).rev() {
        let forged = frame::Header { salt: header.salt, ..frame::Header::of(Kind::Events) };
        let mut one = frame::write(&forged, &[]);
        one.truncate(frame::HEADER_BYTES);
        one[64..68].copy_from_slice(&((left * frame::HEADER_BYTES) as u32).to_le_bytes());
        one[120..124].copy_from_slice(&[0xee; 4]);
        let crc = crc32c(&[&one[..124]]);
        one[124..].copy_from_slice(&crc.to_le_bytes());
        bytes.extend(one);
    }
    bytes.extend(header.salt.to_le_bytes());
    let good = frame::Header { salt: header.salt, frame_seq: 1, ..frame::Header::of(Kind::State) };
    bytes.extend(frame::write(&good, &frame::pack_record(&[]).unwrap()));
    bytes
}

/// Three slots: one of calls, one never used, one of intervals; cut after the last row, as a frozen copy is.
pub fn a_head() -> Vec<u8> {
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

/// Both pages of a ring's identity.
pub fn a_ring() -> Vec<u8> {
    let page =
        |generation| Identity { generation, ring_id: [0xaa; 16], segment_bytes: 16 << 20, holder_pid: 99 };
    [page(2).to_bytes(), page(1).to_bytes()].concat()
}

/// A bundle of one segment.
pub fn a_bundle() -> Vec<u8> {
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
    let manifest = a_manifest(vec![SegmentEntry { seq: 5, bytes: segment.len() as u64 }]);
    bundle_of(&[
        (MemberKind::Manifest, 0, manifest.to_bytes().unwrap()),
        (MemberKind::Segment, 5, segment),
        (MemberKind::Head, 0, a_head()),
        (MemberKind::Open, 1, open.to_bytes(0).to_vec()),
        (MemberKind::Symbols, 0, codec::encode("symbols", &symbols).unwrap()),
    ])
}

/// A bundle of these members, index and end.
pub fn bundle_of(members: &[(MemberKind, u64, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = bundle::file_header();
    let mut index = Index::default();
    for (kind, number, payload) in members {
        index.members.push(IndexEntry {
            kind: *kind as u16,
            number: *number,
            offset: (bytes.len() + bundle::HEADER_BYTES) as u64,
            bytes: payload.len() as u64,
            sha256: Sha256::digest(payload).into(),
        });
        bundle::append_member(&mut bytes, *kind, *number, payload);
    }
    bundle::append_member(&mut bytes, MemberKind::Index, 0, &codec::encode("index", &index).unwrap());
    bundle::append_member(&mut bytes, MemberKind::End, 0, &[]);
    bytes
}
