//! A program that feeds the recorder's ring on the real file system as fast as it will take events, to be
//! killed. What it has handed over stands in a file that outlives it.

use std::{
    fs::File,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{channel, sync_channel},
    },
    time::Duration,
};

use ingero_format::head::Geometry;
use ingero_recorder::{
    discover::Registry,
    drain::Sink,
    progress::Progress,
    pulse::Pulse,
    ring::{self, Bounds, Layout, Settings},
    storage::{self, FileSystem, Storage},
};
use memmap2::MmapMut;

use crate::simulated::{
    events::{CPUS, Key, SOURCES, event, record},
    random::Random,
};

/// Numbers kept for the supervisor: the epoch, then how many events of each CPU and source.
pub const WORDS: usize = 1 + CPUS as usize * SOURCES.len();

/// Sizes of the ring that is fed.
#[derive(Clone, Copy, Debug)]
pub struct Feed {
    /// Bytes of a segment.
    pub segment_bytes: u64,
    /// Bound on the state directory.
    pub max_bytes: u64,
    /// Bytes of a slot of the head.
    pub slot_bytes: u32,
    /// How often the flusher syncs.
    pub sync_interval: Duration,
    /// Arguments that nothing can compress.
    pub noisy: bool,
}

/// The event of a name, with the time that follows from it.
#[must_use]
pub fn timed((epoch, cpu, source, seq): Key) -> ingero_format::Row {
    event((epoch, cpu, source, seq), epoch + seq * 1_000 + u64::from(cpu) * 10 + u64::from(source))
}

fn word(map: &MmapMut, index: usize) -> &AtomicU64 {
    // SAFETY: eight bytes at a multiple of eight in a page-aligned map that this process shares with nobody
    // while it runs.
    unsafe { &*map.as_ptr().cast::<AtomicU64>().add(index) }
}

/// Feeds the ring below `state`, telling in `told` what was handed over; `READY` on standard output says that
/// recording has begun.
///
/// # Errors
/// What keeps the ring from being opened.
pub fn run(state: &Path, told: &Path, seed: u64, feed: Feed) -> Result<std::convert::Infallible, String> {
    storage::install_sigbus_handler().map_err(|e| e.to_string())?;
    let storage: Arc<dyn Storage> = Arc::new(FileSystem);
    let layout = Layout::create(&*storage, state).map_err(|e| e.to_string())?;
    let epoch = ingero_recorder::clock::boot_ns();
    let settings = Settings {
        geometry: Geometry { slots: 8, slot_bytes: feed.slot_bytes },
        segment_bytes: feed.segment_bytes,
        bounds: Bounds { max_bytes: feed.max_bytes, keep_free: 0, max_age_ns: u64::MAX },
        sync_interval: feed.sync_interval,
        tick_ns: 1,
        boot_id: ingero_recorder::clock::boot_id(),
        epoch,
        counting: None,
        pid: std::process::id(),
    };
    let (tell, news) = channel();
    let ring = ring::assemble(&storage, &layout, &settings, Arc::new(Registry::default()), tell)
        .map_err(|e| e.to_string())?;
    let file = File::options().read(true).write(true).create(true).truncate(false).open(told).unwrap();
    file.set_len(8 * WORDS as u64).unwrap();
    // SAFETY: nobody cuts the file while it is mapped.
    let map = unsafe { MmapMut::map_mut(&file) }.unwrap();
    (1..WORDS).for_each(|i| word(&map, i).store(0, Ordering::Release));
    word(&map, 0).store(epoch, Ordering::Release);

    let pool = ring.pool.clone();
    let (send, jobs) = sync_channel(ingero_recorder::limits::SEAL_QUEUE);
    let stop = AtomicBool::new(false);
    std::thread::spawn(move || ring.sealer.run(&jobs, &Pulse::default()));
    std::thread::spawn(move || ring.flusher.run(&stop));
    let mut sink = Sink::new(ring.head, send, None, None, Arc::new(Progress::default()));
    println!("READY {}", std::process::id());
    let mut random = Random::new(seed);
    loop {
        for _ in 0..1 + random.below(2_000) {
            // More than the disk takes would be refused, and so not be acknowledged: that is another test.
            while !pool.available(2) {
                std::thread::sleep(Duration::from_micros(50));
            }
            let (cpu, source) = (random.below(u64::from(CPUS)) as usize, random.below(SOURCES.len() as u64));
            let lane = word(&map, 1 + cpu * SOURCES.len() + source as usize);
            let seq = lane.load(Ordering::Relaxed);
            let mut row = timed((epoch, cpu as u16, source as u8, seq));
            if feed.noisy {
                (row.arg0, row.dur_ns) = (random.number(), random.number() >> 20);
            }
            sink.record(&record(&row));
            lane.store(seq + 1, Ordering::Release);
        }
        while let Ok(news) = news.try_recv() {
            sink.news(news);
        }
        sink.tell_losses();
        sink.mend_head();
        if !feed.noisy && random.one_in(4) {
            std::thread::sleep(Duration::from_micros(random.below(3_000)));
        }
    }
}
