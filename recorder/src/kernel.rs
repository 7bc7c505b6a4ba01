//! What this kernel offers, and the BPF programs loaded into it.

pub mod btf;
mod load;
mod multi;
mod offsets;
mod preflight;

pub use load::{Loaded, Options, load, uprobe};
pub use multi::{MultiPrograms, Site};
pub use offsets::{TaskOffsets, task_offsets};
pub use preflight::{Check, preflight};
