//! One module for each command: its arguments, and `run`.
//!
//! A new command is one file here, and one variant of `Command` with its arm in `cli`. Commands that are a room of their
//! own (`demo`, `mcp`, `top`) have it there, those about the command line itself in `cli`.

pub mod check;
pub mod convert;
pub mod explain;
pub mod export;
pub mod import;
pub mod query;
pub mod report;
pub mod requests;
pub mod snapshot;
pub mod snapshots;
pub mod stats;
pub mod status;
pub mod verify;

use std::io::Write;

use crate::error::Error;

/// Writes one JSON object and a line end.
fn json(value: &impl serde::Serialize, out: &mut dyn Write) -> Result<(), Error> {
    crate::json::write(value, out)?;
    Ok(writeln!(out)?)
}

#[cfg(test)]
pub(crate) mod tests;
