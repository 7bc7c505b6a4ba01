//! R3: bits that are not as they were written.

use std::path::PathBuf;

use ingero_format::{bundle, identity::Identity};

use super::{
    Judged, Tally,
    seen::Seen,
    shared_out,
    specimen::{Place, Specimen},
};
use crate::simulated::random::Random;

/// Which bits of a file, by number.
struct Bits {
    step: usize,
    worker: usize,
    workers: usize,
}

impl Bits {
    fn of(&self, bytes: usize) -> impl Iterator<Item = usize> + use<> {
        (0..bytes * 8).step_by(self.step).skip(self.worker).step_by(self.workers)
    }
}

fn toggle(bytes: &mut [u8], bits: &[usize]) {
    bits.iter().for_each(|bit| bytes[bit / 8] ^= 1 << (bit % 8));
}

fn hit(bits: &[usize]) -> impl Fn(&Place) -> bool + '_ {
    |place| bits.iter().any(|bit| place.bytes.contains(&(bit / 8)))
}

/// Every `step`th bit of every file, one at a time.
#[must_use]
pub fn every_bit(specimen: &Specimen, step: usize) -> Tally {
    let truth = specimen.truth();
    shared_out(|worker, workers| {
        let (mut tally, bits) = (Tally::default(), Bits { step, worker, workers });
        let mut files = specimen.files.clone();
        for (path, whole) in &specimen.files {
            for bit in bits.of(whole.len()) {
                toggle(files.get_mut(path).unwrap(), &[bit]);
                let judged = Seen::ring(&files).judge(&truth, &specimen.places[path], hit(&[bit]));
                toggle(files.get_mut(path).unwrap(), &[bit]);
                tally.count(|| format!("{} byte {} bit {}", path.display(), bit / 8, bit % 8), judged);
            }
        }
        let mut bytes = specimen.bundle.clone();
        let in_bundle = Seen::bundle(&bytes);
        for bit in bits.of(bytes.len()) {
            toggle(&mut bytes, &[bit]);
            let judged = Seen::bundle(&bytes).judge(&in_bundle, &specimen.bundle_places, hit(&[bit]));
            toggle(&mut bytes, &[bit]);
            tally.count(|| format!("bundle byte {} bit {}", bit / 8, bit % 8), judged);
        }
        // Small enough for every bit, always.
        let bits = Bits { step: 1, worker, workers };
        let mut bytes = specimen.manifest.clone();
        for bit in bits.of(bytes.len()) {
            toggle(&mut bytes, &[bit]);
            tally.count(|| format!("MANIFEST byte {}", bit / 8), manifest(specimen, &bytes));
            toggle(&mut bytes, &[bit]);
        }
        let mut bytes = specimen.identity.clone();
        for bit in bits.of(bytes.len()) {
            toggle(&mut bytes, &[bit]);
            tally.count(|| format!("RING byte {}", bit / 8), identity(specimen, &bytes));
            toggle(&mut bytes, &[bit]);
        }
        tally
    })
}

/// Two to sixteen bits of one file at once, often close together, `times` times; of files of one name only, if one is
/// given.
#[must_use]
pub fn random_bits(specimen: &Specimen, times: u64, seed: u64, name: Option<&str>) -> Tally {
    let truth = specimen.truth();
    let in_bundle = Seen::bundle(&specimen.bundle);
    let wanted = |path: &&PathBuf| name.is_none_or(|name| path.ends_with(name));
    let paths: Vec<_> = specimen.files.keys().filter(wanted).collect();
    assert!(!paths.is_empty(), "no file of that name");
    shared_out(|worker, workers| {
        let (mut tally, mut random) = (Tally::default(), Random::new(seed ^ worker as u64));
        let (mut files, mut bytes) = (specimen.files.clone(), specimen.bundle.clone());
        for _ in (worker as u64..times).step_by(workers) {
            // One in four hits the bundle.
            let path = paths[random.below(paths.len() as u64) as usize];
            let of_bundle = name.is_none() && random.one_in(4);
            let target = if of_bundle { &mut bytes } else { files.get_mut(path).unwrap() };
            let bits = choose(target.len(), &mut random);
            toggle(target, &bits);
            let judged = if of_bundle {
                Seen::bundle(&bytes).judge(&in_bundle, &specimen.bundle_places, hit(&bits))
            } else {
                Seen::ring(&files).judge(&truth, &specimen.places[path], hit(&bits))
            };
            toggle(if of_bundle { &mut bytes } else { files.get_mut(path).unwrap() }, &bits);
            let place = if of_bundle { "bundle".into() } else { path.display().to_string() };
            tally.count(|| format!("{place} bits {bits:?}"), judged);
        }
        tally
    })
}

fn choose(len: usize, random: &mut Random) -> Vec<usize> {
    let (all, near) = (len as u64 * 8, random.one_in(2));
    let first = random.below(all);
    let mut bits: Vec<usize> = (1..2 + random.below(15))
        .map(|_| if near { (first + random.below(512)).min(all - 1) } else { random.below(all) } as usize)
        .chain([first as usize])
        .collect();
    bits.sort_unstable();
    bits.dedup();
    bits
}

fn manifest(specimen: &Specimen, bytes: &[u8]) -> Result<Judged, String> {
    let whole = bundle::read_manifest_file(&specimen.manifest).unwrap();
    match bundle::read_manifest_file(bytes) {
        Ok(read) if read == whole => Ok(Judged { harmless: true, ..Judged::default() }),
        Ok(read) => Err(format!("it passes for {read:?}")),
        Err(_) => Ok(Judged { reported: true, ..Judged::default() }),
    }
}

// The other page may be taken; it is of the same ring.
fn identity(specimen: &Specimen, bytes: &[u8]) -> Result<Judged, String> {
    let whole = Identity::read(&specimen.identity).unwrap();
    let ring = |i: &Identity| (i.ring_id, i.segment_bytes);
    match Identity::read(bytes) {
        Ok(read) if ring(&read) == ring(&whole) => Ok(Judged { harmless: true, ..Judged::default() }),
        Ok(read) => Err(format!("it passes for {read:?}")),
        Err(_) => Ok(Judged { reported: true, ..Judged::default() }),
    }
}
