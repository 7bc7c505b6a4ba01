//! `ingeroctl import`.

use std::{io::Write, path::PathBuf};

use ingero_format::units::show_count;

use super::convert::Redaction;
use crate::{
    conversion::distinct,
    coverage::Coverage,
    error::{Error, Outcome},
    ingero,
    investigate::investigate,
    printable::printable,
    progress::Progress,
    redact::map::MapFile,
    screen::Screen,
    sqlite,
};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Databases of Ingero agents, of one machine or of several.
    #[arg(required = true, value_name = "INGERO_SQLITE")]
    databases: Vec<PathBuf>,
    /// The investigation to write.
    #[arg(short, long, value_name = "DB")]
    output: PathBuf,
    /// Replace the investigation if it exists.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    redaction: Redaction,
}

/// Imports and says what came out.
///
/// # Errors
/// If a database cannot be read or the investigation not be written; there is then none.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome, Error> {
    distinct(&args.databases, &args.output)?;
    let mut map = args.redaction.map(&args.output)?;
    let mut traces = ingero::read(&args.databases)?;
    args.redaction.apply(&mut traces, map.as_mut())?;
    let findings = investigate(&traces, None);
    sqlite::write(&args.output, args.force, &traces, &findings, &Progress::on_terminal())?;
    map.into_iter().for_each(MapFile::keep);
    let coverage = Coverage::of(&traces);
    let claims: usize = traces.iter().map(|t| t.annotations.len()).sum();
    let out = &mut Screen::new(out);
    writeln!(
        out,
        "{}: {} calls, {} off-CPU intervals, {} finding{}, {} claims of the agent kept as annotations",
        args.output.display(),
        show_count(coverage.calls),
        show_count(coverage.off_cpu),
        findings.len(),
        if findings.len() == 1 { "" } else { "s" },
        show_count(claims as u64),
    )?;
    writeln!(out, "population: {}", printable(&coverage.population))?;
    for note in &coverage.notes {
        writeln!(out, "note: {}", printable(note))?;
    }
    Ok(Outcome { partial: !coverage.complete })
}
