//! What an earlier run left: its segments are listed, rows still in its head become a segment.

use std::{
    collections::HashSet,
    fs::{self, File},
    path::Path,
    sync::{Arc, mpsc::channel},
};

use ingero_format::{
    columns,
    frame::{self, Kind},
    head::{self, Geometry, Slot},
    ops::Source,
    segment::{Dictionaries, Header, Scan, Step},
    state::State,
};
use memmap2::Mmap;

use super::{
    Layout, Prologue, SegmentInfo, SegmentTable, SlotPool,
    quota::Bounds,
    sealer::{Sealer, Start},
    segment::Identity,
};
use crate::{Error, Result, discover::Registry, error::IoContext, journal};

/// What was found.
#[derive(Default)]
pub(super) struct Recovered {
    pub(super) table: SegmentTable,
    pub(super) next_seq: u64,
    pub(super) next_generation: u64,
    pub(super) last_event_ns: Option<u64>,
}

/// Scanned facts of one segment.
#[derive(Default)]
struct Facts {
    info: SegmentInfo,
    boot_id: [u8; 16],
    generations: HashSet<u64>,
    prologue: Prologue,
    damaged: usize,
}

const REMEDY: &str = "check the disk, or choose another --state-dir";

/// Lists segments and recovers the head.
pub(super) fn recover(layout: &Layout, boot_id: [u8; 16], ring_id: [u8; 16]) -> Result<Recovered> {
    let mut seqs: Vec<u64> = fs::read_dir(&layout.ring)
        .at("cannot list", &layout.ring, REMEDY)?
        .flatten()
        .filter_map(|e| e.file_name().to_str()?.strip_suffix(".seg")?.parse().ok())
        .collect();
    seqs.sort_unstable();
    let mut recovered = Recovered { next_seq: seqs.last().map_or(0, |s| s + 1), ..Recovered::default() };
    let mut newest: Option<Facts> = None;
    let mut generations = HashSet::new();
    for seq in seqs {
        let path = layout.ring.join(super::segment::file_name(seq));
        match scan(&path) {
            Ok(mut facts) => {
                facts.info.seq = seq;
                generations.extend(facts.generations.iter().copied());
                recovered.table.lock().list.push_back(facts.info.clone());
                newest = Some(facts);
            }
            Err(e) => {
                journal::warning(&format!("{}: not a readable segment: {e}; left as it is", path.display()));
                let bytes = fs::metadata(&path).map_or(0, |m| m.len());
                recovered.table.lock().list.push_back(SegmentInfo {
                    seq,
                    path,
                    bytes,
                    ..SegmentInfo::default()
                });
            }
        }
    }
    let slots = read_head(&layout.ring.join("head"));
    recovered.next_generation =
        slots.iter().map(|s| s.generation).chain(generations.iter().copied()).max().unwrap_or(0) + 1;
    let left: Vec<Slot> =
        slots.into_iter().filter(|s| !generations.contains(&s.generation) && !s.rows.is_empty()).collect();
    if let Some(facts) = &newest
        && facts.boot_id == boot_id
    {
        let rows =
            left.iter().filter(|s| s.source != Source::Meta).flat_map(|s| s.rows.iter().map(|r| r.end_ns));
        recovered.last_event_ns = rows.chain([facts.info.last_ns]).max().filter(|ns| *ns > 0);
    }
    if !left.is_empty() {
        store_left(layout, boot_id, ring_id, &mut recovered, left, newest)?;
    }
    Ok(recovered)
}

