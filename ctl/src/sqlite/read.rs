//! Reads a database back into the traces it was made from.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use rusqlite::{Connection, Result, Row};

use super::{APPLICATION_ID, keys::Keys};
use crate::{
    error::Error,
    model::{
        Annotation, Call, FirstUse, HostEvent, Loss, NONE, OffCpu, Process, Sample, Sender, Series, Stack,
        Task, Trace, op_name,
    },
};

/// Opens a database for reading only, and makes sure that it is one of ours.
///
/// # Errors
/// [`Error::NotOurs`] for another tool's database, [`Error::Database`] for a damaged one.
pub fn open(path: &Path) -> std::result::Result<Connection, Error> {
    let database = Error::database(path);
    let connection = super::open_at_rest(path).map_err(&database)?;
    let id: i32 = connection.query_row("PRAGMA application_id", [], |r| r.get(0)).map_err(&database)?;
    if id != APPLICATION_ID {
        let what = "an SQLite database, but not made by `ingeroctl convert`";
        return Err(Error::not_ours(
            path,
            what,
            "give a database made from a .ingero bundle; `ingeroctl import` reads that of an Ingero agent",
        ));
    }
    Ok(connection)
}

/// Reads all traces of a database.
///
/// # Errors
/// As [`open`].
pub fn read(path: &Path) -> std::result::Result<Vec<Trace>, Error> {
    let connection = open(path)?;
    traces(&connection).map_err(Error::database(path))
}

/// Where a dictionary entry of the database is in its node's trace.
type Places = HashMap<i64, (usize, u32)>;

struct Reader<'a> {
    db: &'a Connection,
    traces: Vec<Trace>,
    nodes: HashMap<i64, usize>,
    tasks: Places,
    kernels: Places,
    stacks: Places,
    keys: Keys,
}

fn traces(db: &Connection) -> Result<Vec<Trace>> {
    let mut reader = Reader {
        db,
        traces: Vec::new(),
        nodes: HashMap::new(),
        tasks: Places::new(),
        kernels: Places::new(),
        stacks: Places::new(),
        keys: keys(db)?,
    };
    reader.nodes()?;
    reader.dictionaries()?;
    reader.calls()?;
    reader.off_cpu()?;
    reader.host()?;
    reader.losses()?;
    reader.samples()?;
    reader.annotations()?;
    reader.spellings()?;
    reader.traces.iter_mut().for_each(Trace::sort);
    Ok(reader.traces)
}

/// True if annotations are kept with who said them: by a version whose recorder takes any.
///
/// # Errors
/// As SQLite does.
pub fn names_senders(db: &Connection) -> Result<bool> {
    let sql = "SELECT count(*) FROM pragma_table_info('annotations') WHERE name = 'sender_uid'";
    Ok(db.query_row(sql, [], |r| r.get::<_, i64>(0))? > 0)
}

/// The numbers that turn keys into times.
fn keys(db: &Connection) -> Result<Keys> {
    db.query_row("SELECT base_ns, bits FROM key_layout", [], |r| {
        Ok(Keys { base_ns: r.get(0)?, bits: r.get(1)? })
    })
}

fn text<T: serde::de::DeserializeOwned + Default>(row: &Row<'_>, column: usize) -> Result<T> {
    Ok(serde_json::from_str(&row.get::<_, String>(column)?).unwrap_or_default())
}

