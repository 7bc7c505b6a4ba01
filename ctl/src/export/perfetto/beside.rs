//! What stands beside the threads: findings, annotations, losses, counters, host events.

use std::{collections::BTreeMap, io::Write};

use super::{
    Failure, Slice, Trace,
    proto::{TrackEvent, kind},
};
use crate::sqlite::Lossy;

impl<W: Write> Trace<'_, W> {
    /// One track for each finding: they overlap.
    pub(super) fn findings(&mut self) -> Result<(), Failure> {
        let from = self.from;
        let sql = "SELECT rank, severity, cause, from_ns, to_ns, attributed_ns, summary, comm, pid, tid FROM findings \
                   ORDER BY rank";
        let mut statement = from.db.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            let (rank, severity, cause): (i64, Lossy, Lossy) = (r.get(0)?, r.get(1)?, r.get(2)?);
            let (from_ns, to_ns): (i64, i64) = (r.get(3)?, r.get(4)?);
            let all = self.tracks.below(&mut self.packets, 0, "findings")?;
            let name = format!("#{rank} [{}] {}", severity.0, cause.0);
            let track = self.tracks.below(&mut self.packets, all, &name)?;
            let who =
                format!("{}/{} tid {}", r.get::<_, Lossy>(7)?.0, r.get::<_, u32>(8)?, r.get::<_, u32>(9)?);
            let beside =
                vec![self.packets.text("thread", &who), self.packets.value("attributed_ns", r.get(5)?)];
            let event = self.event(track, "finding", &r.get::<_, Lossy>(6)?.0, beside);
            self.slice(Slice { from_ns, dur_ns: to_ns - from_ns, event })?;
        }
        Ok(())
    }

    /// Annotations of a process, on as many tracks as overlap.
    pub(super) fn annotations(&mut self) -> Result<(), Failure> {
        let from = self.from;
        let sql = "SELECT ts_ns, dur_ns, node, ifnull(pid, 0), labels FROM annotations ORDER BY ts_ns, rowid";
        let mut statement = from.db.prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut ends: BTreeMap<(String, u32), Vec<i64>> = BTreeMap::new();
        while let Some(r) = rows.next()? {
            let (from_ns, dur_ns): (i64, i64) = (r.get(0)?, r.get(1)?);
            let (node, pid) = (r.get::<_, Lossy>(2)?.0, r.get(3)?);
            let lanes = ends.entry((node.clone(), pid)).or_default();
            let lane = lanes.iter().position(|end| *end <= from_ns).unwrap_or(lanes.len());
            lanes.resize(lanes.len().max(lane + 1), 0);
            lanes.iter_mut().skip(lane).take(1).for_each(|end| *end = from_ns.saturating_add(dur_ns));
            let process = self.tracks.process(&mut self.packets, &node, pid)?;
            let track = self.tracks.below(&mut self.packets, process, &format!("annotations {lane}"))?;
            let event = self.event(track, "annotation", &r.get::<_, Lossy>(4)?.0, Vec::new());
            self.slice(Slice { from_ns, dur_ns, event })?;
        }
        Ok(())
    }

    /// A moment for each loss, at its begin.
    pub(super) fn losses(&mut self) -> Result<(), Failure> {
        let from = self.from;
        let mut statement =
            from.db.prepare("SELECT from_ns, to_ns, source_name, cause_name, count FROM loss ORDER BY id")?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            let (from_ns, to_ns): (i64, i64) = (r.get(0)?, r.get(1)?);
            let track = self.tracks.below(&mut self.packets, 0, "losses")?;
            let source = r.get::<_, Lossy>(2)?.0;
            let beside = vec![
                self.packets.text("source", &source),
                self.packets.value("count", r.get(4)?),
                self.packets.value("dur_ns", to_ns - from_ns),
            ];
            let event = self.event(track, "loss", &r.get::<_, Lossy>(3)?.0, beside);
            self.moment(from_ns, event)?;
        }
        Ok(())
    }

    /// A counter for each sampled quantity, below its process if it has one.
    pub(super) fn samples(&mut self) -> Result<(), Failure> {
        let from = self.from;
        let mut counters: BTreeMap<i64, u64> = BTreeMap::new();
        let sql = "SELECT r.id, n.name, r.pid, r.name, r.labels FROM series r JOIN node n ON n.id = r.node ORDER BY r.id";
        let mut statement = from.db.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            let (node, pid) = (r.get::<_, Lossy>(1)?.0, r.get::<_, u32>(2)?);
            let labels = r.get::<_, Lossy>(4)?.0;
            let labels = if labels == "{}" { String::new() } else { labels };
            let parent = if pid == 0 { 0 } else { self.tracks.process(&mut self.packets, &node, pid)? };
            let name = format!("{}{labels} {node}", r.get::<_, Lossy>(3)?.0);
            counters.insert(r.get(0)?, self.tracks.counter(&mut self.packets, parent, &name)?);
        }
        let mut statement = from.db.prepare("SELECT ts_ns, series, value FROM sample ORDER BY id")?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            let event = TrackEvent {
                r#type: Some(kind::COUNTER),
                track_uuid: counters.get(&r.get(1)?).copied(),
                double_counter_value: Some(r.get(2)?),
                ..TrackEvent::default()
            };
            self.packets.event(r.get(0)?, event)?;
            self.step();
        }
        Ok(())
    }

    /// Host events as moments: several of a thread may last at once.
    pub(super) fn host(&mut self) -> Result<(), Failure> {
        let from = self.from;
        let names = from.ops()?;
        let mut statement =
            from.db.prepare("SELECT key, dur_ns, task, op, arg0, arg1 FROM host ORDER BY key")?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            let thread = self.thread(r.get(2)?)?;
            let track = self.tracks.below(&mut self.packets, thread, "host")?;
            let name = names.get(&r.get(3)?).map_or("unknown", |(name, _)| name);
            let beside = vec![
                self.packets.value("dur_ns", r.get(1)?),
                self.packets.handle("arg0", r.get::<_, i64>(4)?.cast_unsigned()),
                self.packets.handle("arg1", r.get::<_, i64>(5)?.cast_unsigned()),
            ];
            let event = self.event(track, "host", name, beside);
            self.moment(from.time(r.get(0)?), event)?;
            self.step();
        }
        Ok(())
    }
}
