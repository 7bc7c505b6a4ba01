//! `ingeroctl convert`.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use ingero_format::units::{show_bytes, show_count};

use crate::{
    coverage::Coverage,
    error::{Error, Outcome},
    investigate::investigate,
    load,
    model::{Spool, Trace},
    printable::printable,
    progress::Progress,
    redact::{map::MapFile, redact},
    screen::Screen,
    sqlite,
};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Bundles, of one machine or of several.
    #[arg(required = true, value_name = "BUNDLE")]
    bundles: Vec<PathBuf>,
    /// The database to write.
    #[arg(short, long, value_name = "DB")]
    output: PathBuf,
    /// Replace the database if it exists.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    redaction: Redaction,
}

/// What is replaced by pseudonyms.
#[derive(Debug, Default, clap::Args)]
pub struct Redaction {
    /// Replace what names people, customers, machines and models by pseudonyms; drop reasons of snapshots.
    #[arg(long)]
    pub redact: bool,
    /// Also write what each pseudonym stands for: a new file, for its owner alone.
    #[arg(long, value_name = "FILE", requires = "redact")]
    pub redact_map: Option<PathBuf>,
}

impl Redaction {
    /// Makes the file of the map, if one is wanted.
    ///
    /// # Errors
    /// If it is the output, or there already.
    pub fn map(&self, output: &Path) -> Result<Option<MapFile>, Error> {
        let Some(path) = &self.redact_map else { return Ok(None) };
        let map = MapFile::create(path)?;
        distinct(std::slice::from_ref(path), output)?;
        Ok(Some(map))
    }

    /// Redacts traces, if asked, and writes the map.
    ///
    /// # Errors
    /// If the map cannot be written.
    pub fn apply(&self, traces: &mut [Trace], map: Option<&mut MapFile>) -> Result<(), Error> {
        if !self.redact {
            return Ok(());
        }
        let names = redact(traces);
        map.map_or(Ok(()), |map| map.write(&names))
    }
}

/// Converts and says what came out.
///
/// # Errors
/// As [`convert`].
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome, Error> {
    let progress = Progress::on_terminal();
    let done = convert_redacted(&args.bundles, &args.output, args.force, &args.redaction, &progress)?;
    drop(progress);
    let out = &mut Screen::new(out);
    writeln!(
        out,
        "{}: {} calls, {} off-CPU intervals, {} finding{}, {}",
        args.output.display(),
        show_count(done.coverage.calls),
        show_count(done.coverage.off_cpu),
        done.findings,
        if done.findings == 1 { "" } else { "s" },
        show_bytes(done.bytes),
    )?;
    if !done.coverage.complete {
        writeln!(out, "incomplete: {}", printable(&done.coverage.line()))?;
        for note in &done.coverage.notes {
            writeln!(out, "note: {}", printable(note))?;
        }
    }
    Ok(Outcome { partial: !done.coverage.complete })
}

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
/// As [`convert_redacted`].
pub fn convert(
    bundles: &[PathBuf],
    output: &Path,
    force: bool,
    progress: &Progress,
) -> Result<Converted, Error> {
    convert_redacted(bundles, output, force, &Redaction::default(), progress)
}

/// Converts bundles into a database, with what is asked replaced before anything is made of it.
///
/// # Errors
/// If a bundle cannot be read or the database not be written; there is then neither database nor map.
fn convert_redacted(
    bundles: &[PathBuf],
    output: &Path,
    force: bool,
    redaction: &Redaction,
    progress: &Progress,
) -> Result<Converted, Error> {
    distinct(bundles, output)?;
    let mut map = redaction.map(output)?;
    let folder = output.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut traces = load::open_all(bundles, &Spool::in_folder(folder.to_owned()), progress)?;
    redaction.apply(&mut traces, map.as_mut())?;
    let findings = investigate(&traces, None);
    sqlite::write(output, force, &traces, &findings, progress)?;
    map.into_iter().for_each(MapFile::keep);
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
