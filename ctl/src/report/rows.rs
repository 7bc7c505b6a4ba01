//! Rows of an investigation, one after the other, through the views of the contract.

use std::borrow::Cow;

use rusqlite::{Connection, Result, Row, types::ValueRef};

/// A thread as a row names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who<'a> {
    /// Machine.
    pub node: Cow<'a, str>,
    /// Process.
    pub pid: u32,
    /// Thread.
    pub tid: u32,
    /// Its name.
    pub comm: Cow<'a, str>,
}

/// A row of `cuda_calls`.
#[derive(Debug)]
pub struct CallRow<'a> {
    /// Who called.
    pub who: Who<'a>,
    /// Begin, Unix ns.
    pub ts_ns: i64,
    /// Duration.
    pub dur_ns: i64,
    /// Operation.
    pub op: Cow<'a, str>,
    /// Kernel, if one was launched or looked up.
    pub kernel: Option<Cow<'a, str>>,
    /// First use of a function.
    pub first_use: bool,
    /// Time off the CPU in it.
    pub off_cpu_ns: i64,
}

/// A row of `off_cpu`.
#[derive(Debug)]
pub struct OffCpuRow<'a> {
    /// Whose time.
    pub who: Who<'a>,
    /// Begin, Unix ns.
    pub ts_ns: i64,
    /// Duration.
    pub dur_ns: i64,
    /// State at switch-out; empty if not known.
    pub state: Cow<'a, str>,
    /// The last part, in which it could have run.
    pub runqueue_ns: i64,
    /// Who woke it.
    pub waker: Option<Who<'a>>,
    /// Who ran while it could have.
    pub preemptor: Option<Who<'a>>,
    /// Kernel stack at switch-out.
    pub stack: Option<i64>,
}

/// A row of `samples`.
#[derive(Debug)]
pub struct SampleRow<'a> {
    /// Machine.
    pub node: Cow<'a, str>,
    /// When it was read, Unix ns.
    pub ts_ns: i64,
    /// Quantity.
    pub name: Cow<'a, str>,
    /// Its labels, a JSON object.
    pub labels: Cow<'a, str>,
    /// The number.
    pub value: f64,
}

fn each(db: &Connection, sql: &str, mut row: impl FnMut(&Row<'_>)) -> Result<()> {
    let mut statement = db.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(r) = rows.next()? {
        row(r);
    }
    Ok(())
}

// A cell of another type than ours is a cell without content: the database may be anybody's.
fn int(row: &Row<'_>, column: usize) -> i64 {
    match row.get_ref(column) {
        Ok(ValueRef::Integer(i)) => i,
        _ => 0,
    }
}

fn id(row: &Row<'_>, column: usize) -> u32 {
    u32::try_from(int(row, column)).unwrap_or(0)
}

fn some_text<'a>(row: &'a Row<'_>, column: usize) -> Option<Cow<'a, str>> {
    match row.get_ref(column) {
        Ok(ValueRef::Text(bytes)) => Some(String::from_utf8_lossy(bytes)),
        _ => None,
    }
}

fn text<'a>(row: &'a Row<'_>, column: usize) -> Cow<'a, str> {
    some_text(row, column).unwrap_or_default()
}

/// A thread in the columns pid, tid and name from `column`; none if there is no thread id.
fn other<'a>(row: &'a Row<'_>, node: &Cow<'a, str>, column: usize) -> Option<Who<'a>> {
    let tid = id(row, column + 1);
    (tid != 0).then(|| Who { node: node.clone(), pid: id(row, column), tid, comm: text(row, column + 2) })
}

