//! Putting the status together from what the threads publish.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, atomic::Ordering::Relaxed},
};

use ingero_format::{
    container::Placement,
    control::{Cost, EventCounts, LossCount, ProcessStatus, RingStatus, SnapshotCounts, Status},
    state::Process,
};

use crate::{
    annotate::Counts,
    budget::{Activity, BudgetReport},
    clock,
    config::{Budget, Config},
    discover::Registry,
    freeze::Snapshots,
    journal,
    kernel::number,
    lock::lock,
    progress::Progress,
    ring::{Layout, SegmentTable, SlotPool},
    storage::Storage,
    trigger::Triggers,
};

/// Time over which the CPU share is measured.
const COST_WINDOW_NS: u64 = 10_000_000_000;

/// Snapshots that a status names.
const SNAPSHOTS_SHOWN: usize = 3;

/// Everything a status is made from.
pub struct StatusParts {
    /// How far the drain is.
    pub progress: Arc<Progress>,
    /// Processes and libraries.
    pub registry: Arc<Registry>,
    /// Segments.
    pub table: SegmentTable,
    /// Slots of the head.
    pub slots: SlotPool,
    /// Where things lie.
    pub storage: Arc<dyn Storage>,
    /// In which directories.
    pub layout: Layout,
    /// Configuration in force.
    pub config: Arc<Mutex<Config>>,
    /// Bundles.
    pub snapshots: Snapshots,
    /// Snapshot counts.
    pub counts: Arc<Mutex<SnapshotCounts>>,
    /// Triggers.
    pub triggers: Triggers,
    /// What programs said of their own time.
    pub annotations: Arc<Counts>,
    /// What is not as it should be.
    pub warnings: Vec<String>,
    /// What the overhead budget says.
    pub budget: BudgetReport,
    /// What each process does.
    pub activity: Activity,
    /// Why the configuration could not be read again, if it could not the last time.
    pub reload_error: Mutex<Option<String>>,
    /// Why `[metrics]` is not in force, if it is not.
    pub metrics_error: Mutex<Option<String>>,
    /// (boottime, CPU time of this process), ns, at intervals.
    pub cpu: Mutex<VecDeque<(u64, u64)>>,
}

impl StatusParts {
    /// Notes CPU time used so far; called about once a second.
    pub fn sample_cpu(&self) {
        let now = clock::boot_ns();
        let mut samples = lock(&self.cpu);
        samples.push_back((now, clock::process_cpu_ns()));
        while samples.len() > 2 && samples.front().is_some_and(|(at, _)| now - at > COST_WINDOW_NS) {
            samples.pop_front();
        }
    }

    /// Removes snapshots that are older than the configuration allows.
    pub fn expire_snapshots(&self) {
        let max_age_ns = lock(&self.config).snapshot.max_age.0;
        for id in self.snapshots.expire(max_age_ns, clock::anchor().real_ns) {
            journal::info(&format!("snapshot {id} removed for its age ([snapshot] max_age)"));
        }
    }

    fn cpu_percent(&self) -> f64 {
        let samples = lock(&self.cpu);
        let (Some(first), now) = (samples.front(), (clock::boot_ns(), clock::process_cpu_ns())) else {
            return 0.0;
        };
        let wall = now.0.saturating_sub(first.0).max(1);
        now.1.saturating_sub(first.1) as f64 * 100.0 / wall as f64
    }

    /// Earliest start and latest end of the events held, boottime ns.
    #[must_use]
    pub fn span(&self) -> (u64, u64) {
        let newest = self.progress.newest_ns.load(Relaxed);
        let oldest = self.table.oldest_ns();
        (oldest.map_or(newest, |oldest| oldest.min(newest)), newest)
    }

