//! What was done to the engine, and whether the explanation found it. Other findings may rank before it: a busy machine
//! has incidents of its own.

use std::time::{Duration, SystemTime};

use ingero_format::units::show_count;

use crate::{explain::Answer, investigate::Finding, time};

/// How far the demo's clock and the engine's phases may lie beside what was recorded.
const BESIDE_NS: i64 = 500_000_000;

/// One incident.
pub(super) struct Injected {
    /// What was done, in words.
    pub(super) words: String,
    /// The cause as which it should be found.
    pub(super) cause: &'static str,
    /// Who must be named as being in the way, as `name/pid`; empty: nobody.
    pub(super) actor: String,
    /// When, Unix ns.
    pub(super) from_ns: i64,
    /// Until when.
    pub(super) to_ns: i64,
}

/// Now, Unix ns.
pub(super) fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// A line for each incident that was made, and one for what was found of it.
pub(super) fn verdicts(injected: &[Injected], engine: u32, answer: &Answer) -> Vec<String> {
    if injected.is_empty() {
        let found = match answer.findings.len() {
            0 => "nothing".to_owned(),
            n => format!("{n} of what else runs on this machine"),
        };
        return vec!["injected: nothing".into(), format!("found:    {found}")];
    }
    let lines = |one: &Injected| [format!("injected: {}", one.words), one.verdict(engine, answer)];
    injected.iter().flat_map(lines).collect()
}

impl Injected {
    fn verdict(&self, engine: u32, answer: &Answer) -> String {
        let then = |f: &&Finding| {
            f.pid == engine && f.from_ns < self.to_ns + BESIDE_NS && f.to_ns > self.from_ns - BESIDE_NS
        };
        let mut same = answer.findings.iter().filter(then).filter(|f| f.cause == self.cause);
        if let Some(f) = same.clone().find(|f| self.is_named(f)) {
            return format!(
                "found:    finding #{}, {}, {} attributed",
                f.rank,
                f.cause,
                time::duration(f.attributed_ns)
            );
        }
        let why = if answer.window.from_ns > self.from_ns || answer.window.to_ns < self.to_ns {
            "the window does not hold all of its time".to_owned()
        } else if let Some(f) = same.next() {
            format!("finding #{} is {} then, but does not name {}", f.rank, f.cause, self.actor)
        } else if let Some(lost) = lost(answer) {
            format!("{lost}, perhaps what would show it")
        } else if let Some(f) = answer.findings.iter().find(then) {
            format!("no {} stood out then; finding #{}, {}, is of that time", self.cause, f.rank, f.cause)
        } else {
            format!("no {} stood out beyond what is usual here; is the machine busy? try again", self.cause)
        };
        format!("found:    no: {why}")
    }

    fn is_named(&self, f: &Finding) -> bool {
        let actors = f.evidence.get("actors").and_then(|a| a.as_array()).into_iter().flatten();
        let mut names = actors.filter_map(|a| a.get("task")?.as_str());
        // Behind it may stand where it runs, in brackets.
        self.actor.is_empty() || names.any(|name| name.split(' ').next() == Some(&self.actor))
    }
}

fn lost(answer: &Answer) -> Option<String> {
    let events: i64 = answer.coverage.lost.iter().map(|l| l.events).sum();
    match (answer.coverage.lost.is_empty(), events) {
        (true, _) => None,
        (false, 0) => Some("events were lost".to_owned()),
        (false, n) => Some(format!("{} events were lost", show_count(n.unsigned_abs()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        commands::tests::incident,
        coverage::Lost,
        explain::{Question, answer},
        load::tests::read,
    };

    /// Of 200 ms of contention by stress/500 in the engine with pid 100, and when that was.
    fn explained() -> (Answer, Injected) {
        let answer = answer(vec![read(&incident())], &Question::default()).unwrap();
        let f = answer.findings.first().unwrap();
        assert_eq!((f.cause, f.pid), ("cpu_contention", 100));
        let (from_ns, to_ns) = (f.from_ns, f.to_ns);
        let injected = Injected {
            words: "stress (500) burns".into(),
            cause: "cpu_contention",
            actor: "stress/500".into(),
            from_ns,
            to_ns,
        };
        (answer, injected)
    }

    #[test]
    fn an_incident_is_found_also_where_others_rank_before_it() {
        let (mut answer, injected) = explained();
        let first = answer.findings[0].clone();
        let other = Finding { pid: 77, ..first.clone() };
        let unlike = Finding { cause: "gpu_wait", rank: 2, ..first.clone() };
        answer.findings = vec![other, unlike, Finding { rank: 3, ..first }];
        let lines = verdicts(&[injected], 100, &answer);
        assert_eq!(lines[0], "injected: stress (500) burns");
        assert!(lines[1].starts_with("found:    finding #3, cpu_contention, 19"), "{lines:?}");
    }

    #[test]
    fn an_incident_that_was_not_found_is_told_with_a_reason() {
        let (whole, injected) = explained();
        let told = |change: &dyn Fn(&mut Answer, &mut Injected)| {
            let (mut answer, mut injected) =
                (whole.clone(), Injected { words: String::new(), ..explained().1 });
            change(&mut answer, &mut injected);
            injected.verdict(100, &answer)
        };
        assert!(injected.verdict(100, &whole).contains("finding #1"));
        let lost = Lost {
            source: "sched".into(),
            cause: "ringbuf_full".into(),
            records: 1,
            events: 1_234,
            uncertain_ns: 0,
        };
        for (line, part) in [
            (told(&|a, _| a.findings.clear()), "no cpu_contention stood out beyond what is usual"),
            (told(&|a, _| a.findings[0].cause = "unknown"), "finding #1, unknown, is of that time"),
            (told(&|_, i| i.actor = "batch-job/7".into()), "does not name batch-job/7"),
            (told(&|a, i| (a.window.to_ns, i.actor) = (i.to_ns - 1, "x/1".into())), "does not hold all"),
            (
                told(&|a, i| {
                    a.findings.clear();
                    a.coverage.lost = vec![lost.clone()];
                    i.actor.clear()
                }),
                "1,234 events were lost",
            ),
            (
                told(&|_, i| {
                    i.from_ns += 60_000_000_000;
                    i.to_ns += 60_000_000_000
                }),
                "does not hold all",
            ),
        ] {
            assert!(line.starts_with("found:    no: ") && line.contains(part), "{part}: {line}");
        }
    }

    #[test]
    fn nothing_injected_is_told_as_nothing() {
        let (mut answer, _) = explained();
        assert!(verdicts(&[], 100, &answer)[1].starts_with("found:    1 of what else"));
        answer.findings.clear();
        assert_eq!(verdicts(&[], 100, &answer), ["injected: nothing", "found:    nothing"]);
    }
}
