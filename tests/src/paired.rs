//! Ratios of things measured in turn, A B A B: what disturbs the machine disturbs both.

use std::fmt;

/// Ratios of pairs.
#[derive(Clone, Debug, Default)]
pub struct Paired(Vec<f64>);

impl Paired {
    /// Adds a pair.
    pub fn push(&mut self, a: f64, b: f64) {
        if b > 0.0 {
            self.0.push(a / b);
        }
    }

    /// The value at a share of the sorted ratios, nearest rank. NaN if there are none.
    #[must_use]
    pub fn at(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize - 1;
        sorted.get(rank.min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
    }

    /// The middle one.
    #[must_use]
    pub fn median(&self) -> f64 {
        self.at(0.5)
    }

    /// How it stands against an upper limit: only an interval beyond it as a whole has failed.
    #[must_use]
    pub fn at_most(&self, limit: f64) -> &'static str {
        match (self.at(0.95) <= limit, self.at(0.05) > limit) {
            (true, _) => "met",
            (_, true) => "NOT met",
            _ => "undecided",
        }
    }

    /// The same for a lower limit.
    #[must_use]
    pub fn at_least(&self, limit: f64) -> &'static str {
        match (self.at(0.05) >= limit, self.at(0.95) < limit) {
            (true, _) => "met",
            (_, true) => "NOT met",
            _ => "undecided",
        }
    }
}

impl fmt::Display for Paired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = (self.at(0.05), self.at(0.95));
        write!(f, "{:.2} (5-95 %: {low:.2} to {high:.2}, {} pairs)", self.median(), self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_met_or_not_only_if_the_whole_interval_says_so() {
        let mut ratios = Paired::default();
        for n in [11, 9, 10, 12, 8, 10, 10] {
            ratios.push(f64::from(n), 10.0);
        }
        assert_eq!((ratios.median(), ratios.at(0.05), ratios.at(0.95)), (1.0, 0.8, 1.2));
        assert_eq!(
            (ratios.at_most(1.2), ratios.at_most(1.0), ratios.at_most(0.7)),
            ("met", "undecided", "NOT met")
        );
        assert_eq!((ratios.at_least(0.8), ratios.at_least(1.3)), ("met", "NOT met"));
    }
}