    /// `waiting` for a process that uses CUDA, `recording`, or `degraded`: recording, but less than was asked for.
    #[must_use]
    pub fn state(&self) -> &'static str {
        let well = self.warnings.is_empty() && self.table.trouble().is_none();
        match (well, self.registry.processes().is_empty()) {
            (false, _) => "degraded",
            (true, true) => "waiting",
            (true, false) => "recording",
        }
    }

    /// The status now.
    #[must_use]
    pub fn status(&self) -> Status {
        let anchor = clock::anchor();
        let config = lock(&self.config).clone();
        let processes = self.processes();
        let (oldest, newest) = self.span();
        let segments = self.table.lock();
        let (count, evicted, written) =
            (segments.list.len() as u64, segments.evicted_events, segments.written);
        drop(segments);
        let real = |ns: u64| if ns == 0 { 0 } else { clock::to_real(&anchor, ns) };
        Status {
            state: self.state().into(),
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            seconds_held: newest.saturating_sub(oldest) as f64 / 1e9,
            oldest_ts_ns: real(oldest),
            newest_ts_ns: real(newest),
            ring: RingStatus {
                bytes: self.storage.allocated(&self.layout.state),
                max_bytes: config.ring.max_bytes.0,
                segments: count,
            },
            events: self.events(evicted),
            losses: self.losses(),
            processes,
            cost: self.cost(written, &config.budget),
            snapshots: self.snapshot_counts(),
            triggers: self.triggers.status(),
            warnings: self.warnings(),
        }
    }

    /// What is wrong, in sentences.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let lost = self.progress.stacks_lost.load(Relaxed);
        let stacks = (lost > 0).then(|| {
            format!("{lost} kernel stacks could not be stored; what blocked there shows as unknown")
        });
        let names = self.progress.names_lost.load(Relaxed);
        let names =
            (names > 0).then(|| format!("{names} names of kernels were lost; their kernels stay unnamed"));
        // What somebody has just done wrong comes first: they look at it now.
        let reload = lock(&self.reload_error).clone();
        reload
            .into_iter()
            .chain(self.table.trouble())
            .chain(self.warnings.iter().cloned())
            .chain(stacks)
            .chain(names)
            .chain(self.slots.warning())
            .chain(self.annotations.warning())
            .chain(self.triggers.warnings())
            .chain(lock(&self.metrics_error).clone())
            .chain(self.budget.get().1)
            .collect()
    }

    fn events(&self, evicted: u64) -> EventCounts {
        let p = &self.progress;
        let (stored, lost) = (p.stored.load(Relaxed), p.lost_total());
        // The kernel's count is read once a second; what has arrived since counts too.
        let produced = p.produced.load(Relaxed).max(stored + lost);
        EventCounts { produced, stored, lost, evicted }
    }

    fn losses(&self) -> Vec<LossCount> {
        let lost = self.progress.lost();
        let entry = |((source, cause), count): (&crate::progress::LossKey, &u64)| LossCount {
            source: source.name().into(),
            cause: cause.name().into(),
            count: *count,
        };
        lost.iter().map(entry).collect()
    }

    fn processes(&self) -> Vec<ProcessStatus> {
        let status = |p: Process| {
            let rates = self.activity.of(p.pid);
            ProcessStatus {
                pid: p.pid,
                probes: self.registry.probes(&p.libraries),
                comm: p.comm,
                libraries: p.libraries,
                container: Placement::of(&p.cgroup).short(),
                launches_per_second: rates.launches,
                calls_per_second: rates.calls,
                off_cpu_percent: rates.off_cpu_percent,
                runqueue_percent: rates.runqueue_percent,
            }
        };
        self.registry.processes().into_iter().map(status).collect()
    }

    fn cost(&self, (bytes, events): (u64, u64), budget: &Budget) -> Cost {
        let stored = self.progress.stored.load(Relaxed).max(1);
        Cost {
            daemon_cpu_percent: self.cpu_percent(),
            anonymous_bytes: anonymous_bytes(),
            bytes_per_event: bytes as f64 / events.max(1) as f64,
            ns_per_event: clock::process_cpu_ns() as f64 / stored as f64,
            thread_percent: self.budget.get().0,
            daemon_limit_percent: budget.daemon_percent,
            thread_limit_percent: budget.thread_percent,
        }
    }

    fn snapshot_counts(&self) -> SnapshotCounts {
        let mut counts = lock(&self.counts).clone();
        counts.held = self.snapshots.ids().len() as u64;
        counts.last = self.snapshots.newest(SNAPSHOTS_SHOWN);
        counts
    }
}

fn anonymous_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    number(&status, "RssAnon").map_or(0, |kib| kib * 1024)
}
