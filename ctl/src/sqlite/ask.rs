//! Statements of others on a database: reading, for a limited time, and nothing else.
//!
//! Three walls, each of which would do: the file is opened for reading only; SQLite is told to write nothing;
//! every action of a statement is asked about when it is prepared, and only reading is allowed. So no statement
//! can attach a file, change a setting, or load code.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rusqlite::{
    Connection, Row,
    hooks::{AuthAction, AuthContext, Authorization},
};

use crate::error::Error;

/// Virtual machine steps between two looks at the clock.
const STEPS: i32 = 10_000;
/// Memory that SQLite may take.
const MEMORY_BYTES: u64 = 1 << 30;

/// What a statement may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Rows; more are left out, and that is said.
    pub rows: Option<usize>,
    /// Time.
    pub time: Duration,
}

/// Takes columns, then rows.
pub trait Rows {
    /// The names of the columns; called once, first.
    ///
    /// # Errors
    /// As what is written to.
    fn columns(&mut self, names: Vec<String>) -> Result<(), Error>;

    /// A row.
    ///
    /// # Errors
    /// As what is written to, and [`Error::Query`] for a cell that cannot be had.
    fn row(&mut self, row: &Row<'_>) -> Result<(), Error>;
}

/// Asks one statement; true if rows were left out.
///
/// # Errors
/// [`Error::Query`] if the statement is refused, fails, or takes too long.
pub fn ask(path: &Path, sql: &str, limits: Limits, rows: &mut dyn Rows) -> Result<bool, Error> {
    let mut connection = super::open(path)?;
    let late = guard(&mut connection, limits.time).map_err(Error::database(path))?;
    let refused = |e: rusqlite::Error| {
        let message = if late.load(Ordering::Relaxed) {
            format!("stopped after {} s; ask for less, or give it more --timeout", limits.time.as_secs())
        } else {
            match e.sqlite_error_code() {
                Some(rusqlite::ErrorCode::AuthorizationForStatementDenied) => {
                    "only reading is allowed: SELECT, WITH or EXPLAIN".to_owned()
                }
                _ => e.to_string(),
            }
        };
        Error::Query { message }
    };
    let mut statement = connection.prepare(sql).map_err(refused)?;
    rows.columns(statement.column_names().map(str::to_owned).collect())?;
    let mut found = statement.query([]).map_err(refused)?;
    let mut count = 0;
    while let Some(row) = found.next().map_err(refused)? {
        if limits.rows.is_some_and(|limit| count >= limit) {
            return Ok(true);
        }
        rows.row(row)?;
        count += 1;
    }
    Ok(false)
}

/// Builds the walls; what comes back tells if the time was over.
fn guard(connection: &mut Connection, time: Duration) -> rusqlite::Result<Arc<AtomicBool>> {
    connection.execute_batch(&format!(
        "PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;
         PRAGMA hard_heap_limit = {MEMORY_BYTES};"
    ))?;
    connection.authorizer(Some(|context: AuthContext<'_>| match context.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => Authorization::Allow,
        AuthAction::Function { function_name } if !function_name.eq_ignore_ascii_case("load_extension") => {
            Authorization::Allow
        }
        _ => Authorization::Deny,
    }))?;
    let late = Arc::new(AtomicBool::new(false));
    let (begun, flag) = (Instant::now(), Arc::clone(&late));
    connection.progress_handler(
        STEPS,
        Some(move || {
            let over = begun.elapsed() >= time;
            flag.fetch_or(over, Ordering::Relaxed);
            over
        }),
    )?;
    Ok(late)
}
