//! The order of starting: lock the ring, recover it, load the programs, run the drain, then probe what is
//! there, and put the new programs in force. Only then is the recorder ready.

use std::{
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel, sync_channel},
    },
    time::Duration,
};

use aya::maps::{MapData, PerCpuArray, RingBuf};
use ingero_ebpf_abi::CpuCounters;
use ingero_format::{
    head::Geometry,
    ops::{LossCause, Source},
    row::META_CPU,
};

use tokio::sync::watch;

use super::{
    Paths,
    handover::{self, Undo},
    running::{Running, Worker},
};
use crate::{
    Error, Result,
    annotate::{self, Annotator, Counts},
    attach::{Prober, Returns},
    budget::{Activity, BudgetReport, Costs, Keeper},
    clock,
    config::{Config, UserStacks},
    continued::Continued,
    control::{self, Answers},
    discover::{Modules, Registry, Scanner, Watch},
    drain::{Drain, Sink, alarm},
    error::IoContext,
    freeze::{Freezer, Snapshots},
    journal, kernel,
    limits::{MATCH_QUEUE, SEAL_QUEUE},
    metrics::{self, Exports, Tap},
    news::{Gap, News},
    progress::Progress,
    pulse::Pulse,
    ring::{self, Bounds, Flusher, Layout, Ring, SealJob, Sealer, SegmentTable, Settings, SlotPool},
    sample::Sampler,
    socket::Socket,
    status::StatusParts,
    storage::{FileSystem, Storage},
    trigger::{
        FreezeRequest, Triggers,
        joint::Joint,
        observe::Observer,
        predicate::{Match, Predicates, Shared as Conditions},
        throttle,
        watchers::Watchers,
    },
};

/// What several parts share.
struct Shared {
    storage: Arc<dyn Storage>,
    layout: Layout,
    config: Arc<Mutex<Config>>,
    progress: Arc<Progress>,
    registry: Arc<Registry>,
    modules: Arc<Modules>,
    snapshots: Snapshots,
    budget: BudgetReport,
    activity: Activity,
    counts: Arc<Mutex<ingero_format::control::SnapshotCounts>>,
    joint: Joint,
    tap: metrics::Shared,
    annotations: Arc<Counts>,
}

