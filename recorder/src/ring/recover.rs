//! What an earlier run left: its segments are listed, rows still in its head become a segment.
//!
//! However large the ring, only its newest segments are scanned: until there are frames enough that every
//! slot of the head which had been sealed must have met its frame. Of older segments only the header is read.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, mpsc::channel},
};

use ingero_format::{
    Row, columns,
    copies::Copies,
    frame::{self, Kind},
    head::{self, Geometry, Slot},
    ops::Source,
    row::ROW_BYTES,
    segment::{Dictionaries, HEADER_BYTES, Header, Scan, Step, file_name, number_of},
    state::State,
};

use super::{
    Layout, Opening, Prologue, SegmentInfo, SegmentTable, SlotPool,
    continued::Tail,
    quota::make_room,
    sealer::{Sealer, Start},
    segment::{Identity, chain_of},
};
use crate::{
    Result,
    continued::Continued,
    discover::Registry,
    error::IoContext,
    journal,
    limits::{HEAD_FRAMES, SEGMENTS_SCANNED, SEGMENTS_SYNCED},
    storage::{FileHandle, Storage},
};

/// Where to look.
pub(super) struct Earlier {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) layout: Layout,
    pub(super) opening: Opening,
    pub(super) ring_id: [u8; 16],
    /// The epoch whose counters still count, if any do.
    pub(super) counting: Option<u64>,
}

/// What was found.
#[derive(Default)]
pub(super) struct Recovered {
    pub(super) table: SegmentTable,
    pub(super) next_seq: u64,
    pub(super) next_generation: u64,
    pub(super) last_event_ns: Option<u64>,
    pub(super) chain: u128,
    /// What is known of the epoch that still counts, if the ring has anything of it.
    pub(super) continued: Option<(Prologue, Continued)>,
}

/// Facts of the segments that were scanned.
#[derive(Default)]
struct Scanned {
    segments: usize,
    /// Slots that are in frames.
    copies: Copies,
    /// Those that may not be durable. By name: an open file would keep its space when it is evicted.
    files: Vec<(u64, PathBuf)>,
    newest_generation: u64,
}

const REMEDY: &str = "check the disk, or choose another --state-dir";

/// Lists segments and recovers the head.
pub(super) fn recover(earlier: &Earlier) -> Result<Recovered> {
    let ring = &earlier.layout.ring;
    let names = earlier.storage.list(ring).at("cannot list", ring, REMEDY)?;
    let mut seqs: Vec<u64> = names.iter().filter_map(|name| number_of(name)).collect();
    seqs.sort_unstable();
    let mut recovered = Recovered { next_seq: seqs.last().map_or(0, |s| s + 1), ..Recovered::default() };
    let mut scanned = Scanned::default();
    let slots = earlier.read_head();
    slots.iter().filter(|s| !s.rows.is_empty()).for_each(|s| scanned.copies.slot(s.epoch, s.generation));
    let mut list: Vec<SegmentInfo> = Vec::new();
    for &seq in seqs.iter().rev() {
        let newer = list.last().map_or(u64::MAX, |s| s.first_ns);
        list.push(earlier.look(seq, &mut scanned, newer));
    }
    list.reverse();
    let last = list.last().and_then(|s| earlier.storage.open(&s.path).ok());
    recovered.chain = last.and_then(|file| chain_of(&file)).unwrap_or_default();
    let known = slots.iter().map(|s| s.generation).chain([scanned.newest_generation]);
    recovered.next_generation = known.max().unwrap_or(0) + 1;
    let left: Vec<Slot> = slots
        .into_iter()
        .filter(|s| !scanned.copies.is_complete(s.epoch, s.generation) && !s.rows.is_empty())
        .collect();
    let newest = list.last().map(|newest| newest.boot_id);
    let frames = list.iter().rev().take(scanned.segments).map(|s| s.last_ns).max();
    recovered.table.lock().list.extend(list);
    let epochs: BTreeSet<u64> = left.iter().map(|s| s.epoch).collect();
    for epoch in epochs {
        let of = left.iter().filter(|s| s.epoch == epoch).cloned().collect();
        earlier.store_left(&mut recovered, of, epoch);
    }
    if recovered.continued.is_none() {
        recovered.continued = earlier.counting.and_then(|epoch| earlier.at_rest(&recovered.table, epoch));
    }
    let told = recovered.last_event_ns.max(frames).filter(|ns| *ns > 0);
    recovered.last_event_ns = told.filter(|_| newest == Some(earlier.opening.boot_id));
    earlier.clear_head(&recovered.table, &scanned.files);
    Ok(recovered)
}

