//! `ingeroctl report`.

use std::{io::Write, path::PathBuf};

use ingero_format::units::show_bytes;

use crate::{
    conversion::{distinct, from_database},
    error::{Error, Outcome},
    output::Output,
    printable::printable,
    progress::Progress,
    report,
    screen::Screen,
};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Database or bundle.
    #[arg(value_name = "DB|BUNDLE")]
    path: PathBuf,
    /// The HTML file to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Replace the file if it exists.
    #[arg(long)]
    force: bool,
}

/// Writes the page and says what the answer is.
///
/// # Errors
/// If the recording cannot be read or the page not be written; there is then no page.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome, Error> {
    distinct(std::slice::from_ref(&args.path), &args.output)?;
    let mut page = Output::create(&args.output, args.force)?;
    let progress = Progress::on_terminal();
    let made = from_database(&args.path, &progress, |database| report::report(database, &progress))?;
    page.write_all(made.html.as_bytes()).map_err(Error::writing(&args.output))?;
    page.finish(&args.output, args.force)?;
    drop(progress);
    let out = &mut Screen::new(out);
    let bytes = show_bytes(made.html.len() as u64);
    writeln!(out, "{}: {bytes}; open it in any browser", args.output.display())?;
    writeln!(out, "{}", printable(&made.sentence))?;
    Ok(Outcome { partial: !made.complete })
}
