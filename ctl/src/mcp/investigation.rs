//! The database that answers are made from.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::{
    error::Error,
    explain::Question,
    investigate::Finding,
    load::{self, Kind},
    progress::Progress,
    recording, sqlite,
    stats::Stats,
};

/// A database, and what it has ready.
#[derive(Debug)]
pub struct Investigation {
    /// The file.
    pub path: PathBuf,
    /// Window, coverage, operations and threads of the whole window.
    pub stats: Stats,
    /// Findings, most important first.
    pub findings: Vec<Finding>,
    identity: Identity,
    ours: bool,
}

/// Tells one file from another under the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    bytes: u64,
    modified_ns: i128,
}

impl Identity {
    fn of(path: &Path) -> io::Result<Self> {
        let m = fs::metadata(path)?;
        let modified_ns = i128::from(m.mtime()) * 1_000_000_000 + i128::from(m.mtime_nsec());
        Ok(Self { device: m.dev(), inode: m.ino(), bytes: m.len(), modified_ns })
    }
}

impl Investigation {
    /// Opens a database that stays where it is.
    ///
    /// # Errors
    /// If it cannot be read or is not one of ours.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let identity = Identity::of(path).map_err(Error::reading(path))?;
        if load::kind_of(path)? != Kind::Database {
            let remedy = "make a database of it with `ingeroctl convert`";
            return Err(Error::not_ours(path, "a recording, where a database is needed", remedy));
        }
        let (stats, findings) = match sqlite::answers(path)? {
            Some(ready) => (ready.stats, ready.findings),
            None => {
                let none = Progress::none();
                let answer = recording::answer(path, &Question::default(), &none)?;
                (recording::stats(path, &none)?, answer.findings)
            }
        };
        Ok(Self { path: path.to_owned(), stats, findings, identity, ours: false })
    }

    /// Opens a database of ours, which goes when nobody asks it any more.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn own(path: &Path) -> Result<Self, Error> {
        let mut investigation = Self::open(path)?;
        investigation.ours = true;
        Ok(investigation)
    }

    /// True while the file is the one that was opened.
    #[must_use]
    pub fn is_current(&self) -> bool {
        Identity::of(&self.path).is_ok_and(|now| now == self.identity)
    }

    /// Nodes, in order.
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        self.stats.window.nodes.iter().map(|n| n.node.as_str())
    }
}

impl Drop for Investigation {
    fn drop(&mut self) {
        if self.ours {
            // The folder goes at the end of the program in any case.
            let _ = fs::remove_file(&self.path);
        }
    }
}
