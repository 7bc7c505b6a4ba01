//! Bundles written with the format crate, read back.

use std::{
    fs,
    path::{Path, PathBuf},
};

use ingero_format::{
    Row,
    bundle::{self, MemberKind, Symbols, UserSymbols},
    bytes::crc32c,
    codec, columns,
    frame::{self, Kind},
    head,
    manifest::{Host, Manifest, SegmentEntry, Trigger},
    ops::{self, LossCause, Source},
    row::{META_CPU, flags, origin},
    segment::{self, Anchor},
    state::{Handle, Process, Stack, State, Task},
};
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::{
    error::Error,
    model::{FirstUse, NONE, Spool, Trace},
    progress::Progress,
};

mod again;
mod damage;
mod folder;
mod nodes;

/// Boottime at which synthetic windows begin.
pub(crate) const BEGIN: u64 = 5_000_000_000;
/// Unix minus boottime.
pub(crate) const OFFSET: i64 = 1_700_000_000_000_000_000;
const SALT: u64 = 0x5a17;

/// Rows of an annotation by thread 7 of user -2: the text's parts, then what bears it. Told at `told`, of `at`: begin and
/// duration, ns from [`BEGIN`].
pub(crate) fn said(seq: u64, told: u64, at: [u64; 2], labels: &str) -> Vec<Row> {
    let id = 100 + seq as u32;
    let chunks: Vec<&[u8]> = labels.as_bytes().chunks(16).collect();
    let word = |half: &[u8]| {
        let mut bytes = [0; 8];
        bytes[..half.len()].copy_from_slice(half);
        u64::from_le_bytes(bytes)
    };
    let part = |(i, chunk): (usize, &&[u8])| {
        let (low, high) = chunk.split_at(chunk.len().min(8));
        let (flags, ret) = (chunks.len() as u16, i as i32);
        let origin = origin(META_CPU, seq * 2_000 + i as u64);
        let text = meta(ops::TEXT_PART, BEGIN + told);
        Row { ret, flags, stack: id, arg0: word(low), arg1: word(high), origin, ..text }
    };
    let mut rows: Vec<Row> = chunks.iter().enumerate().map(part).collect();
    let [begin, dur] = at;
    rows.push(Row {
        stack: id,
        pid: 100,
        tid: 7,
        ret: -2,
        arg0: BEGIN + begin,
        arg1: dur,
        origin: origin(META_CPU, seq * 2_000 + 1_999),
        ..meta(ops::ANNOTATION, BEGIN + told)
    });
    rows
}

/// A bundle being made.
#[derive(Clone)]
pub(crate) struct Draft {
    pub manifest: Manifest,
    pub state: State,
    /// Rows of each frame, and the head generation they came from.
    pub frames: Vec<(Vec<Row>, u64)>,
    pub slots: Vec<(u64, Source, Vec<Row>)>,
    pub open: Vec<Row>,
    pub symbols: Symbols,
    pub user_symbols: UserSymbols,
    pub epoch: u64,
}

impl Draft {
    pub fn new(seconds: u64) -> Self {
        let real_ns = BEGIN + OFFSET.unsigned_abs();
        let process =
            Process { pid: 100, start_ns: 1, covered_ns: 2, comm: "engine".into(), ..Process::default() };
        let manifest = Manifest {
            version: 1,
            id: "one".into(),
            triggers: vec![Trigger { kind: "command".into(), reason: "test".into(), at_ns: BEGIN }],
            from_ns: BEGIN,
            to_ns: BEGIN + seconds * 1_000_000_000,
            anchor: Anchor { boot_ns: BEGIN, real_ns, uncertainty_ns: 10 },
            host: Host { name: "alpha".into(), boot_id: [7; 16], cpus: 4, ..Host::default() },
            segments: vec![SegmentEntry { seq: 3, bytes: u64::MAX }],
            processes: vec![process.clone()],
            ..Manifest::default()
        };
        let task = |tid: u32, comm: &str| Task { pid: 100, tid, since_ns: 0, comm: comm.into() };
        let state = State {
            tasks: vec![
                task(100, "engine"),
                task(101, "loader"),
                Task { pid: 500, tid: 500, since_ns: 0, comm: "stress".into() },
            ],
            stacks: vec![Stack { id: 4, frames: vec![0xa1, 0xa2] }],
            handles: vec![Handle { pid: 100, handle: 0xf1, name: "gemm".into() }],
            processes: vec![process],
            ..State::default()
        };
        let symbols = Symbols { kernel: vec![(0xa1, "schedule".into(), 5), (0xa2, "futex_wait".into(), 9)] };
        Self {
            manifest,
            state,
            frames: vec![],
            slots: vec![],
            open: vec![],
            symbols,
            user_symbols: UserSymbols::default(),
            epoch: 11,
        }
    }

