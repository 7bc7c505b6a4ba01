//! Writing the one file that travels.

use std::{io, path::Path};

use ingero_format::{
    Row,
    bundle::{Index, IndexEntry, MemberKind, Symbols, UserSymbols, file_header, member_header, padding},
    bytes::crc32c,
    codec,
    segment::file_name,
};
use sha2::{Digest, Sha256};

use super::links::FrozenSet;
use crate::{
    limits::COPY_BYTES,
    storage::{FileHandle, Storage},
};

/// What goes into a bundle beside the segments.
pub struct Parts<'a> {
    /// MANIFEST as bytes.
    pub manifest: &'a [u8],
    /// Rows that had not ended.
    pub open: &'a [Row],
    /// Names of kernel addresses.
    pub symbols: &'a Symbols,
    /// Names of addresses in processes' code; written only if there are any.
    pub user_symbols: &'a UserSymbols,
}

/// Claims `room` bytes for a bundle under a temporary name, so that the bound on the state directory counts
/// them before the first is written.
///
/// # Errors
/// As the file system says; then nothing is left of it.
pub fn claim(storage: &dyn Storage, path: &Path, room: u64) -> io::Result<FileHandle> {
    let temporary = path.with_extension("new");
    let claimed = storage.create(&temporary).and_then(|file| file.allocate(room).map(|()| file));
    if claimed.is_err() {
        let _ = storage.remove(&temporary);
    }
    claimed
}

/// Writes a bundle into its claimed file, syncs it and gives it its name. Gives its size, bytes.
///
/// # Errors
/// As the file system says; then nothing is left of it.
pub fn write(path: &Path, file: FileHandle, set: &FrozenSet, parts: &Parts<'_>) -> io::Result<u64> {
    let (storage, temporary) = (&*set.storage, path.with_extension("new"));
    let written = write_to(storage, file, set, parts).and_then(|bytes| {
        storage.rename(&temporary, path)?;
        path.parent().map_or(Ok(()), |dir| storage.sync_dir(dir))?;
        Ok(bytes)
    });
    if written.is_err() {
        let _ = storage.remove(&temporary);
    }
    written
}

fn write_to(storage: &dyn Storage, file: FileHandle, set: &FrozenSet, parts: &Parts<'_>) -> io::Result<u64> {
    let mut out =
        Writer { file, written: 0, buffer: Vec::with_capacity(COPY_BYTES), index: Index::default() };
    out.put(&file_header())?;
    out.bytes(MemberKind::Manifest, 0, parts.manifest)?;
    for segment in &set.segments {
        let file = storage.open(&set.directory.join(file_name(segment.seq)))?;
        out.file(segment.seq, segment.bytes, &file)?;
    }
    out.bytes(MemberKind::Head, 0, &set.head)?;
    let open: Vec<u8> = parts.open.iter().flat_map(|row| row.to_bytes(0)).collect();
    out.bytes(MemberKind::Open, parts.open.len() as u64, &open)?;
    let symbols = codec::encode("symbols", parts.symbols).map_err(io::Error::other)?;
    out.bytes(MemberKind::Symbols, 0, &symbols)?;
    if !parts.user_symbols.frames.is_empty() {
        let symbols = codec::encode("user symbols", parts.user_symbols).map_err(io::Error::other)?;
        out.bytes(MemberKind::UserSymbols, 0, &symbols)?;
    }
    let index = codec::encode("bundle index", &out.index).map_err(io::Error::other)?;
    out.bytes(MemberKind::Index, 0, &index)?;
    out.put(&member_header(MemberKind::End, 0, 0, 0))?;
    out.finish()
}

struct Writer {
    file: FileHandle,
    /// Bytes in the file.
    written: u64,
    /// Bytes after them.
    buffer: Vec<u8>,
    index: Index,
}

impl Writer {
    fn position(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend(bytes);
        if self.buffer.len() >= COPY_BYTES {
            self.write_out()?;
        }
        Ok(())
    }

    fn write_out(&mut self) -> io::Result<()> {
        self.file.write_at(&self.buffer, self.written)?;
        self.written = self.position();
        self.buffer.clear();
        Ok(())
    }

    fn bytes(&mut self, kind: MemberKind, number: u64, payload: &[u8]) -> io::Result<()> {
        self.put(&member_header(kind, number, payload.len() as u64, crc32c(&[payload])))?;
        let offset = self.position();
        self.put(payload)?;
        self.end(kind, number, offset, Sha256::digest(payload).into())
    }

    // Exactly `len` bytes of the segment: an active one may have grown since the window was frozen.
    fn file(&mut self, seq: u64, len: u64, from: &FileHandle) -> io::Result<()> {
        self.put(&member_header(MemberKind::Segment, seq, len, 0))?;
        let (offset, mut digest) = (self.position(), Sha256::new());
        let mut part = vec![0; COPY_BYTES];
        let mut at = 0;
        while at < len {
            part.truncate((len - at).min(COPY_BYTES as u64) as usize);
            from.read_exact_at(&mut part, at)?;
            digest.update(&part);
            self.put(&part)?;
            at += part.len() as u64;
        }
        self.end(MemberKind::Segment, seq, offset, digest.finalize().into())
    }

    fn end(&mut self, kind: MemberKind, number: u64, offset: u64, sha256: [u8; 32]) -> io::Result<()> {
        let bytes = self.position() - offset;
        self.index.members.push(IndexEntry { kind: kind as u16, number, offset, bytes, sha256 });
        self.put(vec![0; padding(bytes) as usize].as_slice())
    }

    // Nobody maps the file yet: it may be cut to what was written.
    fn finish(mut self) -> io::Result<u64> {
        self.write_out()?;
        self.file.truncate(self.written)?;
        self.file.sync_data()?;
        Ok(self.written)
    }
}
