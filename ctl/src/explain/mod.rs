//! Which thread stalled, for how long, and why.

pub mod text;

use serde::Serialize;

use crate::{
    coverage::{self, Coverage, Window},
    error::Error,
    investigate::{Finding, investigate},
    model::Trace,
    stats::Stats,
    time,
};

/// What part of a recording is asked about.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// Begin: RFC 3339, or an offset from the window's end.
    pub from: Option<String>,
    /// End, likewise.
    pub to: Option<String>,
    /// Only threads of this process.
    pub pid: Option<u32>,
    /// Also tell what every process did.
    pub per_process: bool,
}

impl Question {
    /// True if it is about all of the window and every process.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.from.is_none() && self.to.is_none() && self.pid.is_none()
    }
}

/// What `explain` answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// The time it is about.
    pub window: Window,
    /// What may be missing.
    pub coverage: Coverage,
    /// Most important first.
    pub findings: Vec<Finding>,
    /// What every process did, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<Stats>,
}

/// Narrows traces to the question's time and process.
///
/// # Errors
/// [`Error::Usage`] for a moment that cannot be read, an empty time, or a process that is not there.
pub fn narrow(traces: &mut [Trace], question: &Question) -> Result<(), Error> {
    let window = coverage::window(traces);
    let moment = |text: &Option<String>, otherwise: i64| {
        text.as_ref().map_or(Ok(otherwise), |text| time::parse_moment(text, window.to_ns))
    };
    let (from, to) = (moment(&question.from, window.from_ns)?, moment(&question.to, window.to_ns)?);
    let touches = from < window.to_ns && to > window.from_ns;
    if from > to || (window.dur_ns > 0 && !touches) {
        return Err(Error::Usage(format!(
            "--from and --to leave nothing of the window, which is {} to {}",
            time::date_and_clock(window.from_ns),
            time::date_and_clock(window.to_ns),
        )));
    }
    if question.from.is_some() || question.to.is_some() {
        traces.iter_mut().for_each(|t| t.crop(from, to));
    }
    if let Some(pid) = question.pid {
        let known = traces.iter().any(|t| t.tasks.iter().any(|task| task.pid == pid));
        if !known {
            return Err(Error::Usage(format!(
                "--pid {pid}: no such process here; `ingeroctl stats` lists them"
            )));
        }
    }
    Ok(())
}

/// Answers a question about traces.
///
/// # Errors
/// As [`narrow`].
pub fn answer(mut traces: Vec<Trace>, question: &Question) -> Result<Answer, Error> {
    narrow(&mut traces, question)?;
    let findings = investigate(&traces, question.pid);
    let processes = question.per_process.then(|| {
        let mut stats = Stats::of(&traces);
        if let Some(pid) = question.pid {
            stats.ops.retain(|r| r.pid == pid);
            stats.threads.retain(|r| r.pid == pid);
        }
        stats
    });
    Ok(Answer { window: coverage::window(&traces), coverage: Coverage::of(&traces), findings, processes })
}