pub(super) fn start(config: Config, paths: &Paths, mut warnings: Vec<String>) -> Result<Running> {
    let shared = Shared::of(&config, paths)?;
    let (news, found) = channel();
    let settings = settings(&config, handover::counting(&*shared.storage, &shared.layout));
    let registry = Arc::clone(&shared.registry);
    let opened = ring::assemble(&shared.storage, &shared.layout, &settings, registry, news.clone())?;
    let (mut kept, counting) = handover::settle(&opened, &mut warnings);
    let held_since = handover::held_since(&opened);
    let undo = Undo::new(kept.as_ref(), counting);
    let options = options(&config);
    let mut loaded = handover::load(&options, &mut kept, counting, &mut warnings)?;
    let Ring { lock, ring_id, last_event_ns, table, pool, head, sealer, flusher, continued, .. } = opened;
    if continued.is_none() {
        tell_gap(&news, last_event_ns);
    }
    let (writing, slots) = sync_channel(SEAL_QUEUE);
    let (unnamed, to_name) = channel();
    let (matches, matched) = sync_channel(MATCH_QUEUE);
    let conditions = Conditions::default();
    let mut sink = Sink::new(head, writing, Some(loaded.stacks), Some(unnamed), Arc::clone(&shared.progress))
        .with_predicates(Predicates::new(conditions.clone(), matches))
        .with_tap(Tap::new(shared.tap.clone()));
    sink.resume(loaded.reserve, continued.as_ref());
    let drain = drain(loaded.events, loaded.counters, found, sink, &shared.progress, continued.as_ref())?;
    // Before anything that takes time: the buffer may be filling since the earlier recorder ended.
    let pulses = [Arc::<Pulse>::default(), Arc::default()];
    let [sealing, answering] = pulses.clone();
    let workers = record(drain, sealer, flusher, slots, sealing)?;
    let socket = control::bind(&paths.run_dir)?;
    let measured = crate::budget::try_probes();
    let returns = Returns::decide(config.probes.return_probes, &measured.returns);
    let missing = kernel::attach_tracepoints(&mut loaded.placer, &options, loaded.host)?;
    let (annotations, unheard) = hear(&config, paths);
    let warnings = told(warnings, missing, returns.warning.clone().into_iter().chain(unheard));
    let (requests, asked) = channel();
    let freezer =
        shared.freezer(&table, pool.clone(), ring_id, held_since, loaded.open_threads, returns.note.clone());
    let answers =
        answers(shared.parts((&table, pool), requests, warnings), conditions.clone(), &shared.tap, paths);
    let freezing = Worker::spawn("freeze", move |stop| freezer.run(&asked, stop))?;
    let sampling = sample(&config, &shared, news.clone(), &answers)?;
    let prober = Prober::new(loaded.placer, loaded.modes, config.probes.clone());
    let (prober, keeper) = shared.budgeted(prober, measured.costs, returns.used, news.clone())?;
    let mut scanner = Scanner::new(
        prober,
        keeper,
        Watch {
            notices: loaded.notices,
            threads: loaded.threads,
            processes: loaded.processes,
            news: news.clone(),
            registry: Arc::clone(&shared.registry),
            modules: shared.modules_if_wanted(&config),
            unnamed: to_name,
            earlier: continued.unwrap_or_default(),
        },
    );
    scanner.first_scan();
    loaded.tenure.take_over()?;
    // From here on the probes are left to the next start, whatever happens to this one.
    undo.disarm();
    scanner.restore()?;
    let (discovery, retired) = discover(scanner)?;
    let (control, stop_control) = serve(socket, &answers, answering)?;
    let listening = annotate(&config, annotations, &shared, news, stop_control.subscribe())?;
    let observing = observe(&answers, conditions, matched)?;
    answers.watchers.start();
    answers.exports.start(&config.metrics);
    let clients = [control, observing, discovery, sampling].into_iter().chain(listening).collect();
    let order = [clients, workers, vec![freezing]];
    let workers = order.into_iter().flatten().collect();
    Ok(Running { workers, retired, stop_control, answers, progress: shared.progress, pulses, kept, lock })
}

fn options(config: &Config) -> kernel::Options {
    kernel::Options {
        sources: config.probes.sources.clone(),
        kernel_stacks: config.probes.kernel_stacks,
        user_stacks: config.probes.user_stacks,
    }
}

fn drain(
    events: RingBuf<MapData>,
    counters: PerCpuArray<MapData, CpuCounters>,
    news: Receiver<News>,
    sink: Sink,
    progress: &Arc<Progress>,
    continued: Option<&Continued>,
) -> Result<Drain> {
    let alarm =
        alarm(&events).map_err(|e| Error::Other(format!("the drain's alarm: {e}; raise LimitNOFILE=")))?;
    let (progress, told) = (Arc::clone(progress), Vec::new());
    let mut drain = Drain { alarm, events, counters, news, sink, progress, told, before: 0 };
    if let Some(continued) = continued {
        drain.resume(continued);
    }
    Ok(drain)
}

// What is not as it should be goes into the journal, and stays in status.
fn told(warnings: Vec<String>, missing: Vec<String>, others: impl Iterator<Item = String>) -> Vec<String> {
    let more: Vec<String> = missing.into_iter().chain(others).collect();
    more.iter().for_each(|text| journal::warning(text));
    warnings.into_iter().chain(more).collect()
}

fn sample(config: &Config, shared: &Shared, news: Sender<News>, answers: &Arc<Answers>) -> Result<Worker> {
    let sampler = Sampler {
        config: config.samples.clone(),
        news,
        registry: Arc::clone(&shared.registry),
        progress: Arc::clone(&shared.progress),
        gpus: Some(Box::new(throttle::watch(answers.parts.triggers.clone()))),
        annotations: Arc::clone(&shared.annotations),
        modules: shared.modules_if_wanted(config),
    };
    Worker::spawn("sample", move |stop| sampler.run(stop))
}

