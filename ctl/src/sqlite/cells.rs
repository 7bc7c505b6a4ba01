//! Rows of statements as JSON.

use rusqlite::{Row, types::ValueRef};
use serde_json::{Value, json};

use crate::error::Error;

/// A row's cells as JSON; of a blob only its length.
///
/// # Errors
/// [`Error::Query`] for a cell that cannot be had.
pub fn cells(row: &Row<'_>) -> Result<Vec<Value>, Error> {
    let columns = row.as_ref().column_count();
    let cells = (0..columns).map(|i| row.get_ref(i).map(value));
    cells.collect::<rusqlite::Result<_>>().map_err(|e| Error::Query { message: e.to_string() })
}

fn value(cell: ValueRef<'_>) -> Value {
    match cell {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(i) => json!(i),
        ValueRef::Real(r) => json!(r),
        ValueRef::Text(t) => json!(String::from_utf8_lossy(t)),
        ValueRef::Blob(b) => json!(format!("{} bytes", b.len())),
    }
}
