//! Writing one segment file.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use ingero_format::{
    Row,
    columns::Compressor,
    ops::Source,
    segment::{Anchor, Builder, Header},
    state::State,
};
use nix::fcntl::{FallocateFlags, fallocate};

/// What is the same for every segment of a run.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// The ring.
    pub ring_id: [u8; 16],
    /// This boot.
    pub boot_id: [u8; 16],
    /// Life of the BPF counters.
    pub epoch: u64,
    /// Size of a segment file.
    pub segment_bytes: u64,
}

/// An open segment. Frames are only ever appended; after a failure the file is not written again.
pub struct SegmentWriter {
    file: Arc<File>,
    builder: Builder,
    segment_bytes: u64,
}

/// Name of a segment file.
#[must_use]
pub fn file_name(seq: u64) -> String {
    format!("{seq:020}.seg")
}

/// Creates and allocates the file that will become the next segment.
///
/// # Errors
/// As the file system says; ENOSPC here costs nothing that was recorded.
pub fn preallocate(directory: &Path, bytes: u64) -> io::Result<PathBuf> {
    let path = directory.join("next.seg");
    let _ = std::fs::remove_file(&path);
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    fallocate(&file, FallocateFlags::empty(), 0, bytes.cast_signed())?;
    Ok(path)
}

impl SegmentWriter {
    /// Turns a preallocated file into segment `seq` and writes its header.
    ///
    /// # Errors
    /// As the file system says.
    pub fn begin(
        next: &Path,
        path: &Path,
        seq: u64,
        id: Identity,
        created: Anchor,
        chain: u128,
    ) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(next)?;
        let salt = getrandom::u64().map_err(|e| io::Error::other(e.to_string()))?;
        let header = Header {
            salt,
            seq,
            ring_id: id.ring_id,
            boot_id: id.boot_id,
            epoch: id.epoch,
            created,
            chain_before: chain,
            ..Header::default()
        };
        let (builder, header) = Builder::begin(header, id.segment_bytes);
        file.write_all_at(&header, 0)?;
        std::fs::rename(next, path)?;
        Ok(Self { file: Arc::new(file), builder, segment_bytes: id.segment_bytes })
    }

    /// The file, for syncing.
    #[must_use]
    pub fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Bytes written so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.builder.bytes()
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
        self.file.write_all_at(&bytes, at)
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
        self.file.write_all_at(bytes, at)
    }

    /// Writes the footer, gives unused space back, and makes the file durable.
    ///
    /// # Errors
    /// As the file system says; the frames already in it stay readable.
    pub fn finish(&mut self) -> io::Result<u64> {
        let at = self.builder.bytes();
        let footer = self.builder.footer().map_err(io::Error::other)?;
        self.file.write_all_at(&footer, at)?;
        // Punched, not truncated: a reader may have the file mapped.
        let from = self.bytes().next_multiple_of(4096);
        if from < self.segment_bytes {
            let hole = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
            let _ =
                fallocate(&self.file, hole, from.cast_signed(), (self.segment_bytes - from).cast_signed());
        }
        Ok(self.bytes())
    }
}