impl Reader<'_> {
    fn each(&self, sql: &str, mut row: impl FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        let mut statement = self.db.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            row(r)?;
        }
        Ok(())
    }

    fn nodes(&mut self) -> Result<()> {
        let (mut traces, mut nodes) = (Vec::new(), HashMap::new());
        self.each("SELECT id, name, from_ns, to_ns, facts FROM node ORDER BY id", |r| {
            nodes.insert(r.get(0)?, traces.len());
            traces.push(Trace {
                node: r.get(1)?,
                from_ns: r.get(2)?,
                to_ns: r.get(3)?,
                facts: text(r, 4)?,
                ..Trace::default()
            });
            Ok(())
        })?;
        (self.traces, self.nodes) = (traces, nodes);
        Ok(())
    }

    /// Reads a table whose first two columns are id and node.
    fn entries<T>(
        &mut self,
        sql: &str,
        entry: impl Fn(&Row<'_>) -> Result<T>,
        list: impl Fn(&mut Trace) -> &mut Vec<T>,
    ) -> Result<Places> {
        let mut places = Places::new();
        let mut found = Vec::new();
        self.each(sql, |r| {
            found.push((r.get::<_, i64>(0)?, r.get::<_, i64>(1)?, entry(r)?));
            Ok(())
        })?;
        for (id, node, value) in found {
            let Some(node) = self.nodes.get(&node) else { continue };
            let Some(trace) = self.traces.get_mut(*node) else { continue };
            let list = list(trace);
            places.insert(id, (*node, list.len() as u32));
            list.push(value);
        }
        Ok(places)
    }

    fn dictionaries(&mut self) -> Result<()> {
        let task = |r: &Row<'_>| Ok(Task { pid: r.get(2)?, tid: r.get(3)?, comm: r.get(4)? });
        self.tasks =
            self.entries("SELECT id, node, pid, tid, comm FROM task ORDER BY id", task, |t| &mut t.tasks)?;
        self.kernels =
            self.entries("SELECT id, node, name FROM kernel ORDER BY id", |r| r.get(2), |t| &mut t.kernels)?;
        let stack = |r: &Row<'_>| Ok(Stack { kind: r.get(2)?, frames: text(r, 3)? });
        self.stacks =
            self.entries("SELECT id, node, kind, frames FROM stacks ORDER BY id", stack, |t| &mut t.stacks)?;
        let process = |r: &Row<'_>| {
            Ok(Process {
                pid: r.get(2)?,
                start_ns: r.get(3)?,
                covered_ns: r.get(4)?,
                comm: r.get(5)?,
                exe: r.get(6)?,
                cgroup: r.get(7)?,
                libraries: text(r, 8)?,
            })
        };
        let sql = "SELECT id, node, pid, start_ns, covered_ns, comm, exe, cgroup, libraries FROM process ORDER BY id";
        self.entries(sql, process, |t| &mut t.processes)?;
        Ok(())
    }

    fn task(&self, id: i64) -> (usize, u32) {
        self.tasks.get(&id).copied().unwrap_or((0, NONE))
    }

    fn calls(&mut self) -> Result<()> {
        let mut details: HashMap<i64, Call> = HashMap::new();
        let sql = "SELECT id, op, arg0, arg1, ret, kernel, stack, flags, first_use FROM detail";
        self.each(sql, |r| {
            let call = Call {
                op: r.get(1)?,
                arg0: r.get::<_, i64>(2)?.cast_unsigned(),
                arg1: r.get::<_, i64>(3)?.cast_unsigned(),
                ret: r.get(4)?,
                kernel: place(&self.kernels, r.get(5)?),
                stack: place(&self.stacks, r.get(6)?),
                flags: r.get(7)?,
                first_use: FirstUse::from_number(r.get(8)?),
                ..Call::default()
            };
            details.insert(r.get(0)?, call);
            Ok(())
        })?;
        let mut lists: Vec<Vec<Call>> = self.traces.iter().map(|_| Vec::new()).collect();
        self.each(
            "SELECT key, dur_ns, task, cpu, detail, off_cpu_ns, off_cpu_count FROM call ORDER BY key",
            |r| {
                let (node, task) = self.task(r.get(2)?);
                let call = Call {
                    ts_ns: self.keys.ts_ns(r.get(0)?),
                    dur_ns: r.get(1)?,
                    task,
                    cpu: r.get(3)?,
                    off_cpu_ns: r.get::<_, Option<i64>>(5)?.unwrap_or(0),
                    off_cpu_count: r.get::<_, Option<u32>>(6)?.unwrap_or(0),
                    ..details.get(&r.get(4)?).copied().unwrap_or_default()
                };
                lists.get_mut(node).into_iter().for_each(|list| list.push(call));
                Ok(())
            },
        )?;
        for (trace, list) in self.traces.iter_mut().zip(lists) {
            trace.calls = list.into();
        }
        Ok(())
    }

    fn off_cpu(&mut self) -> Result<()> {
        let mut lists: Vec<Vec<OffCpu>> = self.traces.iter().map(|_| Vec::new()).collect();
        let sql =
            "SELECT key, dur_ns, task, cpu, state, runqueue_ns, waker, preemptor, stack, flags FROM interval
                   ORDER BY key";
        self.each(sql, |r| {
            let (node, task) = self.task(r.get(2)?);
            let off = OffCpu {
                ts_ns: self.keys.ts_ns(r.get(0)?),
                dur_ns: r.get(1)?,
                task,
                cpu: r.get(3)?,
                state: r.get(4)?,
                runqueue_ns: r.get(5)?,
                waker: place(&self.tasks, r.get(6)?),
                preemptor: place(&self.tasks, r.get(7)?),
                stack: place(&self.stacks, r.get(8)?),
                flags: r.get(9)?,
            };
            lists.get_mut(node).into_iter().for_each(|list| list.push(off));
            Ok(())
        })?;
        for (trace, list) in self.traces.iter_mut().zip(lists) {
            trace.off_cpu = list.into();
        }
        Ok(())
    }

    fn host(&mut self) -> Result<()> {
        let mut lists: Vec<Vec<HostEvent>> = self.traces.iter().map(|_| Vec::new()).collect();
        self.each("SELECT key, dur_ns, task, cpu, op, arg0, arg1 FROM host ORDER BY key", |r| {
            let (node, task) = self.task(r.get(2)?);
            let event = HostEvent {
                ts_ns: self.keys.ts_ns(r.get(0)?),
                dur_ns: r.get(1)?,
                task,
                cpu: r.get(3)?,
                op: r.get(4)?,
                arg0: r.get::<_, i64>(5)?.cast_unsigned(),
                arg1: r.get::<_, i64>(6)?.cast_unsigned(),
            };
            lists.get_mut(node).into_iter().for_each(|list| list.push(event));
            Ok(())
        })?;
        for (trace, list) in self.traces.iter_mut().zip(lists) {
            trace.host_events = list;
        }
        Ok(())
    }

    fn samples(&mut self) -> Result<()> {
        let sql = "SELECT count(*) FROM sqlite_master WHERE name = 'sample' AND type = 'table'";
        if self.db.query_row(sql, [], |r| r.get::<_, i64>(0))? == 0 {
            // Made by a version that knew none.
            return Ok(());
        }
        let series = |r: &Row<'_>| Ok(Series { pid: r.get(2)?, name: r.get(3)?, labels: r.get(4)? });
        let places =
            self.entries("SELECT id, node, pid, name, labels FROM series ORDER BY id", series, |t| {
                &mut t.series
            })?;
        let mut lists: Vec<Vec<Sample>> = self.traces.iter().map(|_| Vec::new()).collect();
        self.each("SELECT ts_ns, series, value FROM sample ORDER BY id", |r| {
            if let Some((node, series)) = places.get(&r.get(1)?) {
                let sample = Sample { ts_ns: r.get(0)?, series: *series, value: r.get(2)? };
                lists.get_mut(*node).into_iter().for_each(|list| list.push(sample));
            }
            Ok(())
        })?;
        for (trace, list) in self.traces.iter_mut().zip(lists) {
            trace.samples = list;
        }
        Ok(())
    }

    fn annotations(&mut self) -> Result<()> {
        let mut found = Vec::new();
        let sender = if names_senders(self.db)? { "sender_pid, sender_uid" } else { "NULL, NULL" };
        let sql =
            format!("SELECT node, ts_ns, dur_ns, pid, labels, {sender} FROM annotations ORDER BY rowid");
        self.each(&sql, |r| {
            let (ts_ns, dur_ns, pid, labels) = (r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?);
            let sender = r.get::<_, Option<u32>>(5)?.zip(r.get(6)?).map(|(pid, uid)| Sender { pid, uid });
            found.push((r.get::<_, String>(0)?, Annotation { ts_ns, dur_ns, pid, labels, sender }));
            Ok(())
        })?;
        for (node, annotation) in found {
            let trace = self.traces.iter_mut().find(|t| t.node == node);
            trace.into_iter().for_each(|t| t.annotations.push(annotation.clone()));
        }
        Ok(())
    }

    fn spellings(&mut self) -> Result<()> {
        let mut found = BTreeMap::new();
        self.each("SELECT id, name FROM op", |r| {
            let (number, name): (u16, String) = (r.get(0)?, r.get(1)?);
            if op_name(number).0 != name {
                found.insert(number, name);
            }
            Ok(())
        })?;
        self.traces.iter_mut().for_each(|t| t.spellings.clone_from(&found));
        Ok(())
    }

    fn losses(&mut self) -> Result<()> {
        let loss = |r: &Row<'_>| {
            Ok(Loss {
                from_ns: r.get(2)?,
                to_ns: r.get(3)?,
                cpu: r.get(4)?,
                source: r.get(5)?,
                cause: r.get(6)?,
                count: r.get(7)?,
            })
        };
        let sql = "SELECT id, node, from_ns, to_ns, cpu, source, cause, count FROM loss ORDER BY id";
        self.entries(sql, loss, |t| &mut t.losses)?;
        Ok(())
    }
}

fn place(places: &Places, id: Option<i64>) -> u32 {
    id.and_then(|id| places.get(&id)).map_or(NONE, |(_, index)| *index)
}
