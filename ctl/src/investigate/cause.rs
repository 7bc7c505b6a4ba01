//! From a thread's slow units to findings: which time, compared with what, how severe.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    baseline::Baseline,
    decompose::{Class, Piece},
    evidence,
    finding::{Finding, Severity},
    limits,
    scene::Scene,
    thread::{Examined, Slow},
    units::GAP,
    words,
};

/// A cause and the classes of time that it owns.
#[derive(Debug)]
pub(super) struct Cause {
    pub name: &'static str,
    pub classes: &'static [Class],
}

const CAUSES: [Cause; 9] = [
    Cause { name: "cpu_contention", classes: &[Class::Runnable] },
    Cause { name: "recorder_self", classes: &[Class::Recorder] },
    Cause { name: "signal_stop", classes: &[Class::Stopped] },
    Cause { name: "blocked_lock", classes: &[Class::Lock] },
    Cause { name: "blocked_io", classes: &[Class::Io] },
    Cause { name: "first_use", classes: &[Class::FirstUse] },
    Cause { name: "gpu_wait", classes: &[Class::GpuWait] },
    Cause { name: "allocator", classes: &[Class::Allocator] },
    Cause { name: UNKNOWN, classes: &[Class::OnCpu, Class::Blocked, Class::RunnableAlone] },
];
const UNKNOWN: &str = "unknown";

/// A slow unit with time of the cause in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit<'a> {
    pub slow: &'a Slow,
    /// Time of the cause inside.
    pub ns: i64,
    from_ns: i64,
    to_ns: i64,
}

/// One cause on one thread, measured.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub cause: &'a Cause,
    pub hits: Vec<Hit<'a>>,
    /// All slow units of the time.
    pub slow: Vec<&'a Slow>,
    pub from_ns: i64,
    pub to_ns: i64,
    pub baseline: Option<Baseline>,
    /// Usual time of the cause in as many slow units.
    pub usual_ns: i64,
    pub attributed_ns: i64,
}

impl Cause {
    /// True if a piece of a slow unit is of this cause.
    pub fn owns(&self, slow: &Slow, piece: &Piece) -> bool {
        // Between calls, blocked for a reason not recorded is most likely idle.
        let idle = piece.class == Class::Blocked && slow.key == GAP;
        self.classes.contains(&piece.class) && !(self.name == UNKNOWN && idle)
    }

    fn hit<'a>(&self, slow: &'a Slow) -> Option<Hit<'a>> {
        let mut own = slow.pieces.iter().filter(|p| self.owns(slow, p));
        let first = own.next()?;
        let (ns, to_ns) = own.fold((first.dur_ns(), first.to_ns), |(ns, _), p| (ns + p.dur_ns(), p.to_ns));
        Some(Hit { slow, ns, from_ns: first.from_ns, to_ns })
    }
}

/// All findings about one thread.
pub(super) fn findings(scene: &Scene<'_>, examined: &Examined<'_>) -> Vec<Finding> {
    let cases = CAUSES.iter().filter_map(|cause| case(examined, cause));
    cases.filter_map(|case| Some(finding(scene, examined, &case, severity(examined, &case)?))).collect()
}

fn case<'a>(examined: &'a Examined<'_>, cause: &'a Cause) -> Option<Case<'a>> {
    let class = *cause.classes.first()?;
    if !examined.calls && !matches!(class, Class::Runnable | Class::Recorder | Class::Io) {
        return None;
    }
    let mut hits: Vec<Hit<'a>> = examined.slow.iter().filter_map(|slow| cause.hit(slow)).collect();
    let (mut from_ns, mut to_ns) = incident(examined, &hits)?;
    let mut baseline = compared_with(examined, class, &hits, (from_ns, to_ns));
    if class == Class::Lock {
        let longest = baseline.as_ref().map_or(0, Baseline::longest_lock_ns);
        hits.retain(|h| h.slow.key != GAP || h.ns >= longest.saturating_mul(limits::LOCK_GAP_FACTOR));
        (from_ns, to_ns) = incident(examined, &hits)?;
        baseline = compared_with(examined, class, &hits, (from_ns, to_ns));
    }
    hits.retain(|h| h.from_ns < to_ns && h.to_ns > from_ns);
    let slow: Vec<&Slow> = examined.slow.iter().filter(|s| s.from_ns < to_ns && s.to_ns > from_ns).collect();
    let usual = |s: &&Slow| match &baseline {
        Some(b) => cause.classes.iter().map(|class| b.usual_ns(*class, s.key)).sum(),
        None => 0,
    };
    let usual_ns: i64 = slow.iter().map(usual).sum();
    let measured: i64 = hits.iter().map(|h| h.ns).sum();
    let attributed_ns = (measured - usual_ns).max(0);
    Some(Case { cause, hits, slow, from_ns, to_ns, baseline, usual_ns, attributed_ns })
}

/// The baseline ends where the first affected unit begins, which is before its affected piece.
fn compared_with(
    examined: &Examined<'_>,
    class: Class,
    hits: &[Hit<'_>],
    (from_ns, to_ns): (i64, i64),
) -> Option<Baseline> {
    let inside = hits.iter().filter(|h| h.from_ns < to_ns && h.to_ns > from_ns);
    let begin = inside.map(|h| h.slow.from_ns).min().unwrap_or(from_ns);
    examined.bins.baseline(class, (begin.min(from_ns), to_ns))
}

/// The time from the first to the last of the worst parts: what trickles at other times is no incident.
fn incident(examined: &Examined<'_>, hits: &[Hit<'_>]) -> Option<(i64, i64)> {
    let mut bins = std::collections::BTreeMap::new();
    for hit in hits {
        *bins.entry(examined.bins.bin(hit.from_ns)).or_insert(0) += hit.ns;
    }
    let worst = bins.values().max()?;
    let hot = |h: &&Hit<'_>| {
        let ns = bins.get(&examined.bins.bin(h.from_ns)).copied().unwrap_or(0);
        ns >= *worst / 100 * limits::HOT_PERCENT
    };
    let from = hits.iter().filter(hot).map(|h| h.from_ns).min()?;
    let to = hits.iter().filter(hot).map(|h| h.to_ns).max()?;
    Some((from, to))
}

