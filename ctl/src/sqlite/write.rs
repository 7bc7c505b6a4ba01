//! Writes a database under a temporary name and gives it its own when it is whole.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags};

use super::{APPLICATION_ID, SCHEMA_VERSION, insert, schema, survey::Survey};
use crate::{error::Error, investigate::Finding, model::Trace, progress::Progress};

/// Writes traces and findings to `path`; an existing file is replaced only with `force`.
///
/// # Errors
/// [`Error::Exists`], or what the system or SQLite says; nothing is then left behind.
pub fn write(
    path: &Path,
    force: bool,
    traces: &[Trace],
    findings: &[Finding],
    progress: &Progress,
) -> Result<(), Error> {
    let exists = || Error::Exists { path: path.display().to_string() };
    if !force && fs::symlink_metadata(path).is_ok() {
        return Err(exists());
    }
    let unfinished = Unfinished::beside(path)?;
    fill(&unfinished.0, traces, findings, progress)?;
    let writing = Error::writing(path);
    File::open(&unfinished.0).and_then(|f| f.sync_all()).map_err(&writing)?;
    if force {
        return fs::rename(&unfinished.0, path).map_err(writing);
    }
    // A link, unlike a rename, never replaces a file that appeared meanwhile.
    match fs::hard_link(&unfinished.0, path) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Err(exists()),
        Err(_) => fs::rename(&unfinished.0, path).map_err(writing),
    }
}

/// A file that is removed unless it got another name.
struct Unfinished(PathBuf);

impl Unfinished {
    fn beside(path: &Path) -> Result<Self, Error> {
        let Some(name) = path.file_name() else {
            return Err(Error::Usage(format!("{}: is no file name; give one with -o", path.display())));
        };
        let name = format!(".{}.unfinished-{}", name.to_string_lossy(), std::process::id());
        let file = path.with_file_name(name);
        // SQLite would make the file too, but says less about why it cannot.
        File::create(&file).map_err(Error::writing(path))?;
        Ok(Self(file))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After a rename there is nothing to remove.
        let _ = fs::remove_file(&self.0);
    }
}

fn fill(path: &Path, traces: &[Trace], findings: &[Finding], progress: &Progress) -> Result<(), Error> {
    let database = Error::database(path);
    let survey = Survey::of(traces);
    let keys = survey.keys().ok_or_else(|| {
        Error::Usage("the windows lie too far apart for one database; convert them into several".to_owned())
    })?;
    let mut connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(&database)?;
    connection
        .execute_batch(&format!(
            "PRAGMA page_size = 16384; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
             PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -65536;
             PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION};"
        ))
        .map_err(&database)?;
    let transaction = connection.transaction().map_err(&database)?;
    transaction.execute_batch(schema::TABLES).map_err(&database)?;
    insert::all(&transaction, traces, findings, &survey, keys, progress).map_err(&database)?;
    transaction.execute_batch(&schema::views(keys)).map_err(&database)?;
    transaction.commit().map_err(&database)?;
    connection.close().map_err(|(_, e)| database(e))
}
