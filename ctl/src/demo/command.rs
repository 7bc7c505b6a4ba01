//! `ingeroctl demo`.

use std::{io::Write, path::PathBuf};

use super::Scenario;
use crate::error::{Error, Outcome};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What happens to the engine.
    #[arg(value_enum, default_value_t = Scenario::Incident)]
    scenario: Scenario,
    /// Folder in which bundle and database are left.
    #[arg(short, long, value_name = "DIR", default_value = "ingero-demo")]
    output: PathBuf,
}

/// Records an incident and explains it.
///
/// # Errors
/// Without root, without the recorder's program, or if any step fails.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome, Error> {
    super::run(args.scenario, &args.output, out)
}
