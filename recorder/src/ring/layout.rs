//! Where a ring lies, and what it is opened with.

use std::path::{Path, PathBuf};

use super::Bounds;
use crate::{Result, error::IoContext, storage::Storage};

/// Directories below the state directory.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The state directory.
    pub state: PathBuf,
    /// Segments and head.
    pub ring: PathBuf,
    /// Hard links of frozen windows while their bundle is written.
    pub frozen: PathBuf,
    /// Bundles.
    pub bundles: PathBuf,
}

impl Layout {
    /// What to do if something in the state directory cannot be made.
    pub const REMEDY: &str = "make it a directory that this user may write, or choose another --state-dir";

    /// Creates what is missing.
    ///
    /// # Errors
    /// If a directory cannot be made or written.
    pub fn create(storage: &dyn Storage, state: &Path) -> Result<Self> {
        let below = |name| state.join(name);
        let layout = Self {
            state: state.into(),
            ring: below("ring"),
            frozen: below("frozen"),
            bundles: below("bundles"),
        };
        for directory in [&layout.ring, &layout.frozen, &layout.bundles] {
            storage.create_dir(directory).at("cannot create the directory", directory, Layout::REMEDY)?;
        }
        Ok(layout)
    }
}

/// What a ring is opened with.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// Size of new segments, bytes.
    pub segment_bytes: u64,
    /// Unit of the time columns of new segments, ns.
    pub tick_ns: u32,
    /// Id of this boot.
    pub boot_id: [u8; 16],
    /// Bounds, which hold for what is recovered too.
    pub bounds: Bounds,
    /// Bytes of the head that will be made next.
    pub head_bytes: u64,
    /// Process id, told to a second recorder.
    pub pid: u32,
    /// The epoch whose counters still count, if any do.
    pub counting: Option<u64>,
}
