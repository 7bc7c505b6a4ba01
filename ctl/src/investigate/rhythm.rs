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
