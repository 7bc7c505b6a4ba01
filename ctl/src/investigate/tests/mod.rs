//! The engine on stories whose truth is known.

mod baseline;
mod causes;
mod chains;
mod first_use;
mod goldens;
mod host_causes;
mod incidents;
mod invariant;
mod judging;
mod lost;
mod rhythm;
pub(crate) mod story;
mod traps;

/// A thread that for four seconds launches a quarter of what it does otherwise.
pub(crate) fn dropped() -> crate::model::Trace {
    rhythm::dropped().finish()
}
