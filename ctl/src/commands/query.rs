//! `ingeroctl query`.

use std::{io::Write, ops::ControlFlow, path::PathBuf, sync::Arc, time::Duration};

use rusqlite::Row;
use serde_json::{Map, Value};

use crate::{
    aside,
    error::{Error, Outcome},
    json,
    load::{self, Kind},
    printable::harmful,
    screen::Screen,
    sqlite::{Rows, Stop, ask, cells},
    table::Table,
};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The database.
    #[arg(value_name = "DB")]
    path: PathBuf,
    /// One statement that reads.
    #[arg(value_name = "SQL")]
    sql: String,
    /// How to show the rows.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Show at most so many rows.
    #[arg(long, value_name = "ROWS")]
    limit: Option<usize>,
    /// Stop a statement that takes longer.
    #[arg(long, value_name = "TIME", default_value = "30s")]
    timeout: String,
}

/// How rows are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Aligned columns.
    Table,
    /// `{"columns": […], "rows": [{…}], "truncated": …}`
    Json,
    /// RFC 4180, with a header; a text that begins like a formula gets a `'` in front.
    Csv,
}

/// Asks and shows.
///
/// # Errors
/// If the database is not ours, or the statement is refused.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome, Error> {
    if load::kind_of(&args.path)? != Kind::Database {
        let remedy = "make a database of it with `ingeroctl convert PATH -o FILE.db`, and ask that";
        return Err(Error::not_ours(&args.path, "a recording, where a database is needed", remedy));
    }
    let time = ingero_format::units::parse_time_ns(&args.timeout)
        .map_err(|e| Error::Usage(format!("--timeout {}: {e}", args.timeout)))?;
    let stop = Stop::after(Duration::from_nanos(time));
    let asked = match args.format {
        Format::Table => table(args, &stop, out)?,
        Format::Json => json_rows(args, &stop, out)?,
        Format::Csv => asked(args, &stop, &mut Csv(out))?,
    };
    if asked == (Asked { rows: 0, truncated: false }) {
        aside::say("no rows");
    }
    Ok(Outcome { partial: asked.truncated })
}

/// How a question ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    rows: usize,
    /// There were more.
    truncated: bool,
}

fn asked(args: &Args, stop: &Arc<Stop>, to: &mut dyn Rows) -> Result<Asked, Error> {
    let mut counted = Counted { rows: 0, to };
    let truncated = ask(&args.path, &args.sql, args.limit, stop, &mut counted)?;
    Ok(Asked { rows: counted.rows, truncated })
}

struct Counted<'a> {
    rows: usize,
    to: &'a mut dyn Rows,
}

impl Rows for Counted<'_> {
    fn columns(&mut self, names: Vec<String>) -> Result<(), Error> {
        self.to.columns(names)
    }

    fn row(&mut self, row: &Row<'_>) -> Result<ControlFlow<()>, Error> {
        self.rows += 1;
        self.to.row(row)
    }
}

fn table(args: &Args, stop: &Arc<Stop>, out: &mut dyn Write) -> Result<Asked, Error> {
    let mut rows = Aligned(Table::with_header(usize::MAX, Vec::new()));
    let asked = asked(args, stop, &mut rows)?;
    let out = &mut Screen::new(out);
    rows.0.write(out)?;
    if asked.truncated {
        writeln!(out, "more rows than --limit {}", args.limit.unwrap_or(0))?;
    }
    Ok(asked)
}

fn json_rows(args: &Args, stop: &Arc<Stop>, out: &mut dyn Write) -> Result<Asked, Error> {
    let mut rows = Json { out, columns: Vec::new(), first: true };
    let asked = asked(args, stop, &mut rows)?;
    writeln!(rows.out, "],\"truncated\":{}}}", asked.truncated)?;
    Ok(asked)
}

struct Aligned(Table);

impl Rows for Aligned {
    fn columns(&mut self, names: Vec<String>) -> Result<(), Error> {
        self.0 = Table::with_header(usize::MAX, names);
        Ok(())
    }

    fn row(&mut self, row: &Row<'_>) -> Result<ControlFlow<()>, Error> {
        self.0.row(cells(row)?.iter().map(plain));
        Ok(ControlFlow::Continue(()))
    }
}

struct Csv<'a>(&'a mut dyn Write);

impl Rows for Csv<'_> {
    fn columns(&mut self, names: Vec<String>) -> Result<(), Error> {
        Ok(csv_line(names.iter().map(|n| cell(n)), self.0)?)
    }

    fn row(&mut self, row: &Row<'_>) -> Result<ControlFlow<()>, Error> {
        let cells = cells(row)?;
        csv_line(cells.iter().map(|value| value.as_str().map_or_else(|| plain(value), cell)), self.0)?;
        Ok(ControlFlow::Continue(()))
    }
}

struct Json<'a> {
    out: &'a mut dyn Write,
    columns: Vec<String>,
    first: bool,
}

impl Rows for Json<'_> {
    fn columns(&mut self, names: Vec<String>) -> Result<(), Error> {
        write!(self.out, "{{\"columns\":")?;
        json::write(&names, self.out)?;
        write!(self.out, ",\"rows\":[")?;
        self.columns = names;
        Ok(())
    }

    fn row(&mut self, row: &Row<'_>) -> Result<ControlFlow<()>, Error> {
        let object: Map<String, Value> = self.columns.iter().cloned().zip(cells(row)?).collect();
        let comma = if std::mem::take(&mut self.first) { "" } else { "," };
        write!(self.out, "{comma}")?;
        json::write(&object, self.out)?;
        Ok(ControlFlow::Continue(()))
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}

/// A text for CSV, which is opened with programs that calculate: one that would be a formula there gets a `'` in front,
/// and what is harmful on a terminal is replaced.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let seen = text.chars().map(|c| if c != '\n' && harmful(c) { '\u{fffd}' } else { c });
    formula.then_some('\'').into_iter().chain(seen).collect()
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
