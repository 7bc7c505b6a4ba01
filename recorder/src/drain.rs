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
mod progress;
mod sink;
mod turn;

pub use gaps::{Gap, GapTracker};
pub use progress::{LossKey, Progress};
pub use sink::Sink;
pub use turn::{Drain, alarm};

/// What other threads want written into the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A thread's name.
    Name {
        /// Process.
        pid: u32,
        /// Thread.
        tid: u32,
        /// Its name.
        comm: String,
    },
    /// From `since_ns` on, calls of a process into one library are recorded.
    Covered {
        /// Process.
        pid: u32,
        /// When it started, boottime ns.
        start_ns: u64,
        /// Since when it is covered, boottime ns.
        since_ns: u64,
        /// The library's inode.
        inode: u64,
    },
    /// Events were lost after the drain had them, or in a time without a recorder.
    Lost(Gap),
    /// Meta rows could not be written: what names they told must be told again, and so must these losses.
    MetaLost(Vec<Gap>),
}
