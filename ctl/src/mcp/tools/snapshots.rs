//! `take_snapshot` and `list_snapshots`: windows of the running recorder.

use std::time::Duration;

use ingero_format::{
    control::{Reply, Request, Snapshot},
    units::parse_time_ns,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    client,
    mcp::{
        answer::{About, Told},
        params,
        refusal::Refusal,
        session::Session,
    },
};

pub(super) const TAKE: &str = "Freezes a window of the running recorder while it goes on recording, converts it, and makes it \
the one that all tools answer from (unless the server was started with --db). Takes as long as `after` says, plus the \
conversion. The recorder keeps the bundle on its disk.";
pub(super) const LIST: &str = "Snapshots that the recorder keeps: id, path, window, why.";

/// How far a window may reach into the future: a client waits that long.
const MOST_AFTER_NS: u64 = 300_000_000_000;
/// Longest that the recorder may take to list.
const LIST_TIME: Duration = Duration::from_secs(10);
/// Longest reason, bytes.
const REASON_BYTES: usize = 500;

/// Parameters of `take_snapshot`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Params {
    /// How far back the window reaches (default 60s).
    #[serde(default)]
    last: Option<String>,
    /// How far beyond now it reaches (default 5s, at most 5m).
    #[serde(default)]
    after: Option<String>,
    /// Why; kept in the bundle.
    #[serde(default)]
    reason: Option<String>,
}

/// A snapshot.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Row {
    id: String,
    /// Of the bundle, on the recorder's host.
    path: String,
    from_ns: i64,
    to_ns: i64,
    dur_ns: i64,
    bytes: u64,
    reason: String,
    /// What the reader should know, e.g. that less past was held than asked for.
    notes: Vec<String>,
    pinned: bool,
    /// Until nothing could evict the past any more, ns.
    frozen_after_ns: u64,
    /// Until it was on stable storage, ns.
    durable_after_ns: u64,
}

impl From<Snapshot> for Row {
    fn from(s: Snapshot) -> Self {
        Self {
            dur_ns: s.to_ts_ns.saturating_sub(s.from_ts_ns).cast_signed(),
            id: s.id,
            path: s.path,
            from_ns: s.from_ts_ns.cast_signed(),
            to_ns: s.to_ts_ns.cast_signed(),
            bytes: s.bytes,
            reason: s.reason,
            notes: s.notes,
            pinned: s.pinned,
            frozen_after_ns: s.frozen_after_ns,
            durable_after_ns: s.durable_after_ns,
        }
    }
}

/// The answer of `take_snapshot`; its window is that of the answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Taken {
    id: String,
    /// Of the bundle, on the recorder's host.
    path: String,
    bytes: u64,
    reason: String,
    /// Until nothing could evict the past any more, ns.
    frozen_after_ns: u64,
    /// Until it was on stable storage, ns.
    durable_after_ns: u64,
    /// True if tools answer from this window from now on.
    current: bool,
    /// Findings in it.
    findings: usize,
}

/// The answer of `list_snapshots`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Listed {
    snapshots: Vec<Row>,
}

fn time(name: &str, text: Option<&String>, otherwise_ns: u64) -> Result<u64, Refusal> {
    let Some(text) = text else { return Ok(otherwise_ns) };
    parse_time_ns(text).map_err(|e| Refusal::new(format!("{name}: {e}")))
}

pub(super) fn take(session: &Session, params: Params) -> Result<(Told<Taken>, About), Refusal> {
    let last_ns = time("last", params.last.as_ref(), 60_000_000_000)?;
    let after_ns = time("after", params.after.as_ref(), 5_000_000_000)?;
    if after_ns > MOST_AFTER_NS {
        return Err(Refusal::new("after: at most 5m; take a shorter one, and another later"));
    }
    let reason = params.reason.unwrap_or_default();
    if reason.len() > REASON_BYTES {
        return Err(Refusal::new(format!("reason: at most {REASON_BYTES} bytes")));
    }
    let reason = if reason.is_empty() { "mcp".to_owned() } else { format!("mcp: {reason}") };
    let (snapshot, investigation) = session.take(last_ns, after_ns, &reason)?;
    let current = session.follows_the_recorder();
    let about = About::whole(&investigation.stats.window, &investigation.stats.coverage);
    let body = Taken {
        id: snapshot.id,
        path: snapshot.path,
        bytes: snapshot.bytes,
        reason: snapshot.reason,
        frozen_after_ns: snapshot.frozen_after_ns,
        durable_after_ns: snapshot.durable_after_ns,
        current,
        findings: investigation.findings.len(),
    };
    let mut told = Told::whole(body);
    // What the recorder has to say, e.g. that less past was held than asked for.
    told.notes = snapshot.notes;
    if current {
        return Ok((told, about));
    }
    let stays = "tools go on answering from the database that the server was started with; without --db they follow \
                 the recorder";
    Ok((told.note(stays), about))
}

pub(super) fn list(session: &Session, _: params::None) -> Result<(Told<Listed>, About), Refusal> {
    let (reply, _) = client::ask_within(&session.socket, &Request::Snapshots, LIST_TIME)?;
    let Reply::Snapshots(list) = reply else { return Err(client::odd(&reply).into()) };
    let known = session.known();
    let about = known.map_or_else(About::nothing, |i| About::whole(&i.stats.window, &i.stats.coverage));
    let body = Listed { snapshots: list.into_iter().map(Row::from).collect() };
    Ok((Told::whole(body).note("window, coverage and population are of the investigation in use"), about))
}
