//! The sealing thread: full slots become frames, frames fill segments, old segments go.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, Sender},
    },
};

use ingero_format::{
    Row,
    columns::Compressor,
    head::{Geometry, SLOT_HEADER_BYTES},
    ops::{self, LossCause, Source},
    row::{META_CPU, ROW_BYTES},
    segment::file_name,
};

use super::{
    Prologue, SegmentInfo, SegmentTable, SlotPool,
    quota::{self, Bounds},
    segment::{Identity, SegmentWriter, chain_of},
};
use crate::{
    Result, journal,
    news::{Gap, News},
    pulse::Pulse,
    storage::{FileHandle, Storage, full, is_full},
};

/// How often a frame is tried again, each time after making room or in a fresh segment.
const TRIES: usize = 4;
const REMEDY: &str = "free space below the state directory, or lower [ring] max_bytes";

/// A slot to be sealed.
#[derive(Clone)]
pub struct SealJob {
    /// The head it lies in.
    pub head: FileHandle,
    /// A page of that head could not be had: every row is checked, and taken from this copy of what the drain has
    /// mapped in its place if the file has it not.
    pub copy: Option<Vec<u8>>,
    /// Which slot of it, from 0.
    pub slot: usize,
    /// Which use of it: the slot's generation.
    pub generation: u64,
    /// Whose rows.
    pub source: Source,
    /// How many rows.
    pub rows: usize,
}

/// Everything the sealing thread owns.
pub struct Sealer {
    /// Where the ring lies.
    pub storage: Arc<dyn Storage>,
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
    /// Slots.
    pub pool: SlotPool,
    /// Segments.
    pub table: SegmentTable,
    /// State record.
    pub prologue: Prologue,
    /// Where losses are told.
    pub news: Sender<News>,
    compressor: Compressor,
    buffer: Vec<u8>,
    in_trouble: bool,
    writer: Option<SegmentWriter>,
    next_seq: u64,
    chain: u128,
}

/// Constructor arguments that are not simply kept.
pub struct Start {
    /// See [`Sealer::storage`].
    pub storage: Arc<dyn Storage>,
    /// Number of the next segment.
    pub next_seq: u64,
    /// The digest chain that the next segment goes on from.
    pub chain: u128,
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
    /// If the compressor cannot be set up.
    pub fn new(
        start: Start,
        pool: SlotPool,
        table: SegmentTable,
        prologue: Prologue,
        news: Sender<News>,
    ) -> Result<Self> {
        Ok(Self {
            storage: start.storage,
            directory: start.directory,
            state_dir: start.state_dir,
            identity: start.identity,
            bounds: start.bounds,
            geometry: start.geometry,
            pool,
            table,
            prologue,
            news,
            compressor: Compressor::new()?,
            buffer: Vec::new(),
            in_trouble: false,
            writer: None,
            next_seq: start.next_seq,
            chain: start.chain,
        })
    }

    /// Seals slots until the drain is gone, then closes the active segment.
    pub fn run(mut self, jobs: &Receiver<SealJob>, pulse: &Pulse) {
        while let Ok(job) = jobs.recv() {
            pulse.begin();
            self.seal(&job);
            pulse.rest();
        }
        self.close();
    }

    /// Number of the segment that would be begun next.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The digest chain that the next segment goes on from.
    #[must_use]
    pub fn chain(&self) -> u128 {
        self.chain
    }

    /// Makes a frame of one slot.
    pub fn seal(&mut self, job: &SealJob) {
        let mut rows = self.read_slot(job);
        if rows.len() < job.rows {
            self.tell_unreadable(job, (job.rows - rows.len()) as u64);
        }
        if !rows.is_empty() && !self.store(&mut rows, job.source, job.generation) {
            // What is told as lost must not come back from the head after a restart.
            let _ = job.head.write_at(&[0; SLOT_HEADER_BYTES], self.geometry.slot_offset(job.slot) as u64);
        }
        self.pool.sealed(job.slot);
    }

    // Read through the page cache, which is what the drain's map writes to: no memory is shared between
    // threads. This process wrote the rows moments ago, so their checks are for later readers, unless a page
    // was missing.
    fn read_slot(&mut self, job: &SealJob) -> Vec<Row> {
        let at = self.geometry.slot_offset(job.slot) + SLOT_HEADER_BYTES;
        self.buffer.clear();
        self.buffer.resize(job.rows * ROW_BYTES, 0);
        let read = job.head.read_exact_at(&mut self.buffer, at as u64);
        if let Err(e) = read.or_else(|e| if job.copy.is_some() { Ok(()) } else { Err(e) }) {
            journal::error(&format!("head: cannot read slot {}: {e}; its rows are lost", job.slot));
            return Vec::new();
        }
        let rows = self.buffer.as_chunks::<ROW_BYTES>().0.iter();
        let Some(copy) = &job.copy else { return rows.map(Row::from_bytes).collect() };
        let mapped = copy.as_chunks::<ROW_BYTES>().0.iter();
        let checked = |bytes| Row::from_head(bytes, job.generation);
        rows.zip(mapped).filter_map(|(stored, mapped)| checked(stored).or_else(|| checked(mapped))).collect()
    }

