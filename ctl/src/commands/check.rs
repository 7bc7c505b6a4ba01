//! `ingeroctl check`: is this host ready, and what would be recorded?

use std::{
    io::{self, Write},
    path::Path,
    time::Duration,
};

use serde_json::Value;

use crate::{
    client,
    error::{Error, Outcome},
    printable::printable,
    readiness,
    screen::Screen,
};

/// How long a person may have to wait for the checks.
const PATIENCE: Duration = Duration::from_secs(60);

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

/// Checks and shows.
///
/// # Errors
/// If the recorder's program cannot be run; [`Error::NotReady`] if something required is missing.
pub fn run(args: &Args, socket: &Path, out: &mut dyn Write) -> Result<Outcome, Error> {
    let mut report = readiness::host_report(PATIENCE)?;
    let asked = client::ask(socket, &ingero_format::control::Request::Status);
    let running = Running::of(asked.err());
    if let Some(object) = report.as_object_mut() {
        object.insert("recorder_running".into(), (running == Running::Yes).into());
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

/// Whether a recorder answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Running {
    /// It does.
    Yes,
    /// None does.
    No,
    /// This user may not ask.
    MayNotAsk,
}

impl Running {
    fn of(failed: Option<Error>) -> Self {
        match failed {
            None => Self::Yes,
            Some(Error::Unreachable { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => {
                Self::MayNotAsk
            }
            Some(_) => Self::No,
        }
    }
}

fn list<'a>(report: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    report.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn text_of(value: &Value, key: &str) -> String {
    printable(word(value, key))
}

fn yes(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or_default()
}

fn missing(report: &Value) -> Option<String> {
    let bad = list(report, "checks").find(|c| yes(c, "required") && !yes(c, "ok"))?;
    Some(format!("{}: {}; {}", word(bad, "name"), word(bad, "found"), word(bad, "remedy")))
}

/// Shows it.
///
/// # Errors
/// As `out` does.
pub fn text(report: &Value, running: Running, out: &mut dyn Write) -> Result<(), Error> {
    let out = &mut Screen::new(out);
    for check in list(report, "checks") {
        let mark = if yes(check, "ok") { "ok  " } else { "BAD " };
        writeln!(out, "{mark} {}: {}", text_of(check, "name"), text_of(check, "found"))?;
        if !yes(check, "ok") {
            writeln!(out, "     {}", text_of(check, "remedy"))?;
        }
    }
    match running {
        Running::Yes => writeln!(out, "ok   recorder: running")?,
        Running::No => writeln!(out, "--   recorder: not running")?,
        Running::MayNotAsk => {
            writeln!(out, "--   recorder: not known, its socket is for root and the group ingero")?;
        }
    }
    for library in list(report, "libraries") {
        let functions = library.get("functions").and_then(Value::as_u64).unwrap_or(0);
        let slow = list(library, "slow").count();
        let path = text_of(library, "path");
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
        writeln!(out, "ok   process {}/{pid} would be recorded", text_of(process, "comm"))?;
    }
    if !any {
        writeln!(out, "--   no process uses CUDA now; one that starts later is found")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorder_that_this_user_may_not_ask_is_not_said_to_be_down() {
        let failed = |kind: io::ErrorKind| {
            Running::of(Some(Error::Unreachable { path: "control.sock".into(), source: kind.into() }))
        };
        assert_eq!(failed(io::ErrorKind::PermissionDenied), Running::MayNotAsk);
        assert_eq!((failed(io::ErrorKind::NotFound), Running::of(None)), (Running::No, Running::Yes));
    }
}
