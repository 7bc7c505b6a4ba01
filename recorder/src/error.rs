//! What can stop the recorder or a part of it, each with its remedy.

use std::{io, path::PathBuf};

/// An error that a person will read as one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory could not be used.
    #[error("{path}: {what}: {source}; {remedy}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// To which file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
        /// What to do about it.
        remedy: &'static str,
    },
    /// The configuration is wrong.
    #[error("{0}")]
    Config(String),
    /// Another recorder holds the ring.
    #[error("{path}: the ring is in use by process {pid}; stop it or choose another --state-dir")]
    RingInUse {
        /// The ring's directory.
        path: PathBuf,
        /// The holder, as its RING file says.
        pid: u32,
    },
    /// The kernel refuses or lacks something.
    #[error("{what}; {remedy}")]
    Kernel {
        /// What is missing, and the kernel's reason.
        what: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// Bytes that were to be written or read are not in order.
    #[error(transparent)]
    Format(#[from] ingero_format::FormatError),
    /// Something else that one line can tell.
    #[error("{0}")]
    Other(String),
}

/// Result of the recorder's parts.
pub type Result<T> = std::result::Result<T, Error>;

/// Adds file and remedy to an I/O error.
pub trait IoContext<T> {
    /// Names what was being done to which file, and what to do when it fails.
    ///
    /// # Errors
    /// [`Error::Io`] in place of the I/O error.
    fn at(self, what: &'static str, path: &std::path::Path, remedy: &'static str) -> Result<T>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn at(self, what: &'static str, path: &std::path::Path, remedy: &'static str) -> Result<T> {
        self.map_err(|source| Error::Io { what, path: path.to_owned(), source, remedy })
    }
}

impl<T> IoContext<T> for nix::Result<T> {
    fn at(self, what: &'static str, path: &std::path::Path, remedy: &'static str) -> Result<T> {
        self.map_err(io::Error::from).at(what, path, remedy)
    }
}
