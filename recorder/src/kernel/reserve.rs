//! Numbers that no two recorders of one epoch may give to different things: ids of texts and stacks, and the meta
//! rows' sequence. How far they are given out stands where a kill cannot reach it, beside the kernel's counters.

use aya::maps::{Array, MapData};
use ingero_ebpf_abi::Term;

/// Taken ahead of use; a turn of the drain uses a tenth of it at most.
const AHEAD: u64 = 1 << 20;
/// Where it stands.
const PLACES: [Term; 3] = [Term::Texts, Term::Stacks, Term::MetaRows];

/// `[texts, stacks, meta rows]`: the highest id in use of texts and of stacks; of meta rows, the next number.
pub type Used = [u64; PLACES.len()];

/// How far numbers are reserved.
pub struct Reserve {
    term: Array<MapData, u64>,
    ends: Used,
}

impl Reserve {
    /// Goes on where the map says.
    #[must_use]
    pub fn new(term: Array<MapData, u64>) -> Self {
        let ends = PLACES.map(|place| term.get(&(place as u32), 0).unwrap_or(0));
        Self { term, ends }
    }

    /// Numbers up to these may be in use already.
    pub fn begin(&self) -> Used {
        self.ends
    }

    /// Reserves more where less than half is left.
    pub fn keep_ahead(&mut self, used: Used) {
        for ((place, end), used) in PLACES.into_iter().zip(&mut self.ends).zip(used) {
            if used + AHEAD / 2 > *end && self.term.set(place as u32, used + AHEAD, 0).is_ok() {
                *end = used + AHEAD;
            }
        }
    }
}
