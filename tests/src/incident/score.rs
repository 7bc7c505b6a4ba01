//! How often the explanation is right, and how far its nanoseconds are off.
//!
//! An incident is right if the *first* finding of the whole answer has its cause and its thread and at least half of
//! the shorter of the two times in common. What befalls a whole process is found on each of its threads and counts
//! once, on whichever. Of two causes, the first *two* findings must be these two, the one that took more first. A
//! control is right if no finding above LOW is about anything, but for what the recorder did beside it.

use std::{collections::BTreeMap, fmt::Write};

use serde_json::Value;

use super::{apart::Apart, label::Part, run::Outcome};

/// Of one incident.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// See the module.
    pub right: bool,
    /// For each part whose finding is there and should name who did it: whether it does.
    pub actors: Vec<bool>,
    /// For each part with findings: attributed less injected, by injected.
    pub errors: Vec<f64>,
    /// Findings above LOW on a control.
    pub false_findings: usize,
    /// The rule of co-occurrence: right, and claims about a control.
    pub rival_right: bool,
    /// See `rival_right`.
    pub rival_false: usize,
    /// Calls during which scheduler events may be missing, and all.
    pub undecidable: (u64, u64),
    /// The first findings in short.
    pub first: String,
    /// Why it does not count, if it does not.
    pub apart: Option<Apart>,
}

/// Causes of which somebody else is the actor.
const DONE_BY_SOMEBODY: [&str; 4] = ["cpu_contention", "blocked_lock", "signal_stop", "data_starvation"];
/// Causes that are a whole process's, whichever thread is named.
const OF_PROCESS: [&str; 5] = ["signal_stop", "process_exit", "oom", "cpu_throttled", "memory_pressure"];
/// Two causes that took nearly the same may come in either order, percent.
const TIE_PERCENT: i64 = 10;

pub(super) fn findings(answer: &Value) -> &[Value] {
    answer["findings"].as_array().map_or(&[], Vec::as_slice)
}

/// The findings, but of what befell a whole process only the first: it befell each thread of it.
fn once(list: &[Value]) -> Vec<&Value> {
    let mut seen: Vec<&Value> = Vec::new();
    for f in list {
        let whole = OF_PROCESS.iter().any(|cause| f["cause"] == *cause);
        let known = |s: &&Value| {
            let time = number(s, "from_ns") < number(f, "to_ns") && number(f, "from_ns") < number(s, "to_ns");
            s["cause"] == f["cause"] && s["pid"] == f["pid"] && time
        };
        if !whole || !seen.iter().any(known) {
            seen.push(f);
        }
    }
    seen
}

pub(super) fn number(finding: &Value, key: &str) -> i64 {
    finding[key].as_i64().unwrap_or(0)
}

pub(super) fn is_loud(finding: &Value) -> bool {
    finding["severity"] != "LOW"
}

/// True if a finding is about a part: its cause, its thread, and half of the shorter of the two times in common.
pub(super) fn is_of(outcome: &Outcome, part: &Part, finding: &Value) -> bool {
    let thread = if OF_PROCESS.contains(&part.cause.as_str()) { "pid" } else { "tid" };
    if finding["cause"] != part.cause || finding["pid"] != outcome.pid || finding[thread] != outcome.pid {
        return false;
    }
    let (from, to) = (part.from_ns + outcome.offset_ns, part.to_ns + outcome.offset_ns);
    let (begin, end) = (number(finding, "from_ns"), number(finding, "to_ns"));
    // A death takes no time: what counts is that the finding begins with it.
    if matches!(part.cause.as_str(), "process_exit" | "oom") {
        return (begin - to).abs() < 500_000_000;
    }
    (to.min(end) - from.max(begin)) * 2 >= (to - from).min(end - begin).max(1)
}

fn is_right(outcome: &Outcome, list: &[&Value]) -> bool {
    let of = |part: &Part, place: usize| list.get(place).is_some_and(|f| is_of(outcome, part, f));
    match outcome.label.parts.as_slice() {
        [one] => of(one, 0),
        [a, b] => {
            let tie =
                (a.injected_ns - b.injected_ns).abs() * 100 < a.injected_ns.max(b.injected_ns) * TIE_PERCENT;
            let forth = of(a, 0) && of(b, 1) && (tie || a.injected_ns > b.injected_ns);
            forth || of(b, 0) && of(a, 1) && (tie || b.injected_ns > a.injected_ns)
        }
        _ => false,
    }
}

