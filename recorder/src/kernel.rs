//! What this kernel offers, and the BPF programs loaded into it.

pub mod btf;
mod field;
pub mod kept;
mod load;
mod mapping;
mod multi;
mod namespace;
mod object;
mod offsets;
mod placer;
mod preflight;
mod programs;
mod reserve;
mod started;
mod term;
mod tracepoints;

pub use field::{field, number};
pub use kept::Kept;
pub use load::{Counting, Loaded, Options, load};
pub(crate) use load::{programs, term};
pub use mapping::{Mapping, ways};
pub use multi::{MultiPrograms, Site};
pub use namespace::sees_part_of_the_host;
pub use offsets::{HostOffsets, NamespaceOffsets, TaskOffsets, host_offsets, task_offsets};
pub use placer::{Placed, Placer};
pub use preflight::{Check, preflight};
pub use programs::CallProgram;
pub use reserve::{Reserve, Used};
pub use started::{start_ns, start_ticks};
pub use term::Tenure;
pub use tracepoints::attach_tracepoints;