impl Earlier {
    // Scans a segment if it may hold frames of slots that are still in the head, else reads its header.
    fn look(&self, seq: u64, scanned: &mut Scanned, newer_ns: u64) -> SegmentInfo {
        let path = self.layout.ring.join(file_name(seq));
        let scan = scanned.segments < SEGMENTS_SCANNED || scanned.copies.frames() < HEAD_FRAMES;
        let found = if scan { self.scan(seq, &path, scanned) } else { self.read_header(&path, newer_ns) };
        if !scan && scanned.files.len() < SEGMENTS_SYNCED {
            scanned.files.push((seq, path.clone()));
        }
        let mut info = found.unwrap_or_else(|e| {
            journal::warning(&format!("{}: not a readable segment: {e}; left as it is", path.display()));
            SegmentInfo::default()
        });
        (info.seq, info.path) = (seq, path);
        info
    }

    fn scan(&self, seq: u64, path: &Path, scanned: &mut Scanned) -> Result<SegmentInfo> {
        let file = self.storage.open(path).at("cannot open", path, REMEDY)?;
        let view = file.view().at("cannot read", path, REMEDY)?;
        let bytes = (*view).as_ref();
        let header = Header::read(bytes)?;
        scanned.copies.survey(bytes, &header, &Dictionaries::collect(bytes, &header));
        let mut info = info_of(&header);
        let mut frames = Scan::new(bytes, &header);
        for step in &mut frames {
            match step {
                Step::Frame(_, frame, _) if is_events(&frame) => {
                    scanned.newest_generation = scanned.newest_generation.max(frame.head_generation);
                    if frame.sources != 1 << Source::Meta as u8 {
                        info.events += u64::from(frame.n_events);
                        info.first_ns = info.first_ns.min(frame.first_ns);
                        info.last_ns = info.last_ns.max(frame.last_ns);
                    }
                }
                Step::Frame(..) => {}
                Step::Damage(from, _, e) => {
                    journal::warning(&format!("{}: damaged at byte {from}: {e}; skipped", path.display()));
                }
            }
        }
        info.bytes = frames.position();
        give_back(&file, info.bytes, bytes.len() as u64);
        scanned.segments += 1;
        scanned.files.push((seq, path.to_owned()));
        Ok(info)
    }

    // What is not read is bounded: the rows ended before the next segment was begun, or soon after.
    fn read_header(&self, path: &Path, newer_ns: u64) -> Result<SegmentInfo> {
        let file = self.storage.open(path).at("cannot open", path, REMEDY)?;
        let mut bytes = [0; HEADER_BYTES];
        file.read_exact_at(&mut bytes, 0).at("cannot read", path, REMEDY)?;
        let header = Header::read(&bytes)?;
        let allocated = file.allocated().at("cannot read", path, REMEDY)?;
        let bytes = allocated.min(file.length().at("cannot read", path, REMEDY)?);
        let last_ns = newer_ns.max(header.created.boot_ns);
        Ok(SegmentInfo { bytes, last_ns, ..info_of(&header) })
    }

    fn read_head(&self) -> Vec<Slot> {
        let path = self.layout.ring.join("head");
        let Ok(view) = self.storage.open(&path).and_then(|f| f.view()) else { return Vec::new() };
        match head::read((*view).as_ref()) {
            Ok((slots, damaged)) => {
                if damaged > 0 {
                    journal::warning(&format!("{}: {damaged} slots are damaged", path.display()));
                }
                slots
            }
            Err(e) => {
                journal::warning(&format!("{}: {e}; rows in it are lost", path.display()));
                Vec::new()
            }
        }
    }

