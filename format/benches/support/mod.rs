//! What both benches share: made-up rows, a segment of them, and what their columns hold at least.

pub mod entropy;
pub mod noise;
#[path = "../../tests/support/random.rs"]
pub mod random;
pub mod recording;
pub mod workload;
