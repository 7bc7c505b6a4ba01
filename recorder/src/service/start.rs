//! The order of starting: lock the ring, recover it, load the programs, run the drain, then probe what is
//! there, and put the new programs in force. Only then is the recorder ready.

use std::{
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
    handover::{self, Undo},
    running::{Running, Worker},
};
use crate::{
    Error, Result,
    attach::{Prober, Returns},
    budget::{Activity, BudgetReport, Keeper},
    clock,
    config::{Config, UserStacks},
    control::{self, Answers, StatusSource},
    discover::{Modules, Registry, Scanner, Watch},
    drain::{Drain, Finding, Gap, Progress, Sink, alarm},
    error::IoContext,
    freeze::{FreezeRequest, Freezer, Snapshots},
    journal,
    kernel::{self, Measured},
    limits::{MATCH_QUEUE, SEAL_QUEUE},
    ring::{self, Bounds, Flusher, Layout, SealJob, Sealer, SegmentTable, Settings},
    sample::Sampler,
    storage::{FileSystem, Storage},
    trigger::{
        Triggers,
        joint::Joint,
        observe::Observer,
        predicate::{Match, Predicates, Shared as Conditions},
        watchers::Watchers,
    },
};

const REMEDY: &str = "make it a directory that this user may write, or choose another --state-dir";

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
}