    fn segment(&self) -> Vec<u8> {
        self.segment_of(segment::Header { seq: 3, ..segment::Header::default() })
    }

    fn segment_of(&self, header: segment::Header) -> Vec<u8> {
        let header = segment::Header { salt: SALT, epoch: self.epoch, ..header };
        let (mut builder, mut bytes) = segment::Builder::begin(header, u64::MAX);
        bytes.extend(builder.state(&self.state).unwrap());
        let mut compressor = columns::Compressor::new().unwrap();
        for (rows, generation) in &self.frames {
            let frames = builder.events(&mut rows.clone(), Source::Cuda, *generation, 0, &mut compressor);
            bytes.extend(frames.unwrap().unwrap());
        }
        bytes
    }

    fn head(&self) -> Vec<u8> {
        let slot_bytes = 1 << 16;
        let mut bytes = head::Geometry { slots: 8, slot_bytes }.to_bytes();
        for (generation, source, rows) in &self.slots {
            let mut slot = head::slot_header(*generation, self.epoch, *source).to_vec();
            slot[head::PUBLISHED_OFFSET..][..8].copy_from_slice(&(rows.len() as u64).to_le_bytes());
            rows.iter().for_each(|r| slot.extend(r.to_bytes(*generation)));
            slot.resize(slot_bytes as usize, 0);
            bytes.extend(slot);
        }
        bytes
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = bundle::file_header();
        let mut index = bundle::Index::default();
        let mut member = |kind, number, payload: &[u8]| {
            let offset = (out.len() + bundle::HEADER_BYTES) as u64;
            let (bytes, sha256) = (payload.len() as u64, Sha256::digest(payload).into());
            index.members.push(bundle::IndexEntry { kind: kind as u16, number, offset, bytes, sha256 });
            out.extend(bundle::member_header(kind, number, payload.len() as u64, crc32c(&[payload])));
            out.extend(payload);
            out.resize(out.len() + bundle::padding(payload.len() as u64) as usize, 0);
        };
        member(MemberKind::Manifest, 0, &self.manifest.to_bytes().unwrap());
        member(MemberKind::Segment, 3, &self.segment());
        member(MemberKind::Head, 0, &self.head());
        let open: Vec<u8> = self.open.iter().flat_map(|r| r.to_bytes(0)).collect();
        member(MemberKind::Open, self.open.len() as u64, &open);
        member(MemberKind::Symbols, 0, &codec::encode("symbols", &self.symbols).unwrap());
        if self.user_symbols != UserSymbols::default() {
            member(MemberKind::UserSymbols, 0, &codec::encode("user", &self.user_symbols).unwrap());
        }
        let index = codec::encode("index", &index).unwrap();
        for (kind, payload) in [(MemberKind::Index, index.as_slice()), (MemberKind::End, &[])] {
            out.extend(bundle::member_header(kind, 0, payload.len() as u64, crc32c(&[payload])));
            out.extend(payload);
            out.resize(out.len() + bundle::padding(payload.len() as u64) as usize, 0);
        }
        out
    }

    /// Writes the bundle into a folder.
    pub fn write(&self, folder: &TempDir, name: &str) -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, self.bytes()).unwrap();
        path
    }
}

/// A launch of function `arg0` by thread 100, `at` after the window's begin.
pub(crate) fn launch(seq: u64, at: u64, dur_ns: u64, function: u64) -> Row {
    Row {
        end_ns: BEGIN + at + dur_ns,
        dur_ns,
        pid: 100,
        tid: 100,
        arg0: function,
        origin: origin(1, seq),
        op: ops::CU_LAUNCH_KERNEL,
        ..Row::default()
    }
}

/// An interval in which thread 100 was preempted by task `by`.
pub(crate) fn preempted(seq: u64, at: u64, dur_ns: u64, by: u32) -> Row {
    Row {
        end_ns: BEGIN + at + dur_ns,
        dur_ns,
        pid: 100,
        tid: 100,
        arg0: dur_ns,
        arg1: u64::from(by),
        origin: origin(2, seq),
        op: ops::OFF_CPU,
        flags: flags::PREEMPTED,
        ..Row::default()
    }
}

