//! Findings that no single slow call shows: a thread launched less while it was busy with itself, or waited
//! for the GPU after every launch. They own only time that no cause of a slow unit owns.

use serde_json::{Value, json};

use super::{
    decompose::Class,
    evidence,
    finding::{self, Finding, Severity},
    judge,
    rhythm::{Beat, Stretch},
    scene::Scene,
    thread::{Examined, Slow},
    units::GAP,
};
use crate::limits;
use crate::time::duration;

const DROP: &str = "launch_rate_drop";
const STORM: &str = "sync_storm";

/// A finding, and the time whose slow units are explained by it.
#[derive(Debug)]
pub(super) struct Symptom {
    pub finding: Finding,
    from_ns: i64,
    to_ns: i64,
}

impl Symptom {
    /// The class of a slow unit's time that this explains.
    pub fn explains(&self, slow: &Slow) -> Option<Class> {
        let inside = slow.from_ns < self.to_ns && slow.to_ns > self.from_ns;
        match self.finding.cause {
            DROP => (inside && slow.key == GAP).then_some(Class::OnCpu),
            _ => inside.then_some(Class::GpuWait),
        }
    }
}

/// What the rhythm of a thread's calls tells. Rows that are a sample tell no rates.
pub(super) fn found(scene: &Scene<'_>, examined: &Examined<'_>) -> Vec<Symptom> {
    if !examined.calls || !scene.is_full() {
        return Vec::new();
    }
    let width = examined.bins.width_ns();
    let of = |cause, stretches: Vec<Stretch>| {
        let found = stretches.into_iter().filter_map(move |s| symptom(scene, examined, cause, &s));
        found.collect::<Vec<_>>()
    };
    let mut found = of(DROP, examined.rhythm.drops(width));
    found.extend(of(STORM, examined.rhythm.storms(width)));
    found
}

/// A symptom beside what causes found on its thread. Whoever was kept from running comes back to cold caches: work of
/// its own that took longer in the time of a cause that took more is no incident of its own.
pub(super) fn beside(mut symptom: Finding, causes: &[Finding]) -> Finding {
    let overlaps = |f: &&Finding| f.from_ns < symptom.to_ns && f.to_ns > symptom.from_ns;
    let owner = causes.iter().filter(overlaps).max_by_key(|f| f.attributed_ns);
    if let Some(owner) = owner.filter(|f| symptom.cause == DROP && f.attributed_ns >= symptom.attributed_ns) {
        symptom.severity = symptom.severity.max(Severity::Low);
        if let Some(against) = symptom.counter_evidence.as_object_mut() {
            against.insert("in_the_time_of".into(), json!(owner.cause));
        }
    }
    symptom
}

/// Launches each second.
fn rate(beat: &Beat, bins: i64, width_ns: i64) -> i64 {
    let ns = i128::from(bins.max(1)) * i128::from(width_ns.max(1));
    i64::try_from(i128::from(beat.launches) * 1_000_000_000 / ns).unwrap_or(i64::MAX)
}

fn symptom(
    scene: &Scene<'_>,
    examined: &Examined<'_>,
    cause: &'static str,
    stretch: &Stretch,
) -> Option<Symptom> {
    let (from_ns, to_ns) = (
        examined.bins.edges(stretch.bins.0).0.max(scene.trace.from_ns),
        examined.bins.edges(stretch.bins.1).1.min(scene.trace.to_ns),
    );
    let per_mille = judge::share_of(stretch.excess_ns, to_ns - from_ns);
    let severity = Severity::of_share(per_mille)?;
    let (width, bins) = (examined.bins.width_ns(), stretch.bins.1 - stretch.bins.0 + 1);
    let (before, during) =
        (rate(&stretch.usual, stretch.usual_bins, width), rate(&stretch.inside, bins, width));
    let lost = ((before - during).max(0) * (to_ns - from_ns) / 1_000_000_000).max(0);
    let thread = examined.thread;
    let affected = if cause == DROP { stretch.inside.launches } else { stretch.inside.syncs };
    let rates = json!({"usual_per_second": before, "per_second": during, "launches_lost": lost});
    let finding = Finding {
        id: finding::id(&scene.trace.node, thread, cause, from_ns),
        rank: 0,
        severity,
        cause,
        node: scene.trace.node.clone(),
        pid: thread.pid,
        tid: thread.tid,
        comm: thread.comm.clone(),
        from_ns,
        to_ns,
        attributed_ns: stretch.excess_ns,
        calls_affected: affected,
        calls_total: stretch.inside.launches + stretch.inside.syncs,
        summary: summary(cause, stretch, (before, during), to_ns - from_ns),
        evidence: evidence(scene, examined, cause, stretch, per_mille, rates),
        counter_evidence: counter(examined, stretch, (from_ns, to_ns)),
        coverage: json!({
            "units_examined": stretch.inside.launches + stretch.inside.syncs,
            "units_undecidable": 0,
            "undecided_ns": stretch.inside.lost_ns,
            "losses_in_time": evidence::losses_in(scene, (from_ns, to_ns)),
        }),
        advice: json!(advice(cause)),
    };
    Some(Symptom { finding, from_ns, to_ns })
}

