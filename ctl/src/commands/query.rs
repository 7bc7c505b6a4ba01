//! `ingeroctl query`.

use std::{io::Write, path::PathBuf};

use rusqlite::{Connection, types::ValueRef};
use serde_json::{Map, Value, json};

use crate::{
    error::{Error, Outcome},
    load::{self, Kind},
    sqlite,
    table::Table,
};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The database.
    #[arg(value_name = "DB")]
    path: PathBuf,
    /// One statement.
    #[arg(value_name = "SQL")]
    sql: String,
    /// How to show the rows.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// How rows are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Aligned columns.
    Table,
    /// `{"columns": […], "rows": [{…}]}`
    Json,
    /// RFC 4180, with a header.
    Csv,
}

/// Asks and shows.
///
/// # Errors
/// If the database is not ours, or the statement is refused.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome, Error> {
    if load::kind_of(&args.path)? != Kind::Database {
        let remedy = "make a database of it with `ingeroctl convert`";
        return Err(Error::not_ours(&args.path, "a recording, where a database is needed", remedy));
    }
    let connection = sqlite::open(&args.path)?;
    let (columns, rows) = ask(&connection, &args.sql).map_err(|e| Error::Query { message: e.to_string() })?;
    match args.format {
        Format::Table => {
            let mut table = Table::with_header(usize::MAX, columns);
            rows.iter().for_each(|row| table.row(row.iter().map(plain)));
            table.write(out)?;
        }
        Format::Json => {
            let object =
                |row: Vec<Value>| -> Map<String, Value> { columns.iter().cloned().zip(row).collect() };
            let rows: Vec<Map<String, Value>> = rows.into_iter().map(object).collect();
            super::json(&json!({"columns": columns, "rows": rows}), out)?;
        }
        Format::Csv => {
            csv_line(columns.iter().cloned(), out)?;
            for row in &rows {
                csv_line(row.iter().map(plain), out)?;
            }
        }
    }
    Ok(Outcome::default())
}

type Rows = (Vec<String>, Vec<Vec<Value>>);

fn ask(connection: &Connection, sql: &str) -> rusqlite::Result<Rows> {
    let mut statement = connection.prepare(sql)?;
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let cells = (0..columns.len()).map(|i| Ok(value(row.get_ref(i)?)));
        found.push(cells.collect::<rusqlite::Result<Vec<Value>>>()?);
    }
    Ok((columns, found))
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

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}

fn csv_line(cells: impl Iterator<Item = String>, out: &mut dyn Write) -> std::io::Result<()> {
    let quoted = cells.map(|cell| {
        if cell.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell
        }
    });
    write!(out, "{}\r\n", quoted.collect::<Vec<_>>().join(","))
}