pub(crate) fn meta(op: u16, end_ns: u64) -> Row {
    Row { end_ns, pid: 100, tid: 100, op, origin: origin(META_CPU, 0), ..Row::default() }
}

/// Reads a window, in memory and by way of files: the same comes out.
fn open(path: &Path, progress: &Progress) -> Result<Trace, Error> {
    let trace = super::open(path, &Spool::default(), progress)?;
    assert_eq!(super::open(path, &Spool::always(), progress)?, trace);
    Ok(trace)
}

pub(crate) fn read(draft: &Draft) -> Trace {
    let folder = TempDir::new().unwrap();
    open(&draft.write(&folder, "x.ingero"), &Progress::none()).unwrap()
}

#[test]
fn names_stacks_wakers_and_preemptors_are_resolved() {
    let mut draft = Draft::new(10);
    let blocked = Row {
        end_ns: BEGIN + 900,
        dur_ns: 500,
        pid: 100,
        tid: 100,
        arg0: 100,
        arg1: 101 << 32 | 500,
        op: ops::OFF_CPU,
        ret: 1,
        stack: 4,
        flags: flags::WOKEN,
        ..Row::default()
    };
    draft.frames.push((vec![launch(0, 10, 5, 0xf1)], 0));
    draft.frames.push((vec![blocked], 0));
    let trace = read(&draft);
    assert_eq!((trace.node.as_str(), trace.from_ns), ("alpha", BEGIN as i64 + OFFSET));
    let call = trace.calls[0];
    assert_eq!((call.ts_ns, call.dur_ns), (trace.from_ns + 10, 5));
    assert_eq!(trace.kernel(call.kernel), Some("gemm"));
    let off = trace.off_cpu[0];
    assert_eq!(trace.task(off.waker).unwrap().label(), "loader/100 tid 101");
    assert_eq!(trace.task(off.preemptor).unwrap().label(), "stress/500");
    assert_eq!(off.runnable_from_ns(), off.end_ns() - 100);
    let frames = &trace.stacks[off.stack as usize].frames;
    assert_eq!(frames[1].symbol.as_deref(), Some("futex_wait"));
}

#[test]
fn names_that_come_in_parts_after_the_rows_are_found() {
    let mut draft = Draft::new(10);
    let mut rows = vec![launch(0, 10, 5, 0xbeef), launch(1, 30, 5, 0xcafe)];
    let alias = Row { arg0: 0xbeef, arg1: 0xcafe, op: ops::CU_KERNEL_GET_FUNCTION, ..launch(2, 20, 5, 0) };
    rows.push(alias);
    draft.frames.push((rows, 0));
    let name = *b"a_kernel_with_a_name_of_32_bytes";
    let part = |i: usize| Row {
        arg0: u64::from_le_bytes(name[i * 16..i * 16 + 8].try_into().unwrap()),
        arg1: u64::from_le_bytes(name[i * 16 + 8..i * 16 + 16].try_into().unwrap()),
        ret: i as i32,
        flags: 2,
        stack: 77,
        ..meta(ops::TEXT_PART, BEGIN + 50)
    };
    let handle = Row { arg0: 0xbeef, stack: 77, ..meta(ops::HANDLE_NAME, BEGIN + 50) };
    let stack = Row { arg0: 0xa2, arg1: 0, stack: 9, flags: 1, ..meta(ops::STACK_PART, BEGIN + 50) };
    draft.frames.push((vec![part(1), handle, part(0), stack], 0));
    draft.frames.push((vec![Row { stack: 9, ..preempted(0, 100, 50, 500) }], 0));
    let trace = read(&draft);
    let names: Vec<_> = trace.calls.iter().filter_map(|c| trace.kernel(c.kernel)).collect();
    assert_eq!(names, [std::str::from_utf8(&name).unwrap(); 3]);
    assert_ne!(trace.off_cpu[0].stack, NONE);
}

#[test]
fn a_head_slot_that_is_also_in_a_frame_is_read_once() {
    let mut draft = Draft::new(10);
    draft.frames.push((vec![launch(0, 10, 5, 0xf1)], 41));
    draft.slots.push((41, Source::Cuda, vec![launch(0, 10, 5, 0xf1)]));
    draft.slots.push((42, Source::Cuda, vec![launch(1, 20, 5, 0xf1)]));
    draft.open.push(launch(0, 40, 100, 0xf1));
    let trace = read(&draft);
    assert_eq!(trace.calls.len(), 3);
    assert_eq!(trace.calls[2].flags & flags::OPEN, flags::OPEN);
}

