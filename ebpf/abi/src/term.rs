//! What the recorder tells its programs, and a later recorder: probes and maps outlive the process that placed them.

use crate::{
    CpuCounters, Event, LANES, NameRecord, OffCpuRecord, PeerRecord, Request, TextRecord, ThreadState,
};

/// Places in the map `TERM`, an array of 64-bit numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Term {
    /// The generation of programs that records; all others do nothing. Whoever takes over places its own programs
    /// first and then changes this one number: no event falls between the two, and none is recorded twice.
    Generation = 0,
    /// Process id of the recorder, never recorded.
    Recorder = 1,
    /// Since when the counters count: the epoch of the rows, Unix ns.
    Epoch = 2,
    /// Highest id that a text of the epoch may have by now; see the recorder's `kernel::reserve`.
    Texts = 3,
    /// The same for stacks.
    Stacks = 4,
    /// Of the meta rows' own sequence, the first number that none of the epoch can have yet.
    MetaRows = 5,
    /// When the recorder's process began, clock ticks since boot (proc_pid_stat(5)): its id may be another's by now.
    RecorderStart = 6,
}

impl Term {
    /// Places in the map.
    pub const PLACES: u32 = 7;
}

/// To be raised when a key, a value or a record that two recorders may share changes its meaning.
const VERSION: u64 = 1;

/// Names the layout of everything that two recorders may share: maps and records. Maps of another layout are not
/// taken over. A change of size changes it by itself.
pub const LAYOUT: u64 = {
    let sizes = [
        size_of::<Event>(),
        size_of::<OffCpuRecord>(),
        size_of::<NameRecord>(),
        size_of::<TextRecord>(),
        size_of::<PeerRecord>(),
        size_of::<ThreadState>(),
        size_of::<Request>(),
        size_of::<CpuCounters>(),
        LANES,
        Term::PLACES as usize,
    ];
    let (mut mixed, mut i) = (VERSION, 0);
    while i < sizes.len() {
        mixed = mixed.wrapping_mul(1_000_003).wrapping_add(sizes[i] as u64);
        i += 1;
    }
    mixed
};
