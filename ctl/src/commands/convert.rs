//! `ingeroctl convert`.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use ingero_format::units::{show_bytes, show_count};

use crate::{
    conversion::{convert_changed, distinct},
    error::{Error, Outcome},
    model::Trace,
    printable::printable,
    progress::Progress,
    redact::{map::MapFile, redact},
    screen::Screen,
};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Bundles, of one machine or of several.
    #[arg(required = true, value_name = "BUNDLE")]
    bundles: Vec<PathBuf>,
    /// The database to write.
    #[arg(short, long, value_name = "DB")]
    output: PathBuf,
    /// Replace the database if it exists.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    redaction: Redaction,
}

/// What is replaced by pseudonyms.
#[derive(Debug, Default, clap::Args)]
pub struct Redaction {
    /// Replace what names people, customers, machines and models by pseudonyms; drop reasons of snapshots.
    #[arg(long)]
    pub redact: bool,
    /// Also write what each pseudonym stands for: a new file, for its owner alone.
    #[arg(long, value_name = "FILE", requires = "redact")]
    pub redact_map: Option<PathBuf>,
}

impl Redaction {
    /// Makes the file of the map, if one is wanted.
    ///
    /// # Errors
    /// If it is the output, or there already.
    pub fn map(&self, output: &Path) -> Result<Option<MapFile>, Error> {
        let Some(path) = &self.redact_map else { return Ok(None) };
        let map = MapFile::create(path)?;
        distinct(std::slice::from_ref(path), output)?;
        Ok(Some(map))
    }

    /// Redacts traces, if asked, and writes the map.
    ///
    /// # Errors
    /// If the map cannot be written.
    pub fn apply(&self, traces: &mut [Trace], map: Option<&mut MapFile>) -> Result<(), Error> {
        if !self.redact {
            return Ok(());
        }
        let names = redact(traces);
        map.map_or(Ok(()), |map| map.write(&names))
    }
}

/// Converts and says what came out.
///
/// # Errors
/// If a bundle cannot be read or the database not be written; there is then neither database nor map.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome, Error> {
    let progress = Progress::on_terminal();
    distinct(&args.bundles, &args.output)?;
    let mut map = args.redaction.map(&args.output)?;
    let done = convert_changed(&args.bundles, &args.output, args.force, &progress, |traces| {
        args.redaction.apply(traces, map.as_mut())
    })?;
    map.into_iter().for_each(MapFile::keep);
    drop(progress);
    let out = &mut Screen::new(out);
    writeln!(
        out,
        "{}: {} calls, {} off-CPU intervals, {} finding{}, {}",
        args.output.display(),
        show_count(done.coverage.calls),
        show_count(done.coverage.off_cpu),
        done.findings,
        if done.findings == 1 { "" } else { "s" },
        show_bytes(done.bytes),
    )?;
    if !done.coverage.complete {
        writeln!(out, "incomplete: {}", printable(&done.coverage.line()))?;
        for note in &done.coverage.notes {
            writeln!(out, "note: {}", printable(note))?;
        }
    }
    Ok(Outcome { partial: !done.coverage.complete })
}