#[test]
fn only_events_that_touch_the_window_are_kept_and_earlier_launches_are_remembered() {
    let mut draft = Draft::new(1);
    let second = 1_000_000_000;
    let early = Row { end_ns: BEGIN - 10, ..launch(0, 0, 5, 0xf1) };
    let across = Row { end_ns: BEGIN + 10, dur_ns: 20, ..launch(1, 0, 0, 0xf2) };
    let rows = vec![early, across, launch(2, 500, 5, 0xf1), launch(3, second, 5, 0xf1)];
    draft.frames.push((rows, 0));
    let trace = read(&draft);
    let functions: Vec<u64> = trace.calls.iter().map(|c| c.arg0).collect();
    assert_eq!(functions, [0xf2, 0xf1]);
    assert_eq!(trace.calls[1].first_use, FirstUse::No);
    assert_eq!(trace.calls[0].first_use, FirstUse::Seen);
}

#[test]
fn losses_are_placed_in_time_with_source_and_cause() {
    let mut draft = Draft::new(1);
    let loss = Row {
        dur_ns: 40,
        arg0: 12,
        tid: 3,
        flags: Source::Sched as u16,
        ret: LossCause::RingbufFull as i32,
        ..meta(ops::LOSS, BEGIN + 100)
    };
    draft.frames.push((vec![loss], 0));
    let trace = read(&draft);
    let loss = trace.losses[0];
    assert_eq!(
        (loss.source_name(), loss.cause_name(), loss.count, loss.cpu),
        ("sched", "ringbuf_full", 12, 3)
    );
    assert_eq!((loss.from_ns, loss.to_ns), (trace.from_ns + 60, trace.from_ns + 100));
}

#[test]
fn a_damaged_frame_leaves_a_hole_and_not_a_refusal() {
    let mut draft = Draft::new(1);
    for i in 0..3 {
        draft.frames.push((vec![launch(i, i * 1000, 5, 0xf1)], 0));
    }
    let mut bytes = draft.bytes();
    let magic: Vec<usize> = (0..bytes.len() - 8).filter(|i| bytes[*i..*i + 8] == frame::MAGIC).collect();
    let events: Vec<&usize> = magic.iter().filter(|at| bytes[**at + 12] == Kind::Events as u8).collect();
    let second = *events[1];
    bytes[second + 130] ^= 1;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.ingero");
    fs::write(&path, bytes).unwrap();
    let trace = open(&path, &Progress::none()).unwrap();
    assert_eq!(trace.calls.len(), 2);
    assert_eq!(trace.losses.len(), 1);
    let hole = trace.losses[0];
    assert!(hole.from_ns <= trace.from_ns + 1000 && hole.to_ns >= trace.from_ns + 2000, "{hole:?}");
    assert!(!trace.facts.damage.is_empty());
}

#[test]
fn a_folder_of_segments_and_one_segment_read_like_their_bundle() {
    let folder = TempDir::new().unwrap();
    let mut draft = Draft::new(10);
    draft.frames.push((vec![launch(0, 10, 5, 0xf1), launch(1, 30, 5, 0xf1)], 41));
    draft.slots.push((41, Source::Cuda, vec![launch(0, 10, 5, 0xf1)]));
    draft.slots.push((42, Source::Cuda, vec![launch(2, 50, 5, 0xf1)]));
    let set = folder.path().join("set");
    fs::create_dir(&set).unwrap();
    fs::write(set.join("00000000000000000003.seg"), draft.segment()).unwrap();
    fs::write(set.join("next.seg"), [0; 64]).unwrap();
    fs::write(set.join("head"), draft.head()).unwrap();
    let ring = open(&set, &Progress::none()).unwrap();
    assert_eq!(ring.calls.iter().map(|c| c.arg0).collect::<Vec<_>>(), [0xf1; 3]);
    fs::write(set.join("MANIFEST"), bundle::manifest_file(&draft.manifest).unwrap()).unwrap();
    let frozen = open(&set, &Progress::none()).unwrap();
    let bundle = open(&draft.write(&folder, "x.ingero"), &Progress::none()).unwrap();
    assert_eq!((frozen.calls, frozen.from_ns, frozen.node), (bundle.calls, bundle.from_ns, bundle.node));
    let one = open(&set.join("00000000000000000003.seg"), &Progress::none()).unwrap();
    assert_eq!(one.calls.len(), 2);
}

