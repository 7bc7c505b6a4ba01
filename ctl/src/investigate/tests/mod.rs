//! The engine on stories whose truth is known.

mod causes;
mod chains;
mod host_causes;
mod invariant;
mod lost;
mod rhythm;
pub(crate) mod story;
mod traps;
