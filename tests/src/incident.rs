//! The incident lab: a program to which one known thing happens, recorded by the real recorder, and how often the
//! explanation is right.
//!
//! The program (`incident/victim/main.c` and what is beside it) measures by its own clocks what was done to it and says so; that
//! is the label. Nothing of a label comes from a recorder.

pub mod apart;
pub mod group;
pub mod label;
pub mod noise;
pub mod plan;
pub mod rival;
pub mod run;
pub mod score;
pub mod thin;

pub use label::{Label, Part};
pub use plan::{Incident, full, quick};
pub use run::{Outcome, Stage};
