//! The order of starting: lock the ring, recover it, load the programs, run the drain, then probe what is
//! there. Only then is the recorder ready.

use std::{
    fs::File,
    path::Path,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel, sync_channel},
    },
    time::Duration,
};

use ingero_format::{
    head::Geometry,
    ops::{LossCause, Source},
    row::META_CPU,
};

use super::{
    Paths,
    running::{Running, Worker},
};
use crate::{
    Error, Result,
    attach::Prober,
    clock,
    config::{Config, SourceName},
    control::{self, Answers, StatusSource},
    discover::{Registry, Scanner, Watch},
    drain::{Drain, Finding, Gap, Progress, Sink, alarm},
    error::IoContext,
    freeze::{FreezeRequest, Freezer, Snapshots},
    journal, kernel,
    limits::SEAL_QUEUE,
    ring::{
        self, Bounds, Flusher, HeadWriter, Identity, Layout, OpenRing, Prologue, SealJob, Sealer, SlotPool,
        Start,
    },
    trigger::Triggers,
};

const GEOMETRY: Geometry = Geometry::DEFAULT;

/// What several parts share.
struct Shared {
    layout: Layout,
    config: Arc<Mutex<Config>>,
    progress: Arc<Progress>,
    registry: Arc<Registry>,
    snapshots: Snapshots,
    counts: Arc<Mutex<ingero_format::control::SnapshotCounts>>,
}

pub(super) fn start(config: Config, paths: &Paths, warnings: Vec<String>) -> Result<Running> {
    let layout = Layout::create(&paths.state_dir)?;
    let opened = ring::open(&layout, config.ring.segment_bytes.0, clock::boot_id())?;
    sweep_leftovers(&layout);
    let loaded = kernel::load(kernel::Options {
        kernel_stacks: config.probes.kernel_stacks,
        sched: config.probes.sources.contains(&SourceName::Sched),
    })?;
    let shared = Shared::new(layout, &config);
    let (findings, found) = channel();
    tell_gap(&findings, &opened);
    let pool = SlotPool::new(GEOMETRY.slots as usize);
    let epoch = clock::anchor().real_ns;
    let head = shared.layout.ring.join("head");
    let writer = HeadWriter::create(&head, GEOMETRY, epoch, opened.next_generation, pool.clone())?;
    let sealer = sealer(&shared, &config, &opened, epoch, pool.clone(), findings.clone())?;
    let flusher = flusher(&shared, &config, &opened, &head, pool)?;
    let (jobs, slots) = sync_channel(SEAL_QUEUE);
    let alarm = alarm(&loaded.events)
        .map_err(|e| Error::Other(format!("the drain's alarm: {e}; raise LimitNOFILE=")))?;
    let drain = Drain {
        alarm,
        events: loaded.events,
        counters: loaded.counters,
        findings: found,
        sink: Sink::new(writer, jobs, Some(loaded.stacks), Arc::clone(&shared.progress)),
        progress: Arc::clone(&shared.progress),
        told: Vec::new(),
    };
    let (requests, asked) = channel();
    let freezer = freezer(&shared, &opened, loaded.open_threads);
    let answers = answers(shared.source(&opened, requests, warnings), paths);
    let listener = control::bind(&paths.run_dir)?;
    let (stop_control, stopped) = tokio::sync::watch::channel(false);

    // The drain runs before the first probe is placed, so that nothing waits in the buffer.
    let workers = record(drain, sealer, flusher, slots)?;
    let freezing = Worker::spawn("freeze", move |stop| freezer.run(&asked, stop))?;
    let mut scanner = Scanner::new(
        Prober::new(loaded.ebpf, loaded.multi),
        Watch {
            notices: loaded.notices,
            threads: loaded.threads,
            processes: loaded.processes,
            findings,
            registry: Arc::clone(&shared.registry),
            layers: config.probes.layers,
        },
    );
    scanner.first_scan();
    let (give_back, retired) = channel();
    let discovery = Worker::spawn("discover", move |stop| {
        let _ = give_back.send(scanner.run(stop));
    })?;
    let control = Worker::spawn("control", {
        let answers = Arc::clone(&answers);
        move |_| {
            control::serve(listener, answers, stopped).unwrap_or_else(|e| journal::error(&e.to_string()));
        }
    })?;
    let order = [vec![control, discovery], workers, vec![freezing]].into_iter().flatten().collect();
    Ok(Running {
        workers: order,
        retired,
        stop_control,
        answers,
        progress: shared.progress,
        lock: opened.lock,
    })
}