fn scan(path: &Path) -> Result<Facts> {
    let file = File::open(path).at("cannot open", path, REMEDY)?;
    // SAFETY: segments are never truncated by us, and the ring's lock keeps other recorders away.
    let map = unsafe { Mmap::map(&file) }.at("cannot map", path, REMEDY)?;
    let header = Header::read(&map)?;
    let mut facts = Facts { boot_id: header.boot_id, ..Facts::default() };
    facts.info = SegmentInfo {
        path: path.into(),
        first_ns: u64::MAX,
        epoch: header.epoch,
        boot_id: header.boot_id,
        ..SegmentInfo::default()
    };
    let dictionaries = Dictionaries::collect(&map, &header);
    let mut frames = Scan::new(&map, &header);
    for step in &mut frames {
        match step {
            Step::Frame(_, frame, payload) => {
                learn(&mut facts, &frame, payload, header.tick_ns, &dictionaries)
            }
            Step::Damage(from, _, e) => {
                facts.damaged += 1;
                journal::warning(&format!("{}: damaged at byte {from}: {e}; skipped", path.display()));
            }
        }
    }
    facts.info.bytes = frames.position();
    Ok(facts)
}

fn learn(
    facts: &mut Facts,
    frame: &frame::Header,
    payload: &[u8],
    tick_ns: u32,
    dictionaries: &Dictionaries,
) {
    let content = frame.content().ok().flatten();
    if content == Some(Kind::State) {
        let state = frame::unpack_record(frame, payload).and_then(|raw| State::read(&raw));
        if let Ok(state) = state {
            facts.prologue.restore(state);
        }
        return;
    }
    if content != Some(Kind::Events) {
        return;
    }
    facts.generations.insert(frame.head_generation);
    let Some(source) = Source::ALL.into_iter().find(|s| frame.sources == 1 << *s as u8) else { return };
    // Every frame is unpacked: the accounts of a segment recovered from the head go on from here.
    let rows = columns::decode(frame, payload, tick_ns, dictionaries).unwrap_or_default().rows;
    facts.prologue.learn(source, &rows);
    if source == Source::Meta {
        return;
    }
    facts.info.events += u64::from(frame.n_events);
    let first = rows.iter().map(ingero_format::Row::start_ns).min().unwrap_or(u64::MAX);
    facts.info.first_ns = facts.info.first_ns.min(first);
    facts.info.last_ns = facts.info.last_ns.max(frame.last_ns);
}

fn read_head(path: &Path) -> Vec<Slot> {
    let Ok(bytes) = fs::read(path) else { return Vec::new() };
    match head::read(&bytes) {
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
fn store_left(
    layout: &Layout,
    boot_id: [u8; 16],
    ring_id: [u8; 16],
    recovered: &mut Recovered,
    mut left: Vec<Slot>,
    newest: Option<Facts>,
) -> Result<()> {
    left.sort_unstable_by_key(|s| (s.source != Source::Meta, s.generation));
    let epoch = left.first().map_or(0, |s| s.epoch);
    let boot_id = newest.as_ref().map_or(boot_id, |f| f.boot_id);
    let prologue = newest
        .filter(|f| f.info.epoch == epoch)
        .map_or_else(|| Prologue::new(Arc::new(Registry::default())), |f| f.prologue);
    let rows: usize = left.iter().map(|s| s.rows.len()).sum();
    let bytes = (rows as u64 * 64 + (4 << 20)).next_multiple_of(1 << 20);
    let start = Start {
        next_seq: recovered.next_seq,
        directory: layout.ring.clone(),
        state_dir: layout.state.clone(),
        identity: Identity { ring_id, boot_id, epoch, segment_bytes: bytes },
        bounds: Bounds { max_bytes: u64::MAX, keep_free: 0, max_age_ns: u64::MAX },
        geometry: Geometry::DEFAULT,
    };
    let (findings, _losses) = channel();
    let mut sealer = Sealer::new(start, SlotPool::new(0), recovered.table.clone(), prologue, findings)?;
    for slot in &mut left {
        sealer.store(&mut slot.rows, slot.source, slot.generation);
    }
    sealer.close();
    recovered.next_seq += 1;
    journal::info(&format!("{rows} rows of the earlier run were recovered from the head"));
    if recovered.table.lock().list.iter().all(|s| s.seq + 1 != recovered.next_seq) {
        return Err(Error::Other("rows of the earlier run could not be written".into()));
    }
    Ok(())
}
