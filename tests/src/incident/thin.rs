//! A recording with records taken out at random and told as lost, as the recorder tells of what the kernel had no room
//! for: their numbers on a CPU and source, after the record before them and before the one behind them.
//!
//! Names, samples and losses are of the recorder's own making and stay.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::Path,
};

use ingero_format::{
    Row,
    bundle::{Bundle, MemberKind, append_member, file_header},
    columns::{self, Compressor},
    copies::Copies,
    frame::{self, Kind},
    head,
    manifest::{Manifest, SegmentEntry},
    ops::{self, LossCause, Source},
    row::{META_CPU, origin},
    segment::{Builder, Dictionaries, Header, Scan, Step},
    state::State,
};

use super::plan::Draw;

/// One segment's rows, each once.
#[derive(Clone)]
struct Part {
    header: Header,
    state: State,
    rows: Vec<Row>,
}

/// Rows of one CPU and source in a life of the counters, by number; true for one that is taken out.
type Lanes = BTreeMap<(u64, u16, u8), BTreeMap<u64, (u64, bool)>>;

/// A recording in memory.
pub struct Recording {
    bytes: Vec<u8>,
    manifest: Manifest,
    parts: Vec<Part>,
}

impl Recording {
    /// Reads a bundle.
    pub fn read(bundle: &Path) -> Self {
        let bytes = fs::read(bundle).expect("a bundle");
        let bundle = Bundle::read(&bytes).expect("a bundle");
        let manifest = bundle.of(MemberKind::Manifest).next().map(|m| Manifest::read(m.payload));
        let manifest = manifest.expect("a manifest").expect("a manifest");
        let mut parts = parts(&bundle, &manifest);
        // Of what was before the window, only which functions were launched is of any use.
        let mut launched = HashSet::new();
        for part in &mut parts {
            part.rows.retain(|row| {
                let meta = ops::source(row.op) == Source::Meta;
                meta || row.end_ns >= manifest.from_ns || launched.insert((row.pid, row.op, row.arg0))
            });
        }
        Self { bytes, manifest, parts }
    }

    /// Writes a bundle without so many per mille of the window's records; gives how many were taken out, and of how
    /// many.
    pub fn thin(&self, out: &Path, per_mille: u64, seed: u64) -> (usize, usize) {
        let window = (self.manifest.from_ns, self.manifest.to_ns);
        let mut parts = self.parts.clone();
        let mut draw = Draw::new(seed);
        let mut lanes = Lanes::new();
        let (mut taken, mut all) = (0, 0);
        for part in &mut parts {
            let epoch = part.header.epoch;
            part.rows.retain(|row| {
                if ops::source(row.op) == Source::Meta || row.end_ns < window.0 {
                    return true;
                }
                let out = draw.between((0, 1000)) < per_mille;
                let lane = lanes.entry((epoch, row.cpu(), ops::source(row.op) as u8)).or_default();
                lane.insert(row.seq(), (row.end_ns, out));
                (taken, all) = (taken + usize::from(out), all + 1);
                !out
            });
        }
        for ((epoch, cpu, source), lane) in &lanes {
            let part = parts.iter_mut().rev().find(|p| p.header.epoch == *epoch).expect("its segment");
            part.rows.extend(losses(*cpu, *source, lane, window));
        }
        let bundle = Bundle::read(&self.bytes).expect("a bundle");
        fs::write(out, written(&bundle, &self.manifest, parts)).expect("it can be written");
        (taken, all)
    }
}

fn losses(cpu: u16, source: u8, lane: &BTreeMap<u64, (u64, bool)>, window: (u64, u64)) -> Vec<Row> {
    let mut told = Vec::new();
    let (mut before, mut open) = (window.0, 0);
    let ends = lane.values().copied().chain([(window.1, false)]);
    for (end_ns, out) in ends {
        if out {
            open += 1;
            continue;
        }
        if open > 0 {
            told.push(Row {
                op: ops::LOSS,
                end_ns: end_ns.max(before),
                dur_ns: end_ns.saturating_sub(before),
                arg0: open,
                ret: LossCause::RingbufFull as i32,
                tid: cpu.into(),
                flags: source.into(),
                origin: origin(META_CPU, 0),
                ..Row::default()
            });
        }
        (before, open) = (end_ns, 0);
    }
    told
}

