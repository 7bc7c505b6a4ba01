//! Opens what was recorded: a bundle, a frozen set, a ring folder, or one segment.
//!
//! Everything is read twice: first to learn names, losses and how many events each thread has ([`collect`]), then to
//! put each event in its place ([`place`]). So there is never more of it in memory than the tables, and those may lie
//! in a file.
//!
//! Reading never stops at damage: what can be read is read, and [`crate::model::Facts::damage`] says
//! what could not. Files are told apart by their first bytes, never by their names.

mod boots;
mod clock;
mod collect;
mod dictionary;
mod finish;
mod frames;
mod input;
mod names;
mod parts;
mod place;
mod said;
mod samples;
mod stacks;
mod tables;
mod window;

pub use input::{Kind, kind_of, open, open_all};

#[cfg(test)]
pub(crate) mod tests;
