//! The recorder's ring, from the sink of the drain to the bundle, driven step by step on a simulated disk.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, channel, sync_channel},
    },
    time::Duration,
};

use ingero_format::{
    bundle::{Symbols, UserSymbols},
    head::Geometry,
    manifest::Manifest,
    ops::{LossCause, Source},
    row::META_CPU,
};
use ingero_recorder::{
    discover::Registry,
    drain::Sink,
    freeze::{bundle, links},
    news::{Gap, News},
    progress::Progress,
    ring::{self, Bounds, Flusher, Layout, SealJob, Sealer, SegmentTable, Settings, SlotPool},
    storage::Storage,
};

use super::{
    contents::Contents,
    disk::Disk,
    events::{self, CPUS, SOURCES},
    oracle::{After, Oracle},
    random::Random,
};

/// Sizes small enough that every path is walked within milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Shape of the head.
    pub head: Geometry,
    /// Bytes of a segment.
    pub segment_bytes: u64,
    /// Bound on the state directory.
    pub max_bytes: u64,
    /// Bytes left to others.
    pub keep_free: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            head: Geometry { slots: 8, slot_bytes: 4096 },
            segment_bytes: 32 << 10,
            max_bytes: 512 << 10,
            keep_free: 0,
        }
    }
}

/// A recorder that runs, in parts.
struct Run {
    epoch: u64,
    sink: Sink,
    sealer: Sealer,
    flusher: Flusher,
    progress: Arc<Progress>,
    pool: SlotPool,
    table: SegmentTable,
    jobs: Receiver<SealJob>,
    news: Receiver<News>,
    ring_id: [u8; 16],
    numbers: [[u64; 3]; CPUS as usize],
    reused_at_flush: u64,
}

/// A state directory on a simulated disk, and a recorder on it while there is one.
pub struct Rig {
    /// The disk.
    pub disk: Disk,
    /// What was promised.
    pub oracle: Oracle,
    /// Chance.
    pub random: Random,
    sizes: Sizes,
    storage: Arc<dyn Storage>,
    state: PathBuf,
    boot: u8,
    epoch: u64,
    freezes: u32,
    /// Bundles reported complete, and their content.
    bundles: Vec<(PathBuf, Vec<u8>)>,
    run: Option<Run>,
}

const BOOT: [u8; 16] = [7; 16];

impl Rig {
    /// An empty disk; nothing runs.
    #[must_use]
    pub fn new(seed: u64, sizes: Sizes) -> Self {
        let state = PathBuf::from("/state");
        let disk = Disk::new(seed, &state);
        Self {
            storage: Arc::new(disk.clone()),
            disk,
            oracle: Oracle::default(),
            random: Random::new(seed),
            sizes,
            state,
            boot: 0,
            epoch: 0,
            freezes: 0,
            bundles: Vec::new(),
            run: None,
        }
    }

