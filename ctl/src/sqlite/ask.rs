//! Statements of others on a database: reading, for a limited time, and nothing else.
//!
//! Three walls, each of which would do: the file is opened for reading only; SQLite is told to write nothing;
//! every action of a statement is asked about when it is prepared, and only reading is allowed. So no statement
//! can attach a file, change a setting, or load code.

use std::{
    ops::ControlFlow,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::{
    Connection, Row,
    hooks::{AuthAction, AuthContext, Authorization},
    limits::Limit,
};

use super::stop::Stop;
use crate::error::Error;

/// Memory that SQLite may take, over all connections of the process.
const MEMORY_BYTES: u64 = 1 << 30;
/// Longest text, blob or row that a statement may make.
const VALUE_BYTES: i32 = 1 << 20;

const ONLY_READING: &str = "refused: only reading is allowed (SELECT, WITH, EXPLAIN)";

/// Takes columns, then rows.
pub trait Rows {
    /// The names of the columns; called once, first.
    ///
    /// # Errors
    /// As what is written to.
    fn columns(&mut self, names: Vec<String>) -> Result<(), Error>;

    /// A row; `Break` if no more are wanted, this one neither.
    ///
    /// # Errors
    /// As what is written to, and [`Error::Query`] for a cell that cannot be had.
    fn row(&mut self, row: &Row<'_>) -> Result<ControlFlow<()>, Error>;
}

/// Asks one statement for at most `most` rows; true if rows were left out.
///
/// # Errors
/// [`Error::Query`] if the statement is refused, fails, takes too long, or is cancelled.
pub fn ask(
    path: &Path,
    sql: &str,
    most: Option<usize>,
    stop: &Arc<Stop>,
    rows: &mut dyn Rows,
) -> Result<bool, Error> {
    let mut connection = super::open(path)?;
    let denied = guard(&mut connection, stop).map_err(Error::database(path))?;
    let refused = |e: rusqlite::Error| Error::Query { message: reason(&e, stop, &denied) };
    let mut statement = connection.prepare(sql).map_err(refused)?;
    // VACUUM INTO, for one, asks nobody before it runs.
    if statement.column_count() == 0 || !statement.readonly() {
        let message = format!("{ONLY_READING}, and this statement answers with no rows");
        return Err(Error::Query { message });
    }
    rows.columns(statement.column_names().map(str::to_owned).collect())?;
    let mut found = statement.query([]).map_err(refused)?;
    let mut count = 0;
    while let Some(row) = found.next().map_err(refused)? {
        if most.is_some_and(|most| count >= most) || rows.row(row)?.is_break() {
            return Ok(true);
        }
        count += 1;
    }
    Ok(false)
}

/// The first action that was denied, in words.
type Denied = Arc<Mutex<Option<String>>>;

fn reason(e: &rusqlite::Error, stop: &Stop, denied: &Denied) -> String {
    use rusqlite::ErrorCode::{AuthorizationForStatementDenied, OperationInterrupted, OutOfMemory, TooBig};
    let denied = denied.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (e.sqlite_error_code(), denied) {
        (Some(OperationInterrupted), _) => stop.why().unwrap_or_else(|| e.to_string()),
        (Some(AuthorizationForStatementDenied), what) | (_, what @ Some(_)) => {
            let what = what.map(|w| format!(", and it would {w}")).unwrap_or_default();
            format!("{ONLY_READING}{what}")
        }
        (Some(OutOfMemory), _) => format!(
            "needs more than {} MiB of memory; sort or group fewer rows, or add a LIMIT",
            MEMORY_BYTES >> 20
        ),
        (Some(TooBig), _) => format!("makes a value of more than {VALUE_BYTES} bytes; ask for less of it"),
        _ => e.to_string(),
    }
}

/// Builds the walls.
fn guard(connection: &mut Connection, stop: &Arc<Stop>) -> rusqlite::Result<Denied> {
    connection.execute_batch(&format!(
        "PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;
         PRAGMA hard_heap_limit = {MEMORY_BYTES};"
    ))?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES)?;
    let denied = Denied::default();
    let first = Arc::clone(&denied);
    connection.authorizer(Some(move |context: AuthContext<'_>| {
        let Some(what) = forbidden(&context.action) else { return Authorization::Allow };
        first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(what);
        Authorization::Deny
    }))?;
    stop.watch(connection)?;
    Ok(denied)
}

/// What an action would do, if it is more than reading.
fn forbidden(action: &AuthAction<'_>) -> Option<String> {
    Some(match action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => return None,
        AuthAction::Function { function_name } => {
            if !function_name.eq_ignore_ascii_case("load_extension") {
                return None;
            }
            "load code".to_owned()
        }
        AuthAction::Insert { table_name }
        | AuthAction::Delete { table_name }
        | AuthAction::Update { table_name, .. } => format!("write to {table_name}"),
        AuthAction::Attach { .. } => "attach a file".to_owned(),
        AuthAction::Detach { .. } => "detach a file".to_owned(),
        AuthAction::Pragma { pragma_name, .. } => format!("use PRAGMA {pragma_name}"),
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => "begin a transaction".to_owned(),
        _ => "change the database".to_owned(),
    })
}
