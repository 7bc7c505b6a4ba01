//! An investigation in the formats of other tools.
//!
//! Rows are read from the database in order of time and written as they come: memory does not grow with the number of
//! events, only with the number of names and threads.

pub mod parquet;
pub mod perfetto;
