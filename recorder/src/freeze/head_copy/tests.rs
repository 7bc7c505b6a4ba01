//! Every way in which the copy of a slot can fall between the stores of the drain.

use std::collections::BTreeSet;

use ingero_format::head::{Geometry, PAGE_BYTES, read};

use super::used;
use crate::ring::slot::recorded::{History, Recorded};

const GEOMETRY: Geometry = Geometry { slots: 1, slot_bytes: 4096 };

// The answers of one run to "which of these?", and how to come to the next run until all were tried.
#[derive(Default)]
struct Choices {
    taken: Vec<(usize, usize)>,
    at: usize,
}

impl Choices {
    fn of(&mut self, options: usize) -> usize {
        if options < 2 {
            return 0;
        }
        if self.at == self.taken.len() {
            self.taken.push((0, options));
        }
        self.at += 1;
        let (taken, of) = self.taken[self.at - 1];
        assert_eq!(of, options, "a run repeats as long as it is answered the same");
        taken
    }

    fn next(&mut self) -> bool {
        self.at = 0;
        while let Some((taken, of)) = self.taken.pop() {
            if taken + 1 < of {
                self.taken.push((taken + 1, of));
                return true;
            }
        }
        false
    }
}

// Of each word, the moments (counted in stores) from which it has another value.
fn changes(memory: &Recorded) -> Vec<Vec<(usize, u64)>> {
    let mut changes = vec![vec![(0, 0)]; memory.words];
    for (i, store) in memory.stores.iter().enumerate() {
        changes[store.word].push((i + 1, store.value));
    }
    changes
}

// Words are read one after the other, each at the moment of the one before or later. Of all moments at which a word has
// one value the first is tried: whatever a later one lets the rest be, the first does too.
fn read_words(
    changes: &[Vec<(usize, u64)>],
    now: &mut usize,
    choices: &mut Choices,
    into: &mut [u8],
    at: u64,
) {
    for (word, to) in into.as_chunks_mut().0.iter_mut().enumerate() {
        let Some(of) = changes.get(at as usize / 8 + word) else { continue };
        let current = of.partition_point(|(from, _)| from <= now) - 1;
        let (from, value) = of[current + choices.of(of.len() - current)];
        *now = from.max(*now);
        *to = value.to_le_bytes();
    }
}

#[test]
fn wherever_a_copy_falls_between_the_stores_it_has_whole_rows_of_one_use_and_all_that_were_published() {
    let history = History::of(PAGE_BYTES, 3, 2);
    let (changes, page) = (changes(&history.memory), GEOMETRY.to_bytes());
    let (mut runs, mut outcomes) = (0_u64, BTreeSet::new());
    for start in 0..=history.memory.stores.len() {
        let mut choices = Choices::default();
        loop {
            let mut now = start;
            let copy = used(&[0], |into, at| {
                if at == 0 {
                    into.copy_from_slice(&page);
                } else {
                    read_words(&changes, &mut now, &mut choices, into, at);
                }
                Ok(())
            })
            .unwrap();
            assert_copy(&history, &copy, start, now);
            outcomes.insert(copy);
            runs += 1;
            if !choices.next() {
                break;
            }
        }
    }
    assert!(runs > 10_000 && outcomes.len() > 5, "{runs} runs, {} outcomes", outcomes.len());
}

#[test]
fn a_copy_is_no_larger_than_its_slots_need() {
    let geometry = Geometry { slots: 8, slot_bytes: 1 << 20 };
    let mut head = geometry.to_bytes();
    head.resize(geometry.file_bytes() as usize, 0);
    let used_slots = [(2, 70), (5, 9), (7, 3)];
    for (slot, rows) in used_slots {
        let history = History::of(0, 1, rows);
        let image = history.memory.image(|_| true);
        head[geometry.slot_offset(slot)..][..image.len()].copy_from_slice(&image);
    }
    // The rows of slot 5 are in a frame.
    let copy = used(&[2, 7], |into, at| {
        into.copy_from_slice(&head[at as usize..][..into.len()]);
        Ok(())
    })
    .unwrap();
    assert_eq!(copy.len(), PAGE_BYTES + 8192 + 64 + 3 * 64);
    let (slots, damaged) = read(&copy).unwrap();
    assert_eq!((slots.iter().map(|s| s.rows.len()).collect::<Vec<_>>(), damaged), (vec![70, 3], 0));
}

// A copy made from `start` to `end`, counted in stores.
fn assert_copy(history: &History, copy: &[u8], start: usize, end: usize) {
    let (slots, damaged) = read(copy).unwrap();
    assert_eq!(damaged, 0, "{slots:?}");
    for slot in &slots {
        assert_eq!(slot.torn, 0, "{slot:?}");
        history.assert_true(slot.generation, &slot.rows);
    }
    let Some((this, rows)) = history.promised(start) else { return };
    let taken_anew = history.uses.iter().any(|later| later.begun > this.begun && later.begun < end);
    if !taken_anew {
        let slot = slots.first().expect("published rows are copied");
        assert!(slot.generation == this.generation && slot.rows.len() >= rows, "{slot:?}, {rows} rows");
    }
}
