//! A finding: the columns of the contract.

use ingero_format::units::hex;
use serde::{Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{limits, model::Thread};

/// How much of a dispatching thread's time a cause took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// A tenth or more.
    High,
    /// Two percent or more.
    Medium,
    /// Two per mille or more, or poorly decided.
    Low,
}

impl Severity {
    /// From a share of the thread's time, per mille; `None` if it is too small for a finding.
    #[must_use]
    pub fn of_share(per_mille: i64) -> Option<Self> {
        match per_mille {
            limits::HIGH_PER_MILLE.. => Some(Self::High),
            limits::MEDIUM_PER_MILLE.. => Some(Self::Medium),
            limits::LOW_PER_MILLE.. => Some(Self::Low),
            _ => None,
        }
    }

    /// `HIGH`, `MEDIUM`, `LOW`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::High => "HIGH",
            Self::Medium => "MEDIUM",
            Self::Low => "LOW",
        }
    }
}

impl Serialize for Severity {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.name())
    }
}

/// Why a thread stalled, for how long, and how that is known. Times are Unix ns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Digest of node, thread, cause and window start.
    pub id: String,
    /// 1 for the most important.
    pub rank: i64,
    /// See [`Severity`].
    pub severity: Severity,
    /// One of the contract's causes.
    pub cause: &'static str,
    /// Machine.
    pub node: String,
    /// Process that stalled.
    pub pid: u32,
    /// Thread that stalled.
    pub tid: u32,
    /// Its name.
    pub comm: String,
    /// When it began.
    pub from_ns: i64,
    /// When it was over.
    pub to_ns: i64,
    /// Time lost to this cause, beyond what is usual.
    pub attributed_ns: i64,
    /// Calls that were slow, or came late, for this cause.
    pub calls_affected: i64,
    /// Calls of the thread in that time.
    pub calls_total: i64,
    /// One sentence.
    pub summary: String,
    /// What shows it.
    pub evidence: Value,
    /// What speaks against it.
    pub counter_evidence: Value,
    /// What could not be decided.
    pub coverage: Value,
    /// What to do.
    pub advice: Value,
}

/// Every cause of the contract.
const KNOWN_CAUSES: [&str; 17] = [
    "cpu_contention",
    "cpu_throttled",
    "blocked_lock",
    "blocked_io",
    "memory_pressure",
    "first_use",
    "gpu_wait",
    "sync_storm",
    "allocator",
    "launch_rate_drop",
    "signal_stop",
    "collective_wait",
    "process_exit",
    "oom",
    "data_starvation",
    "recorder_self",
    "unknown",
];

/// Cause and severity by their names; `None` if this version does not know one of them.
#[must_use]
pub fn known_cause(cause: &str, severity: &str) -> Option<(&'static str, Severity)> {
    let severity =
        [Severity::High, Severity::Medium, Severity::Low].into_iter().find(|s| s.name() == severity);
    Some((KNOWN_CAUSES.into_iter().find(|known| *known == cause)?, severity?))
}

/// Digest of node, thread, cause and begin.
pub(super) fn id(node: &str, thread: &Thread, cause: &str, from_ns: i64) -> String {
    let key = format!("{node}\0{}\0{}\0{cause}\0{from_ns}", thread.pid, thread.tid);
    let digest = Sha256::digest(key.as_bytes());
    hex(digest.get(..6).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_and_a_severity_that_this_version_knows_are_read_back_and_others_are_not() {
        for cause in KNOWN_CAUSES {
            for severity in [Severity::High, Severity::Medium, Severity::Low] {
                assert_eq!(known_cause(cause, severity.name()), Some((cause, severity)));
            }
        }
        assert_eq!(known_cause("gremlins", "HIGH"), None);
        assert_eq!(known_cause("oom", "high"), None);
    }
}
