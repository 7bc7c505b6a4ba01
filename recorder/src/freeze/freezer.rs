//! The freezer's parts, and what it tells those who asked.

use std::sync::{Arc, Mutex};

use aya::maps::{HashMap, MapData};
use ingero_ebpf_abi::ThreadState;
use ingero_format::control::{Snapshot, SnapshotCounts};

use super::snapshots::Snapshots;
use crate::{
    config::Config,
    discover::{Modules, Registry},
    journal,
    lock::lock,
    printable::after_colon,
    progress::Progress,
    ring::{Layout, SegmentTable, SlotPool},
    storage::Storage,
    trigger::{FreezeRequest, joint::Joint},
};

/// What helps where a window cannot be kept or written.
pub(super) const REMEDY: &str = "free space below the state directory, or raise [ring] max_bytes";

/// Everything the freezing thread owns.
pub struct Freezer {
    /// Where things lie.
    pub storage: Arc<dyn Storage>,
    /// In which directories.
    pub layout: Layout,
    /// Segments to link.
    pub table: SegmentTable,
    /// Which slots of the head hold rows that are in no frame.
    pub pool: SlotPool,
    /// How far the drain is.
    pub progress: Arc<Progress>,
    /// Processes and libraries.
    pub registry: Arc<Registry>,
    /// What code of processes was mapped from.
    pub modules: Arc<Modules>,
    /// Open calls.
    pub threads: HashMap<MapData, u32, ThreadState>,
    /// Configuration in force.
    pub config: Arc<Mutex<Config>>,
    /// Bundles on disk.
    pub snapshots: Snapshots,
    /// Counts for status.
    pub counts: Arc<Mutex<SnapshotCounts>>,
    /// Id of the ring.
    pub ring_id: [u8; 16],
    /// When recording began, boottime ns.
    pub started_ns: u64,
    /// Who joins a triggered window.
    pub joint: Joint,
    /// What holds for every window of this run, in words.
    pub notes: Vec<String>,
}

impl Freezer {
    // Counts what came out and tells everybody who waits.
    pub(super) fn answer(
        &self,
        joined: Vec<FreezeRequest>,
        unlisted: u64,
        outcome: &std::result::Result<Snapshot, String>,
    ) {
        {
            let mut counts = lock(&self.counts);
            match outcome {
                Ok(snapshot) => {
                    counts.taken += 1;
                    counts.coalesced += (joined.len() as u64 + unlisted).saturating_sub(1);
                    journal::fields(
                        journal::WARNING,
                        &format!("snapshot {} taken{}", snapshot.id, after_colon(&snapshot.reason)),
                        &[("INGERO_SNAPSHOT", &snapshot.id), ("INGERO_REASON", &snapshot.reason)],
                    );
                }
                Err(e) => {
                    counts.failed += 1;
                    journal::error(&format!("snapshot failed: {e}"));
                }
            }
        }
        for reply in joined.into_iter().filter_map(|r| r.reply) {
            let _ = reply.send(outcome.clone());
        }
    }
}
