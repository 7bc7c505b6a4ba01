//! Numbers for monitoring systems: the recorder's own health, and what each GPU process does.
//!
//! | module | part |
//! |---|---|
//! | [`histogram`] | durations in buckets |
//! | [`meters`] | what the drain adds up, by process |
//! | [`tap`] | how it is switched on, and handed to whoever asks |
//! | [`family`] | every family of metrics: name, help, unit; and their points |
//! | `health`, `work` | points of the recorder, and of GPU processes |
//! | [`page`] | points as a Prometheus reads them |
//! | [`otlp`] | points as an OpenTelemetry collector takes them |
//! | `collect` | all points of one moment |
//! | `serve`, `push` | the two ways out, each on a thread of its own |
//! | [`exports`] | starts and stops them as the configuration says |
//!
//! Nothing of it is done unless `[metrics]` names a way out, and the drain waits for none of it.

mod collect;
pub mod exports;
pub mod family;
mod health;
pub mod histogram;
pub mod meters;
pub mod otlp;
pub mod page;
mod push;
mod serve;
pub mod tap;
mod work;

pub use exports::Exports;
pub use tap::{Shared, Tap};