pub(super) fn start(config: Config, paths: &Paths, warnings: Vec<String>) -> Result<Running> {
    let storage: Arc<dyn Storage> = Arc::new(FileSystem);
    std::fs::create_dir_all(&paths.state_dir).at("cannot create the directory", &paths.state_dir, REMEDY)?;
    let layout = Layout::create(&*storage, &paths.state_dir)?;
    let shared = Shared::new(storage, layout, &config);
    let (findings, found) = channel();
    let counting = handover::counting(&*shared.storage, &shared.layout);
    let settings = settings(&config, counting);
    let opened = ring::assemble(
        &shared.storage,
        &shared.layout,
        &settings,
        Arc::clone(&shared.registry),
        findings.clone(),
    )?;
    let (kept, counting) = handover::settle(&opened);
    let held_since = handover::held_since(&opened);
    let undo = Undo::new(kept.as_ref(), counting);
    let options = kernel::Options {
        sources: config.probes.sources.clone(),
        kernel_stacks: config.probes.kernel_stacks,
        user_stacks: config.probes.user_stacks,
    };
    let mut loaded = kernel::load(&options, kept.clone(), counting)?;
    if opened.continued.is_none() {
        tell_gap(&findings, opened.last_event_ns);
    }
    let (jobs, slots) = sync_channel(SEAL_QUEUE);
    let (unnamed, to_name) = channel();
    let (matches, matched) = sync_channel(MATCH_QUEUE);
    let conditions = Conditions::default();
    let mut sink =
        Sink::new(opened.head, jobs, Some(loaded.stacks), Some(unnamed), Arc::clone(&shared.progress))
            .with_predicates(Predicates::new(conditions.clone(), matches));
    sink.resume(loaded.reserve, opened.continued.as_ref());
    let alarm = alarm(&loaded.events)
        .map_err(|e| Error::Other(format!("the drain's alarm: {e}; raise LimitNOFILE=")))?;
    let mut drain = Drain {
        alarm,
        events: loaded.events,
        counters: loaded.counters,
        findings: found,
        sink,
        progress: Arc::clone(&shared.progress),
        told: Vec::new(),
        before: 0,
    };
    if let Some(continued) = &opened.continued {
        drain.resume(continued);
    }
    // Before anything that takes time: the buffer may be filling since the earlier recorder ended.
    let workers = record(drain, opened.sealer, opened.flusher, slots)?;
    let listener = control::bind(&paths.run_dir)?;
    let Measured { mut costs, returns } = kernel::measure();
    journal::info(&costs.to_string());
    let returns = Returns::decide(config.probes.return_probes, &returns);
    let missing = kernel::attach_tracepoints(&mut loaded.placer, &options, loaded.host)?;
    let more: Vec<String> = missing.into_iter().chain(returns.warning).collect();
    more.iter().for_each(|text| journal::warning(text));
    let warnings = warnings.into_iter().chain(more).collect();
    let (requests, asked) = channel();
    let freezer =
        shared.freezer(&opened.table, opened.ring_id, held_since, loaded.open_threads, returns.note);
    let answers = answers(shared.source(&opened.table, requests, warnings), conditions, paths);
    let (stop_control, stopped) = tokio::sync::watch::channel(false);
    let freezing = Worker::spawn("freeze", move |stop| freezer.run(&asked, stop))?;
    let sampler = Sampler {
        config: config.samples.clone(),
        findings: findings.clone(),
        registry: Arc::clone(&shared.registry),
        progress: Arc::clone(&shared.progress),
        triggers: Some(answers.source.triggers.clone()),
        modules: (config.probes.user_stacks != UserStacks::Never).then(|| Arc::clone(&shared.modules)),
    };
    let sampling = Worker::spawn("sample", move |stop| sampler.run(stop))?;
    let mut prober = Prober::new(loaded.placer, loaded.modes, config.probes.clone());
    if !returns.used {
        prober.without_returns()?;
        costs = costs.without_returns();
    }
    let mut scanner = Scanner::new(
        prober,
        Keeper::new(
            Arc::clone(&shared.config),
            costs,
            (shared.budget.clone(), shared.activity.clone()),
            findings.clone(),
        ),
        Watch {
            notices: loaded.notices,
            threads: loaded.threads,
            processes: loaded.processes,
            findings,
            registry: Arc::clone(&shared.registry),
            modules: (config.probes.user_stacks != UserStacks::Never).then(|| Arc::clone(&shared.modules)),
            unnamed: to_name,
            earlier: opened.continued.unwrap_or_default(),
        },
    );
    scanner.first_scan();
    loaded
        .tenure
        .take_over()
        .map_err(|e| Error::Other(format!("the programs cannot be put in force: {e}")))?;
    scanner.restore()?;
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
    let observing = observe(&answers, matched)?;
    answers.watchers.start();
    undo.disarm();
    let order = [vec![control, observing, discovery, sampling], workers, vec![freezing]]
        .into_iter()
        .flatten()
        .collect();
    Ok(Running {
        workers: order,
        retired,
        stop_control,
        answers,
        progress: shared.progress,
        kept,
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
    fn new(storage: Arc<dyn Storage>, layout: Layout, config: &Config) -> Self {
        Self {
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
        }
    }

    fn freezer(
        &self,
        table: &SegmentTable,
        ring_id: [u8; 16],
        started_ns: u64,
        threads: aya::maps::HashMap<aya::maps::MapData, u32, ingero_ebpf_abi::ThreadState>,
        note: Option<String>,
    ) -> Freezer {
        Freezer {
            storage: Arc::clone(&self.storage),
            layout: self.layout.clone(),
            table: table.clone(),
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

    fn source(
        &self,
        table: &SegmentTable,
        requests: Sender<FreezeRequest>,
        warnings: Vec<String>,
    ) -> StatusSource {
        StatusSource {
            progress: Arc::clone(&self.progress),
            registry: Arc::clone(&self.registry),
            table: table.clone(),
            storage: Arc::clone(&self.storage),
            layout: self.layout.clone(),
            config: Arc::clone(&self.config),
            snapshots: self.snapshots.clone(),
            counts: Arc::clone(&self.counts),
            triggers: Triggers::new(requests, Arc::clone(&self.config), self.joint.clone()),
            warnings,
            budget: self.budget.clone(),
            activity: self.activity.clone(),
            reload_error: Mutex::default(),
            cpu: Mutex::default(),
        }
    }
}

fn answers(source: StatusSource, conditions: Conditions, paths: &Paths) -> Arc<Answers> {
    let config = Arc::clone(&source.config);
    let (triggers, run_dir) = (source.triggers.clone(), paths.run_dir.clone());
    let watchers = Watchers::new(triggers, Arc::clone(&config), conditions, run_dir);
    Arc::new(Answers { source, config_path: paths.config.clone(), config, watchers })
}

fn observe(answers: &Answers, matched: Receiver<Match>) -> Result<Worker> {
    let observer = Observer {
        triggers: answers.source.triggers.clone(),
        registry: Arc::clone(&answers.source.registry),
        config: Arc::clone(&answers.config),
    };
    Worker::spawn("observe", move |stop| observer.run(&matched, stop))
}

// Between the earlier run's last event and now nobody counted: a hole of known place and unknown size.
fn tell_gap(findings: &Sender<Finding>, last_event_ns: Option<u64>) {
    let Some(from_ns) = last_event_ns else { return };
    for source in Source::ALL.into_iter().filter(|s| *s != Source::Meta) {
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
