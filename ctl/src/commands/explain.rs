//! `ingeroctl explain`.

use std::{io::Write, path::PathBuf};

use crate::{
    error::{Error, Outcome},
    explain::{Question, text},
    progress::Progress,
    recording,
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
    /// Also what every process did.
    #[arg(long)]
    per_process: bool,
    /// Begin: RFC 3339, or an offset from the window's end such as -30s.
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    from: Option<String>,
    /// End, likewise.
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    to: Option<String>,
    /// Only threads of this process.
    #[arg(long, value_name = "N")]
    pid: Option<u32>,
}

/// Investigates and shows.
///
/// # Errors
/// If the recording cannot be read, or the question not be asked of it.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome, Error> {
    let question = Question {
        from: args.from.clone(),
        to: args.to.clone(),
        pid: args.pid,
        per_process: args.per_process,
    };
    let answer = recording::answer(&args.path, &question, &Progress::on_terminal())?;
    if args.json {
        super::json(&answer, out)?;
    } else {
        text::write(&answer, out)?;
    }
    Ok(Outcome { partial: !answer.coverage.complete })
}