fn parts(bundle: &Bundle<'_>, manifest: &Manifest) -> Vec<Part> {
    let mut copies = Copies::default();
    let slots: Vec<head::Slot> = bundle
        .of(MemberKind::Head)
        .filter_map(|m| head::read(m.payload).ok())
        .flat_map(|(slots, _)| slots)
        .filter(|slot| !slot.rows.is_empty())
        .collect();
    slots.iter().for_each(|slot| copies.slot(slot.epoch, slot.generation));
    let files: Vec<(Header, &[u8])> =
        bundle.of(MemberKind::Segment).map(|m| file(m.number, m.payload, manifest)).collect();
    for (header, bytes) in &files {
        copies.survey(bytes, header, &Dictionaries::collect(bytes, header));
    }
    let mut parts: Vec<Part> = files.iter().map(|(header, bytes)| part(header, bytes, &mut copies)).collect();
    for slot in slots {
        if copies.take_slot(slot.epoch, slot.generation) {
            match parts.iter_mut().rev().find(|p| p.header.epoch == slot.epoch) {
                Some(part) => part.rows.extend(slot.rows),
                None => parts.push(behind(&parts, &slot, manifest)),
            }
        }
    }
    parts
}

/// The segment that a slot would have gone to of whose epoch there is none yet.
fn behind(parts: &[Part], slot: &head::Slot, manifest: &Manifest) -> Part {
    let header = Header {
        seq: parts.iter().map(|p| p.header.seq + 1).max().unwrap_or(1),
        epoch: slot.epoch,
        boot_id: manifest.host.boot_id,
        created: manifest.anchor,
        ..Header::default()
    };
    Part { header, state: State::default(), rows: slot.rows.clone() }
}

fn file<'a>(number: u64, payload: &'a [u8], manifest: &Manifest) -> (Header, &'a [u8]) {
    let promised = manifest.segments.iter().find(|s| s.seq == number);
    let len = promised.map_or(payload.len(), |s| payload.len().min(s.bytes as usize));
    let bytes = payload.get(..len).unwrap_or_default();
    (Header::read(bytes).expect("a segment"), bytes)
}

fn part(header: &Header, bytes: &[u8], copies: &mut Copies) -> Part {
    let dictionaries = Dictionaries::collect(bytes, header);
    let mut part = Part { header: *header, state: State::default(), rows: Vec::new() };
    for step in Scan::new(bytes, header) {
        let Step::Frame(_, frame, payload) = step else { panic!("a damaged recording") };
        match frame.content().expect("a frame") {
            Some(Kind::State) => {
                let raw = frame::unpack_record(&frame, payload).expect("a state");
                part.state = State::read(&raw).expect("a state");
            }
            Some(Kind::Events) if copies.take_frame(header.epoch, &frame, &dictionaries) => {
                let rows = columns::decode(&frame, payload, header.tick_ns, &dictionaries);
                part.rows.extend(rows.expect("events").rows);
            }
            _ => {}
        }
    }
    part
}

fn written(bundle: &Bundle<'_>, manifest: &Manifest, parts: Vec<Part>) -> Vec<u8> {
    let segments: Vec<(u64, Vec<u8>)> = parts.into_iter().map(|p| (p.header.seq, segment(p))).collect();
    let entry = |(seq, bytes): &(u64, Vec<u8>)| SegmentEntry { seq: *seq, bytes: bytes.len() as u64 };
    let manifest = Manifest { segments: segments.iter().map(entry).collect(), ..manifest.clone() };
    let mut out = file_header();
    append_member(&mut out, MemberKind::Manifest, 0, &manifest.to_bytes().expect("a manifest"));
    for (seq, bytes) in &segments {
        append_member(&mut out, MemberKind::Segment, *seq, bytes);
    }
    for kind in [MemberKind::Open, MemberKind::Symbols, MemberKind::UserSymbols] {
        bundle.of(kind).for_each(|m| append_member(&mut out, kind, m.number, m.payload));
    }
    append_member(&mut out, MemberKind::End, 0, &[]);
    out
}

fn segment(part: Part) -> Vec<u8> {
    let (mut builder, mut bytes) = Builder::begin(part.header, u64::MAX);
    bytes.extend(builder.state(&part.state).expect("a state"));
    let mut compressor = Compressor::new().expect("zstd");
    // Names before what they are names of.
    for source in [Source::Meta, Source::Cuda, Source::Sched, Source::Process, Source::Host] {
        let mut rows: Vec<Row> = part.rows.iter().filter(|r| ops::source(r.op) == source).copied().collect();
        rows.sort_by_key(|row| row.end_ns);
        for chunk in rows.chunks_mut(columns::MAX_ROWS) {
            let frame = builder.events(chunk, source, 0, 0, &mut compressor).expect("a frame");
            bytes.extend(frame.expect("room"));
        }
    }
    bytes
}
