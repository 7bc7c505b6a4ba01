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
    model::Spool,
    progress::Progress,
    screen::Screen,
    sqlite,
    table::printable,
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
}

/// Converts and says what came out.
///
/// # Errors
/// As [`convert`].
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome, Error> {
    let progress = Progress::on_terminal();
    let done = convert(&args.bundles, &args.output, args.force, &progress)?;
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
/// If a bundle cannot be read or the database not be written; there is then no database.
pub fn convert(
    bundles: &[PathBuf],
    output: &Path,
    force: bool,
    progress: &Progress,
) -> Result<Converted, Error> {
    distinct(bundles, output)?;
    let folder = output.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let traces = load::open_all(bundles, &Spool::in_folder(folder.to_owned()), progress)?;
    let findings = investigate(&traces, None);
    sqlite::write(output, force, &traces, &findings, progress)?;
    let bytes = std::fs::metadata(output).map_err(Error::reading(output))?.len();
    Ok(Converted { coverage: Coverage::of(&traces), findings: findings.len(), bytes })
}
