//! How a thread fares when nothing is wrong: its window in parts, and which parts to compare with.

use std::collections::BTreeMap;

use super::{
    decompose::{CLASSES, Class, Piece},
    units::GAP,
};
use crate::limits;
use crate::quantile;

/// What units of one key spent in one part of the window.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    units: i64,
    slow: i64,
    all_ns: [i64; CLASSES],
    /// Of slow units; and of all units what counts in any, which is being kept back for long.
    slow_ns: [i64; CLASSES],
    touched: [i64; CLASSES],
    /// Of gaps.
    longest_ns: [i64; CLASSES],
}

impl Sum {
    /// What one unit spent in a class.
    fn take(&mut self, class: usize, ns: i64, gap: bool) {
        let add = |list: &mut [i64; CLASSES], ns: i64| {
            if let Some(sum) = list.get_mut(class) {
                *sum += ns;
            }
        };
        add(&mut self.all_ns, ns);
        add(&mut self.touched, i64::from(ns > 0));
        if gap && let Some(longest) = self.longest_ns.get_mut(class) {
            *longest = (*longest).max(ns);
        }
    }

    fn add(&mut self, other: &Self) {
        self.units += other.units;
        self.slow += other.slow;
        let zipped = self.all_ns.iter_mut().zip(other.all_ns);
        zipped.for_each(|(a, b)| *a += b);
        self.slow_ns.iter_mut().zip(other.slow_ns).for_each(|(a, b)| *a += b);
        self.touched.iter_mut().zip(other.touched).for_each(|(a, b)| *a += b);
        self.longest_ns.iter_mut().zip(other.longest_ns).for_each(|(a, b)| *a = (*a).max(b));
    }
}

/// A thread's window in [`limits::BINS`] parts.
#[derive(Debug)]
pub(super) struct Bins {
    from_ns: i64,
    /// Length of a part.
    width_ns: i64,
    /// By part; a part has few keys.
    sums: Vec<Vec<(u16, Sum)>>,
}

/// The part of the window that an incident is compared with.
#[derive(Clone, Debug)]
pub(super) struct Baseline {
    /// `window_before` or `quietest_tenth`.
    pub kind: &'static str,
    pub from_ns: i64,
    pub to_ns: i64,
    pub units: i64,
    sums: BTreeMap<u16, Sum>,
    /// Class ns of each part.
    per_bin: BTreeMap<i64, [i64; CLASSES]>,
    bins: i64,
    width_ns: i64,
}

impl Bins {
    pub fn new(from_ns: i64, to_ns: i64) -> Self {
        let width_ns = ((to_ns - from_ns) / limits::BINS).max(1);
        Self { from_ns, width_ns, sums: (0..limits::BINS).map(|_| Vec::new()).collect() }
    }

    /// Length of a part.
    pub fn width_ns(&self) -> i64 {
        self.width_ns
    }

    /// The part in which a moment lies.
    pub fn bin(&self, ts_ns: i64) -> i64 {
        ((ts_ns - self.from_ns) / self.width_ns()).clamp(0, limits::BINS - 1)
    }

    /// Begin and end of a part; the last one reaches to the window's end.
    pub fn edges(&self, bin: i64) -> (i64, i64) {
        let from = self.from_ns + bin * self.width_ns();
        let end = if bin >= limits::BINS - 1 { i64::MAX } else { from + self.width_ns() };
        (if bin <= 0 { i64::MIN } else { from }, end)
    }

