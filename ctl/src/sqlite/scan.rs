//! Rows of a stretch of time, without reading the rest: keys are times, so a stretch is one place in the file.
//!
//! Every scan is bounded in rows. Where a stretch holds more, [`Scan::span`] says of which time all are there.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use rusqlite::{Connection, Result, Row, params};

use super::{Lossy, Stop, keys::Keys};
use crate::error::Error;

/// A stretch of time, `[from_ns, to_ns)`, Unix ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Begin.
    pub from_ns: i64,
    /// End.
    pub to_ns: i64,
}

/// Which rows of a stretch that holds too many, and how many of them.
#[derive(Clone, Copy, Debug)]
pub enum Take {
    /// The earliest, in order of time.
    Earliest(usize),
    /// The latest, latest first.
    Latest(usize),
}

/// Rows that start in a stretch.
#[derive(Debug)]
pub struct Scan<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// The time of which all are here; shorter than asked for if that holds too many.
    pub span: Span,
}

/// A thread under one of its names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskRow {
    /// Machine.
    pub node: String,
    /// Process.
    pub pid: u32,
    /// Thread.
    pub tid: u32,
    /// Name.
    pub comm: String,
}

/// A CUDA call. Numbers lead to dictionaries.
#[derive(Clone, Copy, Debug)]
pub struct CallRow {
    /// Start, Unix ns.
    pub ts_ns: i64,
    /// Duration, ns.
    pub dur_ns: i64,
    /// Off-CPU time inside, ns.
    pub off_cpu_ns: i64,
    /// Thread.
    pub task: i64,
    /// What it has in common with others: [`Detail`].
    pub detail: i64,
}

/// What many calls have in common.
#[derive(Clone, Copy, Debug, Default)]
pub struct Detail {
    /// Operation.
    pub op: u16,
    /// First value.
    pub arg0: u64,
    /// Second value.
    pub arg1: u64,
    /// Return value.
    pub ret: i64,
    /// Name of the kernel.
    pub kernel: Option<i64>,
    /// User stack.
    pub stack: Option<i64>,
    /// Whether the duration is known.
    pub timed: bool,
    /// Whether the function was launched for the first time.
    pub first_use: bool,
}

/// An off-CPU interval.
#[derive(Clone, Copy, Debug)]
pub struct IntervalRow {
    /// Start, Unix ns.
    pub ts_ns: i64,
    /// Duration, ns.
    pub dur_ns: i64,
    /// Time it could have run in, ns; `None` if not recorded.
    pub runqueue_ns: Option<i64>,
    /// Thread.
    pub task: i64,
    /// Whoever woke it.
    pub waker: Option<i64>,
    /// Whoever got its CPU.
    pub preemptor: Option<i64>,
    /// Kernel stack.
    pub stack: Option<i64>,
    /// Bits of the kernel's task state.
    pub state: i32,
    /// CPU; 65535 if not recorded.
    pub cpu: i64,
    /// It lost the CPU while it wanted to run.
    pub preempted: bool,
    /// It had not ended by the window's end.
    pub open: bool,
}

/// A host event.
#[derive(Clone, Copy, Debug)]
pub struct HostRow {
    /// Start, Unix ns.
    pub ts_ns: i64,
    /// Duration, ns.
    pub dur_ns: i64,
    /// Thread.
    pub task: i64,
    /// Operation.
    pub op: u16,
    /// First value.
    pub arg0: u64,
    /// Second value.
    pub arg1: u64,
}

/// An open database.
#[derive(Debug)]
pub struct Scanner {
    /// The connection; statements on it end when its [`Stop`] says so.
    pub db: Connection,
    keys: Keys,
}

impl Scanner {
    /// Opens a database for reading.
    ///
    /// # Errors
    /// As [`super::open`].
    pub fn open(path: &Path, stop: &Arc<Stop>) -> std::result::Result<Self, Error> {
        let mut db = super::open(path)?;
        let mut ready = || -> Result<Keys> {
            stop.watch(&mut db)?;
            db.query_row("SELECT base_ns, bits FROM key_layout", [], |r| {
                Ok(Keys { base_ns: r.get(0)?, bits: r.get(1)? })
            })
        };
        let keys = ready().map_err(Error::database(path))?;
        Ok(Self { db, keys })
    }

    /// The time that a key stands for, Unix ns.
    #[must_use]
    pub fn time(&self, key: i64) -> i64 {
        self.keys.ts_ns(key)
    }

