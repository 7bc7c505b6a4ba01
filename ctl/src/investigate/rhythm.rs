//! How a thread's launches and synchronisations follow each other, part by part of the window; and from it the
//! two causes that no single slow call shows: fewer launches, and too many synchronisations.

use ingero_format::ops::Group;

use super::{
    baseline::Bins,
    decompose::{Class, Piece},
    units::Unit,
};
use crate::limits;
use crate::quantile;

/// One part of the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Beat {
    pub launches: i64,
    pub syncs: i64,
    /// On-CPU time between calls.
    pub own_work_ns: i64,
    /// Time in waits for the GPU.
    pub gpu_wait_ns: i64,
    /// Time of which records may be missing.
    pub lost_ns: i64,
}

/// Beats by part; `None` for a part in which nothing was.
#[derive(Debug)]
pub(super) struct Rhythm(Vec<Option<Beat>>);

impl Default for Rhythm {
    fn default() -> Self {
        Self(vec![None; limits::BINS as usize])
    }
}

/// A stretch of parts that differs from the usual ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    /// First and last part.
    pub bins: (i64, i64),
    /// Sums of it.
    pub inside: Beat,
    /// Sums of the usual parts, and how many.
    pub usual: Beat,
    pub usual_bins: i64,
    /// Time beyond the usual.
    pub excess_ns: i64,
}

impl Beat {
    fn add(&mut self, other: &Self) {
        self.launches += other.launches;
        self.syncs += other.syncs;
        self.own_work_ns += other.own_work_ns;
        self.gpu_wait_ns += other.gpu_wait_ns;
        self.lost_ns += other.lost_ns;
    }
}

impl Rhythm {
    /// Takes a unit; time is shared out to the parts it lies in.
    pub fn add(&mut self, bins: &Bins, unit: &Unit<'_>, pieces: &[Piece]) {
        if !unit.is_gap() {
            let Some(beat) = self.beat(bins.bin(unit.from_ns)) else { return };
            beat.launches += i64::from(unit.call.group() == Group::Launch);
            beat.syncs += i64::from(unit.call.waits_for_gpu());
        }
        for piece in pieces {
            let field: fn(&mut Beat) -> &mut i64 = match piece.class {
                Class::OnCpu if unit.is_gap() => |b| &mut b.own_work_ns,
                Class::GpuWait => |b| &mut b.gpu_wait_ns,
                Class::Lost => |b| &mut b.lost_ns,
                _ => continue,
            };
            for bin in bins.bin(piece.from_ns)..=bins.bin(piece.to_ns - 1) {
                let (from, to) = bins.edges(bin);
                let ns = piece.to_ns.min(to) - piece.from_ns.max(from);
                if let Some(beat) = self.beat(bin) {
                    *field(beat) += ns.max(0);
                }
            }
        }
    }

    fn beat(&mut self, bin: i64) -> Option<&mut Beat> {
        self.0.get_mut(usize::try_from(bin).ok()?).map(Option::get_or_insert_default)
    }

    fn at(&self, bin: i64) -> Beat {
        let beat = usize::try_from(bin).ok().and_then(|bin| self.0.get(bin));
        beat.copied().flatten().unwrap_or_default()
    }

    /// Parts in which something was.
    fn lively(&self) -> impl Iterator<Item = (i64, &Beat)> {
        (0..).zip(&self.0).filter_map(|(bin, beat)| Some((bin, beat.as_ref()?)))
    }

    /// Sums over parts.
    pub fn sum(&self, bins: impl Iterator<Item = i64>) -> Beat {
        bins.fold(Beat::default(), |mut sum, bin| {
            sum.add(&self.at(bin));
            sum
        })
    }

