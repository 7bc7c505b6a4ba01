//! Bundles of made-up events of a serving host, as the recorder would write them.

use std::{collections::BTreeSet, fs, path::Path};

use ingero_format::{
    bundle::{self, MemberKind},
    columns::Compressor,
    manifest::{Host, Manifest, SegmentEntry},
    segment::{Anchor, Builder, Header},
    state::{State, Task},
};

use support::workload::Stream;

#[expect(dead_code, reason = "shared with the benches of the format, which use more of it")]
#[path = "../../../format/benches/support/mod.rs"]
mod support;

/// Rows of a frame, as the recorder's slots of 1 MiB give them.
const FRAME_ROWS: usize = 16_384;
/// Frames of a segment.
const SEGMENT_FRAMES: usize = 64;
const REAL_NS: u64 = 1_795_342_411_000_000_000;

/// A segment whose frames have generations of their own, as slots of a head do.
fn segment(seq: u64, frames: &mut [Stream], generation: &mut u64, compressor: &mut Compressor) -> Vec<u8> {
    let created = Anchor { boot_ns: 1, real_ns: REAL_NS, uncertainty_ns: 40 };
    let header = Header { seq, tick_ns: 1, salt: 0x5a17 + seq, epoch: 1, created, ..Header::default() };
    let (mut builder, mut out) = Builder::begin(header, u64::MAX);
    let task = |(pid, tid): (u32, u32)| Task { pid, tid, since_ns: 0, comm: format!("engine-{tid}") };
    let ids: BTreeSet<(u32, u32)> = frames.iter().flat_map(|f| f.1.iter().map(|r| (r.pid, r.tid))).collect();
    let state = State { tasks: ids.into_iter().map(task).collect(), ..State::default() };
    out.extend(builder.state(&state).unwrap());
    for (source, rows) in frames {
        *generation += 1;
        let frame = builder.events(rows, *source, *generation, 0, compressor).unwrap();
        out.extend(frame.expect("room without end"));
    }
    out
}

/// A bundle of so many events of a serving host.
pub fn bundle(events: usize, path: &Path) {
    let streams = support::workload::decode_mix(events);
    let mut frames = support::recording::in_frames(&streams, FRAME_ROWS);
    drop(streams);
    let last = frames.iter().flat_map(|(_, rows)| rows.last()).map(|r| r.end_ns).max().unwrap();
    let mut compressor = Compressor::new().unwrap();
    let mut generation = 0;
    let segments: Vec<Vec<u8>> = (0u64..)
        .zip(frames.chunks_mut(SEGMENT_FRAMES))
        .map(|(seq, frames)| segment(seq, frames, &mut generation, &mut compressor))
        .collect();
    let entry = |(seq, bytes): (usize, &Vec<u8>)| SegmentEntry { seq: seq as u64, bytes: bytes.len() as u64 };
    let manifest = Manifest {
        version: 1,
        id: "bench".into(),
        from_ns: 0,
        to_ns: last + 1,
        anchor: Anchor { boot_ns: 1, real_ns: REAL_NS, uncertainty_ns: 40 },
        host: Host { name: "bench".into(), cpus: 32, ..Host::default() },
        segments: segments.iter().enumerate().map(entry).collect(),
        ..Manifest::default()
    };
    let mut out = bundle::file_header();
    bundle::append_member(&mut out, MemberKind::Manifest, 0, &manifest.to_bytes().unwrap());
    for (seq, segment) in segments.iter().enumerate() {
        bundle::append_member(&mut out, MemberKind::Segment, seq as u64, segment);
    }
    bundle::append_member(&mut out, MemberKind::End, 0, &[]);
    fs::write(path, out).unwrap();
}
