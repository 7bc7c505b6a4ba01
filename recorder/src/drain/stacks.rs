//! Stacks: from the kernel's table, which has a place for each hash, to ids that keep their meaning.
//!
//! The kernel's table is emptied when it fills up; a place may then hold another stack than before. So the ring
//! gets ids of its own, and which stack a place means is asked by the time at which the stack was taken.

use std::collections::HashMap;

use aya::maps::{MapData, StackTraceMap};

/// Places in use at which the kernel's table is emptied: half of it, before hashes meet too often.
const FULL: usize = 4_096;
/// Stacks remembered by content; beyond it they begin anew, which only repeats some.
const MAX_KNOWN: usize = 1 << 15;

/// What a place in the kernel's table stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A stack that is in the ring already.
    Known(u32),
    /// One that is not: its id, and its addresses, innermost first.
    New(u32, Vec<u64>),
    /// Nothing that could still be read.
    Lost,
}

/// The kernel's table and what was read from it.
pub(super) struct Stacks {
    map: Option<StackTraceMap<MapData>>,
    /// Place and process (0: kernel) read since the table was last emptied, and before that.
    places: HashMap<(u32, u32), u32>,
    before: HashMap<(u32, u32), u32>,
    /// When it was last emptied, boottime ns: begun and done.
    emptied: (u64, u64),
    /// By process (0: kernel) and content.
    known: HashMap<(u32, Vec<u64>), u32>,
    next: u32,
}

impl Stacks {
    /// Reads from `map`, if there is one.
    pub(super) fn new(map: Option<StackTraceMap<MapData>>) -> Self {
        Self {
            map,
            places: HashMap::new(),
            before: HashMap::new(),
            emptied: (0, 0),
            known: HashMap::new(),
            next: 0,
        }
    }

    /// Stacks get ids above this one from now on.
    pub(super) fn after(&mut self, id: u32) {
        self.next = id;
    }

    /// The highest id that a stack got.
    pub(super) fn highest(&self) -> u32 {
        self.next
    }

    /// What place `id - 1` held at `taken_ns`; `pid` is 0 for a kernel stack.
    pub(super) fn resolve(&mut self, id: u32, pid: u32, taken_ns: u64) -> Meaning {
        if taken_ns <= self.emptied.1 {
            let old = self.before.get(&(id, pid)).copied().filter(|_| taken_ns <= self.emptied.0);
            return old.map_or(Meaning::Lost, Meaning::Known);
        }
        if let Some(known) = self.places.get(&(id, pid)) {
            return Meaning::Known(*known);
        }
        let read = self.map.as_ref().and_then(|map| map.get(&(id - 1), 0).ok());
        let Some(trace) = read else { return Meaning::Lost };
        let frames: Vec<u64> = trace.frames().iter().map(|f| f.ip).collect();
        if self.known.len() >= MAX_KNOWN {
            self.known.clear();
        }
        if let Some(known) = self.known.get(&(pid, frames.clone())) {
            self.places.insert((id, pid), *known);
            return Meaning::Known(*known);
        }
        self.next += 1;
        self.places.insert((id, pid), self.next);
        self.known.insert((pid, frames.clone()), self.next);
        Meaning::New(self.next, frames)
    }

    /// Makes room in the kernel's table, if that is due.
    pub(super) fn make_room(&mut self) {
        let Some(map) = self.map.as_mut().filter(|_| self.places.len() >= FULL) else { return };
        let begun = crate::clock::boot_ns();
        for (id, _) in self.places.keys() {
            let _ = map.remove(&(id - 1));
        }
        self.before = std::mem::take(&mut self.places);
        self.emptied = (begun, crate::clock::boot_ns());
    }

    /// What was written is gone: everything must be written again.
    pub(super) fn forget(&mut self) {
        self.places.clear();
        self.before.clear();
        self.known.clear();
    }
}
