//! MANIFEST: what a frozen window holds and how it came about.

use crate::{
    FormatError,
    bytes::Reader,
    codec::{self, Decode, Encode},
    segment::Anchor,
    state::Process,
};

/// Version of the record this code writes; it stands first.
pub const VERSION: u32 = 1;

/// Describes a frozen window. Times are boottime ns unless named otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, serde::Serialize)]
pub struct Manifest {
    /// [`VERSION`].
    pub version: u32,
    /// The snapshot's id: the bundle's file name without its ending.
    pub id: String,
    /// Who asked, and why.
    pub triggers: Vec<Trigger>,
    /// What was asked for: past and after the trigger, ns.
    pub asked_last_ns: u64,
    /// See `asked_last_ns`.
    pub asked_after_ns: u64,
    /// Begin of the window granted.
    pub from_ns: u64,
    /// End of the window granted.
    pub to_ns: u64,
    /// Both clocks at the trigger: the one offset for the whole bundle.
    pub anchor: Anchor,
    /// The machine.
    pub host: Host,
    /// The ring ([`crate::identity::Identity::ring_id`]).
    pub ring_id: [u8; 16],
    /// Segments inside, oldest first.
    pub segments: Vec<SegmentEntry>,
    /// Processes recorded at the trigger.
    pub processes: Vec<Process>,
    /// Libraries probed, and what could not be.
    pub probes: Vec<LibraryProbes>,
    /// SHA-256 of the configuration file in force, hexadecimal.
    pub config_digest: String,
    /// Version of the recorder.
    pub recorder_version: String,
    /// What a reader should know about completeness, in words.
    pub notes: Vec<String>,
}

/// Why a window was frozen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, serde::Serialize)]
pub struct Trigger {
    /// Which trigger, one of [`crate::names::TRIGGERS`].
    pub kind: String,
    /// Free text of whoever asked.
    pub reason: String,
    /// When, boottime ns.
    pub at_ns: u64,
}

/// The machine a window comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, serde::Serialize)]
pub struct Host {
    /// Host name: the `node` of the investigation.
    pub name: String,
    /// Kernel release (uname(2)).
    pub kernel: String,
    /// `x86_64`, `aarch64` (uname(2)).
    pub machine: String,
    /// CPUs that the recorder could use: its affinity and its CPU quota, rounded down, bound it.
    pub cpus: u32,
    /// Boot id, `/proc/sys/kernel/random/boot_id`.
    pub boot_id: [u8; 16],
    /// Model of each GPU, if known (`/proc/driver/nvidia/gpus`).
    pub gpus: Vec<String>,
    /// Version of the GPU driver, if known (`/proc/driver/nvidia/version`).
    pub driver: String,
}

/// One segment of the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, serde::Serialize)]
pub struct SegmentEntry {
    /// Its number ([`crate::segment::Header::seq`]).
    pub seq: u64,
    /// Bytes of it that belong to the window; an active segment may have grown since.
    pub bytes: u64,
}

/// Probes on one library.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, serde::Serialize)]
pub struct LibraryProbes {
    /// Path as first seen.
    pub path: String,
    /// Its inode; the device is not kept.
    pub inode: u64,
    /// How many functions are probed.
    pub probed: u32,
    /// Functions probed whose first instruction makes the probe slow.
    pub slow: Vec<String>,
    /// Functions that could not be probed, and why.
    pub failed: Vec<String>,
}

impl Manifest {
    /// Serialises the record.
    ///
    /// # Errors
    /// If it exceeds [`codec::RECORD_LIMIT`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, FormatError> {
        codec::encode("manifest", self)
    }

    /// Reads a record. Later versions add fields at its end: those are left alone.
    ///
    /// # Errors
    /// [`crate::Reason::Content`].
    pub fn read(bytes: &[u8]) -> Result<Self, FormatError> {
        const WHAT: &str = "manifest";
        if Reader::new(WHAT, bytes).u32()? > VERSION {
            codec::decode_prefix(WHAT, bytes)
        } else {
            codec::decode(WHAT, bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_of_a_later_version_is_read_as_far_as_it_is_known() {
        let manifest = Manifest { version: VERSION, id: "a-1".into(), ..Manifest::default() };
        let mut bytes = manifest.to_bytes().unwrap();
        assert_eq!(Manifest::read(&bytes), Ok(manifest.clone()));
        bytes.extend(b"fields of a later version");
        assert!(Manifest::read(&bytes).is_err(), "this version has no such fields");
        bytes[0] = VERSION as u8 + 1;
        assert_eq!(Manifest::read(&bytes), Ok(Manifest { version: VERSION + 1, ..manifest }));
        assert!(Manifest::read(&bytes[..100]).is_err());
    }
}
