//! Which processes use CUDA, and from which library files.
//!
//! Three ways in, so that none is missed: a look at every process at start; hints from the kernel (a
//! program was replaced, an unknown process called a probed function); and a cheap look at every
//! process's size at intervals, reading the maps only of those that grew. Libraries that the dynamic
//! linker knows are probed before anyone maps them.

mod build_id;
mod host_functions;
mod known;
mod mappings;
mod maps;
mod modules;
mod processes;
mod scanner;
mod window;

pub use build_id::build_id;
pub use known::known_libraries;
pub use mappings::{Mappings, NewMapping, News};
pub use maps::{MappedLibrary, Sonames};
pub use modules::{CodeFile, FileId, Modules, Piece};
pub use processes::{Registry, all_pids, describe_process};
pub use scanner::{Scanner, Watch};
