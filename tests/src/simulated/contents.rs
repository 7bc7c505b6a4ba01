//! What a reader finds in a state directory.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use ingero_format::{
    Row, columns,
    copies::Copies,
    frame::{self, Kind},
    head, ops,
    row::META_CPU,
    segment::{Dictionaries, Header, Scan, Step, number_of},
    state::State,
};

use super::{disk::Disk, events::Key};

/// Everything that can be read.
#[derive(Debug, Default)]
pub struct Contents {
    /// Events of kernel sources.
    pub rows: BTreeMap<Key, Row>,
    /// Events that were there twice.
    pub doubles: Vec<Key>,
    /// Declared lost: epoch, CPU, source, first number, count.
    pub losses: Vec<(u64, u16, u8, u64, u64)>,
    /// Stored and lost before the oldest segment left, or before a segment whose predecessor was evicted, by
    /// epoch, CPU and source.
    pub before: BTreeMap<(u64, u16, u8), u64>,
    /// Epochs whose last segments, or all, were evicted although older ones came back with a power loss.
    pub ends_evicted: BTreeSet<u64>,
    /// Places that could not be read.
    pub damage: Vec<String>,
    /// Rows whose thread or call stood in a dictionary frame that is damaged.
    pub unnamed: u64,
    /// Epochs that have a segment.
    pub epochs: BTreeSet<u64>,
    /// Epochs of which a State was read.
    told: BTreeSet<u64>,
}

impl Contents {
    /// Reads `ring/` below a state directory.
    #[must_use]
    pub fn read(disk: &Disk, state: &Path) -> Self {
        let removed = disk.state().removed.clone();
        Self::of(&disk.files(&state.join("ring")), &removed)
    }

    /// Reads the files of a ring, of which some were evicted for good.
    #[must_use]
    pub fn of(files: &BTreeMap<PathBuf, Vec<u8>>, removed: &BTreeSet<PathBuf>) -> Self {
        let mut contents = Self::default();
        let mut copies = Copies::default();
        for (_, bytes) in files.iter().filter(|(path, _)| path.ends_with("head")) {
            let slots = head::read(bytes).map(|(slots, _)| slots).unwrap_or_default();
            slots.iter().filter(|s| !s.rows.is_empty()).for_each(|s| copies.slot(s.epoch, s.generation));
        }
        for bytes in files.values() {
            if let Ok(header) = Header::read(bytes) {
                copies.survey(bytes, &header, &Dictionaries::collect(bytes, &header));
            }
        }
        let number = |path: &Path| number_of(path.file_name()?.to_str()?);
        let (mut last, mut epoch) = (None, None);
        for (path, bytes) in files {
            let Some(seq) = number(path) else { continue };
            // A segment that came back with a power loss, after which others had been evicted for good.
            let evicted = last.is_some_and(|last| {
                (last + 1..seq).any(|n| removed.iter().any(|path| number(path) == Some(n)))
            });
            if evicted {
                contents.ends_evicted.extend(epoch);
            }
            // Epochs all of whose segments lay between two that came back: only if every number there was evicted.
            let all_evicted = last.is_some_and(|last| {
                last + 1 < seq && (last + 1..seq).all(|n| removed.iter().any(|path| number(path) == Some(n)))
            });
            let before = epoch;
            epoch = contents.segment(path, bytes, evicted, &mut copies).or(epoch);
            if let (true, Some(from), Some(to)) = (all_evicted, before, epoch) {
                contents.ends_evicted.extend(from + 1..to);
            }
            last = Some(seq);
        }
        for (_, bytes) in files.iter().filter(|(path, _)| path.ends_with("head")) {
            contents.head(bytes, &mut copies);
        }
        contents
    }

    fn segment(
        &mut self,
        path: &Path,
        bytes: &[u8],
        after_evicted: bool,
        copies: &mut Copies,
    ) -> Option<u64> {
        let name = path.display();
        let header = match Header::read(bytes) {
            Ok(header) => header,
            Err(e) => {
                self.damage.push(format!("{name}: {e}"));
                return None;
            }
        };
        self.epochs.insert(header.epoch);
        // A segment may have a header and nothing else: killed before its State was written.
        let mut tells_before = after_evicted || !self.told.contains(&header.epoch);
        let dictionaries = Dictionaries::collect(bytes, &header);
        for step in Scan::new(bytes, &header) {
            match step {
                Step::Damage(from, to, e) => self.damage.push(format!("{name}: {from}..{to}: {e}")),
                Step::Frame(_, frame, payload) if frame.kind == Kind::State as u8 && tells_before => {
                    tells_before = false;
                    self.told.insert(header.epoch);
                    self.accounts(header.epoch, &frame, payload);
                }
                Step::Frame(_, frame, payload) if frame.kind == Kind::Events as u8 => {
                    if !copies.take_frame(header.epoch, &frame, &dictionaries) {
                        continue;
                    }
                    let decoded = columns::decode(&frame, payload, header.tick_ns, &dictionaries).unwrap();
                    self.unnamed += decoded.unnamed;
                    let source = frame.sources.trailing_zeros() as u8;
                    decoded.rows.into_iter().for_each(|row| self.row(header.epoch, source, row));
                }
                Step::Frame(..) => {}
            }
        }
        Some(header.epoch)
    }

    fn accounts(&mut self, epoch: u64, frame: &frame::Header, payload: &[u8]) {
        let state = State::read(&frame::unpack_record(frame, payload).unwrap()).unwrap();
        for account in state.accounts {
            self.before.insert((epoch, account.cpu, account.source), account.stored + account.lost);
        }
    }

    fn head(&mut self, bytes: &[u8], copies: &mut Copies) {
        let Ok((slots, _)) = head::read(bytes) else { return };
        for slot in slots.into_iter().filter(|s| !s.rows.is_empty()) {
            if copies.take_slot(slot.epoch, slot.generation) {
                slot.rows.into_iter().for_each(|row| self.row(slot.epoch, slot.source as u8, row));
            }
        }
    }

    fn row(&mut self, epoch: u64, source: u8, row: Row) {
        if row.cpu() == META_CPU {
            if row.op == ops::LOSS {
                let (cpu, source) = (row.tid as u16, row.flags as u8);
                self.losses.push((epoch, cpu, source, row.arg1, row.arg0));
            }
            return;
        }
        let key = (epoch, row.cpu(), source, row.seq());
        if self.rows.insert(key, row).is_some() {
            self.doubles.push(key);
        }
    }

    /// True if an event was declared lost.
    #[must_use]
    pub fn is_told_lost(&self, (epoch, cpu, source, seq): Key) -> bool {
        self.losses.iter().any(|(e, c, s, first, count)| {
            (*e, *c, *s) == (epoch, cpu, source) && (*first..first + count).contains(&seq)
        })
    }

    /// Events declared lost on a source without a number, as after a page that could not be read.
    #[must_use]
    pub fn lost_without_number(&self, epoch: u64, source: u8) -> u64 {
        let of = |l: &&(u64, u16, u8, u64, u64)| (l.0, l.1, l.2) == (epoch, META_CPU, source);
        self.losses.iter().filter(of).map(|l| l.4).sum()
    }
}
