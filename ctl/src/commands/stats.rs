//! `ingeroctl stats`.

use std::{io::Write, path::PathBuf};

use crate::{
    error::{Error, Outcome},
    progress::Progress,
    recording,
    stats::text,
};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Database or bundle.
    #[arg(value_name = "DB|BUNDLE")]
    path: PathBuf,
    /// One JSON object, raw nanoseconds.
    #[arg(long)]
    json: bool,
}

/// Counts and shows.
///
/// # Errors
/// If the recording cannot be read.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome, Error> {
    let stats = recording::stats(&args.path, &Progress::on_terminal())?;
    if args.json {
        super::json(&stats, out)?;
    } else {
        text::write(&stats, out)?;
    }
    Ok(Outcome { partial: !stats.coverage.complete })
}
