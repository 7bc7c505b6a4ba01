//! Which tables and columns a database has, and cells read without trust.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Result, Row, types::ValueRef};

/// Columns by table.
#[derive(Debug)]
pub(super) struct Tables(BTreeMap<String, BTreeSet<String>>);

impl Tables {
    pub fn of(db: &Connection) -> Result<Self> {
        let mut names = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
        let names: Vec<String> = names.query_map([], |r| Ok(text(r, 0)))?.collect::<Result<_>>()?;
        let mut tables = BTreeMap::new();
        for name in names {
            let mut columns = db.prepare("SELECT name FROM pragma_table_info(?)")?;
            let columns = columns.query_map([&name], |r| Ok(text(r, 0)))?.collect::<Result<_>>()?;
            tables.insert(name, columns);
        }
        Ok(Self(tables))
    }

    /// True if a table has all these columns.
    pub fn has(&self, table: &str, columns: &[&str]) -> bool {
        self.0.get(table).is_some_and(|known| columns.iter().all(|c| known.contains(*c)))
    }

    /// The column's name, or what stands for it where there is none.
    pub fn column<'a>(&self, table: &str, column: &'a str, otherwise: &'a str) -> &'a str {
        if self.has(table, &[column]) { column } else { otherwise }
    }
}

/// Text of a cell; what is not UTF-8 is replaced.
pub(super) fn text(row: &Row<'_>, column: usize) -> String {
    match row.get_ref(column) {
        Ok(ValueRef::Text(bytes) | ValueRef::Blob(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        Ok(ValueRef::Integer(i)) => i.to_string(),
        Ok(ValueRef::Real(r)) => r.to_string(),
        _ => String::new(),
    }
}

/// An integer of a cell; 0 for anything else.
pub(super) fn integer(row: &Row<'_>, column: usize) -> i64 {
    match row.get_ref(column) {
        Ok(ValueRef::Integer(i)) => i,
        Ok(ValueRef::Real(r)) => r as i64,
        _ => 0,
    }
}

/// A number of a cell.
pub(super) fn real(row: &Row<'_>, column: usize) -> Option<f64> {
    match row.get_ref(column) {
        Ok(ValueRef::Integer(i)) => Some(i as f64),
        Ok(ValueRef::Real(r)) => Some(r),
        _ => None,
    }
    .filter(|value| value.is_finite())
}
