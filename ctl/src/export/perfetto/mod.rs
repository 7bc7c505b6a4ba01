//! A trace for ui.perfetto.dev: threads with their calls, what kept them off the CPU below each, counters above.
//!
//! Slices of one track have to lie inside each other: calls do, off-CPU intervals do not lie inside calls, so they have
//! a track of their own. Begin and end of a slice are written together; readers sort by time.

mod beside;
mod calls;
mod packets;
mod proto;
#[cfg(test)]
mod tests;
mod tracks;
mod waits;

use std::{
    io::{self, Write},
    path::Path,
    time::Duration,
};

use foldhash::HashMap;

use packets::{Packets, Use};
use proto::{DebugAnnotation, TrackEvent, kind};
use tracks::Tracks;

use crate::{
    error::Error,
    progress::Progress,
    sqlite::{Lossy, Scanner, Stop, TaskRow},
};

/// Rows between two looks at the progress bar.
const STEP: u64 = 1 << 14;

/// What stands in the way of an export.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The database.
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    /// The output.
    #[error(transparent)]
    Output(#[from] io::Error),
}

/// A trace that is being written.
struct Trace<'a, W> {
    from: &'a Scanner,
    packets: Packets<W>,
    tracks: Tracks,
    tasks: HashMap<i64, TaskRow>,
    /// Tracks of threads by task.
    threads: HashMap<i64, u64>,
    progress: &'a Progress,
    done: u64,
}

/// A slice that can still be added to.
struct Slice {
    from_ns: i64,
    dur_ns: i64,
    event: TrackEvent,
}

/// Writes the trace of the database `db` to `out`; gives the number of events.
///
/// # Errors
/// If the database cannot be read, or `out` not be written, which is then said of `path`.
pub fn write(db: &Path, out: &mut impl Write, path: &Path, progress: &Progress) -> Result<u64, Error> {
    let scanner = Scanner::open(db, &Stop::after(Duration::MAX))?;
    all(&scanner, out, progress).map_err(|failure| match failure {
        Failure::Database(e) => Error::database(db)(e),
        Failure::Output(e) => Error::writing(path)(e),
    })
}

fn all(scanner: &Scanner, out: &mut impl Write, progress: &Progress) -> Result<u64, Failure> {
    let rows = "SELECT (SELECT count(*) FROM call) + (SELECT count(*) FROM interval) + (SELECT count(*) FROM host) \
                + (SELECT count(*) FROM sample)";
    let rows: i64 = scanner.db.query_row(rows, [], |r| r.get(0))?;
    progress.begin(rows.cast_unsigned(), "exporting");
    let from_ns: Option<i64> = scanner.db.query_row("SELECT min(from_ns) FROM node", [], |r| r.get(0))?;
    let at_ns = from_ns.unwrap_or(0).max(0).cast_unsigned();
    let mut statement =
        scanner.db.prepare("SELECT n.name, p.pid, p.comm FROM process p JOIN node n ON n.id = p.node")?;
    let processes = statement
        .query_map([], |r| Ok(((r.get::<_, Lossy>(0)?.0, r.get(1)?), r.get::<_, Lossy>(2)?.0)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut trace = Trace {
        from: scanner,
        packets: Packets::begin(out, at_ns)?,
        tracks: Tracks::new(processes),
        tasks: scanner.tasks()?,
        threads: HashMap::default(),
        progress,
        done: 0,
    };
    trace.findings()?;
    trace.annotations()?;
    trace.losses()?;
    trace.samples()?;
    trace.calls()?;
    trace.waits()?;
    trace.host()?;
    trace.packets.end().flush()?;
    Ok(trace.done)
}

impl<W: Write> Trace<'_, W> {
    fn thread(&mut self, task: i64) -> io::Result<u64> {
        if let Some(track) = self.threads.get(&task) {
            return Ok(*track);
        }
        let unknown = TaskRow::default();
        let track = self.tracks.thread(&mut self.packets, self.tasks.get(&task).unwrap_or(&unknown))?;
        self.threads.insert(task, track);
        Ok(track)
    }

    /// A slice or moment on a track.
    fn event(&mut self, track: u64, category: &str, name: &str, beside: Vec<DebugAnnotation>) -> TrackEvent {
        TrackEvent {
            category_iids: vec![self.packets.number(Use::Category, category)],
            debug_annotations: beside,
            name_iid: Some(self.packets.number(Use::Event, name)),
            track_uuid: Some(track),
            ..TrackEvent::default()
        }
    }

    fn slice(&mut self, slice: Slice) -> io::Result<()> {
        let Slice { from_ns, dur_ns, event } = slice;
        let track_uuid = event.track_uuid;
        self.packets.event(from_ns, TrackEvent { r#type: Some(kind::BEGIN), ..event })?;
        let end = TrackEvent { r#type: Some(kind::END), track_uuid, ..TrackEvent::default() };
        self.packets.event(from_ns.saturating_add(dur_ns.max(0)), end)
    }

    fn moment(&mut self, at_ns: i64, event: TrackEvent) -> io::Result<()> {
        self.packets.event(at_ns, TrackEvent { r#type: Some(kind::INSTANT), ..event })
    }

    fn step(&mut self) {
        self.done += 1;
        if self.done.is_multiple_of(STEP) {
            self.progress.at(self.done);
        }
    }
}
