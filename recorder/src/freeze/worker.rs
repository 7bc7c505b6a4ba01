//! The freezing thread: takes requests, joins those that come together, delivers one bundle.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::{Receiver, Sender},
    },
    time::{Duration, Instant},
};

use aya::maps::{HashMap, MapData};
use ingero_ebpf_abi::ThreadState;
use ingero_format::{
    bundle::manifest_file,
    control::{Snapshot, SnapshotCounts},
    manifest::{Manifest, Trigger, VERSION},
    segment::Anchor,
    units::show_ns,
};

use super::{
    bundle, host,
    links::{FrozenSet, Wanted},
    open_rows::open_rows,
    snapshots::Snapshots,
    symbols,
};
use crate::{
    Error, Result, clock,
    config::{Config, UserStacks},
    discover::{Modules, Registry},
    drain::Progress,
    error::IoContext,
    journal,
    limits::{DRAIN_INTERVAL, FREEZE_DRAIN_TIMEOUT},
    ring::{Layout, SegmentInfo, SegmentTable, earliest_start, evict_oldest},
    storage::Storage,
};

const REMEDY: &str = "free space below the state directory, or raise [ring] max_bytes";
/// How often the freezer asks whether it is to stop.
const STOP_POLL: Duration = Duration::from_millis(500);
/// Space kept for MANIFEST, symbols and index.
const BUNDLE_OVERHEAD: u64 = 8 << 20;
/// Space kept for the MANIFEST of a frozen set.
const MANIFEST_ROOM: u64 = 1 << 20;

/// A request for a window.
#[derive(Debug)]
pub struct FreezeRequest {
    /// Who asks and why, with the moment.
    pub trigger: Trigger,
    /// Past wanted, ns.
    pub last_ns: u64,
    /// Future wanted, ns.
    pub after_ns: u64,
    /// Where the answer goes, if anybody waits.
    pub reply: Option<Sender<std::result::Result<Snapshot, String>>>,
}

/// Everything the freezing thread owns.
pub struct Freezer {
    /// Where things lie.
    pub storage: Arc<dyn Storage>,
    /// In which directories.
    pub layout: Layout,
    /// Segments to link.
    pub table: SegmentTable,
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
    /// The ring.
    pub ring_id: [u8; 16],
    /// When recording began, boottime ns.
    pub started_ns: u64,
    /// What holds for every window of this run, in words.
    pub notes: Vec<String>,
}

impl Freezer {
    /// Serves requests until told to stop; a freeze under way then ends with what there is.
    pub fn run(self, requests: &Receiver<FreezeRequest>, stop: &AtomicBool) {
        let mut serial = 0u32;
        while !stop.load(Relaxed) {
            let Ok(first) = requests.recv_timeout(STOP_POLL) else { continue };
            let mut joined = vec![first];
            joined.extend(requests.try_iter());
            serial += 1;
            let outcome = self.freeze(&mut joined, requests, stop, serial).map_err(|e| e.to_string());
            let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            match &outcome {
                Ok(snapshot) => {
                    counts.taken += 1;
                    counts.coalesced += joined.len() as u64 - 1;
                    journal::warning(&format!("snapshot {} taken: {}", snapshot.id, snapshot.reason));
                }
                Err(e) => {
                    counts.failed += 1;
                    journal::error(&format!("snapshot failed: {e}"));
                }
            }
            for reply in joined.into_iter().filter_map(|r| r.reply) {
                let _ = reply.send(outcome.clone());
            }
            crate::service::give_back_memory();
        }
    }

    fn freeze(
        &self,
        joined: &mut Vec<FreezeRequest>,
        requests: &Receiver<FreezeRequest>,
        stop: &AtomicBool,
        serial: u32,
    ) -> Result<Snapshot> {
        let anchor = clock::anchor();
        let id = snapshot_id(&anchor, serial);
        let mut set = FrozenSet::create(Arc::clone(&self.storage), &self.layout, &id).at(
            "cannot create",
            &self.layout.frozen,
            REMEDY,
        )?;
        let outcome = self.collect(&mut set, joined, requests, stop).and_then(|window| {
            let config = self.config.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let mut manifest = self.manifest(&set, joined, &window, &config);
            manifest.id.clone_from(&id);
            manifest.anchor = anchor;
            self.deliver(&set, manifest, &window, &config)
        });
        set.remove(&self.table);
        outcome
    }

