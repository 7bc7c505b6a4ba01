//! One thread, examined: its units' nanoseconds by class, and the slow units kept whole.

use super::{
    baseline::Bins,
    decompose::{self, Class, Piece, known_better},
    rhythm::Rhythm,
    scene::Scene,
    units::{self, GAP, Unit},
    waits::Wait,
};
use crate::limits;
use crate::{
    model::{Call, Cursor, NONE, Thread, Trace, Walk},
    quantile,
    tally::Tally,
};

/// A unit that was slow.
#[derive(Clone, Debug)]
pub(super) struct Slow {
    /// Begin.
    pub from_ns: i64,
    /// End.
    pub to_ns: i64,
    /// Operation, or [`GAP`].
    pub key: u16,
    /// Place, in the thread's list, of the call that was slow or came late.
    pub place: Option<usize>,
    /// Its pieces.
    pub pieces: Vec<Piece>,
}

impl Slow {
    /// Nanoseconds of a class.
    pub fn class_ns(&self, class: Class) -> i64 {
        self.pieces.iter().filter(|p| p.class == class).map(Piece::dur_ns).sum()
    }

    /// Its length.
    pub fn dur_ns(&self) -> i64 {
        self.to_ns - self.from_ns
    }
}

/// A thread and what its time was spent on.
#[derive(Debug)]
pub(super) struct Examined<'a> {
    pub thread: &'a Thread<'a>,
    pub slow: Vec<Slow>,
    /// Times in which the thread was kept back in units that were not slow.
    pub minor: Vec<Piece>,
    pub bins: Bins,
    /// Launches and synchronisations over time.
    pub rhythm: Rhythm,
    /// From which length a gap was examined.
    pub gap_from_ns: i64,
    /// False for a thread without CUDA calls.
    pub calls: bool,
}

impl<'a> Examined<'a> {
    pub fn of(scene: &Scene<'_>, thread: &'a Thread<'a>) -> Self {
        let bins = Bins::new(scene.trace.from_ns, scene.trace.to_ns);
        let mut examined = Self {
            thread,
            slow: Vec::new(),
            minor: Vec::new(),
            bins,
            rhythm: Rhythm::default(),
            gap_from_ns: 0,
            calls: !thread.calls.is_empty(),
        };
        if examined.calls {
            examined.units(scene);
        } else {
            examined.off_cpu_only(scene);
        }
        examined
    }

    fn units(&mut self, scene: &Scene<'_>) {
        self.gap_from_ns = gap_from_ns(scene.trace, self.thread.calls);
        let (mut cursor, mut pieces) = (Cursor::default(), Vec::new());
        let mut walk = Walk::of(scene.trace, self.thread.calls);
        for unit in units::of(self.thread.calls) {
            walk.at(unit.place);
            let unit = &unit;
            let slow = if unit.is_gap() {
                unit.dur_ns() >= self.gap_from_ns
            } else {
                scene.norms.slow_from_ns(self.thread.pid, unit.call).is_some_and(|ns| unit.dur_ns() >= ns)
            };
            decompose::pieces(scene, self.thread, unit, &mut cursor, &mut pieces);
            debug_assert_eq!(pieces.iter().map(Piece::dur_ns).sum::<i64>(), unit.dur_ns());
            self.bins.add(unit.key, &pieces, slow);
            self.rhythm.add(&self.bins, unit, &pieces);
            if !slow {
                self.minor.extend(pieces.iter().filter(|p| p.counts_anywhere()));
            } else {
                let (from_ns, to_ns) = (unit.from_ns, unit.to_ns);
                self.slow.push(Slow {
                    from_ns,
                    to_ns,
                    key: unit.key,
                    place: Some(unit.place),
                    pieces: pieces.clone(),
                });
            }
        }
    }

    /// A thread without calls waits most of its time, so only what kept it from running, or disks, count.
    fn off_cpu_only(&mut self, scene: &Scene<'_>) {
        for off in self.thread.off_cpu {
            let blocked_to = if off.preempted() { off.ts_ns } else { off.runnable_from_ns() };
            let blocked = match scene.waits.kind(off) {
                Wait::Io if scene.waited_for_recorder(self.thread, off) => Class::Recorder,
                Wait::Io => Class::Io,
                Wait::Memory => Class::Memory,
                Wait::Unknown => Class::Blocked,
                _ => Class::Waiting,
            };
            let runnable = match off.preemptor {
                NONE => Class::RunnableAlone,
                task if scene.is_recorder(task) => Class::Recorder,
                _ => Class::Runnable,
            };
            let spans =
                [(off.ts_ns, blocked_to, blocked, NONE), (blocked_to, off.end_ns(), runnable, off.preemptor)];
            let whole =
                |(from_ns, to_ns, class, actor)| Piece { from_ns, to_ns, class, actor, stack: off.stack };
            let pieces = spans.into_iter().filter(|(from, to, ..)| from < to).map(whole).collect();
            let pieces = known_better(scene, self.thread, pieces);
            self.bins.add(GAP, &pieces, true);
            let (from_ns, to_ns) = (off.ts_ns, off.end_ns());
            self.slow.push(Slow { from_ns, to_ns, key: GAP, place: None, pieces });
        }
    }
}

/// From which length a gap between a thread's calls is examined.
fn gap_from_ns(trace: &Trace, calls: &[Call]) -> i64 {
    // Gaps up to this are all the same to the result: most often the median is one, so it need not be known.
    let short_ns = limits::GAP_MIN_NS / limits::GAP_FACTOR;
    let (mut short, mut long) = (0, Tally::default());
    let mut walk = Walk::of(trace, calls);
    for gap in units::of(calls).filter(Unit::is_gap) {
        walk.at(gap.place);
        match gap.dur_ns() {
            ns if ns <= short_ns => short += 1,
            ns => long.push(ns),
        }
    }
    let median = quantile::rank(short + long.len(), 50);
    let median_ns = median.checked_sub(short).map_or(0, |place| long.sorted().at(place));
    (median_ns * limits::GAP_FACTOR).max(limits::GAP_MIN_NS)
}

#[cfg(test)]
mod tests {
    use ingero_format::ops;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_gap_is_examined_from_a_multiple_of_the_median_gap_or_a_least_length(
            mut gaps in prop::collection::vec(prop_oneof![1..400_000i64, Just(200_000), 1..1i64 << 40], 0..60),
        ) {
            let mut at = 0;
            let call = |ts_ns| Call { ts_ns, op: ops::CU_LAUNCH_KERNEL, ..Call::default() };
            let mut calls = vec![call(0)];
            for gap in &gaps {
                at += gap;
                calls.push(call(at));
            }
            let expected = (quantile::median(&mut gaps) * limits::GAP_FACTOR).max(limits::GAP_MIN_NS);
            prop_assert_eq!(gap_from_ns(&Trace::default(), &calls), expected);
        }
    }
}
