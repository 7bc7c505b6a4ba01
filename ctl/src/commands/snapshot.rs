//! `ingeroctl snapshot`.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use ingero_format::{
    control::Snapshot,
    units::{parse_time_ns, show_bytes, show_ns},
};

use crate::{
    client,
    error::{Error, Outcome},
    printable::printable,
    screen::Screen,
    time,
};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How far back the window reaches.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_time_ns)]
    last: u64,
    /// How far beyond now it reaches.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_time_ns)]
    after: u64,
    /// Why; kept in the bundle.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// A unit of the service manager asks: caps on triggers hold, and it may join a snapshot under way.
    #[arg(long)]
    unit: bool,
    /// Also fetch the bundle into this file.
    #[arg(short, long, value_name = "FILE.ingero")]
    output: Option<PathBuf>,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

/// Asks for a snapshot, waits for it, and fetches it if wanted.
///
/// # Errors
/// If the recorder does not answer or refuses, or the file cannot be written.
pub fn run(args: &Args, socket: &Path, out: &mut dyn Write) -> Result<Outcome, Error> {
    if let Some(path) = args.output.as_ref().filter(|p| p.exists()) {
        return Err(Error::Exists { path: path.display().to_string() });
    }
    let mut snapshot = client::snapshot(socket, args.last, args.after, &args.reason, args.unit)?;
    if let Some(path) = &args.output {
        client::fetch(socket, &snapshot.id, path)?;
        snapshot.path = path.display().to_string();
    }
    if args.json {
        super::json(&snapshot, out)?;
    } else {
        text(&snapshot, out)?;
    }
    Ok(Outcome { partial: !snapshot.notes.is_empty() })
}

fn text(s: &Snapshot, out: &mut dyn Write) -> Result<(), Error> {
    let out = &mut Screen::new(out);
    writeln!(out, "snapshot {}  {}  {}", s.id, s.path, show_bytes(s.bytes))?;
    let held = s.to_ts_ns.saturating_sub(s.from_ts_ns);
    writeln!(
        out,
        "window   {} .. {} ({})",
        time::date_and_clock(s.from_ts_ns.cast_signed()),
        time::date_and_clock(s.to_ts_ns.cast_signed()),
        show_ns(held)
    )?;
    writeln!(
        out,
        "frozen after {}, durable after {}",
        show_ns(s.frozen_after_ns),
        show_ns(s.durable_after_ns)
    )?;
    for note in &s.notes {
        writeln!(out, "note: {}", printable(note))?;
    }
    Ok(())
}
