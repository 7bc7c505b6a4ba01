//! Why bytes were refused.

/// A refusal, and where it happened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {offset}: {reason}")]
pub struct FormatError {
    /// The structure being read, e.g. `frame header`.
    pub what: &'static str,
    /// Offset from the start of the slice handed in, bytes.
    pub offset: u64,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong with a structure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The slice ends inside the structure.
    #[error("cut short: {needed} bytes needed, {available} there")]
    Short {
        /// Bytes the structure claims or needs.
        needed: u64,
        /// Bytes that are there.
        available: u64,
    },
    /// The first bytes are not those of this structure.
    #[error("not a {0}: wrong magic")]
    Magic(&'static str),
    /// A checksum over the structure differs.
    #[error("checksum differs: stored {stored:#010x}, computed {computed:#010x}")]
    Checksum {
        /// As found in the bytes.
        stored: u32,
        /// As computed over the bytes.
        computed: u32,
    },
    /// The structure needs a feature that this version does not have.
    #[error("needs {0}, which this version does not read; use a newer ingeroctl")]
    Incompatible(String),
    /// A count, length or code lies outside what is allowed.
    #[error("{field} is {value}, allowed is {allowed}")]
    Range {
        /// Which field.
        field: &'static str,
        /// What it says.
        value: u64,
        /// What it may say.
        allowed: &'static str,
    },
    /// The bytes belong to another file or an earlier use of this one.
    #[error("salt differs: it belongs to another file")]
    Salt,
    /// The frame was not finished: its trailer is missing.
    #[error("not committed: the trailer is missing")]
    Uncommitted,
    /// The compressed block does not unpack to what its header says.
    #[error("compressed block is damaged: {0}")]
    Compression(String),
    /// A record inside is damaged.
    #[error("{0}")]
    Content(String),
}

impl FormatError {
    /// Builds a refusal.
    #[must_use]
    pub fn new(what: &'static str, offset: u64, reason: Reason) -> Self {
        Self { what, offset, reason }
    }

    /// The same refusal seen from a slice that begins `base` bytes earlier.
    #[must_use]
    pub fn shifted(mut self, base: u64) -> Self {
        self.offset += base;
        self
    }
}
