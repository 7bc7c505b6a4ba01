//! Durations in buckets whose bounds are powers of two nanoseconds.
//!
//! A bound is found by counting leading zeros, so that adding costs the same whatever the duration; a quantile drawn
//! from such buckets is right within a factor of two.

/// The smallest bound is 2 to this power, ns: 512 ns.
const FIRST: u32 = 9;
/// Bounds: 512 ns to 2^36 ns, which is 68.7 s.
const BOUNDS: usize = 28;

/// How many durations fell into which bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// At most each bound and above the one before; the last: above all.
    counts: [u64; BOUNDS + 1],
    sum_ns: u64,
}

/// Which bounds are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The smallest told, an index of all.
    first: usize,
    /// The largest told, likewise.
    last: usize,
    /// Of those between every so many.
    step: usize,
}

/// Of calls: 512 ns to 8.59 s, each twice the one before.
pub const CALLS: Bounds = Bounds { first: 0, last: 24, step: 1 };
/// Of intervals off the CPU: 1.02 µs to 68.7 s, each four times the one before.
pub const OFF_CPU: Bounds = Bounds { first: 1, last: 27, step: 2 };

impl Bounds {
    fn is_told(self, at: usize) -> bool {
        (self.first..=self.last).contains(&at) && (at - self.first).is_multiple_of(self.step)
    }

    /// In seconds, rising.
    #[must_use]
    pub fn seconds(self) -> Vec<f64> {
        let told = (0..BOUNDS).filter(|at| self.is_told(*at));
        told.map(|at| (1u64 << (FIRST as usize + at)) as f64 / 1e9).collect()
    }
}

impl Histogram {
    /// Adds a duration, ns.
    #[inline]
    pub fn add(&mut self, ns: u64) {
        // The least power of two that is not below it.
        let power = u64::BITS - ns.saturating_sub(1).leading_zeros();
        let at = (power.saturating_sub(FIRST) as usize).min(BOUNDS);
        if let Some(count) = self.counts.get_mut(at) {
            *count += 1;
        }
        self.sum_ns = self.sum_ns.saturating_add(ns);
    }

    /// How many durations were added.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Their sum, s.
    #[must_use]
    pub fn sum_seconds(&self) -> f64 {
        self.sum_ns as f64 / 1e9
    }

    /// How many durations lie between each bound told and the one before, and above all: one more than bounds told.
    #[must_use]
    pub fn counts(&self, bounds: Bounds) -> Vec<u64> {
        let (mut out, mut count) = (Vec::new(), 0);
        for (at, n) in self.counts.iter().enumerate() {
            count += n;
            if bounds.is_told(at) {
                out.push(std::mem::take(&mut count));
            }
        }
        out.push(count);
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bounds_are_those_that_the_documentation_names() {
        let (calls, off_cpu) = (CALLS.seconds(), OFF_CPU.seconds());
        assert_eq!((calls.len(), calls[0], calls[24]), (25, 5.12e-7, 8.589934592));
        assert_eq!((off_cpu.len(), off_cpu[0], off_cpu[13]), (14, 1.024e-6, 68.719476736));
        assert!(calls.windows(2).all(|w| w[1] == 2.0 * w[0]));
        assert!(off_cpu.windows(2).all(|w| w[1] == 4.0 * w[0]));
    }

    proptest! {
        #[test]
        fn each_duration_is_in_the_bucket_of_the_least_bound_that_is_not_below_it(ns: u64, shift in 0u32..64) {
            for ns in [ns >> shift, (1u64 << shift).wrapping_sub(1), 1 << shift, (1 << shift) + 1] {
                let mut histogram = Histogram::default();
                histogram.add(ns);
                for bounds in [CALLS, OFF_CPU] {
                    let least = bounds.seconds().iter().position(|b| ns <= (b * 1e9).round() as u64);
                    let found = histogram.counts(bounds);
                    let at = least.unwrap_or(found.len() - 1);
                    prop_assert_eq!(found.iter().position(|n| *n == 1), Some(at), "{} ns", ns);
                    prop_assert_eq!(found.iter().sum::<u64>(), 1);
                }
                prop_assert_eq!(histogram.count(), 1);
            }
        }
    }
}
