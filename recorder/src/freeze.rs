//! Keeping a window: hard links first, everything else afterwards.
//!
//! *Frozen* is the moment when nothing can evict the past any more: one link per segment and a copy of the
//! head's rows, under the table's lock, a few milliseconds at most. *Durable* is the moment when links,
//! files and MANIFEST are on stable storage. The bundle is written after that. All of it happens on a
//! thread of its own; recording goes on.

pub mod bundle;
mod head_copy;
mod host;
pub mod links;
mod open_rows;
mod snapshots;
mod symbols;
mod windows;
mod worker;

pub use snapshots::{Snapshots, valid_id};
pub use worker::Freezer;
