//! From a thread's slow units to findings: which time, compared with what, how severe.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    baseline::Baseline,
    decompose::{Class, Piece},
    evidence,
    finding::{Finding, Severity},
    scene::Scene,
    symptom::{self, Symptom},
    thread::{Examined, Slow},
    units::GAP,
    words,
};
use crate::limits;
use crate::model::Thread;

/// A cause and the classes of time that it owns.
#[derive(Debug)]
pub(super) struct Cause {
    pub name: &'static str,
    pub classes: &'static [Class],
}

const CAUSES: [Cause; 13] = [
    Cause { name: "cpu_contention", classes: &[Class::Runnable] },
    Cause { name: "cpu_throttled", classes: &[Class::Throttled] },
    Cause { name: "recorder_self", classes: &[Class::Recorder] },
    Cause { name: "signal_stop", classes: &[Class::Stopped] },
    Cause { name: "blocked_lock", classes: &[Class::Lock] },
    Cause { name: "blocked_io", classes: &[Class::Io] },
    Cause { name: "memory_pressure", classes: &[Class::Memory] },
    Cause { name: "first_use", classes: &[Class::FirstUse] },
    Cause { name: "gpu_wait", classes: &[Class::GpuWait] },
    Cause { name: "collective_wait", classes: &[Class::Collective] },
    Cause { name: STARVED, classes: &[Class::Starved, Class::StarvedAsleep] },
    Cause { name: "allocator", classes: &[Class::Allocator] },
    Cause { name: UNKNOWN, classes: &[Class::OnCpu, Class::Blocked, Class::RunnableAlone] },
];
const UNKNOWN: &str = "unknown";
const STARVED: &str = "data_starvation";

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
    /// Time of the cause in units that were not slow, where that counts.
    pub minor_ns: i64,
    /// Usual time of the cause in as many slow units, or in as much time.
    pub usual_ns: i64,
    pub attributed_ns: i64,
}

impl Cause {
    fn owns_gpu_waits(&self) -> bool {
        self.classes.contains(&Class::GpuWait)
    }

    /// True if a piece of a slow unit is of this cause.
    pub fn owns(&self, slow: &Slow, piece: &Piece) -> bool {
        // Between calls, blocked for a reason not recorded is most likely idle.
        let idle = piece.class == Class::Blocked && slow.key == GAP;
        self.classes.contains(&piece.class) && !(self.name == UNKNOWN && idle)
    }

    /// What of a slow unit is this cause's, but for a class that is explained already.
    fn hit<'a>(&self, slow: &'a Slow, explained: Option<Class>) -> Option<Hit<'a>> {
        let own = slow.pieces.iter().filter(|p| self.owns(slow, p));
        let mut own = own.filter(|p| explained != Some(p.class));
        let first = own.next()?;
        let (ns, to_ns) = own.fold((first.dur_ns(), first.to_ns), |(ns, _), p| (ns + p.dur_ns(), p.to_ns));
        Some(Hit { slow, ns, from_ns: first.from_ns, to_ns })
    }
}

/// All findings about one thread.
pub(super) fn findings(scene: &Scene<'_>, examined: &Examined<'_>) -> Vec<Finding> {
    let symptoms = symptom::found(scene, examined);
    let mut findings = Vec::new();
    for cause in &CAUSES {
        for case in cases(scene, examined, cause, &symptoms) {
            if let Some(severity) = severity(examined, &case) {
                findings.push(finding(scene, examined, &case, severity));
            }
        }
    }
    let symptoms: Vec<_> = symptoms.into_iter().map(|s| symptom::beside(s.finding, &findings)).collect();
    findings.extend(symptoms);
    findings
}

/// The incidents of one cause on one thread.
fn cases<'a>(
    scene: &Scene<'_>,
    examined: &'a Examined<'_>,
    cause: &'a Cause,
    symptoms: &[Symptom],
) -> Vec<Case<'a>> {
    let Some(class) = cause.classes.first().copied() else { return Vec::new() };
    // Where rows are missing, only what was seen can be told: not what took long without a reason.
    let seen = matches!(
        class,
        Class::Runnable
            | Class::Throttled
            | Class::Recorder
            | Class::Stopped
            | Class::Lock
            | Class::Io
            | Class::Memory
            | Class::FirstUse
    );
    if !seen && !scene.trace.facts.population.is_empty() {
        return Vec::new();
    }
    let without_calls = [Class::Runnable, Class::Throttled, Class::Recorder, Class::Io, Class::Memory];
    if !examined.calls && !without_calls.contains(&class) {
        return Vec::new();
    }
    let explained = |slow: &Slow| symptoms.iter().find_map(|s| s.explains(slow));
    let hits: Vec<Hit<'a>> =
        examined.slow.iter().filter_map(|slow| cause.hit(slow, explained(slow))).collect();
    let spans = incidents(examined, &hits);
    let case = |span: &(i64, i64)| case(scene, examined, cause, &hits, *span, &spans);
    spans.iter().filter_map(case).collect()
}

