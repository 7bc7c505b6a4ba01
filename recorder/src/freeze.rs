//! Keeping a window: hard links first, everything else afterwards.
//!
//! *Frozen* is the moment when nothing can evict the past any more: one link per segment and a copy of the
//! head's rows, under the table's lock, a few milliseconds at most. *Durable* is the moment when links,
//! files and MANIFEST are on stable storage. The bundle is written after that. All of it happens on a
//! thread of its own; recording goes on.

pub mod bundle;
mod deliver;
mod freezer;
mod head_copy;
mod host;
mod id;
pub mod links;
mod open_rows;
mod snapshots;
mod symbols;
mod windows;
mod worker;

pub use freezer::Freezer;
pub use id::valid_id;
pub use snapshots::Snapshots;
