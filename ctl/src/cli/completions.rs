//! `ingeroctl completions`.

use std::io::Write;

use super::command;
use crate::error::{Error, Outcome};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell.
    shell: clap_complete::Shell,
}

/// Writes the completions.
///
/// # Errors
/// As `out` does.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome, Error> {
    // The generator panics if its writer fails, so it gets one that cannot.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command(), "ingeroctl", &mut script);
    out.write_all(&script)?;
    Ok(Outcome::default())
}