/// Judges an outcome.
#[must_use]
pub fn mark(outcome: &Outcome) -> Mark {
    let list = findings(&outcome.answer);
    let control = outcome.is_control();
    let (mut actors, mut errors) = (Vec::new(), Vec::new());
    for part in outcome.label.parts.iter().filter(|_| !control) {
        // Several bursts may be several findings.
        let mut same: Vec<&Value> = list.iter().filter(|f| is_of(outcome, part, f)).collect();
        let Some(first) = same.first().copied() else { continue };
        // What happened to a whole process happened to each thread of it.
        same.retain(|f| f["tid"] == first["tid"]);
        if part.injected_ns > 0 {
            let attributed: i64 = same.iter().map(|f| number(f, "attributed_ns")).sum();
            errors.push((attributed - part.injected_ns) as f64 / part.injected_ns as f64);
        }
        if DONE_BY_SOMEBODY.contains(&part.cause.as_str()) {
            let named = first["evidence"]["actors"].to_string();
            let is = |label: String| named.contains(&label);
            actors.push(is(format!("/{}\"", part.actor_pid)) || is(format!("tid {}\"", part.actor_tid)));
        }
    }
    let noise = |f: &&Value| outcome.cause == "recorder_self" && f["cause"] == "recorder_self";
    let false_findings = list.iter().filter(|f| is_loud(f) && !noise(f)).count();
    let claimed = |c: &&super::rival::Claim| outcome.label.parts.iter().any(|p| p.cause == c.cause);
    let coverage = &outcome.answer["coverage"];
    let calls = |key: &str| coverage[key].as_u64().unwrap_or(0);
    Mark {
        right: if control { false_findings == 0 } else { is_right(outcome, &once(list)) },
        actors,
        errors,
        false_findings: if control { false_findings } else { 0 },
        rival_right: !control && outcome.claims.first().as_ref().is_some_and(claimed),
        rival_false: if control { outcome.claims.len() } else { 0 },
        undecidable: (calls("calls_undecidable"), calls("calls")),
        first: list.iter().take(outcome.label.parts.len()).map(in_short).collect::<Vec<_>>().join(", "),
        apart: Apart::why(outcome),
    }
}

fn in_short(f: &Value) -> String {
    let text = |key: &str| f[key].as_str().unwrap_or("?").to_owned();
    let ms = number(f, "attributed_ns") / 1_000_000;
    format!("{} {} {ms} ms of {}", text("severity"), text("cause"), text("comm"))
}

/// One line for people.
#[must_use]
pub fn line(outcome: &Outcome, mark: &Mark) -> String {
    let verdict = match (outcome.is_control(), mark.right) {
        (true, true) => "quiet",
        (true, false) => "FALSE",
        (false, true) => "right",
        (false, false) => "WRONG",
    };
    let apart = mark.apart.map_or_else(String::new, |why| format!("  APART: {}", why.name()));
    let errors: Vec<String> = mark.errors.iter().map(|e| format!("{:+.1} %", e * 100.0)).collect();
    let actors: Vec<&str> = mark.actors.iter().map(|a| if *a { "named" } else { "not named" }).collect();
    let injected: Vec<String> =
        outcome.label.parts.iter().map(|p| (p.injected_ns / 1_000_000).to_string()).collect();
    format!(
        "{verdict}  {:<17}{:<22}injected {:>9} ms  first: {:<41} error {:<18} actor {:<6} delay {:>4} ms  rival: {}{apart}",
        outcome.cause,
        outcome.kind,
        injected.join(", "),
        if mark.first.is_empty() { "nothing" } else { &mark.first },
        if errors.is_empty() { "-".to_owned() } else { errors.join(", ") },
        if actors.is_empty() { "-".to_owned() } else { actors.join(", ") },
        outcome.label.run_delay_ns / 1_000_000,
        outcome.claims.first().map_or("nothing", |c| c.cause),
    )
}

/// All marks together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// Incidents, and those that were right.
    pub incidents: usize,
    /// See `incidents`.
    pub right: usize,
    /// Controls, and findings above LOW on them.
    pub controls: usize,
    /// See `controls`.
    pub false_findings: usize,
    /// Actors named, and asked for.
    pub actors: (usize, usize),
    /// Incidents the rule of co-occurrence got right.
    pub rival_right: usize,
    /// Controls about which it claimed something.
    pub rival_false: usize,
    /// Errors without their signs, rising.
    pub errors: Vec<f64>,
    /// For each cause: right, all.
    pub causes: BTreeMap<String, (usize, usize)>,
}

