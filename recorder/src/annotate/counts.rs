//! What was kept, and why the rest was not.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Why a line, or a connection, was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Refusal {
    /// No object of JSON with labels that are strings, and numbers that are whole.
    Malformed,
    /// No label, or too many.
    Labels,
    /// A label's name is empty, too long, or has a character that is not allowed.
    Key,
    /// A label's value is too long, or has a control character.
    Value,
    /// The line is too long.
    TooLong,
    /// A span without one of its ends, or one that ends before it begins.
    Span,
    /// A time in the future, or too long ago.
    Time,
    /// A process that is not there, or that belongs to somebody else.
    Process,
    /// More than a connection, or all together, may send.
    Rate,
    /// A connection beyond the most that are served.
    Connections,
    /// A connection that sent so much more than it may that it was closed.
    Flood,
}

impl Refusal {
    /// All, in the order in which they are told.
    pub const ALL: [Self; 11] = [
        Self::Malformed,
        Self::Labels,
        Self::Key,
        Self::Value,
        Self::TooLong,
        Self::Span,
        Self::Time,
        Self::Process,
        Self::Rate,
        Self::Connections,
        Self::Flood,
    ];

    /// Its name in samples and status.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Labels => "labels",
            Self::Key => "key",
            Self::Value => "value",
            Self::TooLong => "too_long",
            Self::Span => "span",
            Self::Time => "time",
            Self::Process => "process",
            Self::Rate => "rate",
            Self::Connections => "connections",
            Self::Flood => "flood",
        }
    }
}

/// How many lines, or connections, since the recorder started.
#[derive(Debug, Default)]
pub struct Counts {
    kept: AtomicU64,
    refused: [AtomicU64; Refusal::ALL.len()],
}

impl Counts {
    /// Counts one that is kept.
    pub fn keep(&self) {
        self.kept.fetch_add(1, Relaxed);
    }

    /// Counts one that is not.
    pub fn refuse(&self, why: Refusal) {
        if let Some(count) = self.refused.get(why as usize) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// Annotations kept.
    #[must_use]
    pub fn kept(&self) -> u64 {
        self.kept.load(Relaxed)
    }

    /// How many were refused for each reason, also those of which there was none.
    pub fn refused(&self) -> impl Iterator<Item = (Refusal, u64)> {
        Refusal::ALL.into_iter().zip(self.refused.iter().map(|count| count.load(Relaxed)))
    }

    /// One line for people, if any was refused.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let reasons: Vec<String> =
            self.refused().filter(|(_, n)| *n > 0).map(|(why, n)| format!("{} {n}", why.name())).collect();
        let all: u64 = self.refused().map(|(_, n)| n).sum();
        (all > 0).then(|| {
            format!(
                "{all} annotations were refused ({}), {} kept; docs/ANNOTATIONS.md has the limits",
                reasons.join(", "),
                self.kept()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_count_of_its_own_and_the_warning_names_those_that_occurred() {
        assert_eq!(Refusal::ALL.map(Refusal::name), ingero_format::names::REFUSALS);
        let counts = Counts::default();
        assert_eq!(counts.warning(), None);
        counts.keep();
        for (i, why) in Refusal::ALL.into_iter().enumerate() {
            (0..=i).for_each(|_| counts.refuse(why));
        }
        let told: Vec<u64> = counts.refused().map(|(_, n)| n).collect();
        assert_eq!(told, (1..=Refusal::ALL.len() as u64).collect::<Vec<_>>());
        let warning = counts.warning().unwrap();
        assert!(
            warning.starts_with("66 annotations") && warning.contains("rate 9") && warning.contains("1 kept")
        );
    }
}
