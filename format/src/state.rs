//! The state record: what a reader needs to understand a segment without its predecessors.

use crate::{
    FormatError,
    codec::{self, Decode, Encode},
};

/// Everything known when a segment begins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct State {
    /// What was counted up to the end of the previous segment, in this epoch.
    pub accounts: Vec<Account>,
    /// Threads by name.
    pub tasks: Vec<Task>,
    /// Stacks in use.
    pub stacks: Vec<Stack>,
    /// Names of handles (kernels).
    pub handles: Vec<Handle>,
    /// Recorded processes.
    pub processes: Vec<Process>,
}

/// What one CPU produced for one source before some point, and what became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Account {
    /// CPU.
    pub cpu: u16,
    /// A [`crate::ops::Source`] as a number.
    pub source: u8,
    /// Rows written into frames.
    pub stored: u64,
    /// Rows declared lost.
    pub lost: u64,
}

/// A thread's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Task {
    /// Process id.
    pub pid: u32,
    /// Thread id.
    pub tid: u32,
    /// Since when, boottime ns.
    pub since_ns: u64,
    /// Name.
    pub comm: String,
}

/// A stack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Stack {
    /// Id used in rows.
    pub id: u32,
    /// Addresses, innermost first.
    pub frames: Vec<u64>,
}

/// What a handle is called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Handle {
    /// Process id.
    pub pid: u32,
    /// The handle.
    pub handle: u64,
    /// Name.
    pub name: String,
}

/// A recorded process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, serde::Serialize)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// When it started, boottime ns.
    pub start_ns: u64,
    /// Since when its calls are recorded, boottime ns.
    pub covered_ns: u64,
    /// Name.
    pub comm: String,
    /// Path of its program.
    pub exe: String,
    /// Its cgroup, as in `/proc/PID/cgroup`.
    pub cgroup: String,
    /// CUDA libraries it maps.
    pub libraries: Vec<String>,
}

impl State {
    /// Serialises the record (not yet compressed).
    ///
    /// # Errors
    /// If it exceeds [`codec::RECORD_LIMIT`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, FormatError> {
        codec::encode("state record", self)
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`crate::Reason::Content`].
    pub fn read(bytes: &[u8]) -> Result<Self, FormatError> {
        codec::decode("state record", bytes)
    }
}