    /// Stretches with clearly fewer launches than usual while the thread was busy with work of its own.
    pub fn drops(&self, width_ns: i64) -> Vec<Stretch> {
        // The median: what was so for most of the window. A short time of more launches makes no drop of the rest.
        let usual = quantile::median(
            &mut self.lively().map(|(_, b)| b.launches).filter(|n| *n > 0).collect::<Vec<_>>(),
        );
        if usual < limits::DROP_MIN_LAUNCHES {
            return Vec::new();
        }
        let near = |b: &Beat| b.launches * 5 >= usual * 4 && b.lost_ns == 0;
        let low = |b: &Beat| {
            b.launches * 100 < usual * limits::DROP_PERCENT
                && b.own_work_ns * 100 >= width_ns * limits::BUSY_PERCENT
                && b.lost_ns == 0
        };
        self.stretches(near, low, |inside, usual| {
            inside.own_work_ns - inside.launches * usual.own_work_ns / usual.launches.max(1)
        })
    }

    /// Stretches with a synchronisation after every launch or two, far more often than usual.
    pub fn storms(&self, width_ns: i64) -> Vec<Stretch> {
        let usual = lower_quartile(self.lively().map(|(_, b)| b.syncs).collect());
        let least = (usual * limits::STORM_FACTOR).max(limits::STORM_PER_SECOND * width_ns / 1_000_000_000);
        // What is missing of a short time changes little in how many launches there are for each.
        let known = |b: &Beat| b.lost_ns * 100 <= width_ns * limits::STORM_LOST_PERCENT;
        let storm =
            |b: &Beat| b.syncs >= least.max(1) && b.launches <= b.syncs * limits::STORM_LAUNCHES && known(b);
        let calm =
            |b: &Beat| b.launches > 0 && b.launches >= b.syncs * limits::STORM_LAUNCHES * 2 && known(b);
        self.stretches(calm, storm, |inside, usual| {
            inside.gpu_wait_ns - inside.launches * usual.gpu_wait_ns / usual.launches.max(1)
        })
    }

    fn stretches(
        &self,
        usual: impl Fn(&Beat) -> bool,
        unusual: impl Fn(&Beat) -> bool,
        excess: impl Fn(&Beat, &Beat) -> i64,
    ) -> Vec<Stretch> {
        let usual_bins: Vec<i64> = self.lively().filter(|(_, b)| usual(b)).map(|(bin, _)| bin).collect();
        if (usual_bins.len() as i64) * 100 < limits::BINS * limits::USUAL_PERCENT {
            return Vec::new();
        }
        let known = self.sum(usual_bins.iter().copied());
        let mut found: Vec<(i64, i64)> = Vec::new();
        for (bin, _) in self.lively().filter(|(_, b)| unusual(b)) {
            match found.last_mut() {
                Some(last) if bin - last.1 <= 2 => last.1 = bin,
                _ => found.push((bin, bin)),
            }
        }
        let stretch = |bins: (i64, i64)| {
            let inside = self.sum((bins.0..=bins.1).filter(|bin| unusual(&self.at(*bin))));
            let excess_ns = excess(&inside, &known);
            Stretch { bins, inside, usual: known, usual_bins: usual_bins.len() as i64, excess_ns }
        };
        found.into_iter().map(stretch).filter(|s| s.excess_ns > 0).collect()
    }
}

