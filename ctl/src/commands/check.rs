//! `ingeroctl check`: is this host ready, and what would be recorded?
//!
//! The questions are asked by `ingero-recorder --check-host`, with the very code that records: an answer
//! made up here could differ from what happens.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{
    client,
    error::{Error, Outcome},
    table::printable,
};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

/// The recorder's program: beside this one, else wherever PATH says.
#[must_use]
pub fn recorder_program() -> PathBuf {
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("ingero-recorder")));
    beside.filter(|p| p.exists()).unwrap_or_else(|| "ingero-recorder".into())
}

/// Checks and shows.
///
/// # Errors
/// If the recorder's program cannot be run; [`Error::NotReady`] if something required is missing.
pub fn run(args: &Args, socket: &Path, out: &mut dyn Write) -> Result<Outcome, Error> {
    let program = recorder_program();
    let output =
        Command::new(&program).arg("--check-host").stderr(Stdio::inherit()).output().map_err(|source| {
            Error::Refused(format!(
                "{}: cannot be run: {source}; install ingero-recorder beside ingeroctl",
                program.display()
            ))
        })?;
    let mut report: Value = serde_json::from_slice(&output.stdout).map_err(|_| {
        Error::Refused(format!("{}: gave no report; is it of the same version?", program.display()))
    })?;
    let running = client::ask(socket, &ingero_format::control::Request::Status).is_ok();
    if let Some(object) = report.as_object_mut() {
        object.insert("recorder_running".into(), running.into());
    }
    if args.json {
        super::json(&report, out)?;
    } else {
        text(&report, running, out)?;
    }
    out.flush()?;
    match missing(&report) {
        Some(what) => Err(Error::NotReady(what)),
        None => Ok(Outcome::default()),
    }
}

fn list<'a>(report: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    report.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn yes(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or_default()
}

fn missing(report: &Value) -> Option<String> {
    let bad = list(report, "checks").find(|c| yes(c, "required") && !yes(c, "ok"))?;
    Some(format!("{}: {}; {}", word(bad, "name"), word(bad, "found"), word(bad, "remedy")))
}

fn text(report: &Value, running: bool, out: &mut dyn Write) -> Result<(), Error> {
    for check in list(report, "checks") {
        let mark = if yes(check, "ok") { "ok  " } else { "BAD " };
        writeln!(out, "{mark} {}: {}", word(check, "name"), printable(word(check, "found")))?;
        if !yes(check, "ok") {
            writeln!(out, "     {}", word(check, "remedy"))?;
        }
    }
    writeln!(
        out,
        "{} recorder: {}",
        if running { "ok  " } else { "--  " },
        if running { "running" } else { "not running" }
    )?;
    for library in list(report, "libraries") {
        let functions = library.get("functions").and_then(Value::as_u64).unwrap_or(0);
        let slow = list(library, "slow").count();
        let path = printable(word(library, "path"));
        match library.get("error").and_then(Value::as_str) {
            Some(e) => writeln!(out, "BAD  {path}: {}", printable(e))?,
            None if functions == 0 => {
                writeln!(out, "BAD  {path}: exports none of the known functions; not recorded")?
            }
            None => writeln!(out, "ok   {path}: {functions} functions, {slow} of them with slow probes")?,
        }
    }
    let mut any = false;
    for process in list(report, "processes") {
        any = true;
        let pid = process.get("pid").and_then(Value::as_u64).unwrap_or(0);
        writeln!(out, "ok   process {}/{pid} would be recorded", printable(word(process, "comm")))?;
    }
    if !any {
        writeln!(out, "--   no process uses CUDA now; one that starts later is found")?;
    }
    Ok(())
}
