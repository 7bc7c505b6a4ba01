//! How often the explanation is right, and how far its nanoseconds are off.

use std::fmt::Write;

use serde_json::Value;

use super::run::Outcome;

/// Of one incident.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// The first finding has the cause, the process, and at least half of the label's time.
    pub right: bool,
    /// The finding names who did it; `None` where nobody did.
    pub actor: Option<bool>,
    /// Attributed less injected, by injected.
    pub error: Option<f64>,
    /// Findings above LOW where nothing happened.
    pub false_findings: usize,
    /// The same of the rule of co-occurrence: right, and claims where nothing happened.
    pub rival_right: bool,
    /// Claims of that rule where nothing happened.
    pub rival_false: usize,
    /// The first finding in short.
    pub first: String,
}

fn findings(answer: &Value) -> &[Value] {
    answer["findings"].as_array().map_or(&[], Vec::as_slice)
}

fn number(finding: &Value, key: &str) -> i64 {
    finding[key].as_i64().unwrap_or(0)
}

/// Overlap of a finding with the label, by the shorter of the two.
fn overlaps(outcome: &Outcome, finding: &Value) -> bool {
    let from = outcome.label.from_ns + outcome.offset_ns;
    let to = outcome.label.to_ns + outcome.offset_ns;
    let (begin, end) = (number(finding, "from_ns"), number(finding, "to_ns"));
    let common = to.min(end) - from.max(begin);
    let shorter = (to - from).min(end - begin).max(1);
    // A death takes no time: what counts is that the finding begins with it.
    if outcome.cause == "process_exit" {
        return (begin - from).abs() < 500_000_000;
    }
    common * 2 >= shorter
}

/// Judges an outcome.
#[must_use]
pub fn mark(outcome: &Outcome) -> Mark {
    let list = findings(&outcome.answer);
    let first = list.first();
    let own = |f: &Value| f["pid"] == outcome.pid;
    let right = first.is_some_and(|f| f["cause"] == outcome.cause && own(f) && overlaps(outcome, f));
    // Several bursts may be several findings.
    let same: Vec<&Value> =
        list.iter().filter(|f| f["cause"] == outcome.cause && own(f) && overlaps(outcome, f)).collect();
    let attributed: i64 = same.iter().map(|f| number(f, "attributed_ns")).sum();
    let injected = outcome.label.injected_ns;
    let error = (!outcome.is_quiet() && injected > 0 && !same.is_empty())
        .then(|| (attributed - injected) as f64 / injected as f64);
    let names_actors = ["cpu_contention", "blocked_lock", "signal_stop", "data_starvation"];
    let actor = (names_actors.contains(&outcome.cause.as_str()) && right).then(|| {
        let (pid, tid) = (outcome.label.actor_pid, outcome.label.actor_tid);
        let named = first.map(|f| f["evidence"]["actors"].to_string()).unwrap_or_default();
        named.contains(&format!("/{pid}")) || named.contains(&format!("tid {tid}"))
    });
    let loud = list.iter().filter(|f| f["severity"] != "LOW").count();
    Mark {
        right,
        actor,
        error,
        false_findings: if outcome.is_quiet() { loud } else { 0 },
        rival_right: !outcome.is_quiet() && outcome.claims.first().is_some_and(|c| c.cause == outcome.cause),
        rival_false: if outcome.is_quiet() { outcome.claims.len() } else { 0 },
        first: first.map_or_else(
            || "nothing".to_owned(),
            |f| {
                let ms = number(f, "attributed_ns") / 1_000_000;
                format!(
                    "{} {} {ms} ms of {}",
                    f["severity"].as_str().unwrap_or("?"),
                    f["cause"].as_str().unwrap_or("?"),
                    f["comm"].as_str().unwrap_or("?")
                )
            },
        ),
    }
}

/// One line for people.
#[must_use]
pub fn line(outcome: &Outcome, mark: &Mark) -> String {
    let verdict = match (outcome.is_quiet(), mark.right, mark.false_findings) {
        _ if outcome.is_disturbed() => "apart",
        (true, _, 0) => "quiet",
        (true, _, _) => "FALSE",
        (false, true, _) => "right",
        (false, false, _) => "WRONG",
    };
    let error = mark.error.map_or_else(|| "-".to_owned(), |e| format!("{:+.1} %", e * 100.0));
    let actor = mark.actor.map_or("-", |a| if a { "named" } else { "not named" });
    format!(
        "{verdict}  {:<17}{:<20}injected {:>5} ms  first: {:<40} error {error:>8}  actor {actor}  rival: {}",
        outcome.cause,
        outcome.kind,
        outcome.label.injected_ns / 1_000_000,
        mark.first,
        outcome.claims.first().map_or("nothing", |c| c.cause),
    )
}

/// All marks together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// Incidents, and those whose first finding was right.
    pub incidents: usize,
    /// See `incidents`.
    pub right: usize,
    /// Incidents not scored, since other work on the machine took the program's CPU meanwhile.
    pub disturbed: usize,
    /// Quiet programs, and findings above LOW on them.
    pub quiet: usize,
    /// See `quiet`.
    pub false_findings: usize,
    /// Incidents the rule of co-occurrence got right.
    pub rival_right: usize,
    /// Quiet programs about which it claimed something.
    pub rival_false: usize,
}

/// Adds marks up, and tells the spread of the errors.
#[must_use]
pub fn sum(marks: &[(Outcome, Mark)]) -> (Score, String) {
    let mut score = Score::default();
    let mut errors: Vec<f64> = Vec::new();
    let (mut named, mut asked) = (0, 0);
    for (outcome, mark) in marks {
        if outcome.is_disturbed() {
            score.disturbed += 1;
            continue;
        }
        if outcome.is_quiet() {
            score.quiet += 1;
            score.false_findings += mark.false_findings;
            score.rival_false += usize::from(mark.rival_false > 0);
        } else {
            score.incidents += 1;
            score.right += usize::from(mark.right);
            score.rival_right += usize::from(mark.rival_right);
            errors.extend(mark.error.map(f64::abs));
        }
        asked += usize::from(mark.actor.is_some());
        named += usize::from(mark.actor == Some(true));
    }
    errors.sort_by(f64::total_cmp);
    let at = |percent: usize| {
        errors.get((errors.len() * percent).div_ceil(100).max(1) - 1).copied().unwrap_or(0.0)
    };
    let mut text = String::new();
    let percent = |n: usize, of: usize| n as f64 * 100.0 / of.max(1) as f64;
    let _ = writeln!(
        text,
        "attribution: top-1 {}/{} ({:.1} %), findings above LOW on {} quiet programs: {}, actor named {named}/{asked}",
        score.right,
        score.incidents,
        percent(score.right, score.incidents),
        score.quiet,
        score.false_findings,
    );
    let _ = writeln!(text, "disturbed by other work on the machine, not scored: {}", score.disturbed);
    let _ = writeln!(
        text,
        "attributed against injected: median {:.1} %, p95 {:.1} %, worst {:.1} % off, over {} incidents",
        at(50) * 100.0,
        at(95) * 100.0,
        at(100) * 100.0,
        errors.len(),
    );
    let _ = writeln!(
        text,
        "co-occurrence, same windows: top-1 {}/{} ({:.1} %), quiet programs it claimed something about: {}/{}",
        score.rival_right,
        score.incidents,
        percent(score.rival_right, score.incidents),
        score.rival_false,
        score.quiet,
    );
    (score, text)
}
