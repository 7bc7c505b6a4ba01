//! The investigation database: integers in big tables, names in dictionaries, readable views over both.
//!
//! Promises: the same traces give the same bytes; [`read()`] gives back what [`write()`] took, so that every
//! answer from a database is the answer from its bundles. The file appears under its name complete or
//! not at all.

mod answers;
mod ask;
mod at_rest;
mod batch;
mod cells;
mod insert;
mod keys;
mod lossy;
mod read;
mod scan;
mod schema;
mod stop;
mod survey;
mod timeline;
mod write;

pub use answers::{Answers, answers};
pub use ask::{Rows, ask};
pub use at_rest::open_at_rest;
pub use cells::cells;
pub use lossy::Lossy;
pub use read::{names_senders, open, read};
pub use scan::{CallRow, Detail, IntervalRow, Scanner, Span, Take, TaskRow};
pub use stop::Stop;
pub use write::write;

/// `INGR`: marks our databases among all SQLite files.
pub const APPLICATION_ID: i32 = 0x494e_4752;
/// Version of the tables.
pub const SCHEMA_VERSION: i32 = 1;