fn case<'a>(
    scene: &Scene<'_>,
    examined: &'a Examined<'_>,
    cause: &'a Cause,
    all: &[Hit<'a>],
    (mut from_ns, mut to_ns): (i64, i64),
    others: &[(i64, i64)],
) -> Option<Case<'a>> {
    let class = *cause.classes.first()?;
    let within = |hits: &mut Vec<Hit<'a>>, from, to| hits.retain(|h| h.from_ns < to && h.to_ns > from);
    let mut hits = all.to_vec();
    within(&mut hits, from_ns, to_ns);
    let mut baseline = compared_with(scene, examined, class, &hits, (from_ns, to_ns), others);
    if let Some(least) = least_gap_ns(cause, baseline.as_ref(), &hits) {
        hits.retain(|h| h.slow.key != GAP || h.ns >= least);
        (from_ns, to_ns) = span_of(&hits)?;
        baseline = compared_with(scene, examined, class, &hits, (from_ns, to_ns), others);
    }
    let slow: Vec<&Slow> = examined.slow.iter().filter(|s| s.from_ns < to_ns && s.to_ns > from_ns).collect();
    let usual = |s: &&Slow| match &baseline {
        Some(b) => cause.classes.iter().map(|class| b.usual_ns(*class, s.key)).sum(),
        None => 0,
    };
    let within_slow: i64 = slow.iter().map(usual).sum();
    let minor = examined.minor.iter().filter(|p| cause.classes.contains(&p.class));
    let minor_ns: i64 = minor.map(|p| (p.to_ns.min(to_ns) - p.from_ns.max(from_ns)).max(0)).sum();
    let usual_ns = match &baseline {
        Some(b) if class.is_kept_back() => b.usual_of_time_ns(class, to_ns - from_ns),
        _ => within_slow,
    };
    let measured: i64 = hits.iter().map(|h| h.ns).sum();
    let attributed_ns = (measured + minor_ns - usual_ns).max(0);
    Some(Case { cause, hits, slow, from_ns, to_ns, baseline, minor_ns, usual_ns, attributed_ns })
}

