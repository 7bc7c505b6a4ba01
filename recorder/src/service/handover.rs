//! Taking over from an earlier recorder, whose probes are in place and whose counters count; and leaving both to the
//! next one.

use std::{process::Command, sync::Arc};

use crate::{
    Error, Result, clock, journal,
    kernel::{self, Counting, Kept, Loaded, Options},
    ring::{Layout, Ring, ring_id},
    storage::Storage,
};

/// The epoch of counters that an earlier recorder of this state directory left counting. Those of one that lives are
/// its own: then this directory is a copy of another's.
pub(super) fn counting(storage: &dyn Storage, layout: &Layout) -> Option<u64> {
    let kept = Kept::of(ring_id(storage, layout)?).ok()?;
    kept.owner().is_none().then(|| kept.epoch())?
}

// In the journal, and in status for as long as it is so.
fn warn(warnings: &mut Vec<String>, text: String) {
    journal::warning(&text);
    warnings.push(text);
}

/// What is kept from now on, and whose counters count. Where nothing can be kept, says so.
pub(super) fn settle(ring: &Ring, warnings: &mut Vec<String>) -> (Option<Arc<Kept>>, Counting) {
    let kept = match Kept::of(ring.ring_id) {
        Ok(kept) => kept,
        Err(e) => {
            let text = format!(
                "what happens between two runs will be lost: /sys/fs/bpf: {e}; mount a BPF file system there"
            );
            warn(warnings, text);
            return (None, Counting::Since(ring.epoch));
        }
    };
    if let Some(pid) = kept.owner() {
        let text = format!(
            "this ring is a copy of the one that process {pid} records into; what happens between two runs will be \
             lost; give this recorder an empty --state-dir"
        );
        warn(warnings, text);
        return (None, Counting::Since(ring.epoch));
    }
    // Another recorder may have come and gone between the first look and the lock.
    if ring.continued.is_some() && kept.epoch() == Some(ring.epoch) {
        journal::info("probes of an earlier run are in place; recording goes on where it stopped");
        return (Some(Arc::new(kept)), Counting::On);
    }
    kept.remove();
    (Some(Arc::new(kept)), Counting::Since(ring.epoch))
}

/// Loads the programs. Where nothing goes on, maps that cannot be kept are made to end with this process.
pub(super) fn load(
    options: &Options,
    kept: &mut Option<Arc<Kept>>,
    counting: Counting,
    warnings: &mut Vec<String>,
) -> Result<Loaded> {
    let Some(with) = kept.clone() else { return kernel::load(options, None, counting) };
    match (kernel::load(options, Some(Arc::clone(&with)), counting), counting) {
        (Err(e), Counting::Since(_)) => {
            with.remove();
            let loaded = kernel::load(options, None, counting)?;
            warn(warnings, format!("what happens between two runs will be lost: {e}"));
            *kept = None;
            Ok(loaded)
        }
        (loaded, _) => loaded,
    }
}

/// Since when nothing can have been missed that still counts, boottime ns.
pub(super) fn held_since(ring: &Ring) -> u64 {
    let now = clock::anchor();
    match &ring.continued {
        None => now.boot_ns,
        // Not one event yet: since the counters began.
        Some(earlier) if earlier.newest_ns == 0 => {
            now.boot_ns.saturating_sub(now.real_ns.saturating_sub(ring.epoch))
        }
        Some(earlier) => earlier.newest_ns,
    }
}

/// Takes back what a start that fails has placed.
pub(super) struct Undo(Option<(Arc<Kept>, Counting)>);

impl Undo {
    pub(super) fn new(kept: Option<&Arc<Kept>>, counting: Counting) -> Self {
        Self(kept.map(|kept| (Arc::clone(kept), counting)))
    }

    /// The start has succeeded.
    pub(super) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        match &self.0 {
            Some((kept, Counting::On)) => kept.give_up(),
            Some((kept, Counting::Since(_))) => kept.remove(),
            None => {}
        }
    }
}

/// Removes what a killed recorder of this state directory left in place.
///
/// # Errors
/// If a recorder runs on it, or the file system refuses.
pub fn release(state_dir: &std::path::Path) -> Result<bool> {
    // A folder that was mistyped must not become a ring's.
    if !state_dir.join("ring").is_dir() {
        return Err(Error::Other(format!("{}: holds no ring; check --state-dir", state_dir.display())));
    }
    let storage = crate::storage::FileSystem;
    let layout = Layout::create(&storage, state_dir)?;
    let Some(id) = ring_id(&storage, &layout) else { return Ok(false) };
    let _lock = storage.lock(&layout.ring.join("RING")).map_err(|e| {
        Error::Other(format!("{}: in use: {e}; stop the recorder instead", layout.ring.display()))
    })?;
    let kept = Kept::of(id).map_err(|e| Error::Other(format!("/sys/fs/bpf: {e}")))?;
    let found = kept.exists();
    kept.remove();
    Ok(found)
}

/// True if the service manager stops this process only to start it again. A signal does not tell the two apart.
pub(super) fn is_restart() -> bool {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return false;
    }
    let cgroup = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let Some(unit) = cgroup.trim_end().rsplit('/').next().filter(|unit| unit.ends_with(".service")) else {
        return false;
    };
    let jobs = Command::new("systemctl").args(["list-jobs", "--no-legend", "--plain"]).output();
    jobs.is_ok_and(|jobs| wants_restart(&String::from_utf8_lossy(&jobs.stdout), unit))
}

// One job a line: number, unit, kind, state.
fn wants_restart(jobs: &str, unit: &str) -> bool {
    jobs.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).any(|words| {
        matches!(words.as_slice(), [_, of, kind, ..] if *of == unit && matches!(*kind, "restart" | "try-restart"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_restart_of_this_very_unit_leaves_its_probes_in_place() {
        let jobs =
            " 312 ingero-recorder.service restart running\n 313 other.service          stop    waiting\n";
        assert!(wants_restart(jobs, "ingero-recorder.service"));
        assert!(!wants_restart(jobs, "other.service"));
        assert!(!wants_restart("312 ingero-recorder.service stop running\n", "ingero-recorder.service"));
        assert!(!wants_restart("No jobs running.\n", "ingero-recorder.service"));
    }
}
