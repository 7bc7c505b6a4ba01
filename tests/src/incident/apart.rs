//! Which incidents do not count, since something else happened than was to be made. Every score is also given with
//! them.
//!
//! The two rules look only at what the program says by its own clocks, never at an answer.

use super::run::Outcome;

/// Why an incident does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Apart {
    /// What was to be made took less than the least that any of them is to take.
    NotMade,
    /// Other work had the program's CPU for long.
    OtherWork,
}

/// Less than this is not made, ns.
const MADE_NS: i64 = 20_000_000;
/// A control that waited for its CPU so long could rightly have a finding above LOW: two percent of five seconds.
const LOUD_NS: i64 = 100_000_000;

impl Apart {
    /// For people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotMade => "not made",
            Self::OtherWork => "other work",
        }
    }

    /// Why an incident does not count; `None` if it does.
    #[must_use]
    pub fn why(outcome: &Outcome) -> Option<Self> {
        let label = &outcome.label;
        // The kernel counts throttled time as waiting for a CPU too; a hog's time is what was to be made; and what
        // the recorder took is what the controls beside it are about.
        let own =
            label.injected_by("cpu_throttled") + label.injected_by("cpu_contention") + label.recorder_ns;
        let foreign = label.run_delay_ns - own;
        if outcome.is_control() {
            return (foreign >= LOUD_NS).then_some(Self::OtherWork);
        }
        if matches!(outcome.cause.as_str(), "process_exit" | "oom") {
            return None;
        }
        let least = label.parts.iter().map(|p| p.injected_ns).min().unwrap_or(0);
        if least < MADE_NS {
            return Some(Self::NotMade);
        }
        (foreign * 2 >= least).then_some(Self::OtherWork)
    }
}