// A socket that cannot be had is no reason not to record.
fn hear(config: &Config, paths: &Paths) -> (Option<Socket>, Option<String>) {
    if !config.annotations.enabled {
        return (None, None);
    }
    match annotate::bind(&config.annotations, &paths.run_dir) {
        Ok(socket) => (Some(socket), None),
        Err(e) => (None, Some(e)),
    }
}

fn annotate(
    config: &Config,
    socket: Option<Socket>,
    shared: &Shared,
    news: Sender<News>,
    stopped: watch::Receiver<bool>,
) -> Result<Option<Worker>> {
    let Some(socket) = socket else { return Ok(None) };
    let annotator = Annotator::new(&config.annotations, Arc::clone(&shared.annotations), news);
    let serve = move |_: &_| {
        annotate::serve(socket, Arc::new(annotator), stopped)
            .unwrap_or_else(|e| journal::error(&format!("annotations: {e}")));
    };
    Worker::spawn("annotate", serve).map(Some)
}

fn discover(scanner: Scanner) -> Result<(Worker, Receiver<Prober>)> {
    let (give_back, retired) = channel();
    let worker = Worker::spawn("discover", move |stop| {
        let _ = give_back.send(scanner.run(stop));
    })?;
    Ok((worker, retired))
}

fn serve(socket: Socket, answers: &Arc<Answers>, pulse: Arc<Pulse>) -> Result<(Worker, watch::Sender<bool>)> {
    let (stop, stopped) = watch::channel(false);
    let answers = Arc::clone(answers);
    let worker = Worker::spawn("control", move |_| {
        control::serve(socket, answers, stopped, &pulse).unwrap_or_else(|e| journal::error(&e.to_string()));
    })?;
    Ok((worker, stop))
}

fn record(
    drain: Drain,
    sealer: Sealer,
    flusher: Flusher,
    slots: Receiver<SealJob>,
    pulse: Arc<Pulse>,
) -> Result<Vec<Worker>> {
    Ok(vec![
        Worker::spawn("drain", move |stop| drain.run(stop))?,
        // Ends when the drain drops its end of the channel.
        Worker::spawn("seal", move |_| sealer.run(&slots, &pulse))?,
        Worker::spawn("flush", move |stop| flusher.run(stop))?,
    ])
}

fn settings(config: &Config, counting: Option<u64>) -> Settings {
    Settings {
        geometry: Geometry::DEFAULT,
        segment_bytes: config.ring.segment_bytes.0,
        bounds: Bounds {
            max_bytes: config.ring.max_bytes.0,
            keep_free: config.ring.keep_free.0,
            max_age_ns: config.ring.max_age.0,
        },
        sync_interval: Duration::from_nanos(config.ring.sync_interval.0),
        tick_ns: config.ring.tick.0.clamp(1, 1_000_000) as u32,
        boot_id: clock::boot_id(),
        epoch: clock::anchor().real_ns,
        counting,
        pid: std::process::id(),
    }
}

impl Shared {
    // The prober, without return probes where they are not safe, and who keeps it within the budget.
    fn budgeted(
        &self,
        mut prober: Prober,
        costs: Costs,
        returns: bool,
        news: Sender<News>,
    ) -> Result<(Prober, Keeper)> {
        journal::info(&costs.to_string());
        let costs = if returns {
            costs
        } else {
            prober.without_returns()?;
            costs.without_returns()
        };
        let report = (self.budget.clone(), self.activity.clone());
        Ok((prober, Keeper::new(Arc::clone(&self.config), costs, report, news, Arc::clone(&self.progress))))
    }

    fn modules_if_wanted(&self, config: &Config) -> Option<Arc<Modules>> {
        (config.probes.user_stacks != UserStacks::Never).then(|| Arc::clone(&self.modules))
    }

