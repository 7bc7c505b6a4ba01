//! Quantiles: nearest rank, everywhere.

/// The ceil(percent/100 · n)-th smallest of `sorted`; 0 for an empty slice.
#[must_use]
pub fn nearest_rank(sorted: &[i64], percent: usize) -> i64 {
    sorted.get(rank(sorted.len(), percent)).or(sorted.last()).copied().unwrap_or(0)
}

/// The place of a quantile among so many values in order, counted from 0.
#[must_use]
pub fn rank(values: usize, percent: usize) -> usize {
    (values * percent).div_ceil(100).max(1) - 1
}

/// The median, by nearest rank; reorders `values`. 0 for none.
#[must_use]
pub fn median(values: &mut [i64]) -> i64 {
    match values.len().div_ceil(2).checked_sub(1) {
        Some(middle) => *values.select_nth_unstable(middle).1,
        None => 0,
    }
}

/// The median of the distances from the median; reorders `values`. 0 for none.
#[must_use]
pub fn median_absolute_deviation(values: &mut [i64]) -> i64 {
    let centre = median(values);
    let mut distances: Vec<i64> = values.iter().map(|v| (v - centre).abs()).collect();
    median(&mut distances)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_a_value_that_was_measured() {
        let values: Vec<i64> = (1..=10).collect();
        assert_eq!(nearest_rank(&values, 50), 5);
        assert_eq!(nearest_rank(&values, 95), 10);
        assert_eq!(nearest_rank(&values, 99), 10);
        assert_eq!(nearest_rank(&[7], 1), 7);
        assert_eq!(nearest_rank(&[], 50), 0);
        for n in 0..9 {
            let mut values: Vec<i64> = (0..n).rev().collect();
            let sorted: Vec<i64> = (0..n).collect();
            assert_eq!(median(&mut values), nearest_rank(&sorted, 50));
        }
        assert_eq!(median_absolute_deviation(&mut [1, 1, 2, 2, 4, 6, 9]), 1);
    }
}
