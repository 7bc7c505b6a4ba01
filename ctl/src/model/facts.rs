//! Where a window comes from and how complete it is.

use ingero_format::container::Placement;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How notes begin that tell of calls which the overhead budget left out.
pub const BUDGET_NOTE: &str = "overhead budget: ";

/// What the bundle says about itself, and what reading it found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Name of the file.
    pub file: String,
    /// SHA-256 of the file, hexadecimal; empty for a folder.
    pub sha256: String,
    /// The snapshot's id.
    pub snapshot: String,
    /// Who asked and why, one line each.
    pub triggers: Vec<String>,
    /// Kernel release (uname(2)).
    pub kernel: String,
    /// Machine type (uname(2)): `x86_64`, `aarch64`.
    pub machine: String,
    /// CPUs that the recorder could use: its affinity and its CPU quota, rounded down, bound it.
    pub cpus: u32,
    /// Boot id, hexadecimal.
    pub boot_id: String,
    /// GPU models.
    pub gpus: Vec<String>,
    /// GPU driver.
    pub driver: String,
    /// Version of the recorder.
    pub recorder_version: String,
    /// SHA-256 of its configuration file, hexadecimal.
    pub config_digest: String,
    /// Past asked for, ns.
    pub asked_last_ns: u64,
    /// Time after the trigger asked for, ns.
    pub asked_after_ns: u64,
    /// Unix minus boottime, ns: the one offset of this window.
    pub clock_offset_ns: i64,
    /// How far apart the two clock readings may be, ns.
    pub clock_uncertainty_ns: u64,
    /// What each of the bundles says of the clocks, in the order in which they were read.
    #[serde(default)]
    pub clocks: Vec<Clocks>,
    /// What the recorder wished the reader to know.
    pub notes: Vec<String>,
    /// Functions that could not be probed.
    pub not_probed: Vec<String>,
    /// Which calls are here, if not all that were made; empty for all.
    #[serde(default)]
    pub population: String,
    /// What is damaged or missing in the file, one line each.
    pub damage: Vec<String>,
    /// True if names were replaced ([`crate::redact`]).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub redacted: bool,
}

/// Both clocks of a machine at a bundle's trigger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Clocks {
    /// The snapshot's id.
    pub snapshot: String,
    /// Unix minus boottime, ns.
    pub offset_ns: i64,
    /// How far apart the two readings may be, ns.
    pub uncertainty_ns: u64,
}

impl Process {
    /// Its container in short, else its service; `None` if its cgroup names neither.
    #[must_use]
    pub fn whereabouts(&self) -> Option<String> {
        Some(Placement::of(&self.cgroup).short()).filter(|place| !place.is_empty())
    }
}

/// A recorded process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// When it started, Unix ns.
    pub start_ns: i64,
    /// Since when its calls are recorded, Unix ns.
    pub covered_ns: i64,
    /// Name.
    pub comm: String,
    /// Path of its program.
    pub exe: String,
    /// Its cgroup, a path as in `/proc/PID/cgroup` (cgroups(7)).
    pub cgroup: String,
    /// CUDA libraries it maps.
    pub libraries: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_placed_by_its_container_else_by_its_service() {
        let at = |cgroup: &str| Process { cgroup: cgroup.into(), ..Process::default() }.whereabouts();
        let id = "0123456789abcdef".repeat(4);
        assert_eq!(
            at(&format!("/system.slice/docker-{id}.scope")).as_deref(),
            Some("container 0123456789ab")
        );
        assert_eq!(at("/lxc/web").as_deref(), Some("container web"));
        assert_eq!(at("/system.slice/engine.service").as_deref(), Some("engine.service"));
        assert_eq!(at("/user.slice/user-0.slice/session-3.scope"), None);
        assert_eq!(at(""), None);
    }
}
