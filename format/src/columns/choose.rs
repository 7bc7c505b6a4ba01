//! Which encoding takes fewer bytes: told from a stretch of the rows, since trying on all would cost too much.
//!
//! Bits are counted in 256ths: the raw ones, and the entropy of what a compressor sees. It may find repetitions that
//! this does not, so another encoding than the plain one must be clearly better.

use super::split;
use crate::bytes::zigzag;

/// Rows that are looked at.
const SAMPLE_ROWS: usize = 1024;
/// In fewer rows there is too little to see, and to gain.
const FEWEST_ROWS: usize = 64;
/// Bits for each row, in 256ths, that another way of writing numbers must save.
const NUMBERS_GAIN: u64 = 32;
/// The same for arguments in columns of their own.
const ARGUMENTS_GAIN: u64 = 128;
/// With at most so many different ids, what follows what is looked at too.
const FEW_IDS: usize = 16;

/// How a column of numbers is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    /// As they are.
    Plain,
    /// As distances from this number.
    Around(u64),
}

/// Items from the middle of a frame; none of a short one.
pub(super) fn sample<T>(items: &[T]) -> &[T] {
    if items.len() < FEWEST_ROWS {
        return &[];
    }
    let from = items.len().saturating_sub(SAMPLE_ROWS) / 2;
    items.get(from..items.len().min(from + SAMPLE_ROWS)).unwrap_or_default()
}

/// How to write numbers of which some are given, and what those take.
pub(super) fn numbers(sample: impl Iterator<Item = u64>) -> (Numbers, u64) {
    let mut values = [0; SAMPLE_ROWS];
    let mut count = 0;
    for (place, value) in values.iter_mut().zip(sample) {
        *place = value;
        count += 1;
    }
    let values = values.get_mut(..count).unwrap_or_default();
    let plain = split_bits(values.iter().copied());
    if count < FEWEST_ROWS {
        return (Numbers::Plain, plain);
    }
    let (_, middle, _) = values.select_nth_unstable(count / 2);
    let middle = *middle;
    let around = split_bits(values.iter().map(|v| zigzag(v.wrapping_sub(middle).cast_signed())));
    if clearly_less(around, plain, count, NUMBERS_GAIN) {
        (Numbers::Around(middle), around)
    } else {
        (Numbers::Plain, plain)
    }
}

/// True if a chain, of which some values are given, takes less than `bits`.
pub(super) fn chained(sample: impl ExactSizeIterator<Item = u64>, bits: u64) -> bool {
    let count = sample.len();
    count >= FEWEST_ROWS && clearly_less(split_bits(sample), bits, count, NUMBERS_GAIN)
}

/// True if columns of their own suit the arguments of calls, of which some have these ids of `distinct`; alone the
/// first argument takes `first` bits, and `rest` gives what the rest takes.
pub(super) fn apart(ids: &[u32], distinct: usize, first: u64, rest: impl FnOnce() -> u64) -> bool {
    let whole = id_bits(ids, distinct);
    clearly_less(first, whole, ids.len(), ARGUMENTS_GAIN)
        && clearly_less(first + rest(), whole, ids.len(), ARGUMENTS_GAIN)
}

fn clearly_less(bits: u64, than: u64, count: usize, gain: u64) -> bool {
    bits.saturating_add(count as u64 * gain) < than
}

/// What these ids of `distinct` take.
pub(super) fn id_bits(ids: &[u32], distinct: usize) -> u64 {
    let mut counts = vec![0; distinct];
    ids.iter().for_each(|id| count(&mut counts, *id as usize));
    let alone = entropy(&counts);
    if distinct > FEW_IDS {
        return alone;
    }
    let mut pairs = [[0; FEW_IDS]; FEW_IDS];
    for (before, id) in ids.iter().zip(ids.iter().skip(1)) {
        if let Some(counts) = pairs.get_mut(*before as usize) {
            count(counts, *id as usize);
        }
    }
    alone.min(pairs.iter().map(|counts| entropy(counts)).sum())
}

fn count(counts: &mut [u32], place: usize) {
    if let Some(count) = counts.get_mut(place) {
        *count += 1;
    }
}

fn split_bits(values: impl Iterator<Item = u64>) -> u64 {
    let mut counts = [0; 256];
    let mut raw = 0;
    for value in values {
        let (class, width) = split::class(value);
        count(&mut counts, class.into());
        raw += u64::from(width);
    }
    (raw << 8) + entropy(&counts)
}

fn entropy(counts: &[u32]) -> u64 {
    let weighed = |n: u32| u64::from(n) * log2(n);
    let each: u64 = counts.iter().filter(|n| **n > 1).map(|n| weighed(*n)).sum();
    weighed(counts.iter().sum()).saturating_sub(each)
}

// In 256ths, on straight lines between the powers of 2: at most 22 too little.
fn log2(n: u32) -> u64 {
    let whole = n.checked_ilog2().unwrap_or(0);
    let rest = (u64::from(n) << 8 >> whole).saturating_sub(256);
    (u64::from(whole) << 8) + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(i: u64) -> u64 {
        i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40
    }

    #[test]
    fn numbers_close_together_are_written_around_their_middle_and_wide_ones_are_not() {
        let close = (0..1000).map(|i| 1_000_000 + (noise(i) % 100));
        assert!(matches!(numbers(close.clone()).0, Numbers::Around(1_000_000..=1_000_100)));
        assert_eq!(numbers((0..1000).map(|i| noise(i) >> (i % 20))).0, Numbers::Plain);
        assert_eq!(numbers(close.take(60)).0, Numbers::Plain, "too few to see");
        assert_eq!(numbers(std::iter::empty()), (Numbers::Plain, 0));
        let (both_ends, _) = numbers((0..1000u64).map(|i| (i % 2).wrapping_sub(1 + noise(i) % 64)));
        assert_ne!(both_ends, Numbers::Plain, "around 0 from both sides, modulo 2^64");
    }

    #[test]
    fn a_chain_is_taken_if_most_values_are_near_0() {
        let bits = numbers((0..1000).map(noise)).1;
        assert!(chained((0..1000usize).map(|i| u64::from(i % 50 == 0) * 5_000), bits));
        assert!(!chained((0..1000usize).map(|i| noise(i as u64)), bits));
        assert!(!chained(std::iter::empty(), 0));
    }

    #[test]
    fn ids_that_follow_each_other_take_no_bits_and_random_ones_their_entropy() {
        let alternating: Vec<u32> = (0..1024).map(|i| i % 2).collect();
        assert_eq!(id_bits(&alternating, 2), 0);
        let random: Vec<u32> = (0..1024).map(|i| (noise(i) % 64) as u32).collect();
        let each = |bits: u64| bits * 1024 * 256;
        assert!((each(5)..=each(25) / 4).contains(&id_bits(&random, 64)), "about 6 bits each");
        assert!(apart(&random, 64, each(4), || each(1) / 2));
        assert!(!apart(&random, 64, each(4), || each(2)));
        assert!(!apart(&random, 64, each(40), || panic!("the first alone takes more")));
    }

    #[test]
    fn the_sample_is_the_middle_of_a_long_frame() {
        let all: Vec<u32> = (0..10_000).collect();
        assert_eq!(sample(&all)[0], 4_488);
        assert_eq!(sample(&all).len(), SAMPLE_ROWS);
        assert_eq!(sample(&all[..100]).len(), 100);
        assert!(sample(&all[..63]).is_empty());
    }
}
