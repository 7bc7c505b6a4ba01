//! Exact quantiles of many values in little memory.

use std::cmp::Ordering;

use crate::quantile;

/// Values that are kept one by one before they are counted.
const RECENT: usize = 4096;

/// Values by how often they occur. Durations of many calls are few different numbers: of each one is kept, with its
/// count, so that a table of a hundred million takes no more room than its different values do.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    recent: Vec<u32>,
    /// Rising values, with their counts.
    counted: Vec<(u32, u32)>,
    /// Values beyond 32 bits: 4.3 s and longer, of which there are few.
    others: Vec<i64>,
    len: usize,
}

impl Tally {
    /// Adds a value.
    pub fn push(&mut self, value: i64) {
        self.len += 1;
        match u32::try_from(value) {
            Ok(value) => {
                self.recent.push(value);
                self.count_if_many();
            }
            Err(_) => self.others.push(value),
        }
    }

    /// Adds all values of another.
    pub fn merge(&mut self, other: &Self) {
        self.len += other.len;
        self.others.extend(&other.others);
        self.recent.extend(&other.recent);
        self.count_if_many();
        if !other.counted.is_empty() {
            self.counted = merged(&self.counted, &other.counted);
        }
    }

    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// True without any value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts the values in order; then they can be asked for.
    #[must_use]
    pub fn sorted(mut self) -> Sorted {
        if self.counted.is_empty() {
            self.recent.sort_unstable();
        } else {
            self.count();
        }
        self.others.sort_unstable();
        Sorted(self)
    }

    fn count_if_many(&mut self) {
        if self.recent.len() >= RECENT.max(self.counted.len()) {
            self.count();
        }
    }

    fn count(&mut self) {
        self.recent.sort_unstable();
        let mut fresh: Vec<(u32, u32)> = Vec::new();
        for value in self.recent.drain(..) {
            match fresh.last_mut() {
                Some((last, count)) if *last == value && *count < u32::MAX => *count += 1,
                _ => fresh.push((value, 1)),
            }
        }
        self.counted = merged(&self.counted, &fresh);
    }
}

/// Merges two rising lists. A count that is full goes on in an entry of its own.
fn merged(mut a: &[(u32, u32)], mut b: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let mut out: Vec<(u32, u32)> = Vec::with_capacity(a.len() + b.len());
    while let ([x, others @ ..], [y, rest @ ..]) = (a, b) {
        match x.0.cmp(&y.0) {
            Ordering::Less => {
                out.push(*x);
                a = others;
            }
            Ordering::Greater => {
                out.push(*y);
                b = rest;
            }
            Ordering::Equal => {
                match x.1.checked_add(y.1) {
                    Some(sum) => out.push((x.0, sum)),
                    None => out.extend([*x, *y]),
                }
                (a, b) = (others, rest);
            }
        }
    }
    out.extend_from_slice(a);
    out.extend_from_slice(b);
    out
}

/// A [`Tally`] in order.
#[derive(Clone, Debug)]
pub struct Sorted(Tally);

impl Sorted {
    /// Nearest rank, as [`quantile::nearest_rank`].
    #[must_use]
    pub fn nearest_rank(&self, percent: usize) -> i64 {
        self.at(quantile::rank(self.0.len, percent))
    }

    /// The median.
    #[must_use]
    pub fn median(&self) -> i64 {
        self.nearest_rank(50)
    }

    /// The smallest; 0 of none.
    #[must_use]
    pub fn min(&self) -> i64 {
        self.at(0)
    }

    /// The largest; 0 of none.
    #[must_use]
    pub fn max(&self) -> i64 {
        self.at(self.0.len.saturating_sub(1))
    }

    /// The value at a place among all in order, from 0.
    #[must_use]
    pub fn at(&self, place: usize) -> i64 {
        let below = self.0.others.partition_point(|v| *v < 0);
        let between = self.0.len - self.0.others.len();
        let Some(mut left) = place.checked_sub(below) else {
            return self.0.others.get(place).copied().unwrap_or(0);
        };
        if left >= between {
            return self.0.others.get(place - between).copied().unwrap_or(0);
        }
        if self.0.counted.is_empty() {
            return self.0.recent.get(left).copied().map_or(0, i64::from);
        }
        for (value, count) in &self.0.counted {
            match left.checked_sub(*count as usize) {
                Some(rest) => left = rest,
                None => return i64::from(*value),
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(values: &[i64], split: usize) {
        let (mut tally, mut other) = (Tally::default(), Tally::default());
        values.iter().take(split).for_each(|v| tally.push(*v));
        values.iter().skip(split).for_each(|v| other.push(*v));
        tally.merge(&other);
        let mut expected = values.to_vec();
        expected.sort_unstable();
        assert_eq!((tally.len(), tally.is_empty()), (values.len(), values.is_empty()));
        let sorted = tally.sorted();
        for percent in [1, 25, 50, 95, 99, 100] {
            assert_eq!(sorted.nearest_rank(percent), quantile::nearest_rank(&expected, percent));
        }
        assert_eq!(sorted.median(), quantile::nearest_rank(&expected, 50));
        let ends = (expected.first().copied().unwrap_or(0), expected.last().copied().unwrap_or(0));
        assert_eq!((sorted.min(), sorted.max()), ends);
    }

    proptest! {
        #[test]
        fn its_quantiles_are_those_of_all_values_in_order(
            values in prop::collection::vec(prop_oneof![0..9i64, -5..1i64 << 33, Just(i64::MAX)], 0..300),
            split in 0..300usize,
        ) {
            check(&values, split);
        }
    }

    #[test]
    fn many_values_are_counted_and_not_kept() {
        let values: Vec<i64> =
            (0..100_000).map(|i| i * 7_919 % 1_000 + (i % 50_000 / 49_999) * (1 << 40)).collect();
        check(&values, 0);
        check(&values, 60_000);
        let mut tally = Tally::default();
        values.iter().for_each(|v| tally.push(*v));
        assert!(tally.recent.len() + tally.counted.len() <= 2 * RECENT);
    }

    #[test]
    fn a_count_that_is_full_goes_on_in_another_entry() {
        assert_eq!(
            merged(&[(1, 2), (3, u32::MAX)], &[(1, 3), (3, 1), (4, 1)]),
            [(1, 5), (3, u32::MAX), (3, 1), (4, 1)]
        );
    }
}