fn lower_quartile(mut values: Vec<i64>) -> i64 {
    values.sort_unstable();
    quantile::nearest_rank(&values, 25)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;
    /// Length of a part.
    const PART: i64 = 1_000 * MS;

    /// So many usual parts, and then others.
    fn rhythm(usual_parts: usize, usual: Beat, then: &[Beat]) -> Rhythm {
        let mut parts = vec![None; limits::BINS as usize];
        let told = std::iter::repeat_n(usual, usual_parts).chain(then.iter().copied());
        parts.iter_mut().zip(told).for_each(|(part, beat)| *part = Some(beat));
        Rhythm(parts)
    }

    fn launching(launches: i64, own_work_ms: i64) -> Beat {
        Beat { launches, own_work_ns: own_work_ms * MS, ..Beat::default() }
    }

    fn drops(usual_parts: usize, then: &[Beat]) -> Vec<((i64, i64), i64)> {
        let found = rhythm(usual_parts, launching(100, 300), then).drops(PART);
        found.into_iter().map(|s| (s.bins, s.excess_ns)).collect()
    }

    #[test]
    fn a_part_is_a_drop_below_seven_tenths_of_the_launches_with_three_tenths_of_own_work() {
        // Usually 3 ms a launch.
        assert_eq!(drops(60, &[launching(69, 300)]), [((60, 60), 300 * MS - 69 * 3 * MS)]);
        assert_eq!(drops(60, &[launching(70, 300)]), []);
        assert_eq!(drops(60, &[launching(69, 299)]), []);
        assert_eq!(drops(60, &[Beat { lost_ns: 1, ..launching(69, 300) }]), []);
    }

    #[test]
    fn without_a_fifth_of_usual_parts_or_ten_launches_in_each_no_drop_is_told() {
        assert_eq!(drops(19, &[launching(50, 500)]), []);
        assert_eq!(drops(20, &[launching(50, 500)]).len(), 1);
        for (usual, found) in [(9, 0), (10, 1)] {
            let rhythm = rhythm(60, launching(usual, 300), &[launching(1, 500)]);
            assert_eq!(rhythm.drops(PART).len(), found);
        }
    }

    #[test]
    fn parts_far_from_the_usual_are_not_what_a_drop_is_compared_with() {
        // Three quarters of the launches: neither usual nor a drop. With them a launch would usually take longer.
        let found =
            drops(60, &[launching(75, 900), launching(75, 900), launching(79, 900), launching(50, 500)]);
        assert_eq!(found, [((63, 63), 500 * MS - 50 * 3 * MS)]);
        let near = drops(60, &[launching(80, 900), launching(50, 500)]);
        assert!(near[0].1 < 500 * MS - 50 * 3 * MS);
    }

    #[test]
    fn parts_at_most_two_apart_are_one_stretch_without_what_lies_between() {
        let (low, usual) = (launching(50, 500), launching(100, 300));
        let each = 500 * MS - 50 * 3 * MS;
        assert_eq!(drops(60, &[low, low, usual, low]), [((60, 63), 3 * each)]);
        assert_eq!(drops(60, &[low, usual, usual, low]), [((60, 60), each), ((63, 63), each)]);
    }

    #[test]
    fn a_stretch_that_took_no_more_than_usual_is_none() {
        let usual = launching(100, 600);
        let of = |own_work_ms| rhythm(60, usual, &[launching(60, own_work_ms)]).drops(PART).len();
        assert_eq!([of(360), of(361)], [0, 1]);
    }

    fn syncing(launches: i64, syncs: i64, gpu_wait_ms: i64) -> Beat {
        Beat { launches, syncs, gpu_wait_ns: gpu_wait_ms * MS, ..Beat::default() }
    }

    fn storms(usual: Beat, then: Beat) -> Vec<i64> {
        rhythm(60, usual, &[then]).storms(PART).into_iter().map(|s| s.excess_ns).collect()
    }

    #[test]
    fn a_storm_has_three_times_the_synchronisations_and_fifty_a_second_with_two_launches_each() {
        let usual = syncing(100, 5, 100);
        // Usually 1 ms of waiting a launch.
        assert_eq!(storms(usual, syncing(100, 50, 700)), [600 * MS]);
        assert_eq!(storms(usual, syncing(98, 49, 700)), [0; 0]);
        assert_eq!(storms(usual, syncing(101, 50, 700)), [0; 0]);
        assert_eq!(storms(usual, syncing(100, 50, 100)), [0; 0]);
        let usual = syncing(100, 20, 100);
        assert_eq!(storms(usual, syncing(100, 60, 700)), [600 * MS]);
        assert_eq!(storms(usual, syncing(100, 59, 700)), [0; 0]);
    }

    #[test]
    fn a_storm_may_miss_a_tenth_of_its_records() {
        for (lost_ms, found) in [(100, 1), (101, 0)] {
            let storm = Beat { lost_ns: lost_ms * MS, ..syncing(100, 50, 700) };
            assert_eq!(storms(syncing(100, 5, 100), storm).len(), found);
        }
    }

    #[test]
    fn a_storm_is_compared_with_parts_of_four_launches_and_more_for_each_synchronisation() {
        // Too few launches for each to be calm: then nothing is usual.
        assert_eq!(storms(syncing(100, 25, 100), syncing(150, 75, 700)), [550 * MS]);
        assert_eq!(storms(syncing(99, 25, 100), syncing(150, 75, 700)), [0; 0]);
    }
}