fn summary(cause: &str, stretch: &Stretch, (before, during): (i64, i64), span_ns: i64) -> String {
    let time = duration(stretch.excess_ns);
    if cause == DROP {
        let percent = (before - during).max(0) * 100 / before.max(1);
        return format!(
            "launched {percent} % less for {} ({before}/s before, {during}/s then): its own work between launches \
             took {time} more than usual",
            duration(span_ns)
        );
    }
    let each = stretch.inside.launches * 100 / stretch.inside.syncs.max(1);
    format!(
        "waited for the GPU {} times in {}, after {}.{:02} launches each, {time} more than usual",
        stretch.inside.syncs,
        duration(span_ns),
        each / 100,
        each % 100,
    )
}

fn evidence(
    scene: &Scene<'_>,
    examined: &Examined<'_>,
    cause: &str,
    stretch: &Stretch,
    per_mille: i64,
    rates: Value,
) -> Value {
    let measured = if cause == DROP { stretch.inside.own_work_ns } else { stretch.inside.gpu_wait_ns };
    let width = examined.bins.width_ns();
    json!({
        "population": "all calls recorded on the thread",
        "measured_ns": measured,
        "usual_ns": measured - stretch.excess_ns,
        "share_per_mille": per_mille,
        "syncs": stretch.inside.syncs,
        "launches": stretch.inside.launches,
        "usual_launches_per_100_syncs": stretch.usual.launches * 100 / stretch.usual.syncs.max(1),
        "launch_rate": rates,
        "operations": [], "actors": [], "kernels": [], "kernel_stacks": [], "wakeup_chains": [], "timeline": [],
        "baseline": {
            "kind": "usual_parts",
            "from_ns": scene.trace.from_ns,
            "to_ns": scene.trace.to_ns,
            "units": stretch.usual.launches + stretch.usual.syncs,
        },
        "thresholds": {
            "part_ns": width,
            "drop_percent": limits::DROP_PERCENT,
            "busy_percent": limits::BUSY_PERCENT,
            "storm_factor": limits::STORM_FACTOR,
            "storm_launches_per_sync": limits::STORM_LAUNCHES,
        },
    })
}

/// The slow units of the time that have nothing of this, and what they spent most on.
fn counter(examined: &Examined<'_>, stretch: &Stretch, (from, to): (i64, i64)) -> Value {
    let inside = examined.slow.iter().filter(|s| s.from_ns < to && s.to_ns > from);
    let by_class = evidence::by_class(inside.clone().flat_map(|s| &s.pieces));
    let own =
        if stretch.inside.gpu_wait_ns > stretch.inside.own_work_ns { Class::GpuWait } else { Class::OnCpu };
    let second = by_class.iter().filter(|(class, _)| **class != own.name()).max_by_key(|(_, ns)| **ns);
    json!({
        "slow_units_without_this_cause": 0,
        "units_with_it_that_were_not_slow": 0,
        "first_use_calls_among_slow": 0,
        "second_class": second.map(|(class, _)| class),
        "second_class_ns": second.map_or(0, |(_, ns)| *ns),
        "slow_units_ns_by_class": by_class,
    })
}

fn advice(cause: &str) -> &'static [&'static str] {
    if cause == DROP {
        &[
            "The thread itself was slower: profile its code of that time (host stacks), or look at input that made it work more.",
        ]
    } else {
        &[
            "Synchronise once for many launches, or wait on events and streams instead.",
            "Look at the caller (stack of the synchronising call) for a result that is read back each step.",
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::investigate::{investigate, tests::story::BEGIN};

    #[test]
    fn a_symptom_explains_the_slow_units_that_lie_in_its_time_by_a_nanosecond_and_only_the_class_that_is_its()
    {
        let trace = crate::investigate::tests::dropped();
        let finding = investigate(&[trace], None).remove(0);
        let mut symptom = Symptom { finding, from_ns: BEGIN + 100, to_ns: BEGIN + 200 };
        let of = |symptom: &Symptom, from: i64, to: i64, key: u16| {
            let (from_ns, to_ns) = (BEGIN + from, BEGIN + to);
            symptom.explains(&Slow { from_ns, to_ns, key, place: None, pieces: Vec::new() })
        };
        let own_work = Some(Class::OnCpu);
        let told = [(0, 100), (0, 101), (199, 300), (200, 300)].map(|(from, to)| of(&symptom, from, to, GAP));
        assert_eq!(told, [None, own_work, own_work, None]);
        assert_eq!(of(&symptom, 0, 300, 7), None);
        symptom.finding.cause = STORM;
        assert_eq!(of(&symptom, 0, 300, 7), Some(Class::GpuWait));
        assert_eq!(of(&symptom, 0, 100, 7), None);
    }
}
