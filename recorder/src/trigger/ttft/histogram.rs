//! A cumulative histogram and what came to it within a window.

use std::collections::VecDeque;

use crate::config::Statistic;

/// Most readings kept: a window of an hour looked at ten times a second would be more; then the oldest go.
const MAX_READINGS: usize = 4_096;

/// Counts since the engine started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// Upper bound, s, and requests up to it (cumulative, as Prometheus' `le`), by rising bound.
    pub buckets: Vec<(f64, f64)>,
    /// Sum of all times, s.
    pub sum: f64,
    /// How many requests.
    pub count: f64,
}

impl Histogram {
    // `None` if the engine was started anew or counts otherwise than before.
    fn since(&self, before: &Self) -> Option<Self> {
        if self.buckets.len() != before.buckets.len() || self.count < before.count || self.sum < before.sum {
            return None;
        }
        let pairs = self.buckets.iter().zip(&before.buckets);
        let buckets: Option<Vec<(f64, f64)>> = pairs
            .map(|((bound, now), (same, then))| {
                (bound == same && now >= then).then_some((*bound, now - then))
            })
            .collect();
        Some(Self { buckets: buckets?, sum: self.sum - before.sum, count: self.count - before.count })
    }

    fn requests(&self) -> f64 {
        self.buckets.last().map_or(self.count, |(_, all)| *all)
    }

    /// The value under which this share, 0 to 1, of requests lies, s, by a straight line within its bucket as
    /// monitoring systems draw it; of the last bucket, which has no upper bound, its lower one.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let all = self.requests();
        if all <= 0.0 {
            return None;
        }
        let rank = share * all;
        let (mut low_bound, mut low_count) = (0.0, 0.0);
        for (bound, count) in &self.buckets {
            if *count >= rank && *count > low_count {
                let within = (rank - low_count) / (count - low_count);
                let value = low_bound + (bound - low_bound) * within.clamp(0.0, 1.0);
                return Some(if bound.is_finite() { value } else { low_bound });
            }
            (low_bound, low_count) = (*bound, *count);
        }
        None
    }

    /// Mean, s.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0.0).then(|| self.sum / self.count)
    }
}

/// What a window says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// The statistic, s.
    pub seconds: f64,
    /// Requests it is of.
    pub requests: u64,
    /// Time between the two readings that it is the difference of, ns.
    pub span_ns: u64,
}

/// Readings of one page, oldest first.
#[derive(Debug, Default)]
pub struct Window(VecDeque<(u64, Histogram)>);

impl Window {
    /// Adds a reading of boottime `now_ns` and forgets those that lie before the window, but for the last of them: the
    /// window is what came since it.
    pub fn add(&mut self, now_ns: u64, histogram: Histogram, window_ns: u64) {
        if self.0.back().is_some_and(|(_, last)| histogram.since(last).is_none()) {
            self.0.clear();
        }
        self.0.push_back((now_ns, histogram));
        let begin = now_ns.saturating_sub(window_ns);
        while self.0.get(1).is_some_and(|(at, _)| *at <= begin) || self.0.len() > MAX_READINGS {
            self.0.pop_front();
        }
    }

    /// The statistic of what came within the window; `None` before a second reading and without requests.
    #[must_use]
    pub fn reading(&self, statistic: Statistic) -> Option<Reading> {
        let ((from, first), (to, last)) = (self.0.front()?, self.0.back()?);
        let between = last.since(first)?;
        let seconds = match statistic.quantile() {
            Some(share) => between.quantile(share)?,
            None => between.mean()?,
        };
        Some(Reading { seconds, requests: between.requests() as u64, span_ns: to - from })
    }

    /// How many readings are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