// Rows of the earlier boot once got times as if the later boot's clock had run then.
#[test]
fn a_ring_over_two_boots_is_placed_by_the_clocks_of_each() {
    const HOUR: u64 = 3_600_000_000_000;
    let folder = TempDir::new().unwrap();
    let real_ns = BEGIN + OFFSET.unsigned_abs();
    let boot = |boot: u8, seq, boot_ns, real_ns| {
        let mut draft = Draft { epoch: u64::from(boot), ..Draft::new(1) };
        draft.frames.push((vec![launch(seq, seq * 10, 5, 0xf1)], seq));
        draft.slots.push((seq + 100, Source::Cuda, vec![launch(seq, seq * 10 + 1_000, 5, 0xf1)]));
        let created = Anchor { boot_ns, real_ns, uncertainty_ns: 0 };
        let header = segment::Header { seq, boot_id: [boot; 16], created, ..segment::Header::default() };
        fs::write(folder.path().join(segment::file_name(seq)), draft.segment_of(header)).unwrap();
        draft
    };
    boot(1, 1, BEGIN, real_ns);
    // A step of the wall clock within a boot moves nothing: the newest anchor of a boot places all of it.
    boot(1, 2, BEGIN + 100, real_ns + 100);
    let late = boot(2, 3, BEGIN, real_ns + HOUR);
    fs::write(folder.path().join("head"), late.head()).unwrap();
    let trace = open(folder.path(), &Progress::none()).unwrap();
    let begin = real_ns.cast_signed();
    let later = begin + HOUR.cast_signed();
    let times: Vec<i64> = trace.calls.iter().map(|c| c.ts_ns).collect();
    assert_eq!(times, [begin + 10, begin + 20, later + 30, later + 1_030]);
    assert!(trace.calls.iter().all(|c| trace.task(c.task).unwrap().label() == "engine/100"));
    let starts: Vec<i64> = trace.processes.iter().map(|p| p.start_ns - begin + BEGIN as i64).collect();
    assert_eq!(starts, [1, 1 + HOUR as i64]);
    let gap = trace.losses.iter().find(|l| l.cause == LossCause::RestartGap as i32).unwrap();
    assert!(gap.from_ns <= begin + 40 && gap.to_ns == later, "{gap:?}");
}

#[test]
fn what_is_not_ours_is_refused_with_its_name_and_a_remedy() {
    let folder = TempDir::new().unwrap();
    for (name, bytes, code) in [
        ("empty", b"".as_slice(), 3),
        ("text", b"hello world, this is no bundle", 3),
        ("db", b"SQLite format 3\0 and then some", 3),
        ("cut", &Draft::new(1).bytes()[..50], 3),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let e = open(&path, &Progress::none()).unwrap_err();
        assert_eq!(e.exit_code(), code, "{e}");
        assert!(e.to_string().contains(name), "{e}");
    }
    let missing = open(&folder.path().join("missing"), &Progress::none()).unwrap_err();
    assert!(matches!(missing, Error::Read { .. }));
    assert_eq!(missing.exit_code(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_bundle_cut_or_flipped_anywhere_never_panics(cut in 0.0..1.0f64, flip in 0.0..1.0f64, bit in 0..8u8) {
        let mut draft = Draft::new(1);
        for i in 0..4 {
            draft.frames.push((vec![launch(i, i * 1000, 500, 0xf1), preempted(i, i * 1000 + 100, 50, 500)], 0));
        }
        draft.slots.push((9, Source::Cuda, vec![launch(9, 9000, 5, 0xf1)]));
        let mut bytes = draft.bytes();
        bytes.truncate((bytes.len() as f64 * cut) as usize);
        if !bytes.is_empty() {
            let at = ((bytes.len() - 1) as f64 * flip) as usize;
            bytes[at] ^= 1u8 << bit;
        }
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("x.ingero");
        fs::write(&path, bytes).unwrap();
        if let Ok(trace) = open(&path, &Progress::none()) {
            prop_assert!(!trace.facts.damage.is_empty() || cut > 0.99);
            let _ = crate::investigate::investigate(&[trace], None);
        }
    }
}
