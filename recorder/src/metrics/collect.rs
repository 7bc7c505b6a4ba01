//! All points of one moment.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use super::{
    family::Family,
    health::{self, Beside},
    tap::Shared,
    work,
};
use crate::{clock, lock::lock, status::StatusParts};

/// What became of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Export {
    Ok = 0,
    Partial = 1,
    Failed = 2,
}

/// Where points come from; shared by all ways out.
#[derive(Clone)]
pub(super) struct Collector {
    parts: Arc<StatusParts>,
    tap: Shared,
    exports: Arc<[AtomicU64; 3]>,
    started_ns: u64,
}

impl Collector {
    pub(super) fn new(parts: Arc<StatusParts>, tap: Shared) -> Self {
        Self { parts, tap, exports: Arc::default(), started_ns: clock::anchor().real_ns }
    }

    /// Notes what became of an export.
    pub(super) fn exported(&self, result: Export) {
        if let Some(count) = self.exports.get(result as usize) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// Notes why nothing is told to whom it should be, for the status; or that it is.
    pub(super) fn set_trouble(&self, why: Option<String>) {
        *lock(&self.parts.metrics_error) = why;
    }

    /// Every family with its points. Waits for the drain's next turn, at most half a second.
    pub(super) fn families(&self) -> Vec<Family> {
        let left = self.tap.ask().unwrap_or_default();
        let status = self.parts.status();
        let anchor = clock::anchor();
        let beside = Beside {
            counted: left.processes.len() as u64,
            exports: [0, 1, 2].map(|i: usize| self.exports.get(i).map_or(0, |n| n.load(Relaxed))),
            started_ns: self.started_ns,
        };
        let comms: BTreeMap<u32, String> = status.processes.iter().map(|p| (p.pid, p.comm.clone())).collect();
        let mut families = health::families(&self.parts, &status, &beside);
        families.extend(work::families(&left, &comms, |ns| clock::to_real(&anchor, ns)));
        families
    }
}
