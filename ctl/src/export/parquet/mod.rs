//! Parquet files for DuckDB, pandas and Spark: a folder for each view, in it one file for each machine and hour.
//!
//! Rows of a file are in order of time; a row group's worth of them is in memory.

mod big;
mod column;
mod names;
mod part;
mod place;
mod small;
#[cfg(test)]
mod tests;
mod view;

use std::{io, path::Path, time::Duration};

use parquet::errors::ParquetError;

use names::Names;
use view::View;
pub use view::Written;

use crate::{
    error::Error,
    progress::Progress,
    sqlite::{Scanner, Stop},
};

/// Rows between two looks at the progress bar.
const STEP: u64 = 1 << 14;

/// What stands in the way of an export.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The database.
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    /// The output.
    #[error(transparent)]
    Output(#[from] ParquetError),
}

/// An export that is being written.
struct Export<'a> {
    from: &'a Scanner,
    names: &'a Names,
    folder: &'a Path,
    /// Begin of the earliest window, Unix ns.
    begin_ns: i64,
    progress: &'a Progress,
    steps: u64,
    written: Written,
}

/// The folders that [`write`](fn@write) makes.
pub fn views() -> impl Iterator<Item = &'static str> {
    [&big::CUDA_CALLS, &big::OFF_CPU, &big::HOST_EVENTS]
        .into_iter()
        .chain(small::ALL.iter().map(|s| &s.of))
        .map(|of| of.name)
}

/// Writes the views of the database `db` below the empty folder `folder`, and says how much.
///
/// # Errors
/// If the database cannot be read, or a file not be written, which is then said of `path`.
pub fn write(db: &Path, folder: &Path, path: &Path, progress: &Progress) -> Result<Written, Error> {
    let scanner = Scanner::open(db, &Stop::after(Duration::MAX))?;
    all(&scanner, folder, progress).map_err(|failure| match failure {
        Failure::Database(e) => Error::database(db)(e),
        Failure::Output(e) => Error::writing(path)(io::Error::other(e)),
    })
}

fn all(from: &Scanner, folder: &Path, progress: &Progress) -> Result<Written, Failure> {
    let rows = "SELECT (SELECT count(*) FROM call) + (SELECT count(*) FROM interval) + (SELECT count(*) FROM host) \
                + (SELECT count(*) FROM sample)";
    let rows: i64 = from.db.query_row(rows, [], |r| r.get(0))?;
    progress.begin(rows.cast_unsigned(), "exporting");
    let begin_ns: Option<i64> = from.db.query_row("SELECT min(from_ns) FROM node", [], |r| r.get(0))?;
    let names = Names::read(from)?;
    let begin_ns = begin_ns.unwrap_or(0);
    let written = Written::default();
    let mut export = Export { from, names: &names, folder, begin_ns, progress, steps: 0, written };
    export.calls()?;
    export.waits()?;
    export.host()?;
    for small in &small::ALL {
        export.small(small)?;
    }
    Ok(export.written)
}

impl Export<'_> {
    fn step(&mut self) {
        self.steps += 1;
        if self.steps.is_multiple_of(STEP) {
            self.progress.at(self.steps);
        }
    }

    fn end(&mut self, view: View<'_>) -> Result<(), Failure> {
        let written = view.end(self.begin_ns)?;
        self.written.rows += written.rows;
        self.written.files += written.files;
        self.written.bytes += written.bytes;
        Ok(())
    }
}
