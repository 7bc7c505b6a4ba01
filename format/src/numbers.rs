//! A set of numbers that mostly come in runs: billions of them in little memory.

use std::collections::BTreeMap;

/// Runs of numbers, by first number; the value is one past the last.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    runs: BTreeMap<u64, u64>,
    count: u64,
}

impl Numbers {
    /// Adds one; false if it was there.
    pub fn insert(&mut self, number: u64) -> bool {
        let below = self.runs.range(..=number).next_back().map(|(first, end)| (*first, *end));
        if below.is_some_and(|(_, end)| number < end) {
            return false;
        }
        self.count += 1;
        // A run that begins right above is joined.
        let end = number
            .checked_add(1)
            .and_then(|next| self.runs.remove(&next))
            .unwrap_or(number.saturating_add(1));
        let first = below.filter(|(_, end)| *end == number).map_or(number, |(first, _)| first);
        self.runs.insert(first, end);
        true
    }

    /// Adds `count` numbers from `first` on; some may be there.
    pub fn insert_run(&mut self, first: u64, count: u64) {
        let (mut first, mut end) = (first, first.saturating_add(count));
        if first == end {
            return;
        }
        // Whatever overlaps it or touches it becomes part of it.
        while let Some((at, until)) =
            self.runs.range(..=end).next_back().map(|(a, u)| (*a, *u)).filter(|(_, until)| *until >= first)
        {
            self.runs.remove(&at);
            self.count -= until - at;
            (first, end) = (first.min(at), end.max(until));
        }
        self.runs.insert(first, end);
        self.count += end - first;
    }

    /// The runs: first number, and one past the last; they rise.
    pub fn runs(&self) -> impl DoubleEndedIterator<Item = (u64, u64)> + '_ {
        self.runs.iter().map(|(first, end)| (*first, *end))
    }

    /// How many numbers there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.count
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// One past the highest.
    #[must_use]
    pub fn end(&self) -> Option<u64> {
        self.runs.last_key_value().map(|(_, end)| *end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_set_is_empty_until_it_has_a_number() {
        let mut set = Numbers::default();
        assert_eq!((set.is_empty(), set.len()), (true, 0));
        set.insert_run(7, 1);
        assert_eq!((set.is_empty(), set.len()), (false, 1));
    }

    proptest! {
        #[test]
        fn runs_in_any_order_make_the_same_set_as_their_numbers(
            runs in prop::collection::vec((0u64..200, 0u64..20), 0..40)
        ) {
            let (mut by_run, mut by_number) = (Numbers::default(), Numbers::default());
            for (first, count) in runs {
                by_run.insert_run(first, count);
                (first..first + count).for_each(|n| assert!(by_number.insert(n) || n < u64::MAX));
            }
            prop_assert_eq!(by_run.len(), by_number.len());
            prop_assert!(by_run.runs().eq(by_number.runs()));
        }
    }

    #[test]
    fn numbers_in_any_order_are_counted_once_and_join_into_runs() {
        let mut numbers = Numbers::default();
        for n in [5, 3, 4, 9, 3, 0, 1, 2, 8, 5] {
            numbers.insert(n);
        }
        assert_eq!((numbers.len(), numbers.end()), (8, Some(10)));
        assert_eq!(numbers.runs, BTreeMap::from([(0, 6), (8, 10)]));
        assert!(!numbers.insert(9));
    }
}
