//! The engine on stories whose truth is known.

mod causes;
mod invariant;
pub(crate) mod story;
mod traps;
