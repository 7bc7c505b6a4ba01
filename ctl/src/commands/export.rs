//! `ingeroctl export`.

use std::{io::Write, path::PathBuf};

use ingero_format::units::{show_bytes, show_count};

use crate::{
    conversion::{distinct, from_database},
    error::{Error, Outcome},
    export::{parquet, perfetto},
    output::Output,
    output_folder::OutputFolder,
    progress::Progress,
    screen::Screen,
};

/// What to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A trace for ui.perfetto.dev and trace processor.
    Perfetto,
    /// A folder of files for DuckDB, pandas and Spark.
    Parquet,
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
    /// Where to write: a file for perfetto, a folder for parquet.
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
    distinct(std::slice::from_ref(&args.path), &args.output)?;
    let out = &mut Screen::new(out);
    match args.format {
        Format::Perfetto => perfetto(args, out)?,
        Format::Parquet => parquet(args, out)?,
    }
    Ok(Outcome::default())
}

fn perfetto(args: &Args, out: &mut dyn Write) -> Result<(), Error> {
    let mut output = Output::create(&args.output, args.force)?;
    let progress = Progress::on_terminal();
    let events = from_database(&args.path, &progress, |database| {
        perfetto::write(database, &mut output, &args.output, &progress)
    })?;
    let bytes = output.finish(&args.output, args.force)?;
    drop(progress);
    let (path, events) = (args.output.display(), show_count(events));
    writeln!(out, "{path}: {events} events, {}; open it at ui.perfetto.dev", show_bytes(bytes))?;
    Ok(())
}

fn parquet(args: &Args, out: &mut dyn Write) -> Result<(), Error> {
    let views: Vec<&str> = parquet::views().collect();
    let output = OutputFolder::create(&args.output, args.force, &views)?;
    let progress = Progress::on_terminal();
    let written = from_database(&args.path, &progress, |database| {
        parquet::write(database, output.folder(), &args.output, &progress)
    })?;
    output.finish()?;
    drop(progress);
    let (path, rows, files) = (args.output.display(), show_count(written.rows), show_count(written.files));
    let bytes = show_bytes(written.bytes);
    writeln!(
        out,
        "{path}: {rows} rows in {files} files, {bytes}; a folder for each view, by machine and hour"
    )?;
    Ok(())
}
