//! Is everything there that was recorded, and unchanged?
//!
//! Every checksum is computed, every frame decoded, every number accounted for: for each (epoch, CPU,
//! source), what the kernel numbered is stored here, declared lost, or was evicted before.

mod accounts;
mod links;
mod walk;

use std::path::Path;

use ingero_format::control::LossCount;
use serde::Serialize;

use crate::error::Error;

/// What was found.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Nothing is damaged and everything is accounted for.
    pub ok: bool,
    /// `ring`, `frozen`, `segment` or `bundle`.
    pub kind: &'static str,
    /// Events of kernel sources.
    pub events: u64,
    /// Bytes looked at.
    pub bytes: u64,
    /// Whole frames.
    pub frames: u64,
    /// Damaged places.
    pub damaged: Vec<Damage>,
    /// Declared losses.
    pub losses: Vec<LossCount>,
    /// What the digest chain says: `unbroken`, `broken`, or `unknown` where it cannot be followed.
    pub chain: &'static str,
    /// What a reader should know that is no damage.
    pub notes: Vec<String>,
    /// The account.
    pub conservation: Conservation,
}

/// A place that is not as it was written.
#[derive(Debug, Serialize)]
pub struct Damage {
    /// Which part.
    pub place: String,
    /// Byte offset in it.
    pub offset: u64,
    /// Where the damage ends; the offset itself where only one field is wrong.
    pub to: u64,
    /// What is wrong.
    pub reason: String,
}

/// Produced = stored + lost + evicted.
#[derive(Debug, Default, Serialize)]
pub struct Conservation {
    /// Numbered in the kernel, as far as known here.
    pub produced: u64,
    /// Found here.
    pub stored: u64,
    /// Declared lost.
    pub lost: u64,
    /// Stored or lost in segments before the oldest one here.
    pub evicted: u64,
    /// The equation holds for every CPU and source.
    pub holds: bool,
    /// Each epoch, CPU and source.
    pub lanes: Vec<Lane>,
}

/// The account of one epoch, CPU and source.
#[derive(Debug, Serialize)]
pub struct Lane {
    /// Life of the counters: the Unix time of the recorder's start, ns.
    pub epoch: u64,
    /// CPU.
    pub cpu: u16,
    /// Source.
    pub source: &'static str,
    /// Numbered in the kernel, as far as known here.
    pub produced: u64,
    /// Found here.
    pub stored: u64,
    /// Declared lost.
    pub lost: u64,
    /// Stored or lost in segments before the oldest one here.
    pub evicted: u64,
    /// Found twice.
    pub twice: u64,
    /// The equation holds.
    pub holds: bool,
}

/// Verifies a ring, frozen set, segment or bundle.
///
/// # Errors
/// If it cannot be read or is none of these.
pub fn verify(path: &Path) -> Result<Report, Error> {
    let mut walk = walk::Walk::default();
    walk.path(path)?;
    Ok(walk.finish())
}
