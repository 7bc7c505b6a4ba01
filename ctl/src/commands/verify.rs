//! `ingeroctl verify`.

use std::{io::Write, path::PathBuf};

use ingero_format::units::{show_bytes, show_count};

use crate::{
    error::{Error, Outcome},
    printable::printable,
    screen::Screen,
    verify::{self, Report},
};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Ring, frozen set, segment or bundle.
    path: PathBuf,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

/// Verifies and shows.
///
/// # Errors
/// [`Error::NotOurs`] if the path is none of these, [`Error::Damaged`] if it is damaged.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome, Error> {
    let report = verify::verify(&args.path)?;
    if args.json {
        super::json(&report, out)?;
    } else {
        text(&report, out)?;
    }
    out.flush()?;
    if report.ok {
        return Ok(Outcome { partial: !report.losses.is_empty() });
    }
    Err(Error::Damaged { path: args.path.display().to_string(), places: report.damaged.len() })
}

/// Shows it.
///
/// # Errors
/// As `out` does.
pub fn text(r: &Report, out: &mut dyn Write) -> Result<(), Error> {
    let out = &mut Screen::new(out);
    let (events, frames, bytes) = (show_count(r.events), show_count(r.frames), show_bytes(r.bytes));
    writeln!(out, "{}: {} events in {frames} frames, {bytes}", if r.ok { "ok" } else { "damaged" }, events)?;
    for damage in &r.damaged {
        writeln!(
            out,
            "damaged at byte {} of {}: {}",
            damage.offset,
            printable(&damage.place),
            printable(&damage.reason)
        )?;
    }
    for loss in &r.losses {
        let count = if loss.count > 0 { show_count(loss.count) } else { "some".to_owned() };
        writeln!(out, "lost: {count} {} events ({})", loss.source, loss.cause)?;
    }
    let c = &r.conservation;
    let (sign, verdict) = if c.holds { ("=", "holds") } else { ("!=", "does not hold") };
    writeln!(
        out,
        "conservation {verdict}: produced {} {sign} stored {} + lost {} + evicted {}",
        show_count(c.produced),
        show_count(c.stored),
        show_count(c.lost),
        show_count(c.evicted)
    )?;
    Ok(())
}
