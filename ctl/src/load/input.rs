//! Which kind of thing a path is, and how its parts reach the [`Collector`].

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use ingero_format::{
    FormatError, Row,
    bundle::{self, Bundle, Index, MemberKind, Symbols, UserSymbols},
    codec,
    manifest::{Manifest, SegmentEntry},
    row::ROW_BYTES,
    segment,
    units::hex,
};
use sha2::{Digest, Sha256};

use super::{
    collect::Collector,
    frames::{Input, Place},
};
use crate::{
    error::Error,
    folder::{self, Folder, Part},
    model::{Spool, Trace},
    progress::Progress,
};

/// What a path holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A portable bundle.
    Bundle,
    /// One segment of a ring.
    Segment,
    /// A folder: a ring or a frozen set.
    Folder,
    /// An SQLite database.
    Database,
}

const SQLITE_MAGIC: &[u8] = b"SQLite format 3\0";
const NOT_OURS: &str = "give a .ingero bundle, a ring folder, or a database made by `ingeroctl convert`";

/// Looks at the first bytes of `path`.
///
/// # Errors
/// If it cannot be read, or is none of the kinds.
pub fn kind_of(path: &Path) -> Result<Kind, Error> {
    if fs::metadata(path).map_err(Error::reading(path))?.is_dir() {
        return Ok(Kind::Folder);
    }
    let mut first = Vec::new();
    let file = File::open(path).map_err(Error::reading(path))?;
    file.take(16).read_to_end(&mut first).map_err(Error::reading(path))?;
    if first.starts_with(&bundle::MAGIC) {
        Ok(Kind::Bundle)
    } else if first.starts_with(&segment::MAGIC) {
        Ok(Kind::Segment)
    } else if first == SQLITE_MAGIC {
        Ok(Kind::Database)
    } else if first.is_empty() {
        Err(Error::not_ours(path, "the file is empty", NOT_OURS))
    } else {
        Err(Error::not_ours(path, "neither a bundle nor a database of this project", NOT_OURS))
    }
}

/// Reads one recorded window; large tables go into `spool`.
///
/// # Errors
/// If `path` is missing, not ours, or too damaged to give a window.
pub fn open(path: &Path, spool: &Spool, progress: &Progress) -> Result<Trace, Error> {
    let mut collector = Collector::default();
    add(path, &mut collector, progress)?;
    collector.finish(path, spool, progress)
}

/// Reads several windows: one trace for each machine, windows of the same boot merged into one.
///
/// # Errors
/// As [`open`], for any of them.
pub fn open_all(paths: &[PathBuf], spool: &Spool, progress: &Progress) -> Result<Vec<Trace>, Error> {
    let mut groups: Vec<(Option<[u8; 16]>, Vec<&Path>)> = Vec::new();
    for path in paths {
        let boot = boot_of(path)?;
        match groups.iter_mut().find(|(b, _)| boot.is_some() && *b == boot) {
            Some((_, group)) => group.push(path),
            None => groups.push((boot, vec![path])),
        }
    }
    let mut traces = Vec::new();
    for (_, group) in groups {
        let mut collector = Collector::default();
        if group.len() > 1 {
            collector.expect_duplicates();
        }
        for path in &group {
            add(path, &mut collector, progress)?;
        }
        let first = group.first().copied().unwrap_or(Path::new(""));
        traces.push(collector.finish(first, spool, progress)?);
    }
    traces.sort_by(|a, b| (&a.node, a.from_ns).cmp(&(&b.node, b.from_ns)));
    name_apart(&mut traces);
    Ok(traces)
}

/// Two boots of a machine, or two machines of one name, have processes of the same numbers that are not the same:
/// each gets the first digits of its boot's id behind its name.
fn name_apart(traces: &mut [Trace]) {
    let names: Vec<String> = traces.iter().map(|t| t.node.clone()).collect();
    for trace in traces {
        if names.iter().filter(|name| **name == trace.node).count() > 1 {
            let boot = trace.facts.boot_id.get(..8).unwrap_or_default();
            trace.node = format!("{} boot {boot}", trace.node);
        }
    }
}

fn boot_of(path: &Path) -> Result<Option<[u8; 16]>, Error> {
    if kind_of(path)? != Kind::Bundle {
        return Ok(None);
    }
    let bytes = map(path)?;
    let bundle = Bundle::read(&bytes).map_err(|e| refused(path, &e))?;
    let manifest = bundle.of(MemberKind::Manifest).next().and_then(|m| Manifest::read(m.payload).ok());
    Ok(manifest.map(|m| m.host.boot_id).filter(|id| *id != [0; 16]))
}