    // Whose they were stood in them: their CPUs and numbers are not known any more, only how many they were.
    fn tell_unreadable(&self, job: &SealJob, count: u64) {
        let now = self.storage.anchor().boot_ns;
        let _ = self.news.send(News::Lost(Gap {
            cpu: META_CPU,
            source: job.source,
            first_seq: 0,
            count,
            from_ns: now.saturating_sub(crate::limits::SEAL_AGE_NS),
            to_ns: now,
            cause: LossCause::IoError,
        }));
    }

    /// Writes rows of one source as a frame, in as many tries as it takes; what cannot be written is told
    /// as a loss. Gives whether they were written.
    pub fn store(&mut self, rows: &mut [Row], source: Source, generation: u64) -> bool {
        let mut cause = LossCause::IoError;
        for _ in 0..TRIES {
            match self.try_store(rows, source, generation) {
                Ok(()) => {
                    self.works_again();
                    return true;
                }
                Err(e) => {
                    cause = if is_full(&e) { LossCause::DiskFull } else { LossCause::IoError };
                    self.complain(&e);
                    self.abandon();
                    let mut segments = self.table.lock();
                    if is_full(&e) && segments.list.len() > crate::limits::MIN_SEGMENTS {
                        quota::evict(&*self.storage, &mut segments, self.identity.epoch);
                    }
                }
            }
        }
        self.tell_lost(rows, source, cause);
        false
    }

    // Once for each trouble, however many frames it takes: a full disk must not fill the journal.
    fn complain(&mut self, e: &io::Error) {
        if !std::mem::replace(&mut self.in_trouble, true) {
            let text = format!("{}: cannot write a frame: {e}; {REMEDY}", self.directory.display());
            journal::error(&text);
            self.table.set_trouble(Some(text));
        }
    }

    fn works_again(&mut self) {
        if std::mem::take(&mut self.in_trouble) {
            journal::warning(&format!("{}: frames are written again", self.directory.display()));
            self.table.set_trouble(None);
        }
    }

    fn try_store(&mut self, rows: &mut [Row], source: Source, generation: u64) -> io::Result<()> {
        if self.writer.as_ref().is_some_and(|w| self.table.lock().poisoned.contains(&w.seq())) {
            self.abandon();
        }
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
        let (epoch, seq) = (self.identity.epoch, self.next_seq);
        if !quota::make_room(&*self.storage, &self.state_dir, &mut segments, self.bounds, size, epoch) {
            return Err(full());
        }
        let begin = || SegmentWriter::begin(&*self.storage, &self.directory, seq, self.identity, self.chain);
        let mut writer = quota::with_room(&*self.storage, &mut segments, epoch, size, begin)?;
        self.next_seq += 1;
        // In the table at once: whatever fails from here on, the file is counted and evicted like any other.
        segments.active = Some((seq, writer.file()));
        segments.names += 1;
        segments.list.push_back(SegmentInfo {
            seq,
            path: self.directory.join(file_name(seq)),
            bytes: writer.bytes(),
            first_ns: u64::MAX,
            epoch: self.identity.epoch,
            boot_id: self.identity.boot_id,
            ..SegmentInfo::default()
        });
        writer.state(&self.prologue.state())?;
        if let Some(active) = segments.list.back_mut() {
            active.bytes = writer.bytes();
        }
        self.writer = Some(writer);
        Ok(())
    }

    /// Seals the active segment, if there is one. It stays with the flusher until it is durable, so that no
    /// slot counts as durable whose frame is not.
    pub fn close(&mut self) {
        let Some(mut writer) = self.writer.take() else { return };
        let (seq, file) = (writer.seq(), writer.file());
        let finished = writer.finish();
        self.chain = if finished.is_ok() { writer.chain() } else { chain_of(&file).unwrap_or_default() };
        let mut segments = self.table.lock();
        match finished {
            Ok(bytes) => {
                if let Some(active) = segments.list.back_mut().filter(|last| last.seq == seq) {
                    active.bytes = bytes;
                }
            }
            // Frames already in it are readable without a footer.
            Err(e) => journal::warning(&format!("{}: segment not closed: {e}", self.directory.display())),
        }
        if segments.active.take().is_some() {
            segments.closed.push((seq, file));
        }
    }

    // A file that failed is never written again. What is in it is still synced, unless that is what failed.
    fn abandon(&mut self) {
        // Nobody knows how much of a failed write has reached the file: the chain goes on from what is there.
        if let Some(writer) = self.writer.take() {
            self.chain = chain_of(&writer.file()).unwrap_or_default();
        }
        let mut segments = self.table.lock();
        let left = segments.active.take();
        segments.closed.extend(left);
    }

    fn tell_lost(&self, rows: &[Row], source: Source, cause: LossCause) {
        if source == Source::Meta {
            let gaps = rows.iter().filter_map(gap_of).collect();
            let _ = self.news.send(News::MetaLost(gaps));
            return;
        }
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
            let _ = self.news.send(News::Lost(gap));
        }
    }
}

// The loss that a meta row declares.
fn gap_of(row: &Row) -> Option<Gap> {
    (row.op == ops::LOSS).then_some(())?;
    Some(Gap {
        cpu: row.tid as u16,
        source: Source::from_number(row.flags as u8)?,
        first_seq: row.arg1,
        count: row.arg0,
        from_ns: row.start_ns(),
        to_ns: row.end_ns,
        cause: LossCause::from_number(row.ret)?,
    })
}
