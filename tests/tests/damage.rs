//! Cut, half-written and flipped files: what is whole is read, what is not is said. `ring-torture cut` and
//! `ring-torture flip` do the same at every byte and every bit; here it is some of them, fewer without
//! optimisation.

use ingero_tests::torture::damage::{Tally, cut, flip, specimen::Specimen, verify};

/// Two closed segments and an open one, a head, a bundle: about 50 KiB each.
fn small() -> Specimen {
    Specimen::new(1, 4 << 10)
}

fn step(optimised: usize, plain: usize) -> usize {
    if cfg!(debug_assertions) { plain } else { optimised }
}

fn none_broken(tally: &Tally, at_least: u64) {
    assert!(tally.failures.is_empty(), "{:#?}", tally.failures);
    assert!(tally.runs >= at_least, "{} runs", tally.runs);
}

#[test]
fn a_file_cut_anywhere_gives_exactly_the_frames_and_slots_before_the_cut() {
    let tally = cut::every_cut(&small(), step(7, 23));
    none_broken(&tally, 3_000);
    assert!(tally.worst > 0 && tally.reported > 0, "{}", tally.words());
}

#[test]
fn whichever_of_the_last_sectors_and_pages_are_missing_whole_frames_and_rows_are_read() {
    none_broken(&cut::every_subset(&small()), 1_000);
}

#[test]
fn a_flipped_bit_is_harmless_or_told_and_costs_at_most_what_it_hit() {
    let tally = flip::every_bit(&small(), step(41, 401));
    none_broken(&tally, 2_000);
    assert!(tally.harmless > 0 && tally.reported > 0, "{}", tally.words());
}

#[test]
fn many_flipped_bits_cost_at_most_what_they_hit() {
    none_broken(&flip::random_bits(&small(), 500, 1, None), 500);
}

#[test]
fn verify_sees_what_the_readers_see() {
    none_broken(&verify::sample(&small(), 60, 1), 61);
}
