//! Out of the BPF ring buffer and into the head.
//!
//! One thread, woken every [`DRAIN_INTERVAL`](crate::limits::DRAIN_INTERVAL), or earlier by a watermark. For
//! each record: copy 60 bytes into the mapped head, compute one checksum, publish, release the record. It opens
//! no file and waits for nobody; the two locks it takes (for a slot every 16,000 rows, for a count at each
//! loss) are held for nanoseconds by anyone. A full slot is handed to the sealer.
//!
//! What the drain adds itself are *meta* rows: names of tasks, stacks and kernels when first seen, and
//! losses. They precede the rows that need them.

mod gaps;
mod names;
mod sink;
mod stacks;
mod turn;

pub use gaps::GapTracker;
pub use sink::Sink;
pub use turn::{Drain, alarm};
