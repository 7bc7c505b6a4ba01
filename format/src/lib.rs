//! What every byte of the recorder means.
//!
//! Pure functions on byte slices: no file, clock or thread is touched here, and every length, count
//! and offset is checked against the slice in hand before anything is allocated. The layout is
//! specified in `docs/FORMAT.md`; where the two differ, the document is wrong or this is, and a
//! golden test says so.
//!
//! | module | bytes |
//! |---|---|
//! | [`row`] | one event, 64 bytes, as it lies in the head |
//! | [`head`] | slots of rows not yet in a frame |
//! | [`columns`], [`frame`] | rows as compressed columns behind a checksummed header |
//! | [`dictionary`] | threads and calls that the frames of a segment name by number |
//! | [`segment`], [`state`] | a file of frames that needs no other file |
//! | [`identity`] | the ring's `RING` file |
//! | [`manifest`], [`bundle`] | a frozen window, and the one file it travels in |
//! | [`control`] | messages between `ingeroctl` and the recorder |
//! | [`ops`], [`names`] | the numbers and names of operations; names that travel as text |
//! | [`container`] | what a cgroup path says |
#![forbid(unsafe_code)]
#![warn(clippy::missing_errors_doc, clippy::missing_panics_doc)]

pub mod bundle;
pub mod bytes;
mod check;
pub mod codec;
pub mod columns;
pub mod container;
pub mod control;
pub mod copies;
pub mod dictionary;
pub mod error;
pub mod frame;
pub mod head;
pub mod identity;
pub mod manifest;
pub mod names;
pub mod numbers;
pub mod ops;
pub mod row;
pub mod segment;
pub mod state;
pub mod units;

pub use check::KNOWN_INCOMPAT;
pub use error::{FormatError, Reason};
pub use row::Row;
