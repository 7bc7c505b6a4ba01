use std::collections::{BTreeMap, HashMap};

use ingero_format::{Row, ops, row::flags};
use prost::Message;

use super::proto::{TracePacket, TrackEvent, kind};
use crate::{
    commands::tests::{incident, said},
    load::tests::{Draft, launch, preempted},
};

#[derive(Clone, PartialEq, prost::Message)]
struct File {
    #[prost(message, repeated, tag = "1")]
    packet: Vec<TracePacket>,
}

struct Made {
    _folder: tempfile::TempDir,
    database: std::path::PathBuf,
    bytes: Vec<u8>,
}

fn made(draft: &Draft) -> Made {
    let folder = tempfile::tempdir().unwrap();
    let bundle = draft.write(&folder, "one.ingero");
    let (database, trace) = (folder.path().join("one.db"), folder.path().join("one.pftrace"));
    let word = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    said(&["convert", bundle.to_str().unwrap(), "-o", &word(&database)]);
    said(&["export", &word(&database), "--format", "perfetto", "-o", &word(&trace)]);
    let again = folder.path().join("again.pftrace");
    said(&["export", bundle.to_str().unwrap(), "--format", "perfetto", "-o", &word(&again)]);
    let bytes = std::fs::read(trace).unwrap();
    assert!(bytes == std::fs::read(again).unwrap(), "bundle and database give the same trace");
    Made { _folder: folder, database, bytes }
}

fn events(file: &File) -> Vec<(u64, &TrackEvent)> {
    let with_time = |p: &'_ TracePacket| p.timestamp;
    let mut events: Vec<_> =
        file.packet.iter().filter_map(|p| Some((with_time(p)?, p.track_event.as_ref()?))).collect();
    // As readers do: by time, events of one time in the order of the file.
    events.sort_by_key(|(at, _)| *at);
    events
}

#[test]
fn every_call_and_interval_is_a_slice_that_ends_and_lies_inside_others_of_its_track() {
    let made = made(&incident());
    let file = File::decode(&*made.bytes).unwrap();
    let names: HashMap<u64, String> = file
        .packet
        .iter()
        .filter_map(|p| p.interned_data.as_ref())
        .flat_map(|d| &d.event_names)
        .map(|n| (n.iid.unwrap(), n.name.clone().unwrap()))
        .collect();
    let (mut open, mut slices): (BTreeMap<u64, Vec<&str>>, BTreeMap<&str, i64>) = Default::default();
    for (_, event) in events(&file) {
        let track = open.entry(event.track_uuid.unwrap()).or_default();
        match event.r#type.unwrap() {
            kind::BEGIN => {
                let name = names[&event.name_iid.unwrap()].as_str();
                *slices.entry(name).or_default() += 1;
                track.push(name);
            }
            kind::END => assert!(track.pop().is_some(), "an end without a begin"),
            _ => {}
        }
    }
    assert!(open.values().all(Vec::is_empty), "{open:?}");
    let db = rusqlite::Connection::open(&made.database).unwrap();
    let mut statement = db.prepare("SELECT op, count(*) FROM cuda_calls GROUP BY op").unwrap();
    let calls = statement.query_map([], |r| Ok((r.get::<_, String>(0)?, r.get::<_, i64>(1)?))).unwrap();
    let calls: Vec<_> = calls.map(Result::unwrap).collect();
    assert!(!calls.is_empty());
    for (op, count) in calls {
        assert_eq!(slices[op.as_str()], count, "{op}");
    }
    let preempted = "SELECT count(*) FROM off_cpu WHERE state = 'runnable'";
    let preempted: i64 = db.query_row(preempted, [], |r| r.get(0)).unwrap();
    assert_eq!(slices.get("preempted").copied().unwrap_or(0), preempted);
}

#[test]
fn an_arrow_that_begins_also_ends() {
    let mut draft = incident();
    let wait = Row { op: ops::CU_STREAM_SYNCHRONIZE, ..launch(50_000, 9_995_000_000, 1_000_000, 0) };
    draft.frames.push((vec![wait], 0));
    // Blocked for 0.5 ms, woken by task 500, then 0.1 ms without a CPU.
    let whole = preempted(40, 9_995_100_000, 600_000, 500);
    let blocked = Row { flags: flags::WOKEN, ret: 1, arg0: 100_000, arg1: 500 << 32 | 500, ..whole };
    draft.frames.push((vec![blocked], 0));
    let made = made(&draft);
    let file = File::decode(&*made.bytes).unwrap();
    let of = |ids: fn(&TrackEvent) -> &Vec<u64>| {
        let mut all: Vec<u64> = events(&file).iter().flat_map(|(_, e)| ids(e).clone()).collect();
        all.sort_unstable();
        all
    };
    let (begun, ended) = (of(|e| &e.flow_ids), of(|e| &e.terminating_flow_ids));
    assert_eq!(begun, ended);
    assert_eq!(begun.len(), 2, "of the launch that is waited for, and of the wake-up");
}

#[test]
fn tracks_are_described_before_they_are_used_and_once() {
    let made = made(&incident());
    let file = File::decode(&*made.bytes).unwrap();
    let mut known = std::collections::HashSet::new();
    for packet in &file.packet {
        if let Some(track) = &packet.track_descriptor {
            assert!(known.insert(track.uuid), "{track:?}");
            assert!(track.parent_uuid.is_none_or(|p| known.contains(&Some(p))), "{track:?}");
        }
        if let Some(event) = &packet.track_event {
            assert!(known.contains(&event.track_uuid), "{event:?}");
        }
    }
    assert!(file.packet.iter().any(|p| p.track_descriptor.as_ref().is_some_and(|t| t.counter.is_some())));
}

#[test]
fn nothing_is_overwritten_without_force_and_no_half_file_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = incident().write(&folder, "one.ingero");
    let there = folder.path().join("there");
    std::fs::write(&there, "mine").unwrap();
    let run = |output: &std::path::Path, bundle: &std::path::Path| {
        let args =
            ["export", bundle.to_str().unwrap(), "--format", "perfetto", "-o", output.to_str().unwrap()];
        crate::commands::tests::run(&args).unwrap_err().to_string()
    };
    assert!(run(&there, &bundle).contains("--force"));
    assert_eq!(std::fs::read_to_string(&there).unwrap(), "mine");
    std::fs::write(&bundle, "no bundle").unwrap();
    run(&folder.path().join("new"), &bundle);
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}
