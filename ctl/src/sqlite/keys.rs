//! Primary keys made of time: rows lie in time order without an index.
//!
//! A key is `(ts_ns - base) << bits | tie`; ties among events of one nanosecond never change `ts_ns`.

/// How keys of one database are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Earliest time, Unix ns.
    pub base_ns: i64,
    /// Bits of the tie number.
    pub bits: u32,
}

impl Keys {
    /// The time of a key.
    #[must_use]
    pub fn ts_ns(self, key: i64) -> i64 {
        (key >> self.bits) + self.base_ns
    }

    /// The key of a time and its tie number.
    #[must_use]
    pub fn key(self, ts_ns: i64, tie: i64) -> i64 {
        ((ts_ns - self.base_ns) << self.bits) | tie
    }
}

/// Finds the keys that fit several tables, each a list of rising times.
#[derive(Debug)]
pub struct Fit {
    base: i64,
    last: i64,
    most: i64,
    ties: Ties,
}

impl Default for Fit {
    fn default() -> Self {
        Self { base: i64::MAX, last: i64::MIN, most: 0, ties: Ties::default() }
    }
}

impl Fit {
    /// The times that follow are of another table.
    pub fn begin_table(&mut self) {
        self.ties = Ties::default();
    }

    /// Takes the next time.
    pub fn take(&mut self, ts_ns: i64) {
        (self.base, self.last) = (self.base.min(ts_ns), self.last.max(ts_ns));
        self.most = self.most.max(self.ties.next(ts_ns));
    }

    /// Base and bits; `None` if the times lie so far apart that keys would not fit 63 bits.
    #[must_use]
    pub fn keys(&self) -> Option<Keys> {
        if self.base > self.last {
            return Some(Keys { base_ns: 0, bits: 0 });
        }
        let bits = (self.most as u64 + 1).next_power_of_two().trailing_zeros();
        let range = self.last.checked_sub(self.base)?;
        (range.leading_zeros() > bits).then_some(Keys { base_ns: self.base, bits })
    }
}

/// Numbers events of the same nanosecond in a list that rises by time.
#[derive(Debug, Default)]
pub struct Ties {
    last: Option<i64>,
    tie: i64,
}

impl Ties {
    /// The tie number of the next event.
    pub fn next(&mut self, ts_ns: i64) -> i64 {
        self.tie = if self.last == Some(ts_ns) { self.tie + 1 } else { 0 };
        self.last = Some(ts_ns);
        self.tie
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitting(times: &[i64]) -> Option<Keys> {
        let mut fit = Fit::default();
        times.iter().for_each(|ts| fit.take(*ts));
        fit.keys()
    }

    #[test]
    fn ties_do_not_change_the_time() {
        let times = [5, 7, 7, 7, 9];
        let keys = fitting(&times).unwrap();
        assert_eq!(keys, Keys { base_ns: 5, bits: 2 });
        let mut ties = Ties::default();
        let made: Vec<i64> = times.iter().map(|ts| keys.key(*ts, ties.next(*ts))).collect();
        assert!(made.windows(2).all(|w| w[0] < w[1]));
        assert!(made.iter().zip(times).all(|(key, ts)| keys.ts_ns(*key) == ts));
    }

    #[test]
    fn times_too_far_apart_are_refused() {
        assert!(fitting(&[0, 0, i64::MAX]).is_none());
        assert!(fitting(&[i64::MIN, 0]).is_none());
        assert!(fitting(&[0, i64::MAX]).is_some());
    }
}
