//! `ingeroctl top`.

use std::{
    io::{IsTerminal, Write},
    path::Path,
    time::Duration,
};

use ingero_format::units::parse_time_ns;

use crate::{
    error::{Error, Outcome},
    status,
};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Time between two looks, e.g. 500ms, 1s.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_time_ns)]
    interval: u64,
}

/// Shows the status live on a terminal, and once elsewhere.
///
/// # Errors
/// If the recorder does not answer, or the terminal fails.
pub fn run(args: &Args, socket: &Path, out: &mut dyn Write) -> Result<Outcome, Error> {
    if !std::io::stdout().is_terminal() {
        return status::show(socket, out);
    }
    super::run(socket, Duration::from_nanos(args.interval.max(100_000_000)))?;
    Ok(Outcome::default())
}
