//! Time cut into buckets of equal length, and sums kept only for buckets in which something is.

/// Buckets of a window while it is read; what is shown is as fine or coarser by a power of two.
pub const FINEST: u32 = 16_384;

/// A window cut into [`FINEST`] buckets. All times are ns after the window's begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Length of the window.
    pub dur_ns: i64,
    /// Length of a bucket, at least 1.
    pub bucket_ns: i64,
}

impl Grid {
    /// The grid of a window of this length.
    #[must_use]
    pub fn of(dur_ns: i64) -> Self {
        let dur_ns = dur_ns.max(0);
        Self { dur_ns, bucket_ns: (dur_ns / i64::from(FINEST) + 1).max(1) }
    }

    /// The bucket of a moment; what lies outside the window counts to its first or last.
    #[must_use]
    pub fn bucket(&self, at_ns: i64) -> u32 {
        (at_ns.clamp(0, self.dur_ns) / self.bucket_ns).min(i64::from(FINEST) - 1) as u32
    }
}

/// One number for each bucket in which it is not 0, by bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cells(Vec<(u32, i64)>);

impl Cells {
    /// Adds the part of `[from_ns, to_ns)` that lies in each bucket.
    pub fn spread(&mut self, grid: &Grid, from_ns: i64, to_ns: i64) {
        let (mut at, end) = (from_ns.max(0), to_ns.min(grid.dur_ns));
        while at < end {
            let bucket = grid.bucket(at);
            let border = (i64::from(bucket) + 1).saturating_mul(grid.bucket_ns);
            let until = if bucket + 1 == FINEST { end } else { end.min(border) };
            self.add(bucket, until - at);
            at = until;
        }
    }

    /// Adds to one bucket.
    pub fn add(&mut self, bucket: u32, value: i64) {
        match self.0.last_mut() {
            Some((last, sum)) if *last == bucket => *sum = sum.saturating_add(value),
            Some((last, _)) if *last > bucket => match self.0.binary_search_by_key(&bucket, |(b, _)| *b) {
                Ok(i) => {
                    if let Some((_, sum)) = self.0.get_mut(i) {
                        *sum = sum.saturating_add(value);
                    }
                }
                Err(i) => self.0.insert(i, (bucket, value)),
            },
            _ => self.0.push((bucket, value)),
        }
    }

    /// Sum of all buckets.
    #[cfg(test)]
    #[must_use]
    pub fn total(&self) -> i64 {
        self.0.iter().fold(0, |sum, (_, value)| sum.saturating_add(*value))
    }

    /// The cells with 2^`shift` buckets in one, as a list of numbers: how many empty buckets come before, and the
    /// value; `-n` after a value says that the next n buckets have it too.
    #[must_use]
    pub fn columns(&self, shift: u32) -> Vec<i64> {
        let mut merged: Vec<(u32, i64)> = Vec::new();
        for (bucket, value) in &self.0 {
            match merged.last_mut() {
                Some((last, sum)) if *last == bucket >> shift => *sum = sum.saturating_add(*value),
                _ => merged.push((bucket >> shift, *value)),
            }
        }
        let mut out = Vec::with_capacity(merged.len() * 2);
        let (mut next, mut before) = (0, None);
        for (bucket, value) in merged {
            match out.last_mut() {
                Some(repeats) if bucket == next && before == Some(value) && *repeats < 0 => *repeats -= 1,
                _ if bucket == next && before == Some(value) => out.push(-1),
                _ => out.extend([i64::from(bucket - next), value]),
            }
            (next, before) = (bucket + 1, Some(value));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the page makes of a column.
    fn read(columns: &[i64]) -> Vec<(u32, i64)> {
        let (mut out, mut at, mut i) = (Vec::new(), 0, 0);
        while i < columns.len() {
            if columns[i] < 0 {
                let value = out.last().map_or(0, |(_, v)| *v);
                for _ in 0..-columns[i] {
                    out.push((at, value));
                    at += 1;
                }
                i += 1;
            } else {
                at += columns[i] as u32;
                out.push((at, columns[i + 1]));
                at += 1;
                i += 2;
            }
        }
        out
    }

    #[test]
    fn an_interval_is_spread_over_its_buckets_and_nothing_of_it_is_lost() {
        let grid = Grid::of(i64::from(FINEST) * 100 - 1);
        assert_eq!(grid.bucket_ns, 100);
        let mut cells = Cells::default();
        cells.spread(&grid, 150, 420);
        assert_eq!(cells.0, [(1, 50), (2, 100), (3, 100), (4, 20)]);
        cells.spread(&grid, -50, 10);
        assert_eq!((cells.0[0], cells.total()), ((0, 10), 280));
        cells.spread(&grid, grid.dur_ns - 5, i64::MAX);
        assert_eq!(cells.total(), 285);
    }

    #[test]
    fn columns_say_the_same_as_the_cells() {
        let grid = Grid::of(i64::from(FINEST) * 100 - 1);
        let mut cells = Cells::default();
        for (from, to) in [(0, 1000), (1050, 1060), (5000, 9000), (9000, 9001), (20_000, 20_300)] {
            cells.spread(&grid, from, to);
        }
        assert_eq!(read(&cells.columns(0)), cells.0);
        let coarse = read(&cells.columns(3));
        assert_eq!(coarse.iter().map(|(_, v)| v).sum::<i64>(), cells.total());
        assert_eq!(coarse[0], (0, 800));
        assert!(cells.columns(0).len() < cells.0.len(), "equal neighbours are written once");
    }

    #[test]
    fn a_window_without_length_has_one_bucket() {
        let grid = Grid::of(0);
        assert_eq!((grid.bucket(0), grid.bucket(i64::MAX), grid.bucket(i64::MIN)), (0, 0, 0));
    }
}
