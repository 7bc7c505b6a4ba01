//! A ring that a recorder could have left: one identity, numbers that count on, a chain from segment to segment, and
//! rows that stand in several places, of which exactly one counts.

use std::collections::BTreeMap;

use ingero_format::{
    Row, columns,
    columns::Compressor,
    copies::Copies,
    frame::Kind,
    head::{self, Geometry},
    identity::Identity,
    ops::Source,
    row::{META_CPU, origin},
    segment::{Anchor, Builder, Dictionaries, Header, Scan, Step, file_name},
    state::{Account, State},
};
use serde_json::{Value, json};

use crate::{
    damage, files,
    random::Random,
    rows::{Pool, any},
};

/// All files by name, and which copies count: `tests/golden/README.md`.
pub struct Ring {
    pub files: Vec<(String, Vec<u8>)>,
    pub counted: Value,
}

/// One use of a head slot.
#[derive(Clone)]
struct Slot {
    generation: u64,
    epoch: u64,
    source: Source,
    rows: Vec<Row>,
}

struct Recorder {
    header: Header,
    generation: u64,
    pool: Pool,
    /// Next number by CPU and source: how many are stored, since none are lost.
    next: BTreeMap<(u16, u8), u64>,
    sealed: Vec<Slot>,
}

const GEOMETRY: Geometry = Geometry { slots: 6, slot_bytes: 16 << 10 };

/// A ring of one to five segments, most of them whole.
pub fn ring(random: &mut Random) -> Ring {
    let mut recorder = Recorder::new(random);
    let mut segments = Vec::new();
    for _ in 0..=random.below(5) {
        if !segments.is_empty() && random.once_in(4) {
            recorder.restart(random);
        }
        segments.push((recorder.header.seq, recorder.segment(random)));
    }
    let head = recorder.head(random);
    for (_, bytes) in &mut segments {
        if random.once_in(2) {
            lose_a_frame(bytes, random);
        }
        if random.once_in(8) {
            damage::segment(bytes, random);
        }
    }
    let counted = counted(&segments, &head);
    let mut files = vec![("RING".to_owned(), recorder.identity(random)), ("head".to_owned(), head)];
    if random.once_in(4) {
        files.push(("window.ingero".to_owned(), files::bundle(&segments, &files[1].1, random)));
    }
    files.extend(segments.into_iter().map(|(seq, bytes)| (file_name(seq), bytes)));
    Ring { files, counted }
}

impl Recorder {
    fn new(random: &mut Random) -> Self {
        let header = Header {
            tick_ns: if random.once_in(3) { 16 } else { 1 },
            seq: any(random) >> 24,
            ring_id: u128::from(random.next()).to_le_bytes(),
            boot_id: u128::from(random.next()).to_le_bytes(),
            epoch: random.next(),
            ..Header::default()
        };
        let pool = Pool::new(random);
        Self { header, generation: any(random) >> 32, pool, next: BTreeMap::new(), sealed: Vec::new() }
    }

    // Another epoch, and another boot or not.
    fn restart(&mut self, random: &mut Random) {
        self.header.epoch += 1 + random.below(1 << 40);
        self.next.clear();
        if random.once_in(2) {
            self.header.boot_id = u128::from(random.next()).to_le_bytes();
        }
    }

    // Rows with the next numbers of their lanes.
    fn slot(&mut self, random: &mut Random) -> Slot {
        let (source, mut rows) = self.pool.rows(random);
        rows.truncate(GEOMETRY.rows());
        for row in &mut rows {
            let cpu = if source == Source::Meta { META_CPU } else { row.cpu() % 4 };
            let next = self.next.entry((cpu, source as u8)).or_default();
            row.origin = origin(cpu, *next);
            *next += 1;
        }
        self.generation += 1;
        Slot { generation: self.generation, epoch: self.header.epoch, source, rows }
    }

    fn state(&self) -> State {
        let kernel = self.next.iter().filter(|((_, source), _)| *source != Source::Meta as u8);
        let account = |((cpu, source), stored): (&(u16, u8), &u64)| Account {
            cpu: *cpu,
            source: *source,
            stored: *stored,
            lost: 0,
        };
        State { accounts: kernel.map(account).collect(), ..State::default() }
    }

    // Some slots as frames; seldom one that is in a frame of this epoch already, as after a start that could not read
    // the first.
    fn segment(&mut self, random: &mut Random) -> Vec<u8> {
        self.header.salt = random.next();
        self.header.created =
            Anchor { boot_ns: any(random), real_ns: any(random), uncertainty_ns: any(random) };
        let mut compressor = Compressor::new().unwrap();
        let (mut builder, mut bytes) = Builder::begin(self.header, u64::MAX);
        bytes.extend(builder.state(&self.state()).unwrap());
        for _ in 0..random.below(6) {
            let epoch = self.header.epoch;
            let before: Vec<Slot> = self.sealed.iter().filter(|s| s.epoch == epoch).cloned().collect();
            let slot = if !before.is_empty() && random.once_in(5) {
                before[random.below(before.len() as u64) as usize].clone()
            } else {
                let slot = self.slot(random);
                self.sealed.push(slot.clone());
                slot
            };
            let mut rows = slot.rows;
            let frames = builder.events(&mut rows, slot.source, slot.generation, 0, &mut compressor).unwrap();
            bytes.extend(frames.expect("room without end"));
        }
        if random.once_in(2) {
            bytes.extend(builder.footer().unwrap());
        } else {
            bytes.resize(bytes.len() + random.below(300) as usize, 0);
        }
        self.header.seq += 1;
        self.header.chain_before = builder.chain();
        bytes
    }