    // A segment of its own, in the epoch of its rows: their numbers mean nothing in ours.
    fn store_left(&self, recovered: &mut Recovered, mut left: Vec<Slot>, epoch: u64) {
        left.sort_unstable_by_key(|s| (s.source != Source::Meta, s.generation));
        let newest = recovered.table.lock().list.back().cloned();
        let again: BTreeSet<u64> = left.iter().map(|s| s.generation).collect();
        let (prologue, mut tail) = self.prologue(&recovered.table, epoch, &again);
        let rows: usize = left.iter().map(|s| s.rows.len()).sum();
        let state = prologue.state().to_bytes().map_or(0, |bytes| bytes.len());
        let start = Start {
            storage: Arc::clone(&self.storage),
            next_seq: recovered.next_seq,
            chain: recovered.chain,
            directory: self.layout.ring.clone(),
            state_dir: self.layout.state.clone(),
            identity: Identity {
                ring_id: self.ring_id,
                boot_id: newest.filter(|n| n.epoch == epoch).map_or(self.opening.boot_id, |n| n.boot_id),
                epoch,
                tick_ns: self.opening.tick_ns,
                segment_bytes: ((rows * ROW_BYTES + state) as u64 + LEFT_OVERHEAD).next_multiple_of(4096),
            },
            bounds: self.opening.bounds,
            geometry: Geometry::DEFAULT,
        };
        let (news, _losses) = channel();
        let pool = SlotPool::new(0);
        let Ok(mut sealer) = Sealer::new(start, pool, recovered.table.clone(), prologue, news) else {
            return;
        };
        let mut stored = 0;
        for slot in &mut left {
            if sealer.store(&mut slot.rows, slot.source, slot.generation) {
                stored += slot.rows.len();
                tail.rows(slot.source, &slot.rows);
                let kernels = slot.rows.iter().filter(|_| slot.source != Source::Meta);
                recovered.last_event_ns = recovered.last_event_ns.max(kernels.map(|r| r.end_ns).max());
            }
        }
        sealer.close();
        (recovered.next_seq, recovered.chain) = (sealer.next_seq(), sealer.chain());
        if self.counting == Some(epoch) {
            let prologue = std::mem::take(&mut sealer.prologue);
            recovered.continued = Some((prologue.clone(), tail.finish(&prologue.accounts())));
        }
        if stored < rows {
            journal::error(&format!("{} rows of the earlier run are lost: no room", rows - stored));
        }
        journal::info(&format!("{stored} rows of the earlier run were recovered from the head"));
    }

    // Where an epoch stopped of which the head has nothing.
    fn at_rest(&self, table: &SegmentTable, epoch: u64) -> Option<(Prologue, Continued)> {
        if !table.lock().list.iter().any(|info| info.epoch == epoch) {
            return None;
        }
        let (prologue, tail) = self.prologue(table, epoch, &BTreeSet::new());
        let continued = tail.finish(&prologue.accounts());
        Some((prologue, continued))
    }

    // What was counted and named in an epoch: from the last state record that can be read, and the rows after. Rows
    // that are stored `again` are counted then.
    fn prologue(&self, table: &SegmentTable, epoch: u64, again: &BTreeSet<u64>) -> (Prologue, Tail) {
        let list: Vec<SegmentInfo> = table.lock().list.iter().cloned().collect();
        let mut known = (Prologue::new(Arc::new(Registry::default())), Tail::default());
        let recent = list.len().saturating_sub(SEGMENTS_SCANNED);
        for info in list.iter().skip(recent).filter(|info| info.epoch == epoch) {
            let Ok(view) = self.storage.open(&info.path).and_then(|f| f.view()) else { continue };
            let Ok(header) = Header::read((*view).as_ref()) else { continue };
            let dictionaries = Dictionaries::collect((*view).as_ref(), &header);
            for step in Scan::new((*view).as_ref(), &header) {
                if let Step::Frame(_, frame, payload) = step
                    && !(is_events(&frame) && again.contains(&frame.head_generation))
                {
                    learn(&mut known, &frame, payload, header.tick_ns, &dictionaries);
                }
            }
        }
        known
    }

