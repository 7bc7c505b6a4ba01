//! The sealing thread: full slots become frames, frames fill segments, old segments go.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::mpsc::{Receiver, Sender},
};

use ingero_format::{
    Row,
    columns::Compressor,
    head::{Geometry, SLOT_HEADER_BYTES},
    ops::{LossCause, Source},
    row::ROW_BYTES,
};
use nix::errno::Errno;

use super::{
    Prologue, SegmentInfo, SegmentTable, SlotPool,
    quota::{self, Bounds},
    segment::{self, Identity, SegmentWriter},
};
use crate::{
    Result, clock,
    drain::{Finding, Gap},
    error::IoContext,
    journal,
};

/// How often a frame is tried again, each time after making room or in a fresh segment.
const TRIES: usize = 4;
const REMEDY: &str = "free space below the state directory, or lower [ring] max_bytes";

/// A slot to be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealJob {
    /// Which slot.
    pub slot: usize,
    /// Which use of it.
    pub generation: u64,
    /// Whose rows.
    pub source: Source,
    /// How many.
    pub rows: usize,
}

/// Everything the sealing thread owns.
pub struct Sealer {
    /// `ring/` and the state directory above it.
    pub directory: PathBuf,
    /// The state directory, which the bound is on.
    pub state_dir: PathBuf,
    /// What every segment says of itself.
    pub identity: Identity,
    /// The bounds.
    pub bounds: Bounds,
    /// Shape of the head.
    pub geometry: Geometry,
    /// The head, for reading.
    pub head: File,
    /// Slots.
    pub pool: SlotPool,
    /// Segments.
    pub table: SegmentTable,
    /// State record.
    pub prologue: Prologue,
    /// Where losses are told.
    pub findings: Sender<Finding>,
    compressor: Compressor,
    buffer: Vec<u8>,
    in_trouble: bool,
    writer: Option<SegmentWriter>,
    next_seq: u64,
    chain: u128,
}

/// Constructor arguments that are not simply kept.
pub struct Start {
    /// Number of the next segment.
    pub next_seq: u64,
    /// See [`Sealer::directory`].
    pub directory: PathBuf,
    /// See [`Sealer::state_dir`].
    pub state_dir: PathBuf,
    /// See [`Sealer::identity`].
    pub identity: Identity,
    /// See [`Sealer::bounds`].
    pub bounds: Bounds,
    /// See [`Sealer::geometry`].
    pub geometry: Geometry,
}

impl Sealer {
    /// Makes a sealer that has no segment open yet.
    ///
    /// # Errors
    /// If the head cannot be opened or the compressor not be set up.
    pub fn new(
        start: Start,
        pool: SlotPool,
        table: SegmentTable,
        prologue: Prologue,
        findings: Sender<Finding>,
    ) -> Result<Self> {
        let path = start.directory.join("head");
        let head = File::open(&path).at("cannot open the head", &path, REMEDY)?;
        Ok(Self {
            directory: start.directory,
            state_dir: start.state_dir,
            identity: start.identity,
            bounds: start.bounds,
            geometry: start.geometry,
            head,
            pool,
            table,
            prologue,
            findings,
            compressor: Compressor::new()?,
            buffer: Vec::new(),
            in_trouble: false,
            writer: None,
            next_seq: start.next_seq,
            chain: 0,
        })
    }

    /// Seals slots until the drain is gone, then closes the active segment.
    pub fn run(mut self, jobs: &Receiver<SealJob>) {
        while let Ok(job) = jobs.recv() {
            let mut rows = self.read_slot(&job);
            if rows.len() < job.rows {
                journal::error(&format!(
                    "head slot {}: {} rows do not verify",
                    job.slot,
                    job.rows - rows.len()
                ));
            }
            if !rows.is_empty() {
                self.store(&mut rows, job.source, job.generation);
            }
            self.pool.sealed(job.slot);
        }
        self.close();
    }

    // Read through the page cache, which is what the drain's map writes to: no memory is shared between
    // threads. This process wrote the rows moments ago, so their checks are for later readers.
    fn read_slot(&mut self, job: &SealJob) -> Vec<Row> {
        let at = self.geometry.slot_offset(job.slot) + SLOT_HEADER_BYTES;
        self.buffer.resize(job.rows * ROW_BYTES, 0);
        if let Err(e) = self.head.read_exact_at(&mut self.buffer, at as u64) {
            journal::error(&format!("head: cannot read slot {}: {e}", job.slot));
            return Vec::new();
        }
        self.buffer.as_chunks::<ROW_BYTES>().0.iter().map(Row::from_bytes).collect()
    }

    /// Writes rows of one source as a frame, in as many tries as it takes; what cannot be written is told
    /// as a loss.
    pub fn store(&mut self, rows: &mut [Row], source: Source, generation: u64) {
        let mut cause = LossCause::IoError;
        for _ in 0..TRIES {
            match self.try_store(rows, source, generation) {
                Ok(()) => return self.works_again(),
                Err(e) => {
                    cause = if is_full(&e) { LossCause::DiskFull } else { LossCause::IoError };
                    self.complain(&e);
                    // A file that failed is never written again.
                    self.writer = None;
                    let mut segments = self.table.lock();
                    if is_full(&e) && segments.list.len() > crate::limits::MIN_SEGMENTS {
                        quota::evict(&mut segments, self.identity.epoch);
                    }
                }
            }
        }
        self.tell_lost(rows, source, cause);
    }

