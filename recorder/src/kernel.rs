//! What this kernel offers, and the BPF programs loaded into it.

pub mod btf;
mod load;
mod multi;
mod offsets;
mod placer;
mod preflight;
mod programs;

pub use load::{Loaded, Options, load, test_returns};
pub use multi::{MultiPrograms, Site};
pub use offsets::{HostOffsets, TaskOffsets, host_offsets, task_offsets};
pub use placer::{Placed, Placer};
pub use preflight::{Check, preflight};
pub use programs::CallProgram;
