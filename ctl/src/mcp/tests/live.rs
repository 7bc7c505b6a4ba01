//! Without a database: a recorder that answers, one that is not there, and one that says no.

use std::{
    io::{Read, Write},
    os::unix::{
        fs::PermissionsExt,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use ingero_format::control::{Reply, Request, Snapshot, body_len, from_wire, to_wire};
use tempfile::TempDir;

use super::{ask, session};
use crate::{commands::tests::incident, mcp::session::SNAPSHOTS_PER_HOUR};

/// A recorder in name only: every snapshot is the same bundle.
struct Recorder {
    folder: TempDir,
    socket: PathBuf,
    asked: Arc<AtomicUsize>,
}

impl Recorder {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let socket = folder.path().join("control.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let (bundle, asked) = (incident().bytes(), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                serve(stream.unwrap(), &bundle, &count);
            }
        });
        Self { folder, socket, asked }
    }
}

fn serve(mut stream: UnixStream, bundle: &[u8], asked: &AtomicUsize) {
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).unwrap();
    let mut body = vec![0; body_len(prefix).unwrap()];
    stream.read_exact(&mut body).unwrap();
    let snapshot = |reason: String| Snapshot {
        id: "20261122-1".into(),
        path: "/var/lib/ingero-recorder/bundles/20261122-1.ingero".into(),
        from_ts_ns: 5,
        to_ts_ns: 9,
        reason,
        notes: vec!["less past was held than asked for".into()],
        ..Snapshot::default()
    };
    let (reply, file) = match from_wire(&body).unwrap() {
        Request::Snapshot { last_ns: 1, .. } => {
            (Reply::Failed { message: "the ring is empty; wait".into() }, false)
        }
        Request::Snapshot { reason, .. } => {
            asked.fetch_add(1, Ordering::Relaxed);
            (Reply::Snapshot(snapshot(reason)), false)
        }
        Request::Snapshots => (Reply::Snapshots(vec![snapshot("alert".into())]), false),
        Request::Fetch { .. } => (Reply::File { bytes: bundle.len() as u64 }, true),
        _ => (Reply::Done, false),
    };
    stream.write_all(&to_wire(&reply).unwrap()).unwrap();
    if file {
        stream.write_all(bundle).unwrap();
    }
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn without_a_database_the_first_question_freezes_a_window_and_later_ones_use_it() {
    let recorder = Recorder::new();
    let session = session(None, &recorder.socket);
    let stats = ask(&session, "get_trace_stats", "{}").unwrap();
    assert_eq!(stats["coverage"]["off_cpu"], 40);
    let chains = ask(&session, "get_causal_chains", "{}").unwrap();
    assert_eq!(chains["findings"][0]["cause"], "cpu_contention");
    assert_eq!(recorder.asked.load(Ordering::Relaxed), 1);
    let known = session.known().unwrap();
    let folder = known.path.parent().unwrap().to_owned();
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(files(&folder), 1, "the bundle does not stay");
    let taken = ask(&session, "take_snapshot", r#"{"last": "5s", "after": "0s", "reason": "slow"}"#).unwrap();
    assert_eq!((&taken["current"], &taken["reason"]), (&true.into(), &"mcp: slow".into()));
    assert_eq!(taken["id"], "20261122-1");
    assert_eq!(taken["population"], "all recorded calls");
    assert_eq!(taken["notes"][0], "less past was held than asked for");
    assert_eq!(taken["window"], stats["window"]);
    assert_eq!(files(&folder), 2, "the earlier window stays as long as somebody asks it");
    drop(known);
    assert_eq!(files(&folder), 1);
    let listed = ask(&session, "list_snapshots", "{}").unwrap();
    assert_eq!(listed["snapshots"][0]["reason"], "alert");
    drop(session);
    assert!(!folder.exists(), "nothing is left behind");
}

#[test]
fn questions_at_once_share_the_first_window_and_snapshots_do_not_queue_up() {
    let recorder = Recorder::new();
    let session = Arc::new(session(None, &recorder.socket));
    let all: Vec<_> = (0..8)
        .map(|_| {
            let session = Arc::clone(&session);
            std::thread::spawn(move || ask(&session, "get_off_cpu", "{}").unwrap())
        })
        .collect();
    let answers: Vec<_> = all.into_iter().map(|t| t.join().unwrap()).collect();
    assert!(answers.windows(2).all(|w| w[0] == w[1]));
    assert_eq!(recorder.asked.load(Ordering::Relaxed), 1);
    let taking: Vec<_> = (0..4)
        .map(|_| {
            let session = Arc::clone(&session);
            std::thread::spawn(move || ask(&session, "take_snapshot", r#"{"after": "0s"}"#))
        })
        .collect();
    let taken: Vec<_> = taking.into_iter().map(|t| t.join().unwrap()).collect();
    let done = taken.iter().filter(|t| t.is_ok()).count();
    assert!(done >= 1 && recorder.asked.load(Ordering::Relaxed) == 1 + done);
    for refused in taken.iter().filter_map(|t| t.as_ref().err()) {
        assert!(refused.contains("is being taken"), "{refused}");
    }
}

#[test]
fn a_recorder_that_is_not_there_or_says_no_is_an_answer_with_a_remedy() {
    let folder = TempDir::new().unwrap();
    let nobody = session(None, &folder.path().join("none.sock"));
    for tool in ["get_trace_stats", "take_snapshot", "list_snapshots"] {
        let refused = ask(&nobody, tool, "{}").unwrap_err();
        assert!(refused.contains("the recorder does not answer"), "{tool}: {refused}");
        assert!(refused.contains("systemctl start ingero-recorder"), "{tool}: {refused}");
    }
    let check = ask(&nobody, "get_check", "{}").unwrap();
    let recorder = check["checks"].as_array().unwrap().iter().find(|c| c["of"] == "recorder").unwrap();
    assert_eq!(recorder["ok"], false);
    assert!(check["population"].as_str().unwrap().contains("no window"));
    let recorder = Recorder::new();
    let refused = ask(&session(None, &recorder.socket), "take_snapshot", r#"{"last": "1ns"}"#).unwrap_err();
    assert_eq!(refused, "the ring is empty; wait");
    for (parameters, word) in [
        (r#"{"after": "1h"}"#, "at most 5m"),
        (r#"{"last": "soon"}"#, "last: `soon` is not a time"),
        (&serde_json::json!({"reason": "x".repeat(501)}).to_string(), "at most 500 bytes"),
    ] {
        let refused = ask(&session(None, &recorder.socket), "take_snapshot", parameters).unwrap_err();
        assert!(refused.contains(word), "{refused}");
    }
    assert_eq!(recorder.asked.load(Ordering::Relaxed), 0);
    assert!(recorder.folder.path().exists());
}

#[test]
fn snapshots_through_one_server_are_limited_and_a_named_database_stays_the_one_asked() {
    let recorder = Recorder::new();
    let made = super::Made::incident();
    let session = session(Some(&made.db), &recorder.socket);
    for _ in 0..SNAPSHOTS_PER_HOUR {
        let taken = ask(&session, "take_snapshot", r#"{"after": "0s"}"#).unwrap();
        assert_eq!(taken["current"], false);
    }
    let refused = ask(&session, "take_snapshot", "{}").unwrap_err();
    assert!(refused.contains("within the hour") && refused.contains("ingeroctl snapshot"), "{refused}");
    assert_eq!(session.known().unwrap().path, made.db);
}
