//! Where a window comes from and how complete it is.

use serde::{Deserialize, Serialize};

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
    /// Kernel release.
    pub kernel: String,
    /// Machine type.
    pub machine: String,
    /// Online CPUs.
    pub cpus: u32,
    /// Boot id, hexadecimal.
    pub boot_id: String,
    /// GPU models.
    pub gpus: Vec<String>,
    /// GPU driver.
    pub driver: String,
    /// Version of the recorder.
    pub recorder_version: String,
    /// Digest of its configuration.
    pub config_digest: String,
    /// Past asked for, ns.
    pub asked_last_ns: u64,
    /// Time after the trigger asked for, ns.
    pub asked_after_ns: u64,
    /// Unix minus boottime, ns: the one offset of this window.
    pub clock_offset_ns: i64,
    /// How far apart the two clock readings may be, ns.
    pub clock_uncertainty_ns: u64,
    /// What the recorder wished the reader to know.
    pub notes: Vec<String>,
    /// Functions that could not be probed.
    pub not_probed: Vec<String>,
    /// What is damaged or missing in the file, one line each.
    pub damage: Vec<String>,
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
    /// Program.
    pub exe: String,
    /// Its cgroup.
    pub cgroup: String,
    /// CUDA libraries it maps.
    pub libraries: Vec<String>,
}
