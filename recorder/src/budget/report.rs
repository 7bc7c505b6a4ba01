//! What status may say about the budget.

use std::sync::{Arc, Mutex};

use crate::lock::lock;

/// Shared between the governor and those who ask.
#[derive(Clone, Debug, Default)]
pub struct BudgetReport(Arc<Mutex<Inner>>);

#[derive(Clone, Debug, Default)]
struct Inner {
    thread_percent: Option<f64>,
    shed: Vec<String>,
}

impl BudgetReport {
    /// Publishes what the dearest thread pays (percent of its time) and what is left out, in words.
    pub fn publish(&self, thread_percent: f64, shed: Vec<String>) {
        *lock(&self.0) = Inner { thread_percent: Some(thread_percent), shed };
    }

    /// The last of both; no share of time until one was measured.
    #[must_use]
    pub fn get(&self) -> (Option<f64>, Vec<String>) {
        let inner = lock(&self.0).clone();
        (inner.thread_percent, inner.shed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_thread_pays_is_absent_until_it_was_measured() {
        let report = BudgetReport::default();
        assert_eq!(report.get(), (None, Vec::new()));
        report.clone().publish(0.0, vec!["launches".into()]);
        assert_eq!(report.get(), (Some(0.0), vec!["launches".into()]));
    }
}
