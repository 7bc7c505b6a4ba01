//! Messages between `ingeroctl` and the recorder over its unix socket.
//!
//! Each message is `u32 length | u16 version | u16 0 | record`; the length counts what follows it. The
//! client sends one [`Request`], the recorder one [`Reply`]; after [`Reply::File`] the file's bytes follow.

use serde::Serialize;

use crate::{
    FormatError, Reason,
    bytes::Reader,
    codec::{self, Decode, Encode},
};

/// Version of the messages.
pub const VERSION: u16 = 2;
/// Longest message either side accepts, bytes.
pub const MAX_MESSAGE_BYTES: u32 = 1 << 20;

/// What a client may ask.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Request {
    /// The recorder's state.
    Status,
    /// Freeze a window.
    Snapshot {
        /// How far back, ns.
        last_ns: u64,
        /// How far beyond now, ns.
        after_ns: u64,
        /// Free text kept in the manifest.
        reason: String,
        /// True if a unit of the service manager asks, not a person: caps then hold, and it may join another's.
        unit: bool,
    },
    /// List snapshots.
    Snapshots,
    /// Send a snapshot's bundle.
    Fetch {
        /// Its id.
        id: String,
    },
    /// Remove a snapshot.
    Remove {
        /// Its id.
        id: String,
    },
    /// Read the configuration again.
    Reload,
    /// Keep a snapshot whatever its age and the room it takes, or no longer.
    Pin {
        /// Its id.
        id: String,
        /// Keep it; false: no longer.
        pinned: bool,
    },
}

/// What the recorder answers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Reply {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// To [`Request::Snapshot`].
    Snapshot(Snapshot),
    /// To [`Request::Snapshots`].
    Snapshots(Vec<Snapshot>),
    /// To [`Request::Fetch`]: this many bytes follow.
    File {
        /// Bytes that follow the message.
        bytes: u64,
    },
    /// Done, nothing to tell.
    Done,
    /// Not done, and why.
    Failed {
        /// One line: what, where, and what to do.
        message: String,
    },
}

/// A finished snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Snapshot {
    /// Its id: the bundle's file name without its ending.
    pub id: String,
    /// Path of the bundle on the recorder's host.
    pub path: String,
    /// Begin of the window held, Unix ns.
    pub from_ts_ns: u64,
    /// End of the window held, Unix ns.
    pub to_ts_ns: u64,
    /// From the trigger until nothing could evict the past any more, ns. Not kept on disk: 0 in a list.
    pub frozen_after_ns: u64,
    /// `frozen_after_ns` and the time that it took then to bring it to stable storage, ns: the post-window between the
    /// two does not count. Not kept on disk: 0 in a list.
    pub durable_after_ns: u64,
    /// Bytes of the bundle.
    pub bytes: u64,
    /// Why it was taken.
    pub reason: String,
    /// What the reader should know, e.g. that less past was held than asked for.
    pub notes: Vec<String>,
    /// It is kept whatever its age and the room it takes.
    pub pinned: bool,
}

/// State of the recorder, as `status --json` shows it.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode, Serialize)]
pub struct Status {
    /// `recording`, `waiting` (no CUDA process yet), or `degraded`.
    pub state: String,
    /// Version of the recorder.
    pub version: String,
    /// Its process id, in its own PID namespace.
    pub pid: u32,
    /// How much past is held: from `oldest_ts_ns` to `newest_ts_ns`, s.
    pub seconds_held: f64,
    /// Earliest start of an event in the ring, Unix ns; for a segment of an earlier run counts when it was created.
    /// 0 if there is no event.
    pub oldest_ts_ns: u64,
    /// End of the newest event held, Unix ns; 0 if there is none.
    pub newest_ts_ns: u64,
    /// The ring.
    pub ring: RingStatus,
    /// Events since start.
    pub events: EventCounts,
    /// Losses since start.
    pub losses: Vec<LossCount>,
    /// Recorded processes.
    pub processes: Vec<ProcessStatus>,
    /// What recording costs.
    pub cost: Cost,
    /// Snapshots since start.
    pub snapshots: SnapshotCounts,
    /// Trigger kinds and their counts.
    pub triggers: Vec<TriggerStatus>,
    /// What is not as it should be, in words.
    pub warnings: Vec<String>,
}

impl Eq for Status {}

/// Bytes of the ring.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct RingStatus {
    /// Allocated bytes of everything below the state directory.
    pub bytes: u64,
    /// The bound on them, bytes.
    pub max_bytes: u64,
    /// Segments in the ring.
    pub segments: u64,
}

/// Events since the recorder started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct EventCounts {
    /// Numbered in the kernel.
    pub produced: u64,
    /// Kept in the head or a segment at some time.
    pub stored: u64,
    /// Not kept, for whatever cause.
    pub lost: u64,
    /// Kept, and since removed with the oldest segments.
    pub evicted: u64,
}

/// Losses of one source and cause.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct LossCount {
    /// Name of an [`ops::Source`](crate::ops::Source).
    pub source: String,
    /// Name of an [`ops::LossCause`](crate::ops::LossCause).
    pub cause: String,
    /// How many events.
    pub count: u64,
}