    // Links at once, and again after the post-window.
    fn collect(
        &self,
        set: &mut FrozenSet,
        joined: &mut Vec<FreezeRequest>,
        requests: &Receiver<FreezeRequest>,
        stop: &AtomicBool,
    ) -> Result<Window> {
        let begun = Instant::now();
        let from = |joined: &[FreezeRequest]| {
            joined.iter().map(|r| r.trigger.at_ns.saturating_sub(r.last_ns)).min().unwrap_or(0)
        };
        let max_bytes = self.config.lock().unwrap_or_else(PoisonError::into_inner).snapshot.max_bytes.0;
        let boot_id = clock::boot_id();
        if config_takes_user_stacks(&self.config) {
            self.modules.refresh_now(&self.registry.processes());
        }
        let link = |set: &mut FrozenSet, from_ns| {
            let wanted = Wanted { from_ns, boot_id, max_bytes };
            set.link(&self.layout, &self.table, &wanted).at("cannot link", &self.layout.frozen, REMEDY)
        };
        link(set, from(joined))?;
        let frozen_after_ns = begun.elapsed().as_nanos() as u64;
        let to_ns = post_window(joined, requests, stop);
        // Open calls first, then the drain past that moment, then the links: a call that ends in between is
        // in both and the reader drops one; the other way round it could be in neither.
        let open = open_rows(&self.threads, clock::boot_ns());
        let reached = self.wait_for_drain(to_ns.max(clock::boot_ns()));
        let from_ns = from(joined);
        link(set, from_ns)?;
        Ok(Window { from_ns, to_ns, reached, open, frozen_after_ns })
    }

    // Until everything that ended before `to_ns` has been taken, and every gap in the numbers has either been
    // filled or been told as a loss.
    fn wait_for_drain(&self, to_ns: u64) -> bool {
        let deadline = Instant::now() + FREEZE_DRAIN_TIMEOUT;
        while Instant::now() < deadline {
            let drained = self.progress.drained_through_ns.load(Relaxed) >= to_ns;
            if drained && self.progress.pending_gaps.load(Relaxed) == 0 {
                return true;
            }
            std::thread::sleep(DRAIN_INTERVAL / 5);
        }
        false
    }

    // Makes the set durable, then writes the bundle.
    fn deliver(
        &self,
        set: &FrozenSet,
        mut manifest: Manifest,
        window: &Window,
        config: &Config,
    ) -> Result<Snapshot> {
        let segments = set.segments.iter().map(|s| s.bytes).sum::<u64>();
        let beside = set.head.len() as u64 + MANIFEST_ROOM;
        let size = segments + set.head.len() as u64 + BUNDLE_OVERHEAD;
        self.reserve(config, set, size + beside, &mut manifest.notes)?;
        let path = self.snapshots.path(&manifest.id).ok_or_else(|| Error::Other("no id".into()))?;
        let file = bundle::claim(&*self.storage, &path, size).at("cannot make the bundle", &path, REMEDY)?;
        self.table.lock().reserved = beside;
        self.note_window(set, &mut manifest, window.reached);
        let syncing = Instant::now();
        let bytes = manifest.to_bytes()?;
        let durable = set.make_durable(&self.table, &manifest_file(&manifest)?).at(
            "cannot make durable",
            &set.directory,
            REMEDY,
        );
        self.table.lock().reserved = 0;
        let durable_after_ns = window.frozen_after_ns + syncing.elapsed().as_nanos() as u64;
        let (symbols, user) = symbols::symbols(set, manifest.host.boot_id, &self.modules);
        let parts =
            bundle::Parts { manifest: &bytes, open: &window.open, symbols: &symbols, user_symbols: &user };
        let written = durable.and_then(|()| {
            bundle::write(&path, file, set, &parts).at("cannot write the bundle", &path, REMEDY)
        });
        let bytes = written.inspect_err(|_| {
            let _ = self.storage.remove(&path.with_extension("new"));
        })?;
        Ok(Snapshot {
            path: path.to_string_lossy().into_owned(),
            from_ts_ns: clock::to_real(&manifest.anchor, manifest.from_ns),
            to_ts_ns: clock::to_real(&manifest.anchor, manifest.to_ns),
            frozen_after_ns: window.frozen_after_ns,
            durable_after_ns,
            bytes,
            reason: manifest.triggers.iter().map(|t| t.reason.as_str()).collect::<Vec<_>>().join("; "),
            id: manifest.id,
            notes: manifest.notes,
        })
    }

    fn manifest(
        &self,
        set: &FrozenSet,
        joined: &[FreezeRequest],
        window: &Window,
        config: &Config,
    ) -> Manifest {
        Manifest {
            version: VERSION,
            triggers: joined.iter().map(|r| r.trigger.clone()).collect(),
            asked_last_ns: joined.iter().map(|r| r.last_ns).max().unwrap_or(0),
            asked_after_ns: joined.iter().map(|r| r.after_ns).max().unwrap_or(0),
            from_ns: window.from_ns,
            to_ns: window.to_ns,
            host: host::describe(),
            ring_id: self.ring_id,
            segments: set.segments.clone(),
            processes: self.registry.processes(),
            probes: self.registry.libraries(),
            config_digest: config.digest.clone(),
            recorder_version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Manifest::default()
        }
    }