    pub fn add(&mut self, key: u16, pieces: &[Piece], slow: bool) {
        let Some(first) = pieces.first() else { return };
        let bin = self.bin(first.from_ns) as usize;
        let Some(sums) = self.sums.get_mut(bin) else { return };
        let place = sums.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
            sums.push((key, Sum::default()));
            sums.len() - 1
        });
        let Some((_, sum)) = sums.get_mut(place) else { return };
        sum.units += 1;
        sum.slow += i64::from(slow);
        for piece in pieces.iter().filter(|p| slow || p.counts_anywhere()) {
            if let Some(ns) = sum.slow_ns.get_mut(piece.class as usize) {
                *ns += piece.dur_ns();
            }
        }
        if let [only] = pieces {
            return sum.take(only.class as usize, only.dur_ns(), key == GAP);
        }
        let mut own = [0; CLASSES];
        for piece in pieces {
            if let Some(ns) = own.get_mut(piece.class as usize) {
                *ns += piece.dur_ns();
            }
        }
        for (class, ns) in own.into_iter().enumerate().filter(|(_, ns)| *ns > 0) {
            sum.take(class, ns, key == GAP);
        }
    }

    /// The time before an incident, without other incidents, if it is as long as it; else the quietest
    /// tenth of the window.
    pub fn baseline(&self, class: Class, incident: (i64, i64), others: &[(i64, i64)]) -> Option<Baseline> {
        let mut bins: Vec<i64> = (0..self.bin(incident.0)).collect();
        for other in others.iter().filter(|other| **other != incident) {
            bins.retain(|bin| *bin < self.bin(other.0) || *bin > self.bin(other.1));
        }
        if bins.len() as i64 * self.width_ns() >= incident.1 - incident.0 && !bins.is_empty() {
            let found = self.parts("window_before", &bins);
            if found.units >= i64::from(limits::BASELINE_MIN_UNITS) {
                return Some(found);
            }
        }
        let tenth = limits::BINS / 10;
        let bins = |i: i64| (i * tenth..(i + 1) * tenth).collect::<Vec<i64>>();
        let tenths = (0..10).map(|i| self.parts("quietest_tenth", &bins(i)));
        let lively = tenths.filter(|b| b.units >= i64::from(limits::BASELINE_MIN_UNITS));
        lively.min_by_key(|b| (b.class_ns(class), b.from_ns))
    }

    /// The sums of rising parts.
    fn parts(&self, kind: &'static str, bins: &[i64]) -> Baseline {
        let edge = |bin: Option<&i64>| self.from_ns + bin.copied().unwrap_or(0) * self.width_ns();
        let mut baseline = Baseline {
            kind,
            from_ns: edge(bins.first()),
            to_ns: edge(bins.last()) + self.width_ns(),
            units: 0,
            sums: BTreeMap::new(),
            per_bin: BTreeMap::new(),
            bins: bins.len() as i64,
            width_ns: self.width_ns(),
        };
        for bin in bins {
            for (key, sum) in self.sums.get(*bin as usize).into_iter().flatten() {
                baseline.units += sum.units;
                baseline.sums.entry(*key).or_default().add(sum);
                let per_bin = baseline.per_bin.entry(*bin).or_default();
                per_bin.iter_mut().zip(sum.slow_ns).for_each(|(a, ns)| *a += ns);
            }
        }
        baseline
    }

    /// Units in which a class occurred, slow or not, that began in a span.
    pub fn touched(&self, class: Class, span: (i64, i64)) -> i64 {
        let bins = self.sums.get(self.bin(span.0) as usize..=self.bin(span.1) as usize);
        bins.into_iter()
            .flatten()
            .flatten()
            .map(|(_, s)| s.touched.get(class as usize).copied().unwrap_or(0))
            .sum()
    }
}

impl Baseline {
    fn class_ns(&self, class: Class) -> i64 {
        self.sums.values().map(|s| s.all_ns.get(class as usize).copied().unwrap_or(0)).sum()
    }

    /// What one slow unit of a key would usually spend in a class.
    ///
    /// Work and waits for the GPU are part of any slow unit, so for them slow units are compared with
    /// slow ones; being kept from running is not, so for it they are compared with all.
    pub fn usual_ns(&self, class: Class, key: u16) -> i64 {
        let Some(sum) = self.sums.get(&key) else { return 0 };
        let mean = |ns: &[i64; CLASSES], n: i64| ns.get(class as usize).copied().unwrap_or(0) / n.max(1);
        let all = mean(&sum.all_ns, sum.units);
        match class {
            Class::OnCpu
            | Class::GpuWait
            | Class::Collective
            | Class::Allocator
            | Class::Blocked
            | Class::RunnableAlone => all.max(mean(&sum.slow_ns, sum.slow)),
            _ => all,
        }
    }

    /// What of a class that counts in any unit a time would usually have.
    pub fn usual_of_time_ns(&self, class: Class, span_ns: i64) -> i64 {
        let wall = i128::from(self.bins.max(1)) * i128::from(self.width_ns.max(1));
        let counted = |s: &Sum| s.slow_ns.get(class as usize).copied().unwrap_or(0);
        let counted: i64 = self.sums.values().map(counted).sum();
        i64::try_from(i128::from(counted) * i128::from(span_ns) / wall).unwrap_or(i64::MAX)
    }

    /// The longest time of a class in one gap.
    pub fn longest_ns(&self, class: Class) -> i64 {
        self.sums.get(&GAP).and_then(|s| s.longest_ns.get(class as usize)).copied().unwrap_or(0)
    }

    /// Mean time of a class in those gaps that have any.
    pub fn mean_ns(&self, class: Class) -> i64 {
        let of = |list: &[i64; CLASSES]| list.get(class as usize).copied().unwrap_or(0);
        self.sums.get(&GAP).map_or(0, |s| of(&s.all_ns) / of(&s.touched).max(1))
    }

    /// Median and spread over the parts of what slow units spent in a class.
    pub fn spread_ns(&self, class: Class) -> (i64, i64) {
        let class_ns = |ns: &[i64; CLASSES]| ns.get(class as usize).copied().unwrap_or(0);
        let mut values: Vec<i64> = self.per_bin.values().map(class_ns).collect();
        values.resize(usize::try_from(self.bins).unwrap_or(0).max(values.len()), 0);
        let deviation = quantile::median_absolute_deviation(&mut values);
        (quantile::median(&mut values), deviation)
    }
}
