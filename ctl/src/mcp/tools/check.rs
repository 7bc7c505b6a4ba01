//! `get_check`: is there a recorder, is this host fit, and can the database be asked?

use std::time::Duration;

use ingero_format::control::{Reply, Request};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{
    client,
    mcp::{
        answer::{About, Told},
        params,
        refusal::Refusal,
        session::Session,
    },
    readiness,
};

pub(super) const ABOUT: &str = "Readiness: the recorder's own checks of this host, the running recorder, and the investigation \
that the other tools answer from.";

/// Longest that the host's checks may take.
const HOST_TIME: Duration = Duration::from_secs(5);

/// Longest that the recorder may take to say how it is.
const RECORDER_TIME: Duration = Duration::from_secs(2);

/// One check.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Check {
    /// host, recorder or investigation.
    of: String,
    name: String,
    ok: bool,
    found: String,
    /// What to do; empty if there is nothing to do.
    remedy: String,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Body {
    checks: Vec<Check>,
    /// Answers come from a database that was named (`file`), or from windows of the recorder (`recorder`).
    origin: String,
}

pub(super) fn run(session: &Session, _: params::None) -> Result<(Told<Body>, About), Refusal> {
    let mut checks = host();
    checks.push(recorder(session));
    let known = session.known();
    let about = match &known {
        Some(i) => About::whole(&i.stats.window, &i.stats.coverage),
        None => About::nothing(),
    };
    checks.extend(investigation(session));
    let origin = if session.follows_the_recorder() { "recorder" } else { "file" };
    Ok((Told::whole(Body { checks, origin: origin.to_owned() }), about))
}

fn one(of: &str, name: &str, found: Result<String, String>, remedy: &str) -> Check {
    let ok = found.is_ok();
    let remedy = if ok { String::new() } else { remedy.to_owned() };
    let (Ok(found) | Err(found)) = found;
    Check { of: of.to_owned(), name: name.to_owned(), ok, found, remedy }
}

fn host() -> Vec<Check> {
    let report = match readiness::host_report(HOST_TIME) {
        Ok(report) => report,
        Err(e) => {
            let remedy = "only needed to record on this host; a database is read anywhere";
            return vec![one("host", "recorder program", Err(e.to_string()), remedy)];
        }
    };
    let word = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = report.get("checks").and_then(Value::as_array).cloned().unwrap_or_default();
    list.iter()
        .map(|c| {
            let ok = c.get("ok").and_then(Value::as_bool).unwrap_or(false);
            let found = word(c, "found");
            one("host", &word(c, "name"), if ok { Ok(found) } else { Err(found) }, &word(c, "remedy"))
        })
        .collect()
}

fn recorder(session: &Session) -> Check {
    let reply = client::ask_within(&session.socket, &Request::Status, RECORDER_TIME);
    let found = match reply {
        Ok((Reply::Status(s), _)) => Ok(format!(
            "{}, version {}, {:.1} s of past held, {} events lost since it started, {} warnings",
            s.state,
            s.version,
            s.seconds_held,
            s.events.lost,
            s.warnings.len()
        )),
        Ok((reply, _)) => Err(client::odd(&reply).to_string()),
        Err(e) => Err(e.to_string()),
    };
    let remedy =
        "start it with `systemctl start ingero-recorder`, or give --socket; without it only --db answers";
    one("recorder", "running", found, remedy)
}

fn investigation(session: &Session) -> Vec<Check> {
    let Some(i) = session.known() else {
        let found = "no window yet: the first question, or take_snapshot, freezes one".to_owned();
        return vec![one("investigation", "window", Ok(found), "")];
    };
    let coverage = &i.stats.coverage;
    let content = format!(
        "{} calls, {} off-CPU intervals, {} findings, {} s",
        coverage.calls,
        coverage.off_cpu,
        i.findings.len(),
        i.stats.window.dur_ns / 1_000_000_000
    );
    let file = if i.is_current() {
        Ok(i.path.display().to_string())
    } else {
        Err(format!("{}: changed or gone since it was opened", i.path.display()))
    };
    let complete = if coverage.complete { Ok(coverage.line()) } else { Err(coverage.line()) };
    vec![
        one("investigation", "file", file, "the next question opens it again"),
        one("investigation", "content", Ok(content), ""),
        one(
            "investigation",
            "complete",
            complete,
            "get_coverage says what is missing; say so in every answer",
        ),
    ]
}
