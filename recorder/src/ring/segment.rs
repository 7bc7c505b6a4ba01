//! Writing one segment file.

use std::{io, path::Path, sync::Arc};

use ingero_format::{
    frame,
    segment::{Footer, FooterEntry, HEADER_BYTES, Header, chain},
};

use crate::storage::{FileHandle, Storage};

/// Space kept for the footer's index: at least this many more frames can be listed.
const FOOTER_RESERVE: u64 = 64 << 10;

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

/// An open segment. Frames are only ever appended.
pub struct SegmentWriter {
    file: FileHandle,
    header: Header,
    segment_bytes: u64,
    at: u64,
    next_frame: u64,
    footer: Footer,
}

/// Name of a segment file.
#[must_use]
pub fn file_name(seq: u64) -> String {
    format!("{seq:020}.seg")
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
        file.allocate(id.segment_bytes)?;
        let header = Header {
            header_len: HEADER_BYTES as u16,
            tick_ns: 1,
            salt: storage.random()?,
            seq,
            ring_id: id.ring_id,
            boot_id: id.boot_id,
            epoch: id.epoch,
            created: storage.anchor(),
        };
        file.write_at(&header.to_bytes(), 0)?;
        storage.rename(next, &directory.join(file_name(seq)))?;
        let footer = Footer { frames: Vec::new(), chain };
        let at = HEADER_BYTES as u64;
        Ok(Self { file, header, segment_bytes: id.segment_bytes, at, next_frame: 0, footer })
    }

    /// The file, for syncing.
    #[must_use]
    pub fn file(&self) -> FileHandle {
        Arc::clone(&self.file)
    }

    /// Bytes written so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.at
    }

    /// Number of the segment.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.header.seq
    }

    /// The digest chain so far: the next segment goes on from it.
    #[must_use]
    pub fn chain(&self) -> u128 {
        self.footer.chain
    }

    /// True if a frame with this payload fits and the footer still will.
    #[must_use]
    pub fn has_room(&self, payload_bytes: usize) -> bool {
        let frame = frame::HEADER_BYTES as u64 + payload_bytes as u64 + 16;
        self.at + frame + FOOTER_RESERVE <= self.segment_bytes
    }

    /// Appends a frame; salt and number are filled in.
    ///
    /// # Errors
    /// As the file system says; the file must then not be written again.
    pub fn append(&mut self, mut header: frame::Header, payload: &[u8]) -> io::Result<u64> {
        header.salt = self.header.salt;
        header.frame_seq = self.next_frame;
        let bytes = frame::write(&header, payload);
        self.file.write_at(&bytes, self.at)?;
        self.footer.frames.push(FooterEntry {
            offset: self.at,
            first_ns: header.first_ns,
            last_ns: header.last_ns,
            n_events: header.n_events,
            sources: header.sources,
        });
        self.footer.chain = chain(self.footer.chain, &bytes);
        self.at += bytes.len() as u64;
        self.next_frame += 1;
        Ok(bytes.len() as u64)
    }

    /// Writes the footer and gives unused space back.
    ///
    /// # Errors
    /// As the file system says; the frames already in it stay readable.
    pub fn finish(mut self) -> io::Result<u64> {
        let payload = self.footer.to_bytes();
        let header = frame::Header {
            kind: frame::Kind::Footer as u8,
            codec: frame::Codec::Plain as u8,
            raw_len: payload.len() as u32,
            ..frame::Header::default()
        };
        self.append(header, &payload)?;
        // Punched, not truncated: a reader may have the file mapped.
        let from = self.at.next_multiple_of(4096);
        if from < self.segment_bytes {
            self.file.punch(from, self.segment_bytes - from);
        }
        Ok(self.at)
    }
}
