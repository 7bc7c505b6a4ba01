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
    /// Finds base and bits for several tables; each is a list of rising times.
    ///
    /// `None` if the times lie so far apart that keys would not fit 63 bits.
    pub fn fitting<I: Iterator<Item = i64>>(tables: impl IntoIterator<Item = I>) -> Option<Self> {
        let (mut base, mut last, mut most) = (i64::MAX, i64::MIN, 0);
        for table in tables {
            let mut ties = Ties::default();
            for ts in table {
                (base, last) = (base.min(ts), last.max(ts));
                most = most.max(ties.next(ts));
            }
        }
        if base > last {
            return Some(Self { base_ns: 0, bits: 0 });
        }
        let bits = (most as u64 + 1).next_power_of_two().trailing_zeros();
        let range = last.checked_sub(base)?;
        (range.leading_zeros() > bits).then_some(Self { base_ns: base, bits })
    }

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

    #[test]
    fn ties_do_not_change_the_time() {
        let times = [5, 7, 7, 7, 9];
        let keys = Keys::fitting([times.into_iter()]).unwrap();
        assert_eq!(keys, Keys { base_ns: 5, bits: 2 });
        let mut ties = Ties::default();
        let made: Vec<i64> = times.iter().map(|ts| keys.key(*ts, ties.next(*ts))).collect();
        assert!(made.windows(2).all(|w| w[0] < w[1]));
        assert!(made.iter().zip(times).all(|(key, ts)| keys.ts_ns(*key) == ts));
    }

    #[test]
    fn times_too_far_apart_are_refused() {
        assert!(Keys::fitting([[0, 0, i64::MAX].into_iter()]).is_none());
        assert!(Keys::fitting([[i64::MIN, 0].into_iter()]).is_none());
        assert!(Keys::fitting([[0, i64::MAX].into_iter()]).is_some());
    }
}
