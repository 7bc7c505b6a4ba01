//! `ingeroctl status`.

use std::{io::Write, path::Path};

use crate::{
    client,
    error::{Error, Outcome},
    status,
};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

/// Asks and shows.
///
/// # Errors
/// If the recorder does not answer.
pub fn run(args: &Args, socket: &Path, out: &mut dyn Write) -> Result<Outcome, Error> {
    if !args.json {
        return status::show(socket, out);
    }
    let status = client::status(socket)?;
    super::json(&status, out)?;
    Ok(Outcome { partial: status.events.lost > 0 })
}