/// A recorded process.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode, Serialize)]
pub struct ProcessStatus {
    /// Process id.
    pub pid: u32,
    /// Name, as in `/proc/PID/comm`: 15 bytes at most.
    pub comm: String,
    /// CUDA libraries it maps.
    pub libraries: Vec<String>,
    /// How many functions are probed in them.
    pub probes: u32,
    /// The innermost container, pod or service, for people; empty if there is none.
    pub container: String,
    /// Launches a second that met a probe, over the last second.
    pub launches_per_second: f64,
    /// All calls a second that met a probe, over the last second.
    pub calls_per_second: f64,
    /// Share of the last second that the thread with most calls was not on a CPU, percent.
    pub off_cpu_percent: Option<f64>,
    /// Part of that: share of the last second in which it wanted to run and had no CPU, percent.
    pub runqueue_percent: Option<f64>,
}

/// What recording costs.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode, Serialize)]
pub struct Cost {
    /// CPU time of the recorder over the last ten seconds, percent of one core.
    pub daemon_cpu_percent: f64,
    /// Resident memory without file pages, bytes (`RssAnon` of `/proc/self/status`).
    pub anonymous_bytes: u64,
    /// Mean bytes of frames, those of META rows included, per event written since start.
    pub bytes_per_event: f64,
    /// CPU time of the recorder per event stored since start, ns.
    pub ns_per_event: f64,
    /// Estimated share of its time that the thread which pays most spent in probes, switches and stacks over the last
    /// second, percent; absent until measured.
    pub thread_percent: Option<f64>,
    /// `[budget] daemon_percent`, of one core; 100 is no limit.
    pub daemon_limit_percent: f64,
    /// `[budget] thread_percent`, of a thread's time; 100 is no limit.
    pub thread_limit_percent: f64,
}

/// Snapshots since start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct SnapshotCounts {
    /// Finished bundles.
    pub taken: u64,
    /// Asked for while another was under way, and served by it.
    pub coalesced: u64,
    /// Not finished.
    pub failed: u64,
    /// On disk now.
    pub held: u64,
    /// The newest of them, newest first; three at most.
    pub last: Vec<Snapshot>,
}

/// What a trigger did since start. `asked = fired + coalesced + all of refused`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct TriggerStatus {
    /// `command`, `signal`, `unit`, `webhook`, `ttft`, `process`, or `predicate`.
    pub kind: String,
    /// Which of its kind, e.g. `sync_longer`; as `kind` where there is one only.
    pub name: String,
    /// It may fire.
    pub armed: bool,
    /// How many questions it asked.
    pub asked: u64,
    /// Those that led to a snapshot of their own.
    pub fired: u64,
    /// Those that joined a snapshot under way.
    pub coalesced: u64,
    /// Those that led to none, by reason.
    pub refused: Vec<RefusalCount>,
    /// When it last fired, Unix ns.
    pub last_fired_ts_ns: Option<u64>,
}

/// Questions refused for one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct RefusalCount {
    /// E.g. `cool_down`, `max_per_hour`, `duplicate`.
    pub reason: String,
    /// How many questions.
    pub count: u64,
}

/// Wraps a message for the wire.
///
/// # Errors
/// If it is larger than [`MAX_MESSAGE_BYTES`].
pub fn to_wire<T: Encode>(message: &T) -> Result<Vec<u8>, FormatError> {
    let record = codec::encode("control message", message)?;
    let len = record.len() as u64 + 4;
    let Some(short) = u32::try_from(len).ok().filter(|len| *len <= MAX_MESSAGE_BYTES) else {
        return Err(too_long(len));
    };
    let mut out = Vec::with_capacity(record.len() + 8);
    out.extend(short.to_le_bytes());
    out.extend(VERSION.to_le_bytes());
    out.extend([0, 0]);
    out.extend(record);
    Ok(out)
}

/// Checks the length that begins a message.
///
/// # Errors
/// [`Reason::Range`] beyond [`MAX_MESSAGE_BYTES`].
pub fn body_len(prefix: [u8; 4]) -> Result<usize, FormatError> {
    let len = u32::from_le_bytes(prefix);
    if (4..=MAX_MESSAGE_BYTES).contains(&len) { Ok(len as usize) } else { Err(too_long(len.into())) }
}

fn too_long(value: u64) -> FormatError {
    FormatError::new(
        "control message",
        0,
        Reason::Range { field: "length", value, allowed: "4 bytes to 1 MiB" },
    )
}

/// Reads what follows the length.
///
/// # Errors
/// [`Reason::Incompatible`] for another version, [`Reason::Content`] for a message not known.
pub fn from_wire<T: Decode<()>>(body: &[u8]) -> Result<T, FormatError> {
    let mut r = Reader::new("control message", body);
    let version = r.u16()?;
    if version != VERSION {
        let text = format!(
            "control protocol {version} (this is {VERSION}; use ingeroctl and ingero-recorder of one version)"
        );
        return Err(FormatError::new("control message", 4, Reason::Incompatible(text)));
    }
    r.u16()?;
    codec::decode("control message", r.rest())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_message_reads_back_and_another_version_is_named() {
        let request = Request::Snapshot { last_ns: 1, after_ns: 2, reason: "why".into(), unit: false };
        let wire = to_wire(&request).unwrap();
        let len = body_len(*wire.first_chunk().unwrap()).unwrap();
        assert_eq!(len, wire.len() - 4);
        assert_eq!(from_wire::<Request>(&wire[4..]), Ok(request));
        let mut other = wire;
        other[4] = 9;
        assert!(from_wire::<Request>(&other[4..]).unwrap_err().to_string().contains("control protocol 9"));
        assert!(body_len([0xff; 4]).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_messages_never_panic(body: Vec<u8>) {
            let _ = from_wire::<Request>(&body);
            let _ = from_wire::<Reply>(&body);
        }
    }
}
