//! Directory entries. A name is on the disk once its directory was synced; until then each change may be there
//! or not, whatever happened to the others. A rename is there whole or not at all.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use super::random::Random;

/// Files by path.
pub type Tree = BTreeMap<PathBuf, u64>;

/// One change of names.
#[derive(Clone, Debug)]
enum Change {
    Add(PathBuf, u64),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf, u64),
}

impl Change {
    fn touches(&self, directory: &Path) -> bool {
        let inside = |path: &Path| path.parent() == Some(directory);
        match self {
            Self::Add(path, _) | Self::Remove(path) => inside(path),
            Self::Rename(from, to, _) => inside(from) || inside(to),
        }
    }

    fn apply(&self, tree: &mut Tree) {
        match self {
            Self::Add(path, inode) => {
                tree.insert(path.clone(), *inode);
            }
            Self::Remove(path) => {
                tree.remove(path);
            }
            Self::Rename(from, to, inode) => {
                tree.remove(from);
                tree.insert(to.clone(), *inode);
            }
        }
    }
}

/// All names.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// As programs see them.
    pub now: Tree,
    stable: Tree,
    pending: Vec<Change>,
    /// Directories; making one is durable at once.
    pub directories: Vec<PathBuf>,
}

impl Names {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.now);
        self.pending.push(change);
    }

    /// The file of a name.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`].
    pub fn get(&self, path: &Path) -> io::Result<u64> {
        self.now.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// A new name.
    pub fn add(&mut self, path: &Path, inode: u64) {
        self.change(Change::Add(path.into(), inode));
    }

    /// One name less.
    pub fn remove(&mut self, path: &Path) {
        self.change(Change::Remove(path.into()));
    }

    /// Another name.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`].
    pub fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let inode = self.get(from)?;
        self.change(Change::Rename(from.into(), to.into(), inode));
        Ok(())
    }

    /// Makes a directory's names durable.
    pub fn sync(&mut self, directory: &Path) {
        let mut rest = Vec::new();
        for change in std::mem::take(&mut self.pending) {
            if change.touches(directory) {
                change.apply(&mut self.stable);
            } else {
                rest.push(change);
            }
        }
        self.pending = rest;
    }

    /// True if a file has a name, or may have one again after a power loss.
    #[must_use]
    pub fn may_have(&self, inode: u64) -> bool {
        let pending = self.pending.iter().any(|change| match change {
            Change::Add(_, of) | Change::Rename(_, _, of) => *of == inode,
            Change::Remove(_) => false,
        });
        pending || self.now.values().chain(self.stable.values()).any(|of| *of == inode)
    }

    /// The power went: of the changes on their way, chance decides.
    pub fn crash(&mut self, random: &mut Random) {
        for change in std::mem::take(&mut self.pending) {
            if random.one_in(2) {
                change.apply(&mut self.stable);
            }
        }
        self.now = self.stable.clone();
    }
}
