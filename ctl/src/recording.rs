//! A recording in either form: as it was written, or as a database.

use std::path::Path;

use crate::{
    error::Error,
    load::{self, Kind},
    model::Trace,
    progress::Progress,
    sqlite,
};

/// Reads the traces of a bundle, ring, segment or database.
///
/// # Errors
/// If `path` is missing, not ours, or too damaged.
pub fn read(path: &Path, progress: &Progress) -> Result<Vec<Trace>, Error> {
    if load::kind_of(path)? == Kind::Database {
        sqlite::read(path)
    } else {
        Ok(vec![load::open(path, progress)?])
    }
}