/// How severe a case is; `None` if it is no finding.
fn severity(examined: &Examined<'_>, case: &Case<'_>) -> Option<Severity> {
    let enough = case.hits.len() >= limits::MIN_UNITS || case.attributed_ns >= limits::MIN_NS;
    if !enough || !beyond_spread(examined, case) {
        return None;
    }
    let class = case.cause.classes.first()?;
    if *class == Class::GpuWait && case.baseline.is_none() {
        return None;
    }
    let per_mille = share_per_mille(case);
    let severity = match per_mille {
        limits::HIGH_PER_MILLE.. => Severity::High,
        limits::MEDIUM_PER_MILLE.. => Severity::Medium,
        limits::LOW_PER_MILLE.. => Severity::Low,
        _ => return None,
    };
    if case.cause.name == UNKNOWN {
        return (per_mille >= limits::UNKNOWN_PER_MILLE).then_some(Severity::Low);
    }
    let compared = case.baseline.as_ref().is_some_and(|b| b.kind == "window_before");
    let in_calls = case.hits.iter().any(|h| h.slow.key != GAP);
    let cap = if !examined.calls || poorly_decided(case) {
        Severity::Low
    } else if !compared || (*class == Class::Lock && !in_calls) {
        Severity::Medium
    } else {
        Severity::High
    };
    Some(severity.max(cap))
}

/// Share of the thread's wall time, per mille.
pub(super) fn share_per_mille(case: &Case<'_>) -> i64 {
    case.attributed_ns / ((case.to_ns - case.from_ns).max(limits::SHARE_MIN_NS) / 1000)
}

fn beyond_spread(examined: &Examined<'_>, case: &Case<'_>) -> bool {
    let Some(baseline) = &case.baseline else { return true };
    let bins = ((case.to_ns - case.from_ns) / examined.bins.width_ns()).max(1);
    let measured: i64 = case.hits.iter().map(|h| h.ns).sum();
    let usual = case.cause.classes.iter().map(|class| {
        let (median, deviation) = baseline.spread_ns(*class);
        median + limits::DEVIATIONS * deviation
    });
    measured / bins > usual.sum()
}

fn poorly_decided(case: &Case<'_>) -> bool {
    let all: i64 = case.hits.iter().map(|h| h.slow.dur_ns()).sum();
    undecided_ns(case) * 2 > all
}

/// Time of the affected units that could not be given to a class.
pub(super) fn undecided_ns(case: &Case<'_>) -> i64 {
    case.hits.iter().map(|h| h.slow.class_ns(Class::Lost) + h.slow.class_ns(Class::Blocked)).sum()
}

fn finding(scene: &Scene<'_>, examined: &Examined<'_>, case: &Case<'_>, severity: Severity) -> Finding {
    let thread = examined.thread;
    let calls = evidence::Calls::of(scene, examined, case);
    let facts = evidence::Facts::of(scene, examined, case);
    Finding {
        id: id(scene, examined, case),
        rank: 0,
        severity,
        cause: case.cause.name,
        node: scene.trace.node.clone(),
        pid: thread.pid,
        tid: thread.tid,
        comm: thread.comm.clone(),
        from_ns: case.from_ns,
        to_ns: case.to_ns,
        attributed_ns: case.attributed_ns,
        calls_affected: calls.affected,
        calls_total: calls.total,
        summary: words::summary(case, &facts),
        evidence: facts.evidence(scene, examined, case),
        counter_evidence: facts.counter_evidence(examined, case),
        coverage: evidence::coverage(scene, case),
        advice: json!(words::advice(case, &facts)),
    }
}

fn id(scene: &Scene<'_>, examined: &Examined<'_>, case: &Case<'_>) -> String {
    let (thread, trace) = (examined.thread, scene.trace);
    let key =
        format!("{}\0{}\0{}\0{}\0{}", trace.node, thread.pid, thread.tid, case.cause.name, trace.from_ns);
    let digest = Sha256::digest(key.as_bytes());
    digest.iter().take(6).map(|b| format!("{b:02x}")).collect()
}

/// Writes into each finding which other threads of its process suffer the same.
pub(super) fn compare_threads(findings: &mut [Finding], node: &str) {
    let all: Vec<_> =
        findings.iter().map(|f| (f.node.clone(), f.pid, f.tid, f.cause, f.attributed_ns)).collect();
    for finding in findings.iter_mut().filter(|f| f.node == node) {
        let same = all.iter().filter(|(n, pid, tid, cause, _)| {
            *n == finding.node && *pid == finding.pid && *cause == finding.cause && *tid != finding.tid
        });
        let list: Vec<Value> =
            same.map(|(.., tid, _, ns)| json!({"tid": tid, "attributed_ns": ns})).collect();
        if let Value::Object(counter) = &mut finding.counter_evidence {
            counter.insert("same_cause_on_other_threads".to_owned(), Value::Array(list));
        }
    }
}
