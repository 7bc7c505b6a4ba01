//! One module for each command: its arguments, and `run`.
//!
//! A new command is one file here, one variant of [`crate::cli::Command`], and one arm below.

pub mod check;
pub mod completions;
pub mod convert;
pub mod demo;
pub mod explain;
pub mod export;
pub mod import;
pub mod man;
pub mod mcp;
pub mod query;
pub mod report;
pub mod requests;
pub mod snapshot;
pub mod snapshots;
pub mod stats;
pub mod status;
pub mod top;
pub mod verify;

use std::io::Write;

use crate::{
    cli::{Cli, Command},
    error::{Error, Outcome},
};

/// Runs the command; what it has to say goes to `out`.
///
/// # Errors
/// Whatever the command met.
pub fn run(cli: &Cli, out: &mut dyn Write) -> Result<Outcome, Error> {
    let socket = cli.socket.as_path();
    match &cli.command {
        Command::Check(args) => check::run(args, socket, out),
        Command::Status(args) => status::run(args, socket, out),
        Command::Snapshot(args) => snapshot::run(args, socket, out),
        Command::Snapshots(args) => snapshots::list(args, socket, out),
        Command::Fetch(args) => snapshots::fetch(args, socket, out),
        Command::Rm(args) => snapshots::remove(args, socket, out),
        Command::Pin(args) => snapshots::pin(args, socket, out),
        Command::Top(args) => top::run(args, socket, out),
        Command::Reload(args) => snapshots::reload(args, socket, out),
        Command::Verify(args) => verify::run(args, out),
        Command::Demo(args) => demo::run(args, out),
        Command::Convert(args) => convert::run(args, out),
        Command::Import(args) => import::run(args, out),
        Command::Stats(args) => stats::run(args, out),
        Command::Requests(args) => requests::run(args, out),
        Command::Explain(args) => explain::run(args, out),
        Command::Mcp(args) => mcp::run(args, socket),
        Command::Export(args) => export::run(args, out),
        Command::Query(args) => query::run(args, out),
        Command::Report(args) => report::run(args, out),
        Command::Completions(args) => completions::run(args, out),
        Command::Man(args) => man::run(args, out),
    }
}

/// Writes one JSON object and a line end.
fn json(value: &impl serde::Serialize, out: &mut dyn Write) -> Result<(), Error> {
    crate::json::write(value, out)?;
    Ok(writeln!(out)?)
}

#[cfg(test)]
pub(crate) mod tests;
