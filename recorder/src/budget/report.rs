//! What status may say about the budget.

use std::sync::{Arc, Mutex};

use crate::lock::lock;

/// Shared between the governor and those who ask.
#[derive(Clone, Debug, Default)]
pub struct BudgetReport(Arc<Mutex<Inner>>);

#[derive(Clone, Debug, Default)]
struct Inner {
    thread_percent: f64,
    shed: Vec<String>,
}

impl BudgetReport {
    /// Publishes what the dearest thread pays (percent of its time) and what is left out, in words.
    pub fn publish(&self, thread_percent: f64, shed: Vec<String>) {
        *lock(&self.0) = Inner { thread_percent, shed };
    }

    /// The last of both.
    #[must_use]
    pub fn get(&self) -> (f64, Vec<String>) {
        let inner = lock(&self.0).clone();
        (inner.thread_percent, inner.shed)
    }
}
