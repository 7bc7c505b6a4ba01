//! Folders: rings, frozen sets and state directories, as the loader and the verifier see them alike.

use std::os::unix::fs::symlink;

use ingero_format::{
    identity::Identity,
    segment::{Header, file_name},
    state::Account,
};

use super::*;
use crate::verify::{Report, verify};

/// Segments 1, 2 and 3 with one launch each, 1 µs apart.
fn segments(folder: &Path) {
    let mut draft = Draft::new(10);
    for seq in 1..4 {
        draft.frames = vec![(vec![launch(seq, seq * 1_000, 5, seq)], seq)];
        draft.state.accounts =
            vec![Account { cpu: 1, source: Source::Cuda as u8, stored: seq, ..Account::default() }];
        let real_ns = BEGIN + OFFSET.unsigned_abs() + seq * 1_000;
        let created = Anchor { boot_ns: BEGIN + seq * 1_000, real_ns, uncertainty_ns: 0 };
        let bytes = draft.segment_of(Header { seq, created, ..Header::default() });
        fs::write(folder.join(file_name(seq)), bytes).unwrap();
    }
}

fn ring() -> TempDir {
    let folder = TempDir::new().unwrap();
    let identity = Identity { generation: 1, ring_id: [1; 16], ..Identity::default() };
    fs::write(folder.path().join("RING"), identity.to_bytes()).unwrap();
    fs::write(folder.path().join("head"), Draft::new(1).head()).unwrap();
    segments(folder.path());
    folder
}

fn frozen() -> TempDir {
    let folder = TempDir::new().unwrap();
    let mut draft = Draft::new(10);
    draft.manifest.segments = (1..4).map(|seq| SegmentEntry { seq, bytes: u64::MAX }).collect();
    fs::write(folder.path().join("MANIFEST"), bundle::manifest_file(&draft.manifest).unwrap()).unwrap();
    fs::write(folder.path().join("head"), draft.head()).unwrap();
    segments(folder.path());
    folder
}

/// Which launches are there, and what both say of the folder.
fn seen(folder: &Path) -> (Vec<u64>, Trace, Report) {
    let trace = open(folder, &Progress::none()).unwrap();
    let launches = trace.calls.iter().map(|c| c.arg0).collect();
    (launches, trace, verify(folder).unwrap())
}

fn holes(trace: &Trace) -> usize {
    trace.losses.iter().filter(|l| l.cause == LossCause::Corrupt as i32).count()
}

fn places(report: &Report) -> Vec<String> {
    report.damaged.iter().map(|d| format!("{}: {}", d.place, d.reason)).collect()
}

/// A name in the listing that leads nowhere: what a reader meets whom an eviction overtakes.
fn evict(folder: &Path, seq: u64) {
    let file = folder.join(file_name(seq));
    fs::remove_file(&file).unwrap();
    symlink("gone", file).unwrap();
}

/// A file that the system fails to read: here, because it is a folder.
fn fail(file: &Path) {
    fs::remove_file(file).unwrap();
    fs::create_dir(file).unwrap();
}

#[test]
fn a_state_directory_stands_for_the_ring_in_it() {
    let state = TempDir::new().unwrap();
    fs::rename(ring().path(), state.path().join("ring")).unwrap();
    ["frozen", "bundles"].iter().for_each(|name| fs::create_dir(state.path().join(name)).unwrap());
    let (launches, trace, report) = seen(state.path());
    assert_eq!((launches, trace.facts.damage), (vec![1, 2, 3], vec![]));
    assert_eq!((report.ok, report.kind, report.events), (true, "ring", 3), "{:?}", places(&report));
}

#[test]
fn a_segment_that_a_live_ring_evicts_while_it_is_read_is_no_damage() {
    let ring = ring();
    evict(ring.path(), 1);
    let (launches, trace, report) = seen(ring.path());
    assert_eq!((launches, holes(&trace), &trace.facts.damage), (vec![2, 3], 0, &vec![]));
    assert_eq!((report.ok, report.events), (true, 2), "{:?}", places(&report));
    let note = "segment 1 was evicted while the ring was read".to_owned();
    assert!(report.notes.contains(&note), "{:?}", report.notes);
}

// The verifier took the numbers of such a segment for missing: it had counted those before it as there.
#[test]
fn a_segment_evicted_after_an_older_one_was_read_leaves_a_hole_told_and_an_account_that_holds() {
    let ring = ring();
    evict(ring.path(), 2);
    let (launches, trace, report) = seen(ring.path());
    assert_eq!((launches, holes(&trace), &trace.facts.damage), (vec![1, 3], 1, &vec![]));
    assert_eq!((report.ok, report.events), (true, 1), "{:?}", places(&report));
    assert_eq!((report.conservation.evicted, report.notes.len()), (3, 1), "{:?}", report.notes);
}

#[test]
fn a_segment_that_a_frozen_set_lists_and_lacks_is_damage_and_a_hole() {
    for seq in [1, 2, 3] {
        let frozen = frozen();
        fs::remove_file(frozen.path().join(file_name(seq))).unwrap();
        let (launches, trace, report) = seen(frozen.path());
        assert_eq!((launches.len(), holes(&trace)), (2, 1), "{seq}");
        assert!(trace.facts.damage.join(";").contains("it is missing"), "{:?}", trace.facts.damage);
        let missing = format!("{}: file: it is missing", file_name(seq));
        assert!(!report.ok && places(&report).contains(&missing), "{:?}", places(&report));
    }
}

#[test]
fn a_segment_or_head_that_cannot_be_read_is_told_as_damage_in_ring_and_frozen_set() {
    for folder in [ring(), frozen()] {
        let name = file_name(2);
        fail(&folder.path().join(&name));
        fail(&folder.path().join("head"));
        let (launches, trace, report) = seen(folder.path());
        assert_eq!((launches, holes(&trace)), (vec![1, 3], 1));
        for place in [name.as_str(), "head"] {
            let told =
                trace.facts.damage.iter().filter(|d| d.contains(place) && d.contains("cannot be read"));
            assert_eq!(told.count(), 1, "{:?}", trace.facts.damage);
            let told = places(&report);
            let told = told.iter().filter(|d| d.starts_with(place) && d.contains("cannot be read"));
            assert_eq!(told.count(), 1, "{:?}", places(&report));
        }
    }
}

#[test]
fn a_file_whose_name_is_not_one_of_a_segment_is_not_read() {
    let ring = ring();
    for name in ["+0000000000000000004.seg", "+5.seg", "6.seg", "next.seg", "other.seg"] {
        fs::write(ring.path().join(name), "no segment").unwrap();
    }
    let (launches, trace, report) = seen(ring.path());
    assert_eq!((launches, trace.facts.damage), (vec![1, 2, 3], vec![]));
    assert!(report.ok, "{:?}", places(&report));
}
