//! R2: files that end too early, and files whose last writes reached the disk in part.

use std::{collections::BTreeSet, ops::Range, path::Path};

use ingero_format::{
    Row, bundle,
    head::{Geometry, PUBLISHED_OFFSET, SLOT_HEADER_BYTES},
    identity::Identity,
    row::{META_CPU, ROW_BYTES},
};

use super::{
    Judged, Tally,
    seen::{Loss, Seen},
    shared_out,
    specimen::{Place, Specimen, head_path, inside},
};
use crate::simulated::events::Key;

/// How many of the last sectors or pages are there in part.
const DIRTY: usize = 8;

type Expected = (BTreeSet<Key>, BTreeSet<Loss>);

// Exactly these, nothing changed but names that are known to be missing.
fn exactly(seen: &Seen, truth: &Seen, (keys, losses): &Expected) -> Result<Judged, String> {
    seen.is_part_of(truth)?;
    if let Some(key) = keys.iter().find(|key| !seen.rows.contains_key(*key)) {
        return Err(format!("{key:?} is not read, though all of it is there; {:?}", seen.reported));
    }
    if let Some(key) = seen.rows.keys().find(|key| !keys.contains(*key)) {
        return Err(format!("{key:?} is read out of a frame that is not whole"));
    }
    if seen.losses != *losses {
        return Err(format!("{} losses are told, {} are whole", seen.losses.len(), losses.len()));
    }
    let lost = truth.rows.len() - keys.len();
    Ok(Judged { reported: !seen.reported.is_empty(), harmless: lost == 0, lost })
}

/// Every file of the ring, its bundle, `MANIFEST` and `RING`, cut at every `step`th byte.
#[must_use]
pub fn every_cut(specimen: &Specimen, step: usize) -> Tally {
    let truth = specimen.truth();
    shared_out(|worker, workers| {
        let mut tally = Tally::default();
        let mine = |len: usize| (0..len).step_by(step).skip(worker).step_by(workers);
        for (path, whole) in &specimen.files {
            let mut files = specimen.files.clone();
            for cut in mine(whole.len()) {
                files.insert(path.clone(), whole[..cut].to_vec());
                let there = |p: &Path, place: &Place| p != path || place.bytes.end <= cut;
                let judged = exactly(&Seen::ring(&files), &truth, &specimen.surviving(there));
                tally.count(|| format!("{} cut at {cut}", path.display()), judged);
            }
        }
        let in_bundle = Seen::bundle(&specimen.bundle);
        for cut in mine(specimen.bundle.len()) {
            let there = specimen.bundle_places.iter().filter(|place| place.bytes.end <= cut);
            let seen = Seen::bundle(&specimen.bundle[..cut]);
            let mut judged = exactly(&seen, &in_bundle, &inside(there));
            if seen.reported.is_empty() {
                judged = Err("a cut bundle passes for a whole one".into());
            }
            tally.count(|| format!("bundle cut at {cut}"), judged);
        }
        for cut in mine(specimen.manifest.len()) {
            tally.count(|| format!("MANIFEST cut at {cut}"), manifest(specimen, cut));
        }
        for cut in mine(specimen.identity.len()) {
            tally.count(|| format!("RING cut at {cut}"), identity(specimen, cut));
        }
        tally
    })
}

// The record is whole or refused; what may be missing is the padding behind it.
fn manifest(specimen: &Specimen, cut: usize) -> Result<Judged, String> {
    let whole = bundle::read_manifest_file(&specimen.manifest).unwrap();
    let end = 2 * bundle::HEADER_BYTES + whole.to_bytes().unwrap().len();
    match bundle::read_manifest_file(&specimen.manifest[..cut]) {
        Ok(read) if read == whole && cut >= end => Ok(Judged { harmless: true, ..Judged::default() }),
        Err(_) if cut < end => Ok(Judged { reported: true, ..Judged::default() }),
        other => Err(format!("{other:?} of {end} bytes")),
    }
}

fn identity(specimen: &Specimen, cut: usize) -> Result<Judged, String> {
    let whole = Identity::read(&specimen.identity).unwrap();
    match Identity::read(&specimen.identity[..cut]) {
        Ok(read) if read.ring_id == whole.ring_id => Ok(Judged { harmless: true, ..Judged::default() }),
        Ok(read) => Err(format!("{read:?}")),
        Err(_) => Ok(Judged { reported: true, ..Judged::default() }),
    }
}

/// Every subset of the last sectors and pages of the active segment, and of the head, that did not reach the disk.
#[must_use]
pub fn every_subset(specimen: &Specimen) -> Tally {
    let truth = specimen.truth();
    let mut tally = Tally::default();
    for unit in [512, 4096] {
        for with_head in [true, false] {
            segment_subsets(specimen, &truth, unit, with_head, &mut tally);
        }
        for old in &specimen.earlier_heads {
            head_subsets(specimen, &truth, unit, old, &mut tally);
        }
    }
    tally
}

