//! Bundles → a database.

use std::path::{Path, PathBuf};

use crate::{
    coverage::Coverage,
    error::Error,
    investigate::investigate,
    load,
    model::{Spool, Trace},
    progress::Progress,
    sqlite,
};

/// Makes sure that no input is the output, under whatever name: `a.ingero` and `./a.ingero` are one file.
///
/// # Errors
/// [`Error::Usage`] naming the file.
pub fn distinct(inputs: &[PathBuf], output: &Path) -> Result<(), Error> {
    let identity = |path: &Path| path.canonicalize().ok();
    let both = identity(output).and_then(|out| inputs.iter().find(|b| identity(b).as_ref() == Some(&out)));
    match both {
        Some(path) => {
            Err(Error::Usage(format!("{}: is both input and output; give another -o", path.display())))
        }
        None => Ok(()),
    }
}

/// What a conversion made.
#[derive(Clone, Debug)]
pub struct Converted {
    /// What may be missing.
    pub coverage: Coverage,
    /// Number of findings.
    pub findings: usize,
    /// Size of the database.
    pub bytes: u64,
}

/// Converts bundles into a database.
///
/// # Errors
/// As [`convert_changed`].
pub fn convert(
    bundles: &[PathBuf],
    output: &Path,
    force: bool,
    progress: &Progress,
) -> Result<Converted, Error> {
    convert_changed(bundles, output, force, progress, |_| Ok(()))
}

/// Converts bundles into a database, after `change` of what was read and before anything is made of it.
///
/// # Errors
/// If a bundle cannot be read or the database not be written; there is then none. As `change` does.
pub fn convert_changed(
    bundles: &[PathBuf],
    output: &Path,
    force: bool,
    progress: &Progress,
    change: impl FnOnce(&mut [Trace]) -> Result<(), Error>,
) -> Result<Converted, Error> {
    distinct(bundles, output)?;
    let folder = output.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut traces = load::open_all(bundles, &Spool::in_folder(folder.to_owned()), progress)?;
    change(&mut traces)?;
    let findings = investigate(&traces, None);
    sqlite::write(output, force, &traces, &findings, progress)?;
    let bytes = std::fs::metadata(output).map_err(Error::reading(output))?.len();
    Ok(Converted { coverage: Coverage::of(&traces), findings: findings.len(), bytes })
}

/// Does something with the database, or with one made of the bundle.
///
/// # Errors
/// As [`convert`], and as `work` does.
pub fn from_database<T>(
    path: &Path,
    progress: &Progress,
    work: impl FnOnce(&Path) -> Result<T, Error>,
) -> Result<T, Error> {
    if load::kind_of(path)? == load::Kind::Database {
        return work(path);
    }
    let folder = tempfile::tempdir().map_err(Error::writing(&std::env::temp_dir()))?;
    let database = folder.path().join("investigation.db");
    convert(std::slice::from_ref(&path.to_owned()), &database, false, progress)?;
    work(&database)
}