impl Score {
    /// Adds marks up: all of them, or only those that count.
    #[must_use]
    pub fn of(marks: &[(Outcome, Mark)], all: bool) -> Self {
        let mut score = Self::default();
        for (outcome, mark) in marks.iter().filter(|(_, mark)| all || mark.apart.is_none()) {
            let cause = score.causes.entry(outcome.cause.clone()).or_default();
            *cause = (cause.0 + usize::from(mark.right), cause.1 + 1);
            score.actors.0 += mark.actors.iter().filter(|named| **named).count();
            score.actors.1 += mark.actors.len();
            if outcome.is_control() {
                score.controls += 1;
                score.false_findings += mark.false_findings;
                score.rival_false += usize::from(mark.rival_false > 0);
            } else {
                score.incidents += 1;
                score.right += usize::from(mark.right);
                score.rival_right += usize::from(mark.rival_right);
                score.errors.extend(mark.errors.iter().map(|e| e.abs()));
            }
        }
        score.errors.sort_by(f64::total_cmp);
        score
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let percent = |n: usize, of: usize| n as f64 * 100.0 / of.max(1) as f64;
        let error = |share: usize| {
            let rank = (self.errors.len() * share).div_ceil(100).max(1);
            self.errors.get(rank - 1).copied().unwrap_or(0.0) * 100.0
        };
        let (named, asked) = self.actors;
        let within = self.errors.iter().filter(|e| **e <= 0.1).count();
        let mut text = format!(
            "attribution: top-1 {}/{} ({:.1} %), findings above LOW on {} controls: {}, actor named {named}/{asked} ({:.1} %)\n",
            self.right,
            self.incidents,
            percent(self.right, self.incidents),
            self.controls,
            self.false_findings,
            percent(named, asked),
        );
        let _ = writeln!(
            text,
            "attributed against injected: median {:.1} %, p95 {:.1} %, worst {:.1} % off; {within} of {} within 10 %",
            error(50),
            error(95),
            error(100),
            self.errors.len(),
        );
        let _ = writeln!(
            text,
            "co-occurrence, same windows: top-1 {}/{} ({:.1} %), controls it claimed something about: {}/{}",
            self.rival_right,
            self.incidents,
            percent(self.rival_right, self.incidents),
            self.rival_false,
            self.controls,
        );
        let causes = self.causes.iter().map(|(cause, (right, all))| format!("{cause} {right}/{all}"));
        let _ = writeln!(text, "by cause: {}", causes.collect::<Vec<_>>().join(", "));
        text
    }
}

/// Both scores, and what lies between them.
#[must_use]
pub fn sum(marks: &[(Outcome, Mark)]) -> String {
    let apart = |why| marks.iter().filter(|(_, mark)| mark.apart == Some(why)).count();
    let undecidable: (u64, u64) =
        marks.iter().fold((0, 0), |sum, (_, m)| (sum.0 + m.undecidable.0, sum.1 + m.undecidable.1));
    format!(
        "all of them, nothing excluded:\n{}\nwithout {} that were not made and {} that other work disturbed:\n{}\ncalls undecidable: {} of {}\n",
        Score::of(marks, true).text(),
        apart(Apart::NotMade),
        apart(Apart::OtherWork),
        Score::of(marks, false).text(),
        undecidable.0,
        undecidable.1,
    )
}

/// What becomes of an answer when records are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thinned {
    /// As right as with all records.
    Right,
    /// Nothing above LOW is said that is not so, but the right cause is not first or not there.
    Weaker,
    /// A finding above LOW that is neither what happened nor there with all records.
    Wrong,
}

