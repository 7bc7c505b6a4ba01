//! Writing the one file that travels.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use ingero_format::{
    Row,
    bundle::{Index, IndexEntry, MemberKind, Symbols, file_header, member_header, padding},
    bytes::crc32c,
    codec,
};
use sha2::{Digest, Sha256};

use super::links::{FrozenSet, link_name};

const COPY_BYTES: usize = 256 << 10;

/// What goes into a bundle beside the segments.
pub(super) struct Parts<'a> {
    /// MANIFEST as bytes.
    pub(super) manifest: &'a [u8],
    /// Rows that had not ended.
    pub(super) open: &'a [Row],
    /// Names of kernel addresses.
    pub(super) symbols: &'a Symbols,
}

/// Writes the bundle under a temporary name, syncs it and gives it its name. Gives its size.
pub(super) fn write(path: &Path, set: &FrozenSet, parts: &Parts<'_>) -> io::Result<u64> {
    let temporary = path.with_extension("new");
    let written = write_to(&temporary, set, parts).and_then(|bytes| {
        fs::rename(&temporary, path)?;
        path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())?;
        Ok(bytes)
    });
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn write_to(path: &Path, set: &FrozenSet, parts: &Parts<'_>) -> io::Result<u64> {
    let file = File::options().write(true).create(true).truncate(true).mode(0o640).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o640))?;
    let mut out = Writer { file: BufWriter::with_capacity(COPY_BYTES, file), at: 0, index: Index::default() };
    out.put(&file_header())?;
    out.small(MemberKind::Manifest, 0, parts.manifest)?;
    for segment in &set.segments {
        let file = File::open(set.directory.join(link_name(segment.seq)))?;
        out.member(MemberKind::Segment, segment.seq, segment.bytes, 0, file)?;
    }
    out.small(MemberKind::Head, 0, &set.head)?;
    let open: Vec<u8> = parts.open.iter().flat_map(|row| row.to_bytes(0)).collect();
    out.small(MemberKind::Open, parts.open.len() as u64, &open)?;
    let symbols = codec::encode("symbols", parts.symbols).map_err(io::Error::other)?;
    out.small(MemberKind::Symbols, 0, &symbols)?;
    let index = codec::encode("bundle index", &out.index).map_err(io::Error::other)?;
    out.small(MemberKind::Index, 0, &index)?;
    out.put(&member_header(MemberKind::End, 0, 0, 0))?;
    let bytes = out.at;
    let file = out.file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok(bytes)
}

struct Writer {
    file: BufWriter<File>,
    at: u64,
    index: Index,
}

impl Writer {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.at += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    // What is in memory: all but segments.
    fn small(&mut self, kind: MemberKind, number: u64, payload: &[u8]) -> io::Result<()> {
        self.member(kind, number, payload.len() as u64, crc32c(&[payload]), payload)
    }

    // Exactly `len` bytes of `from`: an active segment may have grown since the window was frozen.
    fn member(
        &mut self,
        kind: MemberKind,
        number: u64,
        len: u64,
        crc: u32,
        from: impl Read,
    ) -> io::Result<()> {
        self.put(&member_header(kind, number, len, crc))?;
        let offset = self.at;
        let mut digest = Sha256::new();
        let mut from = from.take(len);
        let mut buffer = vec![0; COPY_BYTES];
        loop {
            let n = from.read(&mut buffer)?;
            let Some(part) = buffer.get(..n).filter(|part| !part.is_empty()) else { break };
            digest.update(part);
            self.put(part)?;
        }
        if self.at != offset + len {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "a segment is shorter than its table says",
            ));
        }
        for _ in 0..padding(len) {
            self.put(&[0])?;
        }
        let sha256 = digest.finalize().into();
        self.index.members.push(IndexEntry { kind: kind as u16, number, offset, bytes: len, sha256 });
        Ok(())
    }
}