    // Slots sealed last, whose rows are in frames too, and some that are in none; in any order, not all in use.
    fn head(&mut self, random: &mut Random) -> Vec<u8> {
        let mut slots: Vec<Slot> = self.sealed.iter().rev().take(random.below(5) as usize).cloned().collect();
        for _ in 0..random.below(3) {
            slots.push(self.slot(random));
        }
        let mut bytes = GEOMETRY.to_bytes();
        for place in 0..GEOMETRY.slots as usize {
            if slots.is_empty() {
                break;
            }
            bytes.resize(GEOMETRY.slot_offset(place), 0);
            if random.once_in(5) {
                continue;
            }
            let slot = slots.swap_remove(random.below(slots.len() as u64) as usize);
            let at = bytes.len() + head::PUBLISHED_OFFSET;
            bytes.extend(head::slot_header(slot.generation, slot.epoch, slot.source));
            bytes[at..at + 8].copy_from_slice(&(slot.rows.len() as u64).to_le_bytes());
            bytes.extend(slot.rows.iter().flat_map(|row| row.to_bytes(slot.generation)));
        }
        if random.once_in(4) {
            damage::anywhere(&mut bytes, random);
        }
        bytes
    }

    fn identity(&self, random: &mut Random) -> Vec<u8> {
        let generation = 1 + random.below(100);
        let page = |generation| Identity {
            generation,
            ring_id: self.header.ring_id,
            segment_bytes: 16 << 20,
            holder_pid: 4711,
        };
        let mut pages = [vec![0; 4096], vec![0; 4096]];
        for n in generation.saturating_sub(1).max(1)..=generation {
            pages[(n % 2) as usize] = page(n).to_bytes();
        }
        pages.concat()
    }
}

// A bit of one Dictionary or Events frame's payload is another one.
fn lose_a_frame(bytes: &mut [u8], random: &mut Random) {
    let header = Header::read(bytes).unwrap();
    let kind = if random.once_in(3) { Kind::Events } else { Kind::Dictionary };
    let places: Vec<u64> = Scan::new(bytes, &header)
        .filter_map(|step| match step {
            Step::Frame(offset, frame, _) if frame.kind == kind as u8 => {
                Some(offset + u64::from(frame.header_len) + random.below(frame.payload_len.into()))
            }
            _ => None,
        })
        .collect();
    if !places.is_empty() {
        bytes[places[random.below(places.len() as u64) as usize] as usize] ^= 1 << random.below(8);
    }
}

// The rule of which copy counts, over all files.
fn counted(segments: &[(u64, Vec<u8>)], head: &[u8]) -> Value {
    let mut copies = Copies::default();
    let slots = head::read(head).map(|(slots, _)| slots).unwrap_or_default();
    slots.iter().filter(|s| !s.rows.is_empty()).for_each(|s| copies.slot(s.epoch, s.generation));
    let readable = || {
        segments.iter().filter_map(|(seq, bytes)| {
            let header = Header::read(bytes).ok()?;
            Some((*seq, bytes, header, Dictionaries::collect(bytes, &header)))
        })
    };
    for (_, bytes, header, dictionaries) in readable() {
        copies.survey(bytes, &header, &dictionaries);
    }
    let (mut frames, mut rows, mut unnamed) = (Vec::new(), 0, 0);
    for (seq, bytes, header, dictionaries) in readable() {
        for step in Scan::new(bytes, &header) {
            if let Step::Frame(_, frame, payload) = step
                && frame.content() == Ok(Some(Kind::Events))
                && let Ok(decoded) = columns::decode(&frame, payload, header.tick_ns, &dictionaries)
                && copies.take_frame(header.epoch, &frame, &dictionaries)
            {
                frames.push(json!([seq, frame.frame_seq]));
                rows += decoded.rows.len();
                unnamed += decoded.unnamed;
            }
        }
    }
    let mut taken = Vec::new();
    for slot in slots.iter().filter(|s| !s.rows.is_empty()) {
        if copies.take_slot(slot.epoch, slot.generation) {
            taken.push(json!([slot.epoch, slot.generation]));
            rows += slot.rows.len();
        }
    }
    json!({ "frames": frames, "slots": taken, "rows": rows, "unnamed": unnamed })
}
