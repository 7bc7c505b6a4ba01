//! The engine on stories whose truth is known.

mod baseline;
mod causes;
mod chains;
mod goldens;
mod host_causes;
mod incidents;
mod invariant;
mod judging;
mod lost;
mod rhythm;
pub(crate) mod story;
mod traps;