    /// The state directory.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// True while a recorder runs.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.run.is_some()
    }

    fn boot_id(&self) -> [u8; 16] {
        BOOT.map(|b| b.wrapping_add(self.boot))
    }

    /// Starts a recorder.
    ///
    /// # Errors
    /// Why it cannot start, as it would say.
    pub fn start(&mut self) -> Result<(), String> {
        self.epoch += 1;
        self.disk.forget_failed_syncs();
        let (storage, sizes) = (&self.storage, self.sizes);
        let layout = Layout::create(&**storage, &self.state).map_err(|e| e.to_string())?;
        let settings = Settings {
            geometry: sizes.head,
            segment_bytes: sizes.segment_bytes,
            bounds: Bounds { max_bytes: sizes.max_bytes, keep_free: sizes.keep_free, max_age_ns: u64::MAX },
            sync_interval: Duration::from_secs(1),
            tick_ns: 1,
            boot_id: self.boot_id(),
            epoch: self.epoch,
            counting: None,
            pid: 1,
        };
        let (tell, news) = channel();
        let ring = ring::assemble(storage, &layout, &settings, Arc::new(Registry::default()), tell)
            .map_err(|e| e.to_string())?;
        let (send, jobs) = sync_channel(1024);
        let progress = Arc::new(Progress::default());
        self.run = Some(Run {
            epoch: self.epoch,
            sink: Sink::new(ring.head, send, None, None, Arc::clone(&progress)),
            progress,
            sealer: ring.sealer,
            flusher: ring.flusher,
            pool: ring.pool,
            table: ring.table,
            jobs,
            news,
            ring_id: ring.ring_id,
            numbers: Default::default(),
            reused_at_flush: 0,
        });
        Ok(())
    }

    /// One step, by chance.
    pub fn step(&mut self) {
        match self.random.below(20) {
            0..=9 => {
                let rows = 1 + self.random.below(40);
                (0..rows).for_each(|_| self.give());
            }
            10..=13 => self.seal(),
            14 => self.seal_all(),
            15..=16 => self.flush(),
            17..=18 => self.disk.write_back_some(),
            _ => {
                let stages = self.random.below(5);
                self.freeze(stages);
            }
        }
        self.assert_bound();
    }

    /// Hands over one event of a chance CPU and source.
    pub fn give(&mut self) {
        let cpu = self.random.below(u64::from(CPUS)) as u16;
        // Mostly one source, as in life.
        let source = SOURCES[[0, 0, 0, 0, 1, 1, 2][self.random.below(7) as usize]];
        let Some(run) = &mut self.run else { return };
        let number = &mut run.numbers[usize::from(cpu)][source as usize];
        let key = (run.epoch, cpu, source as u8, *number);
        *number += 1;
        let end_ns = {
            let mut disk = self.disk.state();
            disk.boot_ns += 1_000;
            disk.boot_ns
        };
        let row = events::event(key, end_ns);
        self.oracle.give(key, row);
        let lost = run.progress.lost_total();
        run.sink.record(&events::record(&row));
        if run.progress.lost_total() > lost {
            self.oracle.refuse(key);
        }
    }

    /// Events of no known number were lost on a source: a META row tells.
    pub fn lose(&mut self, source: Source, count: u64) {
        let now = self.disk.state().boot_ns;
        let Some(run) = &mut self.run else { return };
        let (cpu, cause) = (META_CPU, LossCause::IoError);
        run.sink.lost(&Gap { cpu, source, first_seq: 0, count, from_ns: now - 1_000, to_ns: now, cause });
        run.sink.tell_losses();
    }

    /// The sealer takes what waits.
    pub fn seal(&mut self) {
        let Some(run) = &mut self.run else { return };
        while let Ok(job) = run.jobs.try_recv() {
            run.sealer.seal(&job);
        }
        while let Ok(news) = run.news.try_recv() {
            run.sink.news(news);
        }
        run.sink.tell_losses();
    }

    /// The drain seals every slot, as it does with old ones, and the sealer takes them.
    pub fn seal_all(&mut self) {
        if let Some(run) = &mut self.run {
            Source::ALL.into_iter().for_each(|source| run.sink.seal(source));
        }
        self.seal();
    }

    /// The flusher's turn.
    pub fn flush(&mut self) {
        let Some(run) = &mut self.run else { return };
        if run.flusher.flush() {
            run.reused_at_flush = run.pool.reused_early();
            self.oracle.durable();
        }
    }

    /// A page of the mapped head is gone: the drain notices at its next turn.
    pub fn mend(&mut self) {
        if let Some(run) = &mut self.run {
            run.sink.mend_head();
        }
        self.seal();
    }

    /// Freezes a window: 0 links, 1 durable, 2 bundle claimed, 3 and more: bundle written and set removed.
    pub fn freeze(&mut self, stages: u64) {
        let (layout, from_ns) = (self.layout(), self.disk.state().boot_ns - self.random.below(500_000));
        let boot_id = self.boot_id();
        let Some(run) = &mut self.run else { return };
        self.freezes += 1;
        let id = format!("w-{}", self.freezes);
        let Ok(mut set) = links::FrozenSet::create(Arc::clone(&self.storage), &layout, &id) else { return };
        let wanted = links::Wanted { from_ns, boot_id, max_bytes: self.sizes.max_bytes / 4 };
        let linked = set.link(&layout, &run.table, &run.pool, &wanted);
        let manifest =
            Manifest { ring_id: run.ring_id, segments: set.segments.clone(), ..Manifest::default() };
        let manifest = manifest.to_bytes().unwrap();
        let room = set.segments.iter().map(|s| s.bytes).sum::<u64>() + set.head.len() as u64 + 8192;
        let fits = self.storage.allocated(&self.state) + room + set.head.len() as u64 + 8192 + 4096
            <= self.sizes.max_bytes;
        if linked.is_ok()
            && fits
            && stages > 0
            && set.make_durable(&run.table, &manifest).is_ok()
            && stages > 1
        {
            let path = layout.bundles.join(format!("{id}.ingero"));
            let (symbols, user_symbols) = (Symbols::default(), UserSymbols::default());
            let parts = bundle::Parts {
                manifest: &manifest,
                open: &[],
                symbols: &symbols,
                user_symbols: &user_symbols,
            };
            let file = bundle::claim(&*self.storage, &path, room);
            if let (Ok(file), true) = (file, stages > 2)
                && bundle::write(&path, file, &set, &parts).is_ok()
            {
                let content = self.disk.files(&layout.bundles).remove(&path).unwrap();
                self.bundles.push((path, content));
            }
        }
        set.remove(&run.table);
    }

    fn layout(&self) -> Layout {
        let below = |name| self.state.join(name);
        Layout {
            state: self.state.clone(),
            ring: below("ring"),
            frozen: below("frozen"),
            bundles: below("bundles"),
        }
    }

    /// The recorder is killed; the machine goes on. Starts it again and checks every promise.
    ///
    /// # Errors
    /// The promise that was broken.
    pub fn kill(&mut self) -> Result<(), String> {
        let untold = self.run.take().map_or(0, |run| run.sink.untold());
        self.start()?;
        self.check(After::Kill(untold))
    }

    /// The power goes. Starts again and checks every promise.
    ///
    /// # Errors
    /// The promise that was broken.
    pub fn power_loss(&mut self) -> Result<(), String> {
        let excused = self
            .run
            .take()
            .map_or(0, |run| (run.pool.reused_early() - run.reused_at_flush) * self.sizes.head.rows() as u64);
        self.disk.crash();
        self.boot += 1;
        self.check_bundles()?;
        self.start()?;
        self.check(After::PowerLoss(excused))
    }

    /// Stops as on request: what waits is sealed, the segment closed, everything flushed. Checks every promise.
    ///
    /// # Errors
    /// The promise that was broken.
    pub fn stop(&mut self) -> Result<(), String> {
        self.seal_all();
        self.seal_all();
        if let Some(run) = &mut self.run {
            run.sealer.close();
            if run.flusher.finish() {
                self.oracle.durable();
            }
        }
        let untold = self.run.take().map_or(0, |run| run.sink.untold());
        self.check(After::Kill(untold))
    }

    /// Compares what is on the disk with what was promised.
    ///
    /// # Errors
    /// The promise that was broken.
    pub fn check(&mut self, after: After) -> Result<(), String> {
        self.assert_bound();
        self.check_bundles()?;
        let contents = Contents::read(&self.disk, &self.state);
        self.oracle.check(&contents, after)
    }

    // A bundle that was reported complete stays, to the byte.
    fn check_bundles(&self) -> Result<(), String> {
        let files = self.disk.files(&self.layout().bundles);
        for (path, content) in &self.bundles {
            let removed = self.disk.state().removed.contains(path);
            if files.get(path) != Some(content) && !removed {
                return Err(format!("{} is gone or changed", path.display()));
            }
        }
        Ok(())
    }

    /// The bound on the state directory holds at this moment.
    pub fn assert_bound(&self) {
        let allocated = self.storage.allocated(&self.state);
        assert!(allocated <= self.sizes.max_bytes, "{allocated} bytes of {}", self.sizes.max_bytes);
        assert!(!self.disk.state().synced_after_failure, "a file was synced again after that had failed");
    }
}