    // All that was in the old head is in segments now. They are made durable before it goes: what was written
    // just before a kill may not be on stable storage yet. After a stop in good order there is no head.
    fn clear_head(&self, table: &SegmentTable, scanned: &[(u64, PathBuf)]) {
        let head = self.layout.ring.join("head");
        let mut segments = table.lock();
        let closed = std::mem::take(&mut segments.closed);
        if self.storage.open(&head).is_ok() {
            let there = |(seq, path): &(u64, PathBuf)| Some((*seq, self.storage.open(path).ok()?));
            for (seq, file) in scanned.iter().filter_map(there).chain(closed) {
                if let Err(e) = file.sync_data() {
                    journal::error(&format!("{}: segment {seq}: cannot sync: {e}", head.display()));
                    segments.poisoned.insert(seq);
                }
            }
            if let Err(e) = self.storage.sync_dir(&self.layout.ring) {
                journal::error(&format!("{}: cannot sync: {e}", self.layout.ring.display()));
            }
            let _ = self.storage.remove(&head);
        }
        let (epoch, head) = (segments.list.back().map_or(0, |s| s.epoch), self.opening.head_bytes);
        make_room(&*self.storage, &self.layout.state, &mut segments, self.opening.bounds, head, epoch);
    }
}

// A run that was killed left a segment with all its preallocated space. What the scan found to be zeros to the end
// stays zeros, so nothing that was written is touched, and nobody who has the file mapped sees a difference.
fn give_back(file: &FileHandle, written: u64, length: u64) {
    let from = written.next_multiple_of(4096);
    if from < length && file.allocated().is_ok_and(|allocated| allocated > from) {
        file.punch(from, length - from);
    }
}

/// Space for headers and footer beside recovered rows, bytes.
const LEFT_OVERHEAD: u64 = 32 << 10;

fn info_of(header: &Header) -> SegmentInfo {
    SegmentInfo {
        first_ns: header.created.boot_ns,
        last_ns: header.created.boot_ns,
        epoch: header.epoch,
        boot_id: header.boot_id,
        estimated: true,
        ..SegmentInfo::default()
    }
}

fn is_events(frame: &frame::Header) -> bool {
    matches!(frame.content(), Ok(Some(Kind::Events)))
}

fn learn(
    (prologue, tail): &mut (Prologue, Tail),
    frame: &frame::Header,
    payload: &[u8],
    tick_ns: u32,
    dictionaries: &Dictionaries,
) {
    if matches!(frame.content(), Ok(Some(Kind::State))) {
        let state = frame::unpack_record(frame, payload).and_then(|raw| State::read(&raw));
        if let Ok(state) = state {
            tail.processes.clone_from(&state.processes);
            prologue.restore(state);
        }
    } else if is_events(frame)
        && let Some(source) = Source::ALL.into_iter().find(|s| frame.sources == 1 << *s as u8)
    {
        let rows = columns::decode(frame, payload, tick_ns, dictionaries).unwrap_or_default().rows;
        prologue.learn(source, &rows);
        tail.rows(source, &rows);
    }
}

/// When the first row of a segment began, boottime ns: by decoding it, since frames only say when rows ended.
#[must_use]
pub fn earliest_start(segment: &[u8]) -> Option<u64> {
    let header = Header::read(segment).ok()?;
    let dictionaries = Dictionaries::collect(segment, &header);
    let starts = Scan::new(segment, &header).filter_map(|step| {
        let Step::Frame(_, frame, payload) = step else { return None };
        if !is_events(&frame) || frame.sources == 1 << Source::Meta as u8 {
            return None;
        }
        let decoded = columns::decode(&frame, payload, header.tick_ns, &dictionaries).ok()?;
        decoded.rows.iter().map(Row::start_ns).min()
    });
    starts.min()
}
