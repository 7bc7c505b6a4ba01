//! `run_sql`: whatever the other tools do not answer.

use std::{ops::ControlFlow, sync::Arc, time::Instant};

use rusqlite::Row;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Entry;
use crate::{
    error::Error,
    mcp::{answer::Told, clean, desk::Desk, fit, refusal::Refusal},
    sqlite::{Rows, Stop, ask, cells},
};

const ABOUT: &str = "One reading SQL statement (SELECT, WITH, EXPLAIN) on the investigation. Views: cuda_calls, off_cpu, \
host_events, losses, samples, processes; tables: op_stats, rates (exact per second), thread_stats, findings, stacks, \
annotations, meta; columns are in the resource ingero://schema. All times are Unix ns, durations ns. On big windows restrict the time by id, as ingero://schema shows. Anything but reading is refused; a statement is stopped when its time is over.";

/// Rows that are told if no number is given.
const ROWS: usize = 1_000;
/// Rows that are told at most.
const MOST_ROWS: usize = 10_000;

/// Parameters.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Params {
    /// The statement.
    query: String,
    /// Rows (default 1000, at most 10000; fewer if they do not fit an answer).
    #[serde(default)]
    limit: Option<usize>,
}

/// The answer.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(super) struct Body {
    /// Names of the columns.
    columns: Vec<String>,
    /// Cells of each row, in the order of the columns; of a blob only its length.
    rows: Vec<Vec<Value>>,
    /// Rows that were read.
    row_count: usize,
    /// Time the statement took, ns.
    duration_ns: u64,
}

impl Body {
    /// Columns and rows.
    pub(super) fn table(self) -> (Vec<String>, Vec<Vec<Value>>) {
        (self.columns, self.rows)
    }
}

/// The tool.
pub(super) fn entry() -> Entry {
    let mut entry = super::desk_and_stop("run_sql", ABOUT, run);
    let input = Arc::make_mut(&mut entry.tool.input_schema);
    if let Some(tsc) = input.get_mut("properties").and_then(|all| all.get_mut("tsc")?.as_object_mut()) {
        tsc.insert("description".to_owned(), "Short keys; columns keep their names.".into());
    }
    entry
}

fn run(desk: &Desk, params: Params, stop: &Arc<Stop>) -> Result<Told<Body>, Refusal> {
    table(desk, &params.query, params.limit, stop)
}

/// Asks a statement.
pub(super) fn table(
    desk: &Desk,
    sql: &str,
    limit: Option<usize>,
    stop: &Arc<Stop>,
) -> Result<Told<Body>, Refusal> {
    if sql.trim().is_empty() {
        return Err(Refusal::new("query is empty; write a statement such as SELECT * FROM op_stats"));
    }
    let begun = Instant::now();
    let limit = limit.filter(|l| *l > 0).unwrap_or(ROWS).min(MOST_ROWS);
    let mut rows = Collected::default();
    let cut = ask(&desk.investigation.path, sql, Some(limit), stop, &mut rows)?;
    let body = Body {
        row_count: rows.rows.len(),
        duration_ns: u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX),
        columns: rows.columns,
        rows: rows.rows,
    };
    if !cut {
        return Ok(Told::whole(body));
    }
    let most = fit::MESSAGE_BYTES >> 10;
    Ok(Told::whole(body).cut(format!(
        "there are more rows: limit was {limit}, and a message holds {most} KiB; aggregate, or ask for later rows \
         with WHERE or OFFSET"
    )))
}

#[derive(Default)]
struct Collected {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
    bytes: usize,
}

impl Rows for Collected {
    fn columns(&mut self, names: Vec<String>) -> Result<(), Error> {
        self.columns = names;
        Ok(())
    }

    fn row(&mut self, row: &Row<'_>) -> Result<ControlFlow<()>, Error> {
        let mut cells = Value::Array(cells(row)?);
        // Here, not at the end: ten thousand values of a MiB each are more than this process may hold.
        clean::value(&mut cells);
        self.bytes += cells.to_string().len();
        if self.bytes > fit::MESSAGE_BYTES / 2 && !self.rows.is_empty() {
            return Ok(ControlFlow::Break(()));
        }
        if let Value::Array(cells) = cells {
            self.rows.push(cells);
        }
        Ok(ControlFlow::Continue(()))
    }
}
