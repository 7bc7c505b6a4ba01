//! What can go wrong, as one line and an exit code.

use std::{io, path::Path};

/// Why a command failed. Every text says what, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read.
    #[error("{path}: cannot be read: {source}; check the path and its permissions")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("{path}: cannot be written: {source}; check free space and permissions")]
    Write {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The output file is already there.
    #[error("{path}: exists already; add --force to replace it, or choose another name")]
    Exists {
        /// The file.
        path: String,
    },
    /// The input is damaged, or not a file of this project.
    #[error("{path}: {what}; {remedy}")]
    NotOurs {
        /// The file.
        path: String,
        /// What was found.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A database could not be used.
    #[error("{path}: database: {source}; run `ingeroctl convert` again if it is damaged")]
    Database {
        /// The file.
        path: String,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A query was refused or failed.
    #[error("query: {message}; `ingeroctl query DB \"SELECT name FROM sqlite_schema\"` lists the views")]
    Query {
        /// What SQLite said.
        message: String,
    },
    /// Nobody answers on the recorder's socket.
    #[error("{path}: the recorder does not answer: {source}; {}", to_reach(source))]
    Unreachable {
        /// The socket.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The recorder, or a step of the demo, says no, and why.
    #[error("{0}")]
    Refused(String),
    /// The host lacks something that recording needs.
    #[error("not ready: {0}")]
    NotReady(String),
    /// A file of ours that is not as it was written.
    #[error(
        "{path}: damaged in {places} places, listed above; what is whole is still read by `ingeroctl convert`"
    )]
    Damaged {
        /// The file.
        path: String,
        /// How many.
        places: usize,
    },
    /// The arguments cannot be carried out.
    #[error("{0}")]
    Usage(String),
    /// Whoever read standard output has gone: not worth a word.
    #[error("standard output is closed")]
    Closed,
    /// Standard output could not be written.
    #[error("standard output: {0}; check where it is redirected to")]
    Output(io::Error),
}

// What helps someone whom the socket does not let in is another thing than for a recorder that does not run.
fn to_reach(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => {
            "its socket is for root and the group ingero: use sudo, or `usermod -aG ingero USER` and log in again"
        }
        _ => "start it with `systemctl start ingero-recorder`, or give --socket",
    }
}

impl Error {
    /// What the terminal does not do.
    pub fn terminal(source: io::Error) -> Self {
        Self::Refused(format!("the terminal: {source}; `ingeroctl status` shows the same once"))
    }

    /// The exit code of the contract.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::Usage(_) => 2,
            Self::NotOurs { .. } | Self::Damaged { .. } => 3,
            Self::Unreachable { .. } => 4,
            Self::Database { source, .. } if is_damage(source) => 3,
            _ => 1,
        }
    }

    /// A refusal of an input.
    pub fn not_ours(path: &Path, what: impl Into<String>, remedy: &'static str) -> Self {
        Self::NotOurs { path: path.display().to_string(), what: what.into(), remedy }
    }

    /// For `map_err` on reading `path`.
    pub fn reading(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Read { path: path.display().to_string(), source }
    }

    /// For `map_err` on writing `path`.
    pub fn writing(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Write { path: path.display().to_string(), source }
    }

    /// For `map_err` on the database at `path`.
    pub fn database(path: &Path) -> impl Fn(rusqlite::Error) -> Self {
        move |source| Self::Database { path: path.display().to_string(), source }
    }
}

impl From<io::Error> for Error {
    /// Errors of standard output; files name their path through the functions above.
    fn from(e: io::Error) -> Self {
        if e.kind() == io::ErrorKind::BrokenPipe { Self::Closed } else { Self::Output(e) }
    }
}

impl From<serde_json::Error> for Error {
    fn from(e: serde_json::Error) -> Self {
        Self::from(io::Error::from(e))
    }
}

fn is_damage(e: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(e.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

/// How a command that did its work ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Data was lost or coverage is partial: exit code 5 with `--strict`.
    pub partial: bool,
}