/// All CUDA calls by begin.
///
/// # Errors
/// As SQLite does.
pub fn calls(db: &Connection, mut call: impl FnMut(CallRow<'_>)) -> Result<()> {
    let sql = "SELECT node, pid, tid, comm, ts_ns, dur_ns, op, kernel, first_use, off_cpu_ns
               FROM cuda_calls ORDER BY id";
    each(db, sql, |r| {
        call(CallRow {
            who: Who { node: text(r, 0), pid: id(r, 1), tid: id(r, 2), comm: text(r, 3) },
            ts_ns: int(r, 4),
            dur_ns: int(r, 5).max(0),
            op: text(r, 6),
            kernel: some_text(r, 7),
            first_use: int(r, 8) != 0,
            off_cpu_ns: int(r, 9),
        });
    })
}

/// All intervals off the CPU by begin.
///
/// # Errors
/// As SQLite does.
pub fn off_cpu(db: &Connection, mut interval: impl FnMut(OffCpuRow<'_>)) -> Result<()> {
    let sql =
        "SELECT node, pid, tid, comm, ts_ns, dur_ns, state, runqueue_ns, waker_pid, waker_tid, waker_comm,
               preemptor_pid, preemptor_tid, preemptor_comm, kernel_stack_id FROM off_cpu ORDER BY id";
    each(db, sql, |r| {
        let node = text(r, 0);
        let dur_ns = int(r, 5).max(0);
        interval(OffCpuRow {
            waker: other(r, &node, 8),
            preemptor: other(r, &node, 11),
            who: Who { node, pid: id(r, 1), tid: id(r, 2), comm: text(r, 3) },
            ts_ns: int(r, 4),
            dur_ns,
            state: text(r, 6),
            runqueue_ns: int(r, 7).clamp(0, dur_ns),
            stack: r.get(14).unwrap_or_default(),
        });
    })
}

/// All samples by quantity, then time; none if the database was made by a version that kept none.
///
/// # Errors
/// As SQLite does.
pub fn samples(db: &Connection, mut sample: impl FnMut(SampleRow<'_>)) -> Result<()> {
    if !has(db, "samples")? {
        return Ok(());
    }
    let sql = "SELECT node, ts_ns, name, labels, value FROM samples ORDER BY node, name, labels, ts_ns";
    each(db, sql, |r| {
        let value = r.get::<_, f64>(4).unwrap_or(f64::NAN);
        let row =
            SampleRow { node: text(r, 0), ts_ns: int(r, 1), name: text(r, 2), labels: text(r, 3), value };
        if value.is_finite() {
            sample(row);
        }
    })
}

/// Kernel stacks: id and frames as JSON.
///
/// # Errors
/// As SQLite does.
pub fn kernel_stacks(db: &Connection, mut stack: impl FnMut(i64, &str)) -> Result<()> {
    let sql = "SELECT id, frames FROM stacks WHERE kind = 'kernel' ORDER BY id";
    each(db, sql, |r| stack(int(r, 0), &text(r, 1)))
}

/// Losses: machine, source, cause, count, begin and end (Unix ns).
///
/// # Errors
/// As SQLite does.
pub fn losses(db: &Connection, mut loss: impl FnMut(&str, &str, &str, i64, i64, i64)) -> Result<()> {
    let sql = "SELECT node, source, cause, count, from_ns, to_ns FROM losses ORDER BY from_ns, to_ns, source, cause";
    each(db, sql, |r| loss(&text(r, 0), &text(r, 1), &text(r, 2), int(r, 3), int(r, 4), int(r, 5)))
}

/// Annotations: machine, begin (Unix ns), duration, process (0 for none) and labels (JSON); none if the database was
/// made by a version that kept none.
///
/// # Errors
/// As SQLite does.
pub fn annotations(db: &Connection, mut said: impl FnMut(&str, i64, i64, u32, &str)) -> Result<()> {
    if !has(db, "annotations")? {
        return Ok(());
    }
    let sql = "SELECT node, ts_ns, dur_ns, pid, labels FROM annotations ORDER BY ts_ns, dur_ns, labels";
    each(db, sql, |r| said(&text(r, 0), int(r, 1), int(r, 2).max(0), id(r, 3), &text(r, 4)))
}

/// What the database says about itself.
///
/// # Errors
/// As SQLite does.
pub fn meta(db: &Connection) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    each(db, "SELECT key, value FROM meta ORDER BY rowid", |r| {
        found.push((text(r, 0).into_owned(), text(r, 1).into_owned()));
    })?;
    Ok(found)
}

/// Where a process is: its container or unit, by machine and process.
///
/// # Errors
/// As SQLite does.
pub fn places(db: &Connection, mut place: impl FnMut(&str, u32, &str)) -> Result<()> {
    if !has(db, "processes")? {
        return Ok(());
    }
    let sql = "SELECT node, pid, coalesce(container, unit, nullif(cgroup, '')) FROM processes";
    each(db, sql, |r| {
        if let Some(where_) = some_text(r, 2) {
            place(&text(r, 0), id(r, 1), &where_);
        }
    })
}

fn has(db: &Connection, name: &str) -> Result<bool> {
    let sql = "SELECT count(*) FROM sqlite_schema WHERE name = ?";
    Ok(db.query_row(sql, [name], |r| r.get::<_, i64>(0))? > 0)
}