fn record(drain: Drain, sealer: Sealer, flusher: Flusher, slots: Receiver<SealJob>) -> Result<Vec<Worker>> {
    Ok(vec![
        Worker::spawn("drain", move |stop| drain.run(stop))?,
        // Ends when the drain drops its end of the channel.
        Worker::spawn("seal", move |_| sealer.run(&slots))?,
        Worker::spawn("flush", move |stop| flusher.run(stop))?,
    ])
}

fn sealer(
    shared: &Shared,
    config: &Config,
    opened: &OpenRing,
    epoch: u64,
    pool: SlotPool,
    findings: Sender<Finding>,
) -> Result<Sealer> {
    let start = Start {
        next_seq: opened.next_seq,
        directory: shared.layout.ring.clone(),
        state_dir: shared.layout.state.clone(),
        identity: Identity {
            ring_id: opened.identity.ring_id,
            boot_id: clock::boot_id(),
            epoch,
            segment_bytes: config.ring.segment_bytes.0,
        },
        bounds: Bounds {
            max_bytes: config.ring.max_bytes.0,
            keep_free: config.ring.keep_free.0,
            max_age_ns: config.ring.max_age.0,
        },
        geometry: GEOMETRY,
    };
    Sealer::new(start, pool, opened.table.clone(), Prologue::new(Arc::clone(&shared.registry)), findings)
}

fn flusher(
    shared: &Shared,
    config: &Config,
    opened: &OpenRing,
    head: &Path,
    pool: SlotPool,
) -> Result<Flusher> {
    Ok(Flusher {
        head: File::open(head).at("cannot open", head, "check the disk")?,
        directory: shared.layout.ring.clone(),
        table: opened.table.clone(),
        pool,
        geometry: GEOMETRY,
        interval: Duration::from_nanos(config.ring.sync_interval.0),
    })
}

fn freezer(
    shared: &Shared,
    opened: &OpenRing,
    threads: aya::maps::HashMap<aya::maps::MapData, u32, ingero_ebpf_abi::ThreadState>,
) -> Freezer {
    Freezer {
        layout: shared.layout.clone(),
        table: opened.table.clone(),
        progress: Arc::clone(&shared.progress),
        registry: Arc::clone(&shared.registry),
        threads,
        config: Arc::clone(&shared.config),
        snapshots: shared.snapshots.clone(),
        counts: Arc::clone(&shared.counts),
        ring_id: opened.identity.ring_id,
        started_ns: clock::boot_ns(),
    }
}

impl Shared {
    fn new(layout: Layout, config: &Config) -> Self {
        Self {
            snapshots: Snapshots::new(layout.bundles.clone()),
            layout,
            progress: Arc::default(),
            registry: Arc::default(),
            config: Arc::new(Mutex::new(config.clone())),
            counts: Arc::default(),
        }
    }

    fn source(
        &self,
        opened: &OpenRing,
        requests: Sender<FreezeRequest>,
        warnings: Vec<String>,
    ) -> StatusSource {
        StatusSource {
            progress: Arc::clone(&self.progress),
            registry: Arc::clone(&self.registry),
            table: opened.table.clone(),
            layout: self.layout.clone(),
            config: Arc::clone(&self.config),
            snapshots: self.snapshots.clone(),
            counts: Arc::clone(&self.counts),
            triggers: Triggers::new(requests, Arc::clone(&self.config)),
            warnings,
            cpu: Mutex::default(),
        }
    }
}

fn answers(source: StatusSource, paths: &Paths) -> Arc<Answers> {
    let config = Arc::clone(&source.config);
    Arc::new(Answers { source, config_path: paths.config.clone(), config })
}

// A freeze or bundle that an earlier run did not finish serves nobody and holds segments.
fn sweep_leftovers(layout: &Layout) {
    for entry in std::fs::read_dir(&layout.frozen).into_iter().flatten().flatten() {
        journal::warning(&format!("{}: unfinished freeze removed", entry.path().display()));
        let _ = std::fs::remove_dir_all(entry.path());
    }
    for entry in std::fs::read_dir(&layout.bundles).into_iter().flatten().flatten() {
        if entry.path().extension().is_some_and(|e| e == "new") {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

// Between the earlier run's last event and now nobody counted: a hole of known place and unknown size.
fn tell_gap(findings: &Sender<Finding>, opened: &OpenRing) {
    let Some(from_ns) = opened.last_event_ns else { return };
    for source in [Source::Cuda, Source::Sched, Source::Process] {
        let (first_seq, count, to_ns) = (0, 0, clock::boot_ns());
        let cause = LossCause::RestartGap;
        let _ = findings.send(Finding::Lost(Gap {
            cpu: META_CPU,
            source,
            first_seq,
            count,
            from_ns,
            to_ns,
            cause,
        }));
    }
}