    // The bundle's bytes are claimed before they are written. Segments that the set holds are not evicted for
    // it: that would free nothing.
    fn reserve(&self, config: &Config, set: &FrozenSet, size: u64, notes: &mut Vec<String>) -> Result<()> {
        if size > config.snapshot.max_bytes.0 {
            return Err(Error::Other(format!(
                "the window needs {size} bytes, [snapshot] max_bytes allows {}; ask for a shorter --last or raise it",
                config.snapshot.max_bytes.0
            )));
        }
        for id in self.snapshots.make_room(config.snapshot.max_bytes.0, size) {
            journal::warning(&format!("snapshot {id} removed to make room ([snapshot] max_bytes)"));
            notes.push(format!("older snapshot {id} was removed to make room"));
        }
        let (max_bytes, keep_free) = (config.ring.max_bytes.0, config.ring.keep_free.0);
        let fits = || {
            self.storage.allocated(&self.layout.state).saturating_add(size) <= max_bytes
                && self.storage.free(&self.layout.state) >= size.saturating_add(keep_free)
        };
        let mut segments = self.table.lock();
        let held = |seq| set.segments.iter().any(|s| s.seq == seq);
        while !fits() && segments.list.front().is_some_and(|s| !held(s.seq)) {
            evict_oldest(&*self.storage, &mut segments);
        }
        if !fits() {
            return Err(Error::Other(format!(
                "no room for a bundle of {size} bytes in [ring] max_bytes = {max_bytes} with keep_free = {keep_free}; remove snapshots with `ingeroctl rm`, or raise [ring] max_bytes"
            )));
        }
        segments.reserved = size;
        Ok(())
    }

    // Of a segment of an earlier run the table knows a bound only; the window must begin where a row does.
    fn first_ns(&self, segment: &SegmentInfo) -> u64 {
        if !segment.estimated {
            return segment.first_ns;
        }
        let view = self.storage.open(&segment.path).and_then(|f| f.view());
        view.ok().and_then(|v| earliest_start((*v).as_ref())).unwrap_or(u64::MAX)
    }

    // A window longer than the past held is granted as far as it goes, and says so. Time in which nothing
    // happened is held too: the past begins with the recorder, or with the oldest row once rows were evicted.
    fn note_window(&self, set: &FrozenSet, manifest: &mut Manifest, reached: bool) {
        let linked = |info: &&SegmentInfo| set.segments.iter().any(|s| s.seq == info.seq);
        let (held, evicted): (Vec<SegmentInfo>, u64) = {
            let segments = self.table.lock();
            (segments.list.iter().filter(linked).cloned().collect(), segments.evicted_events)
        };
        // The first segment that has rows: the others are newer, and decoding one takes tens of milliseconds.
        let oldest_row = held.iter().map(|info| self.first_ns(info)).find(|first_ns| *first_ns < u64::MAX);
        let started = (evicted == 0).then_some(self.started_ns);
        let begun = oldest_row.into_iter().chain(started).min().unwrap_or(manifest.to_ns).min(manifest.to_ns);
        if begun > manifest.from_ns {
            let missing = show_ns(begun - manifest.from_ns);
            manifest
                .notes
                .push(format!("the recorder holds nothing for the first {missing} of the window asked for"));
            manifest.from_ns = begun;
        }
        manifest.notes.extend(self.notes.iter().cloned());
        if !reached {
            manifest
                .notes
                .push("the newest events had not all been drained when the window was closed".into());
        }
    }
}

fn config_takes_user_stacks(config: &Mutex<Config>) -> bool {
    config.lock().unwrap_or_else(PoisonError::into_inner).probes.user_stacks != UserStacks::Never
}

// Waits for the latest post-window among the requests; those that come meanwhile join. When the recorder
// stops, the window ends now.
fn post_window(
    joined: &mut Vec<FreezeRequest>,
    requests: &Receiver<FreezeRequest>,
    stop: &AtomicBool,
) -> u64 {
    loop {
        let to_ns = joined.iter().map(|r| r.trigger.at_ns + r.after_ns).max().unwrap_or(0);
        let now = clock::boot_ns();
        if now >= to_ns {
            return to_ns;
        }
        if stop.load(Relaxed) {
            return now;
        }
        if let Ok(request) = requests.recv_timeout(STOP_POLL.min(Duration::from_nanos(to_ns - now))) {
            joined.push(request);
        }
    }
}

/// What was collected.
struct Window {
    from_ns: u64,
    to_ns: u64,
    /// The drain had passed `to_ns` when it was closed.
    reached: bool,
    open: Vec<ingero_format::Row>,
    frozen_after_ns: u64,
}

// Sorts by time, is unique within a run, and two runs cannot meet in one second and serial.
fn snapshot_id(anchor: &Anchor, serial: u32) -> String {
    let seconds = (anchor.real_ns / 1_000_000_000).cast_signed();
    let (date, time) = civil(seconds);
    format!("{:04}{:02}{:02}T{:02}{:02}{:02}-{:04}", date.0, date.1, date.2, time.0, time.1, time.2, serial)
}

// Days to civil date, proleptic Gregorian: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
fn civil(seconds: i64) -> ((i64, i64, i64), (i64, i64, i64)) {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    ((year, month, day), (rest / 3_600, rest / 60 % 60, rest % 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_utc_time_and_a_serial() {
        let anchor = Anchor { real_ns: 1_795_342_420_500_000_000, ..Anchor::default() };
        assert_eq!(snapshot_id(&anchor, 3), "20261122T101340-0003");
        assert!(super::super::valid_id(&snapshot_id(&anchor, 3)));
    }
}