/// The first reading of a file or folder.
pub(super) fn add(path: &Path, collector: &mut Collector, progress: &Progress) -> Result<(), Error> {
    match kind_of(path)? {
        Kind::Bundle => add_bundle(path, collector, progress),
        Kind::Folder => add_folder(path, collector, progress),
        Kind::Segment => {
            let bytes = Arc::new(map(path)?);
            let file = collector.frames.file(Input::Mapped(Arc::clone(&bytes)));
            let place = Place { file, from: 0, len: bytes.len() as u64 };
            collector.segment(&bytes, place).map_err(|e| refused(path, &e))
        }
        Kind::Database => Err(Error::not_ours(
            path,
            "a database, where a bundle is needed",
            "use `ingeroctl explain` on it",
        )),
    }
}

fn refused(path: &Path, e: &FormatError) -> Error {
    Error::not_ours(path, e.to_string(), "fetch the bundle again, or see what `ingeroctl verify` finds")
}

/// Maps a file that is no longer written.
fn map(path: &Path) -> Result<memmap2::Mmap, Error> {
    let file = File::open(path).map_err(Error::reading(path))?;
    // SAFETY: bundles and sealed segments are never changed or truncated after they got their name,
    // so the mapped bytes stay valid and do not change while they are borrowed.
    unsafe { memmap2::Mmap::map(&file) }.map_err(Error::reading(path))
}

fn add_bundle(path: &Path, collector: &mut Collector, progress: &Progress) -> Result<(), Error> {
    let bytes = Arc::new(map(path)?);
    let file = collector.frames.file(Input::Mapped(Arc::clone(&bytes)));
    let bundle = Bundle::read(&bytes).map_err(|e| refused(path, &e))?;
    let manifest = bundle.of(MemberKind::Manifest).next().map(|m| Manifest::read(m.payload));
    let manifest = match manifest {
        Some(manifest) => manifest.map_err(|e| refused(path, &e))?,
        None => {
            let what = match bundle.members.first() {
                Some(_) => "its manifest is damaged, so nothing in it can be placed in time",
                None => "cut before its manifest, so nothing in it can be placed in time",
            };
            return Err(Error::not_ours(path, what, "fetch the bundle again"));
        }
    };
    let promised = manifest.segments.clone();
    collector.digest(digest(&bytes, |place| collector.frames.release(Place { file, ..place })));
    collector.manifest(manifest).map_err(|e| refused(path, &e))?;
    for damage in &bundle.damage {
        collector.damage(damage.to_string());
    }
    check_small_members(&bundle, collector);
    progress.begin(bytes.len() as u64, "reading");
    bundle.of(MemberKind::Head).for_each(|m| collector.survey_head(m.payload));
    for member in bundle.of(MemberKind::Segment) {
        collector.survey(member.payload);
        collector.frames.release(Place { file, from: member.offset, len: member.payload.len() as u64 });
    }
    for member in bundle.of(MemberKind::Segment) {
        let entry = promised.iter().find(|s| s.seq == member.number);
        let len = entry.map_or(member.payload.len(), |e| member.payload.len().min(e.bytes as usize));
        let place = Place { file, from: member.offset, len: len as u64 };
        if let Err(e) = collector.segment(member.payload.get(..len).unwrap_or_default(), place) {
            collector.damage(format!("segment {}: {}", member.number, e.shifted(member.offset)));
        }
        collector.frames.release(place);
        progress.at(member.offset + member.payload.len() as u64);
    }
    missing_segments(&bundle, &promised, collector);
    for member in bundle.of(MemberKind::Head) {
        collector.head(member.payload);
    }
    for member in bundle.of(MemberKind::Open) {
        collector.open_rows(member.payload.as_chunks::<ROW_BYTES>().0.iter().map(Row::from_bytes));
    }
    for member in bundle.of(MemberKind::Symbols) {
        match codec::decode::<Symbols>("symbols", member.payload) {
            Ok(symbols) => collector.symbols(symbols),
            Err(e) => collector.damage(e.to_string()),
        }
    }
    for member in bundle.of(MemberKind::UserSymbols) {
        match codec::decode::<UserSymbols>("user symbols", member.payload) {
            Ok(symbols) => collector.user_symbols.push(symbols),
            Err(e) => collector.damage(e.to_string()),
        }
    }
    if !bundle.complete {
        collector.cut();
    }
    Ok(())
}

/// SHA-256 of a file; `done` is told of each part that is not needed for a while.
fn digest(bytes: &[u8], done: impl Fn(Place)) -> String {
    const PART: usize = 16 << 20;
    let mut digest = Sha256::new();
    let mut from = 0;
    for part in bytes.chunks(PART) {
        digest.update(part);
        done(Place { file: 0, from, len: part.len() as u64 });
        from += part.len() as u64;
    }
    hex(&digest.finalize())
}

