//! The ring on disk: rows land in the head, are sealed into frames, frames fill segments, the oldest
//! segment goes.
//!
//! ```text
//! drain --row--> head (mapped) --full slot--> sealer --frame--> active segment --full--> sealed segment
//!                                                                  flusher: fdatasync    quota: unlink
//! ```
//! Promises: a row that was published in the head survives kill -9; nothing below the state directory
//! passes the configured bytes; a segment, once a frame is in it, is only ever appended to; a file left
//! by an earlier run is never written again.

mod assemble;
mod continued;
mod flusher;
mod head;
mod layout;
mod open;
mod prologue;
mod quota;
mod recover;
mod sealer;
mod segment;
pub(crate) mod slot;
mod slots;
mod table;

pub use assemble::{Ring, Settings, assemble};
pub use flusher::{Flusher, Seen};
pub use head::{HeadFile, HeadWriter};
pub use layout::Layout;
use layout::Opening;
pub use open::ring_id;
pub use prologue::Prologue;
pub use quota::{Bounds, evict_oldest, make_room};
pub use recover::earliest_start;
pub use sealer::{SealJob, Sealer, Start};
pub use segment::Identity;
pub use slots::SlotPool;
pub use table::{Pin, SegmentInfo, SegmentTable, Segments};
