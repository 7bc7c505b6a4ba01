//! `ingeroctl snapshots`, `fetch`, `rm`, `reload`: what is kept, and small requests.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use ingero_format::{
    control::{Reply, Request, Snapshot},
    units::{show_bytes, show_ns},
};

use crate::{
    aside::to_copy,
    client,
    error::{Error, Outcome},
    printable::last_column,
    screen::Screen,
    time,
};

/// Arguments of `snapshots`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

/// Arguments of `fetch`.
#[derive(Debug, clap::Args)]
pub struct FetchArgs {
    /// A snapshot's id, as `snapshots` lists it.
    id: String,
    /// The file to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// Arguments of `rm`.
#[derive(Debug, clap::Args)]
pub struct RemoveArgs {
    /// A snapshot's id, as `snapshots` lists it.
    id: String,
}

/// Arguments of `pin`.
#[derive(Debug, clap::Args)]
pub struct PinArgs {
    /// A snapshot's id, as `snapshots` lists it.
    id: String,
    /// Pin it no longer.
    #[arg(long)]
    off: bool,
}

/// Arguments of `reload`.
#[derive(Debug, clap::Args)]
pub struct ReloadArgs {
    /// Return when the new configuration is in force (always so; accepted for units).
    #[arg(long)]
    wait: bool,
}

/// Lists snapshots.
///
/// # Errors
/// If the recorder does not answer.
pub fn list(args: &ListArgs, socket: &Path, out: &mut dyn Write) -> Result<Outcome, Error> {
    let (reply, _) = client::ask(socket, &Request::Snapshots)?;
    let Reply::Snapshots(list) = reply else { return Err(client::odd(&reply)) };
    if args.json {
        super::json(&serde_json::json!({ "snapshots": list }), out)?;
        return Ok(Outcome::default());
    }
    rows(&list, out)
}

/// Shows a list.
///
/// # Errors
/// As `out` does.
pub fn rows(list: &[Snapshot], out: &mut dyn Write) -> Result<Outcome, Error> {
    let out = &mut Screen::new(out);
    if list.is_empty() {
        writeln!(out, "{}", to_copy("no snapshots; `ingeroctl snapshot` takes one"))?;
    }
    for s in list {
        let held = show_ns(s.to_ts_ns.saturating_sub(s.from_ts_ns));
        writeln!(
            out,
            "{}  {}  {held} until {}{}{}",
            s.id,
            show_bytes(s.bytes),
            time::date_and_clock(s.to_ts_ns.cast_signed()),
            if s.pinned { "  pinned" } else { "" },
            last_column(&s.reason),
        )?;
    }
    Ok(Outcome::default())
}

/// Fetches a bundle.
///
/// # Errors
/// If the recorder does not answer or has no such snapshot, or the file cannot be written.
pub fn fetch(args: &FetchArgs, socket: &Path, out: &mut dyn Write) -> Result<Outcome, Error> {
    let bytes = client::fetch(socket, &args.id, &args.output)?;
    writeln!(out, "{}: {}", args.output.display(), show_bytes(bytes))?;
    Ok(Outcome::default())
}

/// Removes a snapshot.
///
/// # Errors
/// If the recorder does not answer or has no such snapshot.
pub fn remove(args: &RemoveArgs, socket: &Path, out: &mut dyn Write) -> Result<Outcome, Error> {
    client::ask(socket, &Request::Remove { id: args.id.clone() })?;
    writeln!(out, "{} removed", args.id)?;
    Ok(Outcome::default())
}

/// Keeps a snapshot whatever its age and the room it takes, or no longer.
///
/// # Errors
/// If the recorder does not answer or has no such snapshot.
pub fn pin(args: &PinArgs, socket: &Path, out: &mut dyn Write) -> Result<Outcome, Error> {
    client::ask(socket, &Request::Pin { id: args.id.clone(), pinned: !args.off })?;
    writeln!(out, "{} {}", args.id, if args.off { "is pinned no longer" } else { "pinned" })?;
    Ok(Outcome::default())
}

/// Has the configuration read again.
///
/// # Errors
/// If the recorder does not answer, or refuses the configuration, in its words.
pub fn reload(_: &ReloadArgs, socket: &Path, out: &mut dyn Write) -> Result<Outcome, Error> {
    client::ask(socket, &Request::Reload)?;
    writeln!(out, "configuration reloaded")?;
    Ok(Outcome::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_without_a_reason_has_no_blanks_at_its_lines_end() {
        let listed = |reason: &str| {
            let snapshot = Snapshot { id: "a-1".into(), reason: reason.into(), ..Snapshot::default() };
            let mut out = Vec::new();
            rows(&[snapshot], &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert!(listed("").ends_with("UTC\n"), "{:?}", listed(""));
        assert!(listed("slow").ends_with("UTC  slow\n"), "{:?}", listed("slow"));
    }
}
