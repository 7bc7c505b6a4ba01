//! Writing one segment file.

use std::{io, path::Path, sync::Arc};

use ingero_format::{
    Row,
    columns::Compressor,
    ops::Source,
    segment::{Builder, Header, file_name, follow},
    state::State,
};

use crate::storage::{FileHandle, Storage};

/// What is the same for every segment of a run.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// Id of the ring.
    pub ring_id: [u8; 16],
    /// Id of this boot.
    pub boot_id: [u8; 16],
    /// Life of the BPF counters: when they began, Unix ns.
    pub epoch: u64,
    /// Size of a segment file, bytes.
    pub segment_bytes: u64,
    /// Unit of the time columns, ns; 1 loses nothing.
    pub tick_ns: u32,
}

/// An open segment. Frames are only ever appended; after a failure the file is not written again.
pub struct SegmentWriter {
    file: FileHandle,
    builder: Builder,
    segment_bytes: u64,
}

/// The digest chain after the last frame of a file, as a reader finds it.
#[must_use]
pub fn chain_of(file: &FileHandle) -> Option<u128> {
    let view = file.view().ok()?;
    let header = Header::read((*view).as_ref()).ok()?;
    Some(follow((*view).as_ref(), &header).after)
}

impl SegmentWriter {
    /// Allocates a file and makes it segment `seq`. Nothing is left behind if that fails.
    ///
    /// # Errors
    /// As the file system says; ENOSPC here costs nothing that was recorded.
    pub fn begin(
        storage: &dyn Storage,
        directory: &Path,
        seq: u64,
        id: Identity,
        chain: u128,
    ) -> io::Result<Self> {
        let next = directory.join("next.seg");
        let made = Self::make(storage, &next, directory, seq, id, chain);
        if made.is_err() {
            let _ = storage.remove(&next);
        }
        made
    }

    fn make(
        storage: &dyn Storage,
        next: &Path,
        directory: &Path,
        seq: u64,
        id: Identity,
        chain: u128,
    ) -> io::Result<Self> {
        let file = storage.create(next)?;
        file.stay_in_place();
        file.allocate(id.segment_bytes)?;
        let header = Header {
            tick_ns: id.tick_ns,
            salt: storage.random()?,
            seq,
            ring_id: id.ring_id,
            boot_id: id.boot_id,
            epoch: id.epoch,
            created: storage.anchor(),
            chain_before: chain,
            ..Header::default()
        };
        let (builder, header) = Builder::begin(header, id.segment_bytes);
        file.write_at(&header, 0)?;
        storage.rename(next, &directory.join(file_name(seq)))?;
        Ok(Self { file, builder, segment_bytes: id.segment_bytes })
    }

    /// The file, for syncing.
    #[must_use]
    pub fn file(&self) -> FileHandle {
        Arc::clone(&self.file)
    }

    /// Bytes written so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.builder.bytes()
    }

    /// Number of the segment.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.builder.header().seq
    }

    /// The digest chain so far: the next segment goes on from it.
    #[must_use]
    pub fn chain(&self) -> u128 {
        self.builder.chain()
    }

    /// Writes the State frame, which comes first.
    ///
    /// # Errors
    /// As the file system says; the file must then not be written again.
    pub fn state(&mut self, state: &State) -> io::Result<()> {
        let at = self.builder.bytes();
        let bytes = self.builder.state(state).map_err(io::Error::other)?;
        self.file.write_at(&bytes, at)
    }

    /// Rows of one source as bytes, and where they belong; `None` if the segment has no room for them. They are
    /// to be given to [`SegmentWriter::write`] next.
    ///
    /// # Errors
    /// If the rows cannot be encoded; the file must then not be written again.
    pub fn events(
        &mut self,
        rows: &mut [Row],
        source: Source,
        head_generation: u64,
        lost_before: u64,
        compressor: &mut Compressor,
    ) -> io::Result<Option<(u64, Vec<u8>)>> {
        let at = self.builder.bytes();
        let bytes = self.builder.events(rows, source, head_generation, lost_before, compressor);
        Ok(bytes.map_err(io::Error::other)?.map(|bytes| (at, bytes)))
    }

    /// Writes what [`SegmentWriter::events`] gave.
    ///
    /// # Errors
    /// As the file system says; the file must then not be written again.
    pub fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(bytes, at)
    }

    /// Writes the footer and gives unused space back. Gives the bytes written of the whole segment.
    ///
    /// # Errors
    /// As the file system says; the frames already in it stay readable.
    pub fn finish(&mut self) -> io::Result<u64> {
        let at = self.builder.bytes();
        let footer = self.builder.footer().map_err(io::Error::other)?;
        self.file.write_at(&footer, at)?;
        // Punched, not truncated: a reader may have the file mapped.
        let from = self.bytes().next_multiple_of(4096);
        if from < self.segment_bytes {
            self.file.punch(from, self.segment_bytes - from);
        }
        Ok(self.bytes())
    }
}
