//! A set of numbers that mostly come in runs: billions of them in little memory.

use std::collections::BTreeMap;

/// Runs of numbers, by first number; the value is one past the last.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    runs: BTreeMap<u64, u64>,
    count: u64,
}

impl Numbers {
    /// Adds one; false if it was there.
    pub(super) fn insert(&mut self, number: u64) -> bool {
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

    /// How many.
    pub(super) fn len(&self) -> u64 {
        self.count
    }

    /// One past the highest.
    pub(super) fn end(&self) -> Option<u64> {
        self.runs.last_key_value().map(|(_, end)| *end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
