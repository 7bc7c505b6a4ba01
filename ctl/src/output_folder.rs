//! Folders that are made for people: whole under their name, or not there.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, RenameFlags, renameat2},
};

use crate::error::Error;

/// A folder that appears under its name complete or not at all.
pub struct OutputFolder {
    made: tempfile::TempDir,
    path: PathBuf,
    force: bool,
}

impl OutputFolder {
    /// An empty folder without its name, beside `path`. With `force` it will replace a folder there, if nothing but
    /// `ours` is in that: a mistyped path must not cost anything else.
    ///
    /// # Errors
    /// If `path` has no name, something stands there that is not to be replaced, or its folder cannot be written to.
    pub fn create(path: &Path, force: bool, ours: &[&str]) -> Result<Self, Error> {
        if path.file_name().is_none() {
            return Err(Error::Usage(format!("{}: is no folder's name; give one with -o", path.display())));
        }
        if let Ok(there) = fs::symlink_metadata(path) {
            may_be_replaced(path, &there, force, ours)?;
        }
        let beside = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // As a folder gets them that is made in the usual way; the umask takes its part.
        let made = tempfile::Builder::new()
            .prefix(".new-")
            .permissions(fs::Permissions::from_mode(0o777))
            .tempdir_in(beside)
            .map_err(Error::writing(path))?;
        Ok(Self { made, path: path.to_owned(), force })
    }

    /// Where to write until it has its name.
    pub fn folder(&self) -> &Path {
        self.made.path()
    }

    /// Gives the folder its name; what had it before goes.
    ///
    /// # Errors
    /// As [`OutputFolder::create`], if somebody else made something there meanwhile.
    pub fn finish(self) -> Result<(), Error> {
        let Self { made, path, force } = self;
        let rename = |flags| renameat2(AT_FDCWD, made.path(), AT_FDCWD, &path, flags);
        if force && path.exists() {
            // The old folder now has the new one's name, and goes with it.
            return rename(RenameFlags::RENAME_EXCHANGE).map_err(|e| Error::writing(&path)(e.into()));
        }
        let done = match rename(RenameFlags::RENAME_NOREPLACE) {
            // A file system without it: a folder is never renamed onto a file or a folder with anything in it.
            Err(Errno::EINVAL) => rename(RenameFlags::empty()),
            done => done,
        };
        match done {
            Ok(()) => {
                // Nothing is there under the old name any more.
                let _ = made.keep();
                Ok(())
            }
            Err(Errno::EEXIST | Errno::ENOTEMPTY) => Err(Error::Exists { path: path.display().to_string() }),
            Err(e) => Err(Error::writing(&path)(e.into())),
        }
    }
}

fn may_be_replaced(path: &Path, there: &fs::Metadata, force: bool, ours: &[&str]) -> Result<(), Error> {
    if !there.is_dir() {
        return Err(Error::Refused(format!("{}: is no folder; choose another name", path.display())));
    }
    if !force {
        return Err(Error::Exists { path: path.display().to_string() });
    }
    for entry in fs::read_dir(path).map_err(Error::reading(path))? {
        let name = entry.map_err(Error::reading(path))?.file_name();
        if !ours.iter().any(|n| name == *n) {
            let (path, name) = (path.display(), name.display());
            return Err(Error::Refused(format!(
                "{path}: holds {name}, which is no export; choose another name"
            )));
        }
    }
    Ok(())
}
