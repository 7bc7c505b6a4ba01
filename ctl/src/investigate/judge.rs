//! How severe a case is, and whether it is a finding at all.

use super::{
    case::{self, Case},
    cause::{STARVED, UNKNOWN},
    decompose::Class,
    finding::Severity,
    thread::Examined,
    units::GAP,
};
use crate::limits;

/// How severe a case is; `None` if it is no finding.
pub(super) fn severity(examined: &Examined<'_>, case: &Case<'_>) -> Option<Severity> {
    if !beyond_spread(examined, case) {
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
    let given_nothing = case.cause.name == STARVED && case::asleep(&case.hits);
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