/// From which length a wait between calls belongs to a cause that is also how a thread waits for its next
/// work; `None` for other causes.
fn least_gap_ns(cause: &Cause, baseline: Option<&Baseline>, hits: &[Hit<'_>]) -> Option<i64> {
    let longest = |b: &Baseline| cause.classes.iter().map(|c| b.longest_ns(*c)).max().unwrap_or(0);
    if cause.classes.contains(&Class::Lock) {
        return Some(baseline.map_or(0, longest).saturating_mul(limits::LOCK_GAP_FACTOR));
    }
    if cause.name != STARVED {
        return None;
    }
    if asleep(hits) {
        let compared = baseline.filter(|b| b.kind == "window_before");
        let longest = |b: &Baseline| longest(b).max(b.longest_ns(Class::Waiting));
        return Some(compared.map_or(i64::MAX, longest).saturating_mul(limits::ASLEEP_GAP_FACTOR));
    }
    let mean = |b: &Baseline| cause.classes.iter().map(|c| b.mean_ns(*c)).max().unwrap_or(0);
    Some(baseline.map_or(0, mean).saturating_mul(limits::STARVED_GAP_FACTOR))
}

/// True if those who feed a thread mostly slept.
fn asleep(hits: &[Hit<'_>]) -> bool {
    let ns = |class| hits.iter().map(|h| h.slow.class_ns(class)).sum::<i64>();
    ns(Class::StarvedAsleep) > ns(Class::Starved)
}

/// The baseline ends where the first affected unit begins, which is before its affected piece. Rows of which
/// only the slow ones were kept say nothing about what is usual.
fn compared_with(
    scene: &Scene<'_>,
    examined: &Examined<'_>,
    class: Class,
    hits: &[Hit<'_>],
    (from_ns, to_ns): (i64, i64),
    others: &[(i64, i64)],
) -> Option<Baseline> {
    if !scene.trace.facts.population.is_empty() {
        return None;
    }
    let begin = hits.iter().map(|h| h.slow.from_ns).min().unwrap_or(from_ns);
    examined.bins.baseline(class, (begin.min(from_ns), to_ns), others)
}

fn span_of(hits: &[Hit<'_>]) -> Option<(i64, i64)> {
    Some((hits.iter().map(|h| h.from_ns).min()?, hits.iter().map(|h| h.to_ns).max()?))
}

/// Times from the first to the last of the worst parts, apart where long enough lies between them: what
/// trickles at other times is no incident.
fn incidents(examined: &Examined<'_>, hits: &[Hit<'_>]) -> Vec<(i64, i64)> {
    let mut bins = std::collections::BTreeMap::new();
    for hit in hits {
        *bins.entry(examined.bins.bin(hit.from_ns)).or_insert(0) += hit.ns;
    }
    let worst: i64 = bins.values().copied().max().unwrap_or(0);
    let hot = |h: &&Hit<'_>| {
        let ns = bins.get(&examined.bins.bin(h.from_ns)).copied().unwrap_or(0);
        ns >= worst / 100 * limits::HOT_PERCENT
    };
    let apart = limits::MERGE_NS.max(2 * examined.bins.width_ns());
    let mut spans: Vec<(i64, i64)> = Vec::new();
    for hit in hits.iter().filter(hot) {
        match spans.last_mut() {
            Some(last) if hit.from_ns - last.1 <= apart => last.1 = last.1.max(hit.to_ns),
            _ => spans.push((hit.from_ns, hit.to_ns)),
        }
    }
    // What began or ended within a part that is not hot as a whole.
    for span in &mut spans {
        let bins = (examined.bins.bin(span.0) - 1, examined.bins.bin(span.1) + 1);
        let beside = |h: &&Hit<'_>| (bins.0..=bins.1).contains(&examined.bins.bin(h.from_ns));
        for hit in hits.iter().filter(beside) {
            *span = (span.0.min(hit.from_ns), span.1.max(hit.to_ns));
        }
    }
    match (spans.first().copied(), spans.last().copied()) {
        (Some(first), Some(last)) if spans.len() > limits::MAX_INCIDENTS => vec![(first.0, last.1)],
        _ => spans,
    }
}

/// How severe a case is; `None` if it is no finding.
fn severity(examined: &Examined<'_>, case: &Case<'_>) -> Option<Severity> {
    let enough = case.hits.len() >= limits::MIN_UNITS || case.attributed_ns >= limits::MIN_NS;
    if !enough || !beyond_spread(examined, case) {
        return None;
    }
    let class = case.cause.classes.first()?;
    if matches!(class, Class::GpuWait | Class::Collective) && case.baseline.is_none() {
        return None;
    }
    let per_mille = share_per_mille(case);
    let severity = Severity::of_share(per_mille)?;
    if case.cause.name == UNKNOWN {
        return (per_mille >= limits::UNKNOWN_PER_MILLE).then_some(Severity::Low);
    }
    let compared = case.baseline.as_ref().is_some_and(|b| b.kind == "window_before");
    let in_calls = case.hits.iter().any(|h| h.slow.key != GAP);
    // One that feeds a thread and sleeps may just have nothing to give.
    let given_nothing = case.cause.name == STARVED && asleep(&case.hits);
    let doubtful = may_be_a_storm(examined, case) || usual_is_unknown(examined, case);
    let cap = if !examined.calls || poorly_decided(case) || given_nothing || doubtful {
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
    share_of(case.attributed_ns, case.to_ns - case.from_ns)
}

/// Share of a time, per mille; short times count as [`limits::SHARE_MIN_NS`].
pub(super) fn share_of(ns: i64, span_ns: i64) -> i64 {
    ns / (span_ns.max(limits::SHARE_MIN_NS) / 1000)
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

/// True for waits for the GPU as frequent as in a storm of synchronisations, where records that would tell may be
/// missing.
fn may_be_a_storm(examined: &Examined<'_>, case: &Case<'_>) -> bool {
    let (from, to) = (examined.bins.bin(case.from_ns), examined.bins.bin(case.to_ns));
    let often =
        case.hits.len() as i64 * 1_000_000_000 >= limits::STORM_PER_SECOND * (case.to_ns - case.from_ns);
    case.cause.owns_gpu_waits() && often && examined.rhythm.sum(from..=to).lost_ns > 0
}

/// True for waits for a CPU, if of the time they lie in or are compared with more is undecidable than is attributed:
/// they may be as usual then.
fn usual_is_unknown(examined: &Examined<'_>, case: &Case<'_>) -> bool {
    let waits = |class| matches!(class, &Class::Runnable | &Class::Recorder);
    let compared = case.baseline.as_ref().map_or((case.from_ns, case.to_ns), |b| (b.from_ns, b.to_ns));
    let from = examined.bins.bin(case.from_ns.min(compared.0));
    let to = examined.bins.bin(case.to_ns.max(compared.1));
    case.cause.classes.iter().any(waits) && examined.rhythm.sum(from..=to).lost_ns >= case.attributed_ns
}

/// Time of the affected units that could not be given to a class.
pub(super) fn undecided_ns(case: &Case<'_>) -> i64 {
    case.hits.iter().map(|h| h.slow.class_ns(Class::Lost) + h.slow.class_ns(Class::Blocked)).sum()
}

fn finding(scene: &Scene<'_>, examined: &Examined<'_>, case: &Case<'_>, severity: Severity) -> Finding {
    let thread = examined.thread;
    let calls = evidence::Calls::of(examined, case);
    let facts = evidence::Facts::of(scene, examined, case);
    Finding {
        id: id(scene, examined.thread, case.cause.name, case.from_ns),
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

/// Digest of node, thread, cause and begin.
pub(super) fn id(scene: &Scene<'_>, thread: &Thread, cause: &str, from_ns: i64) -> String {
    let key = format!("{}\0{}\0{}\0{cause}\0{from_ns}", scene.trace.node, thread.pid, thread.tid);
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