/// Segments that the manifest of a bundle lists and that are not in it.
fn missing_segments(bundle: &Bundle<'_>, promised: &[SegmentEntry], collector: &mut Collector) {
    let segments = || bundle.of(MemberKind::Segment);
    let there: BTreeMap<_, _> = segments().filter_map(|m| begin(m.number, m.payload, collector)).collect();
    let seqs = promised.iter().map(|entry| entry.seq);
    let mut missing: Vec<u64> = seqs.filter(|seq| !segments().any(|m| m.number == *seq)).collect();
    missing.iter().for_each(|seq| collector.damage(format!("segment {seq} is missing")));
    // Behind the last one that is there, the cut is told.
    missing.retain(|seq| bundle.complete || there.range(seq..).next().is_some());
    holes(&there, &missing, collector);
}

/// When a segment that was read begins, in the times of its rows.
fn begin(seq: u64, bytes: &[u8], collector: &Collector) -> Option<(u64, u64)> {
    Some((seq, collector.begun_ns(&segment::Header::read(bytes).ok()?)))
}

/// What a missing segment held lies between the begins of its neighbours, or behind the last one.
fn holes(there: &BTreeMap<u64, u64>, missing: &[u64], collector: &mut Collector) {
    for &seq in missing {
        let from = there.range(..seq).next_back().map_or(0, |(_, from)| *from);
        match there.range(seq..).next() {
            Some((_, to)) => collector.lost_between(from, *to),
            None => collector.lost_from(from),
        }
    }
}

/// Compares what carries no checksum of its own with the index. Segments do: their frames are checked.
fn check_small_members(bundle: &Bundle<'_>, collector: &mut Collector) {
    let index =
        bundle.of(MemberKind::Index).next().map(|m| codec::decode::<Index>("bundle index", m.payload));
    let index = match index {
        Some(Ok(index)) => index,
        Some(Err(e)) => return collector.damage(e.to_string()),
        None => return,
    };
    for entry in index.members.iter().filter(|e| e.kind != MemberKind::Segment as u16) {
        let member = bundle.members.iter().find(|m| m.offset == entry.offset);
        let wrong = match member {
            Some(m) if Sha256::digest(m.payload).as_slice() == entry.sha256 => continue,
            Some(_) => "SHA-256 differs from the index",
            None => "it is in the index and not there",
        };
        collector.damage(format!("member at byte {}: {wrong}", entry.offset));
    }
}

fn add_folder(path: &Path, collector: &mut Collector, progress: &Progress) -> Result<(), Error> {
    let folder = Folder::open(path)?;
    if let folder::Kind::Frozen(manifest) = &folder.kind {
        let refused = |e: &FormatError| refused(&path.join("MANIFEST"), e);
        collector.manifest(manifest.as_ref().clone().map_err(|e| refused(&e))?).map_err(|e| refused(&e))?;
    }
    if folder.segments.is_empty() {
        return Err(Error::not_ours(path, "a folder without segments", NOT_OURS));
    }
    progress.begin(folder.segments.len() as u64, "reading");
    match &folder.head {
        Part::Whole(bytes) => collector.survey_head(bytes),
        Part::Gone => {}
        Part::Damaged(why) => collector.damage(format!("head: {why}")),
    }
    for &seq in &folder.segments {
        if let Part::Whole(bytes) = folder.segment(seq)? {
            collector.survey(&bytes);
        }
    }
    let (mut there, mut missing) = (BTreeMap::new(), Vec::new());
    for (i, &seq) in folder.segments.iter().enumerate() {
        let file = folder.path_of(seq);
        // The active segment may grow while it is read, so it is copied rather than mapped.
        match folder.segment(seq)? {
            Part::Whole(bytes) => {
                let len = folder.end_of(seq).map_or(bytes.len(), |end| bytes.len().min(end));
                let place = Place {
                    file: collector.frames.file(Input::Read(file.clone())),
                    from: 0,
                    len: len as u64,
                };
                if let Err(e) = collector.segment(bytes.get(..len).unwrap_or_default(), place) {
                    collector.damage(format!("{}: {e}", file.display()));
                }
                there.extend(begin(seq, &bytes, collector));
            }
            // The window begins later; or, if older ones were read before they went too, has a hole.
            Part::Gone if there.is_empty() => {}
            Part::Gone => missing.push(seq),
            Part::Damaged(why) => {
                collector.damage(format!("{}: {why}", file.display()));
                missing.push(seq);
            }
        }
        progress.at(i as u64 + 1);
    }
    if let Part::Whole(bytes) = &folder.head {
        collector.head(bytes);
    }
    holes(&there, &missing, collector);
    Ok(())
}
