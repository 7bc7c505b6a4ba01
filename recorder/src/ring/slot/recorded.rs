//! A slot whose stores are kept one by one, each word on its own, with the order that the machine must keep.

use std::cell::Cell;

use ingero_format::{
    Row,
    head::{PAGE_BYTES, SLOT_HEADER_BYTES, slot_header},
    ops::Source,
    row::{ROW_BYTES, check_seed},
};

use super::{SlotMemory, append, begin};

/// One store of eight bytes.
#[derive(Clone, Copy, Debug)]
pub struct Store {
    /// Which word of the memory.
    pub word: usize,
    /// What it holds from then on.
    pub value: u64,
    /// Seen after every store before it.
    pub release: bool,
    /// How many stores are seen before it at least, by [`SlotMemory::settle`].
    pub settled: usize,
}

/// Words, all zero at first, and what was stored into them. Stores that change nothing are left out.
pub struct Recorded {
    pub words: usize,
    pub stores: Vec<Store>,
    settled: Cell<usize>,
    now: Vec<u64>,
}

impl Recorded {
    pub fn new(words: usize) -> Self {
        Self { words, stores: Vec::new(), settled: Cell::new(0), now: vec![0; words] }
    }

    fn store(&mut self, word: usize, value: u64, release: bool) {
        if std::mem::replace(&mut self.now[word], value) != value {
            let settled = self.settled.get();
            self.stores.push(Store { word, value, release, settled });
        }
    }

    /// What a reader finds that sees just the stores for which `seen` is true.
    pub fn image(&self, mut seen: impl FnMut(usize) -> bool) -> Vec<u8> {
        let mut words = vec![0; self.words];
        let visible = self.stores.iter().enumerate().filter(|(i, _)| seen(*i));
        visible.for_each(|(_, store)| words[store.word] = store.value);
        words.into_iter().flat_map(u64::to_le_bytes).collect()
    }
}

impl SlotMemory for Recorded {
    fn put(&mut self, at: usize, bytes: &[u8]) -> bool {
        assert!(at.is_multiple_of(8) && bytes.len().is_multiple_of(8));
        for (i, word) in bytes.as_chunks().0.iter().enumerate() {
            self.store(at / 8 + i, u64::from_le_bytes(*word), false);
        }
        true
    }

    fn publish(&mut self, at: usize, rows: u64) {
        self.store(at / 8, rows, true);
    }

    fn settle(&self) {
        self.settled.set(self.stores.len());
    }
}

/// A slot used again and again, and what was promised when.
pub struct History {
    pub memory: Recorded,
    pub uses: Vec<Use>,
}

/// One use of the slot.
#[derive(Debug)]
pub struct Use {
    pub generation: u64,
    /// Stores before it began.
    pub begun: usize,
    /// Rows, each with how many stores there were once it was published.
    pub rows: Vec<(Row, usize)>,
}

impl History {
    /// `uses` uses of a slot at `offset`, by two sources in turn, with `rows` rows each.
    pub fn of(offset: usize, uses: u64, rows: u64) -> Self {
        let room = (SLOT_HEADER_BYTES + rows as usize * ROW_BYTES).next_multiple_of(PAGE_BYTES);
        let words = (offset + room) / 8;
        let mut history = Self { memory: Recorded::new(words), uses: Vec::new() };
        for generation in 1..=uses {
            let memory = &mut history.memory;
            let mut this = Use { generation, begun: memory.stores.len(), rows: Vec::new() };
            let source = if generation.is_multiple_of(2) { Source::Cuda } else { Source::Sched };
            begin(memory, offset, &slot_header(generation, 5, source));
            for i in 0..rows {
                // Later rows of a place differ from earlier ones in several words.
                let row = Row { end_ns: generation * 100 + i, dur_ns: generation, ..Row::default() };
                let seed = check_seed(generation);
                assert!(append(memory, offset, i as usize, &row.to_bytes(0), seed));
                this.rows.push((row, memory.stores.len()));
            }
            history.uses.push(this);
        }
        history
    }

    /// The use in force after `stores` stores and how many of its rows were published; `None` before the first, and from
    /// the moment at which one begins until its first row.
    pub fn promised(&self, stores: usize) -> Option<(&Use, usize)> {
        let this = self.uses.iter().rev().find(|this| this.begun < stores)?;
        let rows = this.rows.iter().filter(|(_, at)| *at <= stores).count();
        (rows > 0).then_some((this, rows))
    }

    /// Panics unless `rows`, read for `generation`, are the first rows of that use.
    pub fn assert_true(&self, generation: u64, rows: &[Row]) {
        let this = self.uses.iter().find(|this| this.generation == generation).expect("a use there was");
        assert!(rows.len() <= this.rows.len());
        assert!(rows.iter().zip(&this.rows).all(|(read, (row, _))| read == row), "{rows:?} of {this:?}");
    }
}
