//! Opens what was recorded: a bundle, a frozen set, a ring folder, or one segment.
//!
//! Reading never stops at damage: what can be read is read, and [`crate::model::Facts::damage`] says
//! what could not. Files are told apart by their first bytes, never by their names.

mod boots;
mod collect;
mod dictionary;
mod finish;
mod input;
mod names;
mod parts;
mod samples;
mod stacks;

pub use collect::BUDGET_NOTE;
pub use input::{Kind, kind_of, open, open_all};

#[cfg(test)]
pub(crate) mod tests;
