//! The overhead budget: what recording costs the recorded threads is measured, and kept within a limit.
//!
//! [`calibrate`](fn@calibrate) measures once, at start, what a probe costs on this host. [`Governor`] adds up every second
//! what each thread pays, and when one pays more than the limit has the least valuable information left out:
//! first stacks; then of the dearest [lane](ingero_ebpf_abi::Lane) the ends of calls; then whole calls at times;
//! at last the lane. It comes back by the same steps. Every step is a row in the ring.

mod activity;
mod calibrate;
mod costs;
mod governor;
mod keeper;
mod own_share;
mod report;
mod trial;

pub use activity::{Activity, Rates};
pub use calibrate::{MEASURE, calibrate, measure};
pub use costs::{Costs, LaneCost};
pub use governor::{Change, Governor, Limits, Reason, Step, Usage};
pub use keeper::Keeper;
pub use report::BudgetReport;
pub use trial::{Measured, test_returns, try_probes};
