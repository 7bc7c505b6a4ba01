//! The dictionaries of a database, ready to be written: names are shared, not copied for each row.

use foldhash::HashMap;
use parquet::data_type::ByteArray;
use rusqlite::Result;

use super::view::Nodes;
use crate::sqlite::{Lossy, Scanner};

/// A thread under one of its names.
#[derive(Debug)]
pub struct Task {
    /// Machine.
    pub node: usize,
    /// Process.
    pub pid: i64,
    /// Thread.
    pub tid: i64,
    /// Name.
    pub comm: ByteArray,
}

/// An operation.
#[derive(Debug)]
pub struct Op {
    /// Name.
    pub name: ByteArray,
    /// Driver or runtime.
    pub layer: ByteArray,
    /// What it belongs to.
    pub family: ByteArray,
}

/// A kernel on a GPU.
#[derive(Debug)]
pub struct Kernel {
    /// As people write it.
    pub shown: ByteArray,
    /// As the library has it.
    pub raw: ByteArray,
}

/// What numbers in the big tables stand for.
#[derive(Debug)]
pub struct Names {
    /// Machines.
    pub nodes: Nodes,
    /// Threads.
    pub tasks: HashMap<i64, Task>,
    /// Operations.
    pub ops: HashMap<i64, Op>,
    /// Kernels.
    pub kernels: HashMap<i64, Kernel>,
    /// States of threads.
    pub states: HashMap<i64, ByteArray>,
}

impl Names {
    /// Reads them. Their number does not grow with the events.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn read(from: &Scanner) -> Result<Self> {
        let mut nodes = Nodes::default();
        let mut statement = from.db.prepare("SELECT id, name FROM node ORDER BY id")?;
        let mut rows = statement.query([])?;
        let mut numbers: HashMap<i64, usize> = HashMap::default();
        while let Some(r) = rows.next()? {
            numbers.insert(r.get(0)?, nodes.number(&r.get::<_, Lossy>(1)?.0));
        }
        let mut statement = from.db.prepare("SELECT id, node, pid, tid, comm FROM task")?;
        let tasks = statement.query_map([], |r| {
            let Some(node) = numbers.get(&r.get(1)?).copied() else { return Ok(None) };
            Ok(Some((r.get(0)?, Task { node, pid: r.get(2)?, tid: r.get(3)?, comm: text(r.get(4)?) })))
        })?;
        let tasks = tasks.filter_map(Result::transpose).collect::<Result<_>>()?;
        let mut statement = from.db.prepare("SELECT id, name, layer, family FROM op")?;
        let ops = statement.query_map([], |r| {
            let [name, layer, family] = [text(r.get(1)?), text(r.get(2)?), text(r.get(3)?)];
            Ok((r.get(0)?, Op { name, layer, family }))
        })?;
        let ops = ops.collect::<Result<_>>()?;
        let mut statement = from.db.prepare("SELECT id, shown, name FROM kernel")?;
        let kernels = statement
            .query_map([], |r| Ok((r.get(0)?, Kernel { shown: text(r.get(1)?), raw: text(r.get(2)?) })))?;
        let kernels = kernels.collect::<Result<_>>()?;
        let mut statement = from.db.prepare("SELECT bits, name FROM task_state")?;
        let states = statement.query_map([], |r| Ok((r.get(0)?, text(r.get(1)?))))?;
        let states = states.collect::<Result<_>>()?;
        Ok(Self { nodes, tasks, ops, kernels, states })
    }
}

/// A text to write.
pub fn text(value: Lossy) -> ByteArray {
    ByteArray::from(value.0.into_bytes())
}
