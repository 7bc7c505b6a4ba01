//! What the end-to-end tests and measurements share: a recorder of their own, the stand-in's programs, and
//! ways to ask both.
//!
//! Everything runs on the real kernel, as root. Where that is not possible a test says so loudly and passes,
//! unless `INGERO_REQUIRE_LIVE` is set, as it is in CI: then it fails.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed step is a failed test"
)]

pub mod calls;
pub mod every_symbol;
pub mod harm;
pub mod incident;
pub mod lab;
pub mod metrics;
pub mod named;
pub mod names;
pub mod paired;
pub mod program;
pub mod recorded;
pub mod scene;
pub mod simulated;
pub mod source;
pub mod switcher;
pub mod torture;
pub mod webhook;

pub use lab::{Lab, live, standin};
pub use program::Program;
