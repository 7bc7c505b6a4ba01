//! Opening a ring and making the parts that write it.

use std::{
    any::Any,
    sync::{Arc, mpsc::Sender},
    time::Duration,
};

use ingero_format::head::Geometry;

use super::{
    Bounds, Flusher, HeadWriter, Identity, Layout, Opening, Prologue, Sealer, Seen, SegmentTable, SlotPool,
    Start, open::open,
};
use crate::{Result, continued::Continued, discover::Registry, news::News, storage::Storage};

/// What a ring is run with.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Shape of the head.
    pub geometry: Geometry,
    /// Size of a segment, bytes.
    pub segment_bytes: u64,
    /// Bounds on the state directory.
    pub bounds: Bounds,
    /// How often the flusher syncs.
    pub sync_interval: Duration,
    /// Unit of the time columns, ns; 1 loses nothing.
    pub tick_ns: u32,
    /// Id of this boot.
    pub boot_id: [u8; 16],
    /// Life of the counters that number the events, if they are new: when they begin, Unix ns.
    pub epoch: u64,
    /// The epoch (Unix ns) of counters that still count, if there are any.
    pub counting: Option<u64>,
    /// Id of this process, told to a second recorder.
    pub pid: u32,
}

/// A ring ready to be written.
pub struct Ring {
    /// Holds the ring's lock.
    pub lock: Box<dyn Any + Send>,
    /// The ring's id.
    pub ring_id: [u8; 16],
    /// Newest event of the earlier run if it was in this boot, boottime ns.
    pub last_event_ns: Option<u64>,
    /// Segments.
    pub table: SegmentTable,
    /// Slots of the head.
    pub pool: SlotPool,
    /// The epoch of the rows.
    pub epoch: u64,
    /// Where to go on, if the epoch is that of counters that still count; it is a new one if the ring has nothing of it.
    pub continued: Option<Continued>,
    /// For the drain.
    pub head: HeadWriter,
    /// For the sealing thread.
    pub sealer: Sealer,
    /// For the flushing thread.
    pub flusher: Flusher,
}

/// Opens the ring of a state directory, recovers what an earlier run left, and makes a new head.
///
/// # Errors
/// As `open`, or if no head can be made.
pub fn assemble(
    storage: &Arc<dyn Storage>,
    layout: &Layout,
    settings: &Settings,
    registry: Arc<Registry>,
    news: Sender<News>,
) -> Result<Ring> {
    let Settings { geometry, segment_bytes, bounds, tick_ns, boot_id, counting, pid, .. } = *settings;
    let head_bytes = geometry.file_bytes();
    let opening = Opening { segment_bytes, tick_ns, boot_id, bounds, head_bytes, pid, counting };
    let opened = open(storage, layout, &opening)?;
    let epoch = counting.filter(|_| opened.continued.is_some()).unwrap_or(settings.epoch);
    let (prologue, continued) = match opened.continued {
        Some((prologue, continued)) => (prologue.with_registry(registry), Some(continued)),
        None => (Prologue::new(registry), None),
    };
    let pool = SlotPool::new(geometry.slots as usize);
    let path = layout.ring.join("head");
    let generation = opened.next_generation;
    let (with, table) = (Arc::clone(storage), &opened.table);
    let head = HeadWriter::create(with, &path, geometry, epoch, generation, pool.clone(), table)?;
    let start = Start {
        storage: Arc::clone(storage),
        next_seq: opened.next_seq,
        chain: opened.chain,
        directory: layout.ring.clone(),
        state_dir: layout.state.clone(),
        identity: Identity { ring_id: opened.identity.ring_id, boot_id, epoch, segment_bytes, tick_ns },
        bounds,
        geometry,
    };
    let sealer = Sealer::new(start, pool.clone(), opened.table.clone(), prologue, news)?;
    let flusher = Flusher {
        storage: Arc::clone(storage),
        head: head.file(),
        identity: Some(opened.identity_file),
        directory: layout.ring.clone(),
        table: opened.table.clone(),
        pool: pool.clone(),
        geometry,
        interval: settings.sync_interval,
        seen: Seen::default(),
    };
    Ok(Ring {
        lock: opened.lock,
        ring_id: opened.identity.ring_id,
        last_event_ns: opened.last_event_ns,
        table: opened.table,
        pool,
        epoch,
        continued,
        head,
        sealer,
        flusher,
    })
}
