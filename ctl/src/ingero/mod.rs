//! Reads the SQLite database of an Ingero agent into traces.
//!
//! Promises: every event starts at its `ts_ns`, whichever end its source stamped; what was not recorded is
//! absent and never 0; what the agent concluded is kept as claims and never taken for a finding; what is known
//! to be missing is said. The file is opened for reading only and never changed.
//!
//! May not assume a version of the layout: columns are looked up by name ([`columns`]).

mod codes;
mod columns;
mod events;
mod sides;
mod stacks;

use std::path::{Path, PathBuf};

use ingero_format::units::hex;
use rusqlite::Connection;

use crate::{derive, error::Error, model::Trace};

/// What is in the rows of such a database: fewer and fewer as time goes on.
pub const POPULATION: &str = "stored rows only: after the first seconds mostly slow calls, waits and switches of traced processes; the rate is not known";

const REMEDY: &str = "give the SQLite database that an Ingero agent recorded";

/// Reads databases; each machine named in them becomes one trace.
///
/// # Errors
/// If one cannot be read or is not such a database.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Trace>, Error> {
    let mut traces = Vec::new();
    for path in paths {
        traces.extend(read_one(path)?);
    }
    traces.sort_by(|a, b| (&a.node, a.from_ns, &a.facts.file).cmp(&(&b.node, b.from_ns, &b.facts.file)));
    Ok(traces)
}

fn read_one(path: &Path) -> Result<Vec<Trace>, Error> {
    let db = open(path)?;
    let tables = columns::Tables::of(&db).map_err(Error::database(path))?;
    if !tables.has("events", &["timestamp", "pid", "tid", "source", "op", "duration"]) {
        return Err(Error::not_ours(
            path,
            "an SQLite database without the events of an Ingero agent",
            REMEDY,
        ));
    }
    let sha256 = digest(path)?;
    let mut traces = events::read(&db, &tables, &stem(path)).map_err(Error::database(path))?;
    for trace in &mut traces {
        trace.facts.file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        trace.facts.sha256.clone_from(&sha256);
        trace.facts.population = POPULATION.to_owned();
        sides::add(&db, &tables, trace).map_err(Error::database(path))?;
        trace.sort();
        let none = std::collections::HashSet::new();
        derive::derive(trace, &derive::Known { launched_before: &none, looked_up: &none });
    }
    Ok(traces)
}

/// The machine's name where the database names none.
fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn digest(path: &Path) -> Result<String, Error> {
    use sha2::{Digest, Sha256};
    let bytes = std::fs::read(path).map_err(Error::reading(path))?;
    Ok(hex(&Sha256::digest(bytes)))
}

/// Opens for reading. A database at rest is opened so that no lock and no file beside it is needed; one whose
/// agent still writes it has rows in a log beside it, and needs both.
fn open(path: &Path) -> Result<Connection, Error> {
    if crate::load::kind_of(path)? != crate::load::Kind::Database {
        return Err(Error::not_ours(path, "no SQLite database", REMEDY));
    }
    crate::sqlite::open_at_rest(path).map_err(Error::database(path))
}

#[cfg(test)]
mod tests;
