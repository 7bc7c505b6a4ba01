//! What a tool works with: the current investigation, open, and the time and process asked about.

use std::{collections::BTreeMap, sync::Arc};

use foldhash::HashMap;
use ingero_format::units::parse_time_ns;
use rusqlite::params;

use super::{answer::About, investigation::Investigation, refusal::Refusal};
use crate::{
    coverage::Lost,
    sqlite::{Lossy, Scanner, Span, Stop, TaskRow},
    time,
};

/// Rows of one table that an answer reads at most: about a third of a second, half of that on a machine at rest.
pub const MOST_ROWS: usize = 750_000;

/// All time.
pub const ALWAYS: Span = Span { from_ns: i64::MIN, to_ns: i64::MAX };

/// An investigation that is asked something.
#[derive(Debug)]
pub struct Desk {
    /// What it has ready.
    pub investigation: Arc<Investigation>,
    /// The open file.
    pub scan: Scanner,
}

/// Names of numbers.
#[derive(Debug)]
pub struct Names {
    /// Threads.
    pub tasks: HashMap<i64, TaskRow>,
    /// Operations: name and layer.
    pub ops: BTreeMap<u16, (String, String)>,
    processes: BTreeMap<(String, u32), String>,
    unknown: TaskRow,
}

impl Names {
    /// A thread.
    #[must_use]
    pub fn task(&self, id: i64) -> &TaskRow {
        self.tasks.get(&id).unwrap_or(&self.unknown)
    }

    /// A process: its main thread's name, else any thread's.
    #[must_use]
    pub fn process(&self, node: &str, pid: u32) -> String {
        self.processes.get(&(node.to_owned(), pid)).cloned().unwrap_or_default()
    }

    /// An operation's name and layer.
    #[must_use]
    pub fn op(&self, number: u16) -> (String, String) {
        self.ops.get(&number).cloned().unwrap_or_else(|| {
            let (name, layer) = crate::model::op_name(number);
            (name, layer.to_owned())
        })
    }
}

/// A process to look at; 0, as agents send it, is every process.
#[must_use]
pub fn process(pid: Option<u32>) -> Option<u32> {
    pid.filter(|pid| *pid > 0)
}

impl Desk {
    /// Opens it.
    ///
    /// # Errors
    /// If the file cannot be read any more.
    pub fn open(investigation: Arc<Investigation>, stop: &Arc<Stop>) -> Result<Self, Refusal> {
        let scan = Scanner::open(&investigation.path, stop)?;
        Ok(Self { investigation, scan })
    }

    /// The end of the window.
    #[must_use]
    pub fn end_ns(&self) -> i64 {
        self.investigation.stats.window.to_ns
    }

    /// The time since so long before the window's end; `None` for all of it.
    ///
    /// # Errors
    /// If it is no time.
    pub fn since(&self, since: Option<&str>) -> Result<Option<Span>, Refusal> {
        let Some(text) = since.map(str::trim).filter(|s| !s.is_empty() && *s != "0") else { return Ok(None) };
        let ns = parse_time_ns(text).map_err(|e| {
            Refusal::new(format!("since: {e}; it counts back from the window's end, e.g. 30s"))
        })?;
        let from_ns = self.end_ns().saturating_sub(i64::try_from(ns).unwrap_or(i64::MAX));
        let inside = from_ns > self.investigation.stats.window.from_ns;
        Ok(inside.then_some(Span { from_ns, to_ns: i64::MAX }))
    }

    /// A moment: RFC 3339, an offset from the window's end, or Unix ns.
    ///
    /// # Errors
    /// If it is none of these.
    pub fn moment(&self, name: &str, text: &str) -> Result<i64, Refusal> {
        if let Ok(ns) = text.trim().parse::<i64>()
            && ns.unsigned_abs() > 1_000_000_000_000_000
        {
            return Ok(ns);
        }
        time::parse_moment(text.trim(), self.end_ns())
            .map_err(|e| Refusal::new(format!("{name}: {e}, or Unix nanoseconds")))
    }

    /// Names of everything.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn names(&self) -> Result<Names, Refusal> {
        let (tasks, ops) = (self.scan.tasks()?, self.scan.ops()?);
        let mut processes = BTreeMap::new();
        let mut ids: Vec<&i64> = tasks.keys().collect();
        ids.sort_unstable();
        let named = |main: bool| {
            let tasks = ids.iter().filter_map(|id| tasks.get(id));
            tasks.filter(move |t| !t.comm.is_empty() && (!main || t.tid == t.pid))
        };
        for task in named(true).chain(named(false)) {
            processes.entry((task.node.clone(), task.pid)).or_insert_with(|| task.comm.clone());
        }
        Ok(Names { tasks, ops, processes, unknown: TaskRow::default() })
    }

    /// A span as far as it lies in the window.
    #[must_use]
    pub fn inside(&self, span: Span) -> Span {
        let window = &self.investigation.stats.window;
        let to_ns = span.to_ns.clamp(window.from_ns, window.to_ns);
        Span { from_ns: span.from_ns.clamp(window.from_ns, to_ns), to_ns }
    }

    /// Window and coverage; what was lost is of the span, if there is one.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn about(&self, span: Option<Span>) -> Result<About, Refusal> {
        let stats = &self.investigation.stats;
        let mut about = About::whole(&stats.window, &stats.coverage);
        if let Some(span) = span {
            let span = self.inside(span);
            about.looked_at = span.into();
            about.coverage.lost = self.lost(span)?;
        }
        Ok(about)
    }

    /// What was lost in a span, by source and cause.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn lost(&self, span: Span) -> Result<Vec<Lost>, Refusal> {
        let mut statement = self.scan.db.prepare(
            "SELECT source_name, cause_name, count(*), sum(count),
               sum(min(to_ns, ?2) - max(from_ns, ?1)) FROM loss
             WHERE to_ns >= ?1 AND from_ns < ?2 GROUP BY 1, 2 ORDER BY 1, 2",
        )?;
        let lost = statement.query_map(params![span.from_ns, span.to_ns], |r| {
            Ok(Lost {
                source: r.get::<_, Lossy>(0)?.0,
                cause: r.get::<_, Lossy>(1)?.0,
                records: r.get::<_, i64>(2)?.unsigned_abs(),
                events: r.get(3)?,
                uncertain_ns: r.get(4)?,
            })
        })?;
        Ok(lost.collect::<rusqlite::Result<_>>()?)
    }
}