    /// CUDA calls.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn calls(&self, span: Span, take: Take) -> Result<Scan<CallRow>> {
        let sql = "SELECT key, dur_ns, task, detail, off_cpu_ns FROM call";
        let row = |r: &Row<'_>, ts_ns| {
            Ok(CallRow {
                ts_ns,
                dur_ns: r.get(1)?,
                task: r.get(2)?,
                detail: r.get(3)?,
                off_cpu_ns: r.get::<_, Option<i64>>(4)?.unwrap_or(0),
            })
        };
        self.read(sql, span, take, row, |c| c.ts_ns)
    }

    /// Off-CPU intervals.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn intervals(&self, span: Span, take: Take) -> Result<Scan<IntervalRow>> {
        let sql =
            "SELECT key, dur_ns, runqueue_ns, task, waker, preemptor, stack, state, cpu, flags FROM interval";
        let row = |r: &Row<'_>, ts_ns| {
            let flags: i64 = r.get(9)?;
            Ok(IntervalRow {
                ts_ns,
                dur_ns: r.get(1)?,
                runqueue_ns: Some(r.get(2)?).filter(|ns| *ns >= 0),
                task: r.get(3)?,
                waker: r.get(4)?,
                preemptor: r.get(5)?,
                stack: r.get(6)?,
                state: r.get(7)?,
                cpu: r.get(8)?,
                preempted: flags & 2 != 0,
                open: flags & 1 != 0,
            })
        };
        self.read(sql, span, take, row, |i| i.ts_ns)
    }

    /// Host events.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn host(&self, span: Span, take: Take) -> Result<Scan<HostRow>> {
        let sql = "SELECT key, dur_ns, task, op, arg0, arg1 FROM host";
        let row = |r: &Row<'_>, ts_ns| {
            Ok(HostRow {
                ts_ns,
                dur_ns: r.get(1)?,
                task: r.get(2)?,
                op: r.get(3)?,
                arg0: r.get::<_, i64>(4)?.cast_unsigned(),
                arg1: r.get::<_, i64>(5)?.cast_unsigned(),
            })
        };
        self.read(sql, span, take, row, |h| h.ts_ns)
    }

    fn read<T>(
        &self,
        table: &str,
        span: Span,
        take: Take,
        row: impl Fn(&Row<'_>, i64) -> Result<T>,
        ts_ns: impl Fn(&T) -> i64,
    ) -> Result<Scan<T>> {
        let (most, order) = match take {
            Take::Earliest(most) => (most, ""),
            Take::Latest(most) => (most, "DESC"),
        };
        let sql = format!("{table} WHERE key >= ?1 AND key < ?2 ORDER BY key {order} LIMIT ?3");
        let mut statement = self.db.prepare(&sql)?;
        let (from, to) = (self.bound(span.from_ns), self.bound(span.to_ns));
        let limit = i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1);
        let mut found = statement.query(params![from, to, limit])?;
        let mut rows = Vec::new();
        while let Some(r) = found.next()? {
            rows.push(row(r, self.keys.ts_ns(r.get(0)?))?);
        }
        if rows.len() <= most {
            return Ok(Scan { rows, span });
        }
        // Of the last nanosecond read some rows may be missing.
        let cut = rows.last().map_or(span.from_ns, &ts_ns);
        rows.retain(|r| ts_ns(r) != cut);
        let span = match take {
            Take::Earliest(_) => Span { to_ns: cut, ..span },
            Take::Latest(_) => Span { from_ns: cut + 1, ..span },
        };
        Ok(Scan { rows, span })
    }

    // The first key of a moment; moments outside of what keys can say are their ends.
    fn bound(&self, ts_ns: i64) -> i64 {
        let distance = ts_ns.saturating_sub(self.keys.base_ns);
        if distance < 0 {
            return 0;
        }
        if distance.leading_zeros() <= self.keys.bits { i64::MAX } else { distance << self.keys.bits }
    }

    /// The details of calls, each looked up once.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn details(&self, calls: &[CallRow]) -> Result<foldhash::HashMap<i64, Detail>> {
        let mut details = foldhash::HashMap::default();
        let mut statement = self.db.prepare(
            "SELECT op, arg0, arg1, ret, kernel, stack, flags, first_use FROM detail WHERE id = ?",
        )?;
        for call in calls {
            if details.contains_key(&call.detail) {
                continue;
            }
            let detail = statement.query_row([call.detail], |r| {
                Ok(Detail {
                    op: r.get(0)?,
                    arg0: r.get::<_, i64>(1)?.cast_unsigned(),
                    arg1: r.get::<_, i64>(2)?.cast_unsigned(),
                    ret: r.get(3)?,
                    kernel: r.get(4)?,
                    stack: r.get(5)?,
                    timed: r.get::<_, u16>(6)? & ingero_format::row::flags::ENTRY_ONLY == 0,
                    first_use: r.get::<_, i64>(7)? >= 2,
                })
            })?;
            details.insert(call.detail, detail);
        }
        Ok(details)
    }

    /// All threads.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn tasks(&self) -> Result<foldhash::HashMap<i64, TaskRow>> {
        let sql = "SELECT t.id, n.name, t.pid, t.tid, t.comm FROM task t JOIN node n ON n.id = t.node";
        let mut statement = self.db.prepare(sql)?;
        let task = |r: &Row<'_>| {
            let (node, comm) = (r.get::<_, Lossy>(1)?.0, r.get::<_, Lossy>(4)?.0);
            Ok((r.get(0)?, TaskRow { node, pid: r.get(2)?, tid: r.get(3)?, comm }))
        };
        statement.query_map([], task)?.collect()
    }

    /// All operations: name and layer.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn ops(&self) -> Result<BTreeMap<u16, (String, String)>> {
        let mut statement = self.db.prepare("SELECT id, name, layer FROM op")?;
        let op = |r: &Row<'_>| Ok((r.get(0)?, (r.get::<_, Lossy>(1)?.0, r.get::<_, Lossy>(2)?.0)));
        statement.query_map([], op)?.collect()
    }

    /// All task states.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn states(&self) -> Result<BTreeMap<i32, String>> {
        let mut statement = self.db.prepare("SELECT bits, name FROM task_state")?;
        statement.query_map([], |r| Ok((r.get(0)?, r.get::<_, Lossy>(1)?.0)))?.collect()
    }

    /// The name of a kernel as people write it.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn kernel(&self, id: i64) -> Result<String> {
        let mut statement = self.db.prepare_cached("SELECT shown FROM kernel WHERE id = ?")?;
        statement.query_row([id], |r| Ok(r.get::<_, Lossy>(0)?.0))
    }

    /// Kind and frames (JSON) of a stack.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn stack(&self, id: i64) -> Result<(String, String)> {
        let mut statement = self.db.prepare_cached("SELECT kind, frames FROM stacks WHERE id = ?")?;
        statement.query_row([id], |r| Ok((r.get::<_, Lossy>(0)?.0, r.get::<_, Lossy>(1)?.0)))
    }
}
