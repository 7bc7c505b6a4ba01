//! The second reading: where events get their places.

use std::fs;

use ingero_format::{Row, ops::LossCause, row::origin, segment};
use tempfile::TempDir;

use super::{Draft, launch, read};
use crate::{
    load::{collect::Collector, input, open_all},
    model::Spool,
    progress::Progress,
};

#[test]
fn what_two_windows_both_hold_leaves_no_holes_between_threads() {
    let folder = TempDir::new().unwrap();
    let of = |tid, row: Row| Row { tid, origin: origin(tid as u16, row.seq()), ..row };
    let (a, b) = (of(100, launch(0, 10, 5, 0xf1)), of(101, launch(0, 20, 5, 0xf2)));
    let mut first = Draft::new(1);
    first.frames.push((vec![a, b], 0));
    let mut second = Draft::new(2);
    second.frames.push((vec![a, b, of(101, launch(1, 30, 5, 0xf3))], 0));
    let paths = [first.write(&folder, "a.ingero"), second.write(&folder, "b.ingero")];
    let traces = open_all(&paths, &Spool::always(), &Progress::none()).unwrap();
    let told: Vec<_> =
        traces[0].calls.iter().map(|c| (traces[0].task(c.task).unwrap().tid, c.arg0)).collect();
    assert_eq!(told, [(100, 0xf1), (101, 0xf2), (101, 0xf3)]);
}

#[test]
fn a_call_comes_before_the_many_inside_it_though_they_ended_first() {
    let mut draft = Draft::new(10);
    let inner = (0..200).map(|i| launch(i, 100 + i * 10, 5, 0xf1));
    let outer = Row { dur_ns: 5_000, ..launch(200, 0, 5_000, 0xf2) };
    let mut rows: Vec<Row> = inner.chain([outer]).collect();
    rows.sort_by_key(|r| r.end_ns);
    assert_eq!(rows.last(), Some(&outer));
    draft.frames.push((rows, 0));
    draft.frames.push((vec![launch(201, 6_000, 5, 0xf3)], 0));
    let trace = read(&draft);
    let functions: Vec<u64> = trace.calls.iter().map(|c| c.arg0).collect();
    assert_eq!((functions[0], functions[1], functions[200], functions[201]), (0xf2, 0xf1, 0xf1, 0xf3));
    assert!(trace.calls.is_sorted_by_key(|c| c.ts_ns));
}

#[test]
fn rows_that_go_between_the_two_readings_are_a_loss_and_the_others_are_there() {
    let folder = TempDir::new().unwrap();
    let mut draft = Draft::new(10);
    draft.frames.push((vec![launch(0, 10, 5, 0xf1)], 41));
    let kept = folder.path().join("00000000000000000003.seg");
    let evicted = folder.path().join("00000000000000000004.seg");
    fs::write(&kept, draft.segment()).unwrap();
    draft.frames = vec![(vec![launch(1, 70, 5, 0xf1), launch(2, 90, 5, 0xf1)], 42)];
    fs::write(&evicted, draft.segment_of(segment::Header { seq: 4, ..segment::Header::default() })).unwrap();
    let mut collector = Collector::default();
    input::add(folder.path(), &mut collector, &Progress::none()).unwrap();
    fs::remove_file(evicted).unwrap();
    let trace = collector.finish(folder.path(), &Spool::default(), &Progress::none()).unwrap();
    assert_eq!(trace.calls.len(), 1);
    let loss = trace.losses.iter().find(|l| l.cause == LossCause::Corrupt as i32).unwrap();
    assert_eq!(loss.to_ns - loss.from_ns, 20);
    assert!(trace.facts.damage[0].contains("while they were read"), "{:?}", trace.facts.damage);
}

#[test]
fn two_overlapping_windows_of_one_boot_are_one_trace_without_doubles() {
    let folder = TempDir::new().unwrap();
    let mut first = Draft::new(1);
    first.frames.push((vec![launch(0, 10, 5, 0xf1), launch(1, 30, 5, 0xf1)], 0));
    let mut second = Draft::new(2);
    second.frames.push((vec![launch(1, 30, 5, 0xf1), launch(2, 1_500_000_000, 5, 0xf1)], 0));
    let paths = [first.write(&folder, "a.ingero"), second.write(&folder, "b.ingero")];
    let traces = open_all(&paths, &Spool::always(), &Progress::none()).unwrap();
    assert_eq!(traces.len(), 1);
    assert_eq!(traces[0].calls.len(), 3);
    assert_eq!(traces[0].span_ns(), 2_000_000_000);
    assert_eq!(traces[0].facts.clocks.len(), 2);
}