    fn of(config: &Config, paths: &Paths) -> Result<Self> {
        let storage: Arc<dyn Storage> = Arc::new(FileSystem);
        std::fs::create_dir_all(&paths.state_dir).at(
            "cannot create the directory",
            &paths.state_dir,
            Layout::REMEDY,
        )?;
        let layout = Layout::create(&*storage, &paths.state_dir)?;
        Ok(Self {
            snapshots: Snapshots::new(Arc::clone(&storage), layout.bundles.clone()),
            storage,
            layout,
            progress: Arc::default(),
            registry: Arc::default(),
            budget: BudgetReport::default(),
            activity: Activity::default(),
            modules: Arc::default(),
            config: Arc::new(Mutex::new(config.clone())),
            counts: Arc::default(),
            joint: Joint::default(),
            tap: metrics::Shared::default(),
            annotations: Arc::default(),
        })
    }

    fn freezer(
        &self,
        table: &SegmentTable,
        pool: SlotPool,
        ring_id: [u8; 16],
        started_ns: u64,
        threads: aya::maps::HashMap<aya::maps::MapData, u32, ingero_ebpf_abi::ThreadState>,
        note: Option<String>,
    ) -> Freezer {
        Freezer {
            storage: Arc::clone(&self.storage),
            layout: self.layout.clone(),
            table: table.clone(),
            pool,
            progress: Arc::clone(&self.progress),
            registry: Arc::clone(&self.registry),
            modules: Arc::clone(&self.modules),
            threads,
            config: Arc::clone(&self.config),
            snapshots: self.snapshots.clone(),
            counts: Arc::clone(&self.counts),
            joint: self.joint.clone(),
            ring_id,
            started_ns,
            notes: note.into_iter().collect(),
        }
    }

    fn parts(
        &self,
        (table, slots): (&SegmentTable, SlotPool),
        requests: Sender<FreezeRequest>,
        warnings: Vec<String>,
    ) -> StatusParts {
        StatusParts {
            progress: Arc::clone(&self.progress),
            registry: Arc::clone(&self.registry),
            table: table.clone(),
            slots,
            storage: Arc::clone(&self.storage),
            layout: self.layout.clone(),
            config: Arc::clone(&self.config),
            snapshots: self.snapshots.clone(),
            counts: Arc::clone(&self.counts),
            triggers: Triggers::new(requests, Arc::clone(&self.config), self.joint.clone()),
            annotations: Arc::clone(&self.annotations),
            warnings,
            budget: self.budget.clone(),
            activity: self.activity.clone(),
            reload_error: Mutex::default(),
            metrics_error: Mutex::default(),
            cpu: Mutex::default(),
        }
    }
}

fn answers(parts: StatusParts, conditions: Conditions, tap: &metrics::Shared, paths: &Paths) -> Arc<Answers> {
    let parts = Arc::new(parts);
    let exports = Exports::new(Arc::clone(&parts), tap.clone(), paths.run_dir.clone());
    let config = Arc::clone(&parts.config);
    let (triggers, run_dir) = (parts.triggers.clone(), paths.run_dir.clone());
    let watchers = Watchers::new(triggers, Arc::clone(&config), conditions, run_dir);
    Arc::new(Answers { parts, config_file: paths.config.clone(), config, watchers, exports })
}

fn observe(answers: &Answers, conditions: Conditions, matched: Receiver<Match>) -> Result<Worker> {
    let observer = Observer {
        triggers: answers.parts.triggers.clone(),
        registry: Arc::clone(&answers.parts.registry),
        config: Arc::clone(&answers.config),
        conditions,
    };
    Worker::spawn("observe", move |stop| observer.run(&matched, stop))
}

// Between the earlier run's last event and now nobody counted: a hole of known place and unknown size.
fn tell_gap(news: &Sender<News>, last_event_ns: Option<u64>) {
    let Some(from_ns) = last_event_ns else { return };
    for source in Source::ALL.into_iter().filter(|s| *s != Source::Meta) {
        let (first_seq, count, to_ns) = (0, 0, clock::boot_ns());
        let cause = LossCause::RestartGap;
        let _ = news.send(News::Lost(Gap { cpu: META_CPU, source, first_seq, count, from_ns, to_ns, cause }));
    }
}