    // Once for each trouble, however many frames it takes: a full disk must not fill the journal.
    fn complain(&mut self, e: &io::Error) {
        if !std::mem::replace(&mut self.in_trouble, true) {
            journal::error(&format!("{}: cannot write a frame: {e}; {REMEDY}", self.directory.display()));
        }
    }

    fn works_again(&mut self) {
        if std::mem::take(&mut self.in_trouble) {
            journal::warning(&format!("{}: frames are written again", self.directory.display()));
        }
    }

    fn try_store(&mut self, rows: &mut [Row], source: Source, generation: u64) -> io::Result<()> {
        let (at, bytes) = match self.encode(rows, source, generation)? {
            Some(frame) => frame,
            None => {
                self.roll()?;
                let frame = self.encode(rows, source, generation)?;
                frame.ok_or_else(|| io::Error::other("a segment has no room for one slot"))?
            }
        };
        let table = self.table.clone();
        let mut segments = table.lock();
        let Some(writer) = &mut self.writer else { return Err(io::Error::other("no segment is open")) };
        writer.write(at, &bytes)?;
        let events = if source == Source::Meta { 0 } else { rows.len() as u64 };
        segments.written.0 += bytes.len() as u64;
        segments.written.1 += events;
        if let Some(active) = segments.list.back_mut() {
            active.bytes = writer.bytes();
            active.events += events;
            // Meta rows may speak of long ago; they do not make a segment older.
            if source != Source::Meta {
                let first = rows.iter().map(Row::start_ns).min().unwrap_or(u64::MAX);
                active.first_ns = active.first_ns.min(first);
                active.last_ns = active.last_ns.max(rows.last().map_or(0, |r| r.end_ns));
            }
        }
        self.prologue.learn(source, rows);
        Ok(())
    }

    // The rows as frames of the active segment; `None` if there is none, or no room in it.
    fn encode(
        &mut self,
        rows: &mut [Row],
        source: Source,
        generation: u64,
    ) -> io::Result<Option<(u64, Vec<u8>)>> {
        let Some(writer) = &mut self.writer else { return Ok(None) };
        writer.events(rows, source, generation, self.prologue.lost(source), &mut self.compressor)
    }

    // Closes the active segment and begins the next, whose first frame is the state so far.
    fn roll(&mut self) -> io::Result<()> {
        self.close();
        let table = self.table.clone();
        let mut segments = table.lock();
        let size = self.identity.segment_bytes;
        if !quota::make_room(&self.state_dir, &mut segments, self.bounds, size, self.identity.epoch) {
            return Err(io::Error::from_raw_os_error(Errno::ENOSPC as i32));
        }
        let next = segment::preallocate(&self.directory, size)?;
        let seq = self.next_seq;
        let path = self.directory.join(segment::file_name(seq));
        let mut writer = SegmentWriter::begin(&next, &path, seq, self.identity, clock::anchor(), self.chain)?;
        self.next_seq += 1;
        // In the table at once: whatever fails from here on, the file is counted and evicted like any other.
        segments.active = Some(writer.file());
        segments.list.push_back(SegmentInfo {
            seq,
            path,
            bytes: writer.bytes(),
            first_ns: u64::MAX,
            epoch: self.identity.epoch,
            boot_id: self.identity.boot_id,
            ..SegmentInfo::default()
        });
        // The new name must survive a power loss before anything under it counts as durable.
        File::open(&self.directory)?.sync_all()?;
        writer.state(&self.prologue.state())?;
        if let Some(active) = segments.list.back_mut() {
            active.bytes = writer.bytes();
        }
        self.writer = Some(writer);
        Ok(())
    }

    /// Seals the active segment, if there is one. It stays the flusher's file until it is durable, so that no
    /// slot counts as durable whose frame is in neither.
    pub fn close(&mut self) {
        let Some(mut writer) = self.writer.take() else { return };
        self.chain = writer.chain();
        let file = writer.file();
        match writer.finish() {
            Ok(bytes) => {
                self.chain = writer.chain();
                if let Some(active) = self.table.lock().list.back_mut() {
                    active.bytes = bytes;
                }
            }
            // Frames already in it are readable without a footer.
            Err(e) => journal::warning(&format!("{}: segment not closed: {e}", self.directory.display())),
        }
        if let Err(e) = file.sync_data() {
            journal::error(&format!("{}: cannot sync a segment: {e}", self.directory.display()));
        }
        self.table.lock().active = None;
    }

    fn tell_lost(&self, rows: &[Row], source: Source, cause: LossCause) {
        let mut by_cpu: std::collections::BTreeMap<u16, Gap> = std::collections::BTreeMap::new();
        for row in rows {
            let gap = by_cpu.entry(row.cpu()).or_insert(Gap {
                cpu: row.cpu(),
                source,
                first_seq: row.seq(),
                count: 0,
                from_ns: row.start_ns(),
                to_ns: row.end_ns,
                cause,
            });
            gap.count += 1;
            gap.first_seq = gap.first_seq.min(row.seq());
            gap.from_ns = gap.from_ns.min(row.start_ns());
            gap.to_ns = gap.to_ns.max(row.end_ns);
        }
        for gap in by_cpu.into_values() {
            let _ = self.findings.send(Finding::Lost(gap));
        }
    }
}

fn is_full(e: &io::Error) -> bool {
    matches!(e.raw_os_error().map(Errno::from_raw), Some(Errno::ENOSPC | Errno::EDQUOT))
}
