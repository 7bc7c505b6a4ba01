//! The longest things of each stretch of time, of a stream that is too long to keep.

use std::cmp::Reverse;

/// How many things of each stretch stay when not all can.
pub const EACH: usize = 8;
/// Things held while reading.
const HELD: usize = 65_536;
/// Stretches of a window at first: with [`EACH`] of them kept, half of [`HELD`].
const FIRST_STRETCHES: i64 = 4096;

/// Something that takes time.
pub trait Timed {
    /// Begin, ns after the window's.
    fn ts_ns(&self) -> i64;
    /// Duration.
    fn dur_ns(&self) -> i64;
}

/// All things, or the [`EACH`] longest of each stretch of equal length.
///
/// Stretches grow by doubling, so that what is kept is the same whenever the list was thinned.
#[derive(Clone, Debug)]
pub struct Longest<T> {
    window_ns: i64,
    stretch_ns: Option<i64>,
    held: Vec<T>,
    seen: u64,
}

impl<T: Timed> Longest<T> {
    /// An empty list for a window of this length.
    #[must_use]
    pub fn new(window_ns: i64) -> Self {
        Self { window_ns: window_ns.max(1), stretch_ns: None, held: Vec::new(), seen: 0 }
    }

    /// Takes a thing; they come by begin.
    pub fn push(&mut self, thing: T) {
        self.seen += 1;
        self.held.push(thing);
        if self.held.len() > HELD {
            self.thin(HELD / 2);
        }
    }

    /// Keeps at most `most`.
    pub fn thin(&mut self, most: usize) {
        if self.held.len() > most.max(1) && self.stretch_ns.is_none() {
            self.stretch_ns = Some(self.window_ns / FIRST_STRETCHES + 1);
        }
        let Some(mut stretch) = self.stretch_ns else { return };
        self.keep_longest(stretch);
        while self.held.len() > most.max(EACH) && stretch <= self.window_ns {
            stretch = stretch.saturating_mul(2);
            self.keep_longest(stretch);
        }
        self.stretch_ns = Some(stretch);
    }

    fn keep_longest(&mut self, stretch: i64) {
        let window_ns = self.window_ns;
        // What lies outside the window counts to its ends, so that there are never more stretches than fit it.
        let stretch_of = |t: &T| t.ts_ns().clamp(0, window_ns) / stretch;
        self.held.sort_by_key(|t| (stretch_of(t), Reverse(t.dur_ns()), t.ts_ns()));
        let (mut last, mut kept) = (None, 0);
        self.held.retain(|t| {
            let own = Some(stretch_of(t));
            kept = if own == last { kept + 1 } else { 1 };
            last = own;
            kept <= EACH
        });
        self.held.sort_by_key(|t| (t.ts_ns(), Reverse(t.dur_ns())));
    }

    /// What is kept, by begin.
    #[must_use]
    pub fn kept(&self) -> &[T] {
        &self.held
    }

    /// How many there were.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Length of a stretch, ns; 0 if everything is kept.
    #[must_use]
    pub fn stretch_ns(&self) -> i64 {
        self.stretch_ns.unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Thing(i64, i64);

    impl Timed for Thing {
        fn ts_ns(&self) -> i64 {
            self.0
        }
        fn dur_ns(&self) -> i64 {
            self.1
        }
    }

    #[test]
    fn few_things_are_all_kept() {
        let mut list = Longest::new(1000);
        (0..100).for_each(|i| list.push(Thing(i * 10, 5)));
        list.thin(100);
        assert_eq!((list.kept().len(), list.seen(), list.stretch_ns()), (100, 100, 0));
    }

    #[test]
    fn things_far_outside_the_window_cannot_fill_the_list() {
        let mut list = Longest::new(1000);
        (0..200_000).for_each(|i| list.push(Thing(i * 1_000_000_000, i)));
        list.thin(100);
        assert!(list.kept().len() <= 100, "{}", list.kept().len());
        assert_eq!(list.kept().last(), Some(&Thing(199_999 * 1_000_000_000, 199_999)));
    }

    #[test]
    fn of_many_the_longest_of_each_stretch_are_kept_whenever_the_list_was_thinned() {
        let things: Vec<Thing> = (0..300_000).map(|i| Thing(i * 10, i * 7919 % 10_007)).collect();
        let mut list = Longest::new(3_000_000);
        things.iter().for_each(|t| list.push(*t));
        list.thin(2000);
        let stretch = list.stretch_ns();
        assert!(list.kept().len() <= 2000 && list.kept().len() > 800, "{}", list.kept().len());
        let mut expected = Longest { window_ns: 3_000_000, stretch_ns: None, held: things, seen: 0 };
        expected.keep_longest(stretch);
        assert_eq!(list.kept(), expected.kept());
        assert_eq!(list.seen(), 300_000);
    }
}
