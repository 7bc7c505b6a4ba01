//! `ingeroctl export`.

use std::{io::Write, path::PathBuf};

use ingero_format::units::{show_bytes, show_count};

use crate::{
    error::{Error, Outcome},
    export::perfetto,
    load::{self, Kind},
    output::Output,
    progress::Progress,
};

/// What to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A trace for ui.perfetto.dev and trace processor.
    Perfetto,
}

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Database or bundle.
    #[arg(value_name = "DB|BUNDLE")]
    path: PathBuf,
    /// The format.
    #[arg(long, value_enum)]
    format: Format,
    /// Where to write.
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,
    /// Replace what is there.
    #[arg(long)]
    force: bool,
}

/// Exports, and says how much.
///
/// # Errors
/// If the recording cannot be read or the output not be written; there is then none.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome, Error> {
    super::convert::distinct(std::slice::from_ref(&args.path), &args.output)?;
    let mut output = Output::create(&args.output, args.force)?;
    let progress = Progress::on_terminal();
    let folder = tempfile::tempdir().map_err(Error::writing(&std::env::temp_dir()))?;
    let database = if load::kind_of(&args.path)? == Kind::Database {
        args.path.clone()
    } else {
        let database = folder.path().join("investigation.db");
        super::convert::convert(std::slice::from_ref(&args.path), &database, false, &progress)?;
        database
    };
    let events = match args.format {
        Format::Perfetto => perfetto::write(&database, &mut output, &args.output, &progress)?,
    };
    let bytes = output.finish(&args.output, args.force)?;
    drop(progress);
    let (path, events) = (args.output.display(), show_count(events));
    writeln!(out, "{path}: {events} events, {}; open it at ui.perfetto.dev", show_bytes(bytes))?;
    Ok(Outcome::default())
}
