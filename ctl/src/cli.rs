//! The command line.

mod completions;
mod examples;
mod man;

use std::{io::Write, path::PathBuf};

use clap::{Parser, Subcommand};

use crate::{
    commands::{
        check, convert, explain, export, import, query, report, requests, snapshot, snapshots, stats, status,
        verify,
    },
    demo::command as demo,
    error::{Error, Outcome},
    mcp::command as mcp,
    top::command as top,
};

pub use examples::command;

/// Where the recorder listens.
pub const DEFAULT_SOCKET: &str = "/run/ingero-recorder/control.sock";

/// Control the recorder, and find out what happened.
#[derive(Debug, Parser)]
#[command(name = "ingeroctl", version, propagate_version = true, max_term_width = 80)]
pub struct Cli {
    /// Socket of the recorder.
    #[arg(long, global = true, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    pub socket: PathBuf,
    /// Exit with 5 if data was lost or coverage is partial.
    #[arg(long, global = true)]
    pub strict: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do; one variant for each command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Is this host ready, and what would be recorded?
    Check(check::Args),
    /// What the recorder holds, loses and costs.
    Status(status::Args),
    /// Freeze a window while recording goes on.
    Snapshot(snapshot::Args),
    /// List snapshots.
    Snapshots(snapshots::ListArgs),
    /// Copy a snapshot's bundle here.
    Fetch(snapshots::FetchArgs),
    /// Remove a snapshot.
    Rm(snapshots::RemoveArgs),
    /// Keep a snapshot whatever its age and the room it takes.
    Pin(snapshots::PinArgs),
    /// The status as it moves.
    Top(top::Args),
    /// Have the recorder read its configuration again.
    Reload(snapshots::ReloadArgs),
    /// Check a ring, frozen set, segment or bundle, byte for byte.
    Verify(verify::Args),
    /// Turn bundles into one SQLite investigation.
    Convert(convert::Args),
    /// Turn databases of Ingero agents into one SQLite investigation.
    Import(import::Args),
    /// Count calls and off-CPU time, with quantiles.
    Stats(stats::Args),
    /// Say where the time of each request went that a program told.
    Requests(requests::Args),
    /// Say which thread stalled, for how long, and why.
    Explain(explain::Args),
    /// Write an investigation for another tool.
    Export(export::Args),
    /// Ask a database in SQL; it is opened read-only.
    Query(query::Args),
    /// Answer AI assistants over the Model Context Protocol (stdio, or HTTP).
    Mcp(mcp::Args),
    /// Write one HTML page: the answer, a timeline and tables.
    Report(report::Args),
    /// Record, freeze and explain an incident on a machine without a GPU.
    Demo(demo::Args),
    /// Write completions for a shell.
    Completions(completions::Args),
    /// Write manual pages.
    Man(man::Args),
}

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
