//! One cause on one thread, measured: its incidents, which time, compared with what.

use super::{
    baseline::Baseline,
    cause::{Cause, STARVED},
    decompose::Class,
    scene::Scene,
    thread::{Examined, Slow},
    units::GAP,
};
use crate::limits;

/// A slow unit with time of the cause in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit<'a> {
    pub slow: &'a Slow,
    /// Time of the cause inside.
    pub ns: i64,
    /// Begin of the first of it, end of the last.
    pub from_ns: i64,
    pub to_ns: i64,
}

impl<'a> Hit<'a> {
    /// What of a slow unit is a cause's, but for a class that is explained already.
    pub fn of(cause: &Cause, slow: &'a Slow, explained: Option<Class>) -> Option<Self> {
        let own = slow.pieces.iter().filter(|p| cause.owns(slow, p));
        let mut own = own.filter(|p| explained != Some(p.class));
        let first = own.next()?;
        let (ns, to_ns) = own.fold((first.dur_ns(), first.to_ns), |(ns, _), p| (ns + p.dur_ns(), p.to_ns));
        Some(Self { slow, ns, from_ns: first.from_ns, to_ns })
    }
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

/// The incidents of one cause on one thread.
pub(super) fn cases<'a>(
    scene: &Scene<'_>,
    examined: &'a Examined<'_>,
    cause: &'a Cause,
    explained: impl Fn(&Slow) -> Option<Class>,
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
    let hits: Vec<Hit<'a>> =
        examined.slow.iter().filter_map(|slow| Hit::of(cause, slow, explained(slow))).collect();
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
pub(super) fn asleep(hits: &[Hit<'_>]) -> bool {
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
pub(super) fn incidents(examined: &Examined<'_>, hits: &[Hit<'_>]) -> Vec<(i64, i64)> {
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