/// Judges an answer to a part of a recording; `whole` is the answer to all of it.
#[must_use]
pub fn thinned(whole: &Outcome, part: &Outcome) -> Thinned {
    let key = |f: &Value| (f["pid"].clone(), f["cause"].clone());
    let known: Vec<_> = findings(&whole.answer).iter().filter(|f| is_loud(f)).map(key).collect();
    let happened = |f: &Value| {
        let labelled = whole.label.parts.iter().any(|p| f["cause"] == p.cause);
        !whole.is_control() && labelled && f["pid"] == whole.pid
    };
    let list = findings(&part.answer);
    if list.iter().any(|f| is_loud(f) && !happened(f) && !known.contains(&key(f))) {
        Thinned::Wrong
    } else if mark(part).right {
        Thinned::Right
    } else {
        Thinned::Weaker
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::incident::Label;

    fn finding(cause: &str, tid: u32, ms: i64, severity: &str) -> Value {
        json!({
            "cause": cause, "pid": 7, "tid": tid, "comm": "victim", "severity": severity, "attributed_ns": ms * 1_000_000,
            "from_ns": 1_000, "to_ns": 500_000_000, "evidence": {"actors": [{"task": "stopper/40"}]},
        })
    }

    fn outcome(cause: &str, parts: &[(&str, i64)], findings: &[Value]) -> Outcome {
        let part = |(cause, ms): &(&str, i64)| Part {
            cause: (*cause).into(),
            to_ns: 500_000_000,
            injected_ns: ms * 1_000_000,
            actor_pid: 40,
            actor_tid: 40,
            ..Part::default()
        };
        Outcome {
            cause: cause.into(),
            kind: String::new(),
            label: Label { parts: parts.iter().map(part).collect(), ..Label::default() },
            pid: 7,
            answer: json!({"findings": findings, "coverage": {"calls": 9, "calls_undecidable": 1}}),
            offset_ns: 0,
            claims: Vec::new(),
        }
    }

    #[test]
    fn two_causes_are_right_if_both_come_first_in_their_order_and_a_stop_of_two_threads_counts_once() {
        let parts = [("signal_stop", 120), ("blocked_lock", 50)];
        let stop = |tid| finding("signal_stop", tid, 120, "MEDIUM");
        let lock = finding("blocked_lock", 7, 50, "LOW");
        let right = |list: &[Value]| mark(&outcome("several", &parts, list)).right;
        assert!(right(&[stop(8), stop(7), lock.clone()]));
        assert!(!right(&[lock.clone(), stop(7)]));
        assert!(!right(&[stop(7), finding("gpu_wait", 7, 60, "MEDIUM"), lock.clone()]));
        let marked = mark(&outcome("several", &parts, &[stop(8), stop(7), lock]));
        assert_eq!((marked.errors, marked.actors), (vec![0.0, 0.0], vec![true, true]));
    }

    #[test]
    fn another_thread_or_cause_is_wrong_and_a_control_has_nothing_above_low_but_the_recorders_own() {
        let one = |list: &[Value]| mark(&outcome("gpu_wait", &[("gpu_wait", 90)], list)).right;
        assert!(one(&[finding("gpu_wait", 7, 99, "LOW")]) && !one(&[]));
        assert!(!one(&[finding("gpu_wait", 8, 90, "LOW")]) && !one(&[finding("allocator", 7, 90, "LOW")]));
        let control = |cause, list: &[Value]| mark(&outcome(cause, &[("quiet", 0)], list)).false_findings;
        let own = [finding("recorder_self", 7, 300, "MEDIUM"), finding("gpu_wait", 7, 20, "LOW")];
        assert_eq!((control("quiet", &own), control("recorder_self", &own)), (1, 0));
    }

    #[test]
    fn with_records_missing_only_what_is_said_with_confidence_and_is_not_so_is_wrong() {
        let whole = outcome("gpu_wait", &[("gpu_wait", 90)], &[finding("gpu_wait", 7, 90, "MEDIUM")]);
        let part = |list: &[Value]| thinned(&whole, &outcome("gpu_wait", &[("gpu_wait", 90)], list));
        assert_eq!(part(&[finding("gpu_wait", 7, 30, "LOW")]), Thinned::Right);
        assert_eq!(part(&[finding("unknown", 7, 30, "LOW")]), Thinned::Weaker);
        assert_eq!(
            part(&[finding("gpu_wait", 7, 60, "MEDIUM"), finding("allocator", 7, 20, "MEDIUM")]),
            Thinned::Wrong
        );
    }

    #[test]
    fn what_was_not_made_or_what_other_work_disturbed_is_apart() {
        let mut o = outcome("gpu_wait", &[("gpu_wait", 90)], &[]);
        assert_eq!(Apart::why(&o), None);
        o.label.run_delay_ns = 45_000_000;
        assert_eq!(Apart::why(&o), Some(Apart::OtherWork));
        let hog = outcome("cpu_contention", &[("cpu_contention", 90)], &[]);
        assert_eq!(
            Apart::why(&Outcome { label: Label { run_delay_ns: 91_000_000, ..hog.label.clone() }, ..hog }),
            None
        );
        assert_eq!(Apart::why(&outcome("gpu_wait", &[("gpu_wait", 19)], &[])), Some(Apart::NotMade));
    }
}
