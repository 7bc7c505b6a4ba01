//! A recording in either form: as it was written, or as a database.

use std::path::Path;

use crate::{
    error::Error,
    explain::{self, Answer, Question},
    load::{self, Kind},
    model::{Spool, Trace},
    progress::Progress,
    sqlite::{self, Answers},
    stats::Stats,
};

/// Reads the traces of a bundle, ring, segment or database.
///
/// # Errors
/// If `path` is missing, not ours, or too damaged.
pub fn read(path: &Path, progress: &Progress) -> Result<Vec<Trace>, Error> {
    if load::kind_of(path)? == Kind::Database {
        sqlite::read(path)
    } else {
        Ok(vec![load::open(path, &Spool::default(), progress)?])
    }
}

/// Statistics of a recording; a database has them ready.
///
/// # Errors
/// As [`read`].
pub fn stats(path: &Path, progress: &Progress) -> Result<Stats, Error> {
    match ready(path)? {
        Some(answers) => Ok(answers.stats),
        None => Ok(Stats::of(&read(path, progress)?)),
    }
}

/// Answers a question about a recording; a database has the answer about its whole window ready.
///
/// # Errors
/// As [`read`], and [`explain::answer`].
pub fn answer(path: &Path, question: &Question, progress: &Progress) -> Result<Answer, Error> {
    if question.is_everything()
        && let Some(answers) = ready(path)?
    {
        let Stats { window, coverage, .. } = answers.stats.clone();
        let processes = question.per_process.then_some(answers.stats);
        return Ok(Answer { window, coverage, findings: answers.findings, processes });
    }
    explain::answer(read(path, progress)?, question)
}

fn ready(path: &Path) -> Result<Option<Answers>, Error> {
    if load::kind_of(path)? == Kind::Database { sqlite::answers(path) } else { Ok(None) }
}