fn subsets(units: &[Range<usize>]) -> impl Iterator<Item = Vec<Range<usize>>> {
    (0..1usize << units.len()).map(|set| {
        units.iter().enumerate().filter(|(i, _)| set >> i & 1 == 1).map(|(_, unit)| unit.clone()).collect()
    })
}

// What was never written is zero: the segment is only appended to.
fn segment_subsets(specimen: &Specimen, truth: &Seen, unit: usize, with_head: bool, tally: &mut Tally) {
    let (path, whole) = (&specimen.active, &specimen.files[&specimen.active]);
    let written = specimen.places[path].last().unwrap().bytes.end;
    let last = written.div_ceil(unit);
    let units: Vec<_> = (last.saturating_sub(DIRTY)..last).map(|i| i * unit..(i + 1) * unit).collect();
    let mut files = specimen.files.clone();
    if !with_head {
        files.remove(&head_path());
    }
    for missing in subsets(&units) {
        let mut bytes = whole.clone();
        missing.iter().for_each(|unit| bytes[unit.clone()].fill(0));
        let same = |place: &Place| bytes[place.bytes.clone()] == whole[place.bytes.clone()];
        let door = same(&specimen.places[path][0]);
        let there = |p: &Path, place: &Place| {
            if p == path { door && same(place) } else { with_head || p != head_path() }
        };
        let expected = specimen.surviving(there);
        files.insert(path.clone(), bytes.clone());
        let judged = exactly(&Seen::ring(&files), truth, &expected);
        tally.count(|| format!("{} without {missing:?}, head {with_head}", path.display()), judged);
    }
}

// What was never written is what was there before.
fn head_subsets(specimen: &Specimen, truth: &Seen, unit: usize, old: &[u8], tally: &mut Tally) {
    let path = head_path();
    let new = &specimen.files[&path];
    let dirty = (0..new.len() / unit).map(|i| i * unit..(i + 1) * unit);
    let dirty: Vec<_> = dirty.filter(|unit| new[unit.clone()] != old[unit.clone()]).collect();
    let units = &dirty[dirty.len().saturating_sub(DIRTY)..];
    let mut files = specimen.files.clone();
    for missing in subsets(units) {
        let mut bytes = new.clone();
        missing.iter().for_each(|unit| bytes[unit.clone()].copy_from_slice(&old[unit.clone()]));
        let (mut keys, mut losses) = specimen.surviving(|p, _| p != path);
        let fresh = |at: usize| !missing.iter().any(|unit| unit.contains(&at));
        let geometry = Geometry::read(new).unwrap();
        for slot in 0..geometry.slots as usize {
            let at = geometry.slot_offset(slot)..geometry.slot_offset(slot + 1);
            let mixture = Mixture { old, new, base: at.start, end: at.end };
            mixture.rows(fresh, |epoch, source, row| {
                if row.cpu() == META_CPU {
                    losses.extend(Loss::of(epoch, row));
                } else {
                    keys.insert((epoch, row.cpu(), source, row.seq()));
                }
            });
        }
        files.insert(path.clone(), bytes);
        let judged = exactly(&Seen::ring(&files), truth, &(keys, losses));
        tally.count(|| format!("head without {missing:?}"), judged);
    }
}

/// A slot of which some sectors are old and some are new.
struct Mixture<'a> {
    old: &'a [u8],
    new: &'a [u8],
    base: usize,
    end: usize,
}

impl Mixture<'_> {
    fn number(&self, image: &[u8], offset: usize) -> u64 {
        u64::from_le_bytes(image[self.base + offset..self.base + offset + 8].try_into().unwrap())
    }

    // The use of the slot in which a row of the old or new image was written, if that is known.
    fn generation(&self, new: bool, row: usize) -> Option<u64> {
        let bytes = |image: &[u8]| image[self.place(row)].to_vec();
        if new && (row as u64) < self.number(self.new, PUBLISHED_OFFSET) {
            return Some(self.number(self.new, 0));
        }
        let left_over = !new || bytes(self.new) == bytes(self.old);
        (left_over && (row as u64) < self.number(self.old, PUBLISHED_OFFSET))
            .then(|| self.number(self.old, 0))
    }

    fn place(&self, row: usize) -> Range<usize> {
        let at = self.base + SLOT_HEADER_BYTES + row * ROW_BYTES;
        at..at + ROW_BYTES
    }

    // Rows of the use that the header is of: those it counts, and those that follow them.
    fn rows(&self, fresh: impl Fn(usize) -> bool, mut take: impl FnMut(u64, u8, &Row)) {
        let image = |new| if new { self.new } else { self.old };
        let header = image(fresh(self.base));
        let (generation, epoch) = (self.number(header, 0), self.number(header, 8));
        let published = self.number(header, PUBLISHED_OFFSET) as usize;
        for row in 0..(self.end - self.base - SLOT_HEADER_BYTES) / ROW_BYTES {
            let new = fresh(self.place(row).start);
            if generation != 0 && self.generation(new, row) == Some(generation) {
                let bytes = image(new)[self.place(row)].first_chunk().unwrap();
                take(epoch, header[self.base + 16], &Row::from_bytes(bytes));
            } else if row >= published {
                break;
            }
        }
    }
}
