//! Visiting every byte of a ring, frozen set, segment or bundle.

use std::{
    fs,
    path::{Path, PathBuf},
};

use ingero_format::{
    FormatError, Reason, Row,
    bundle::{self, Bundle, MemberKind},
    columns,
    copies::Copies,
    frame::{self, Kind},
    head::{self, Slot},
    manifest::{Manifest, SegmentEntry},
    row::ROW_BYTES,
    segment::{self, Dictionaries, Footer, Header, Scan, Step},
    state::State,
};

use super::{Damage, Report, accounts::Accounts, links::Chain};
use crate::error::Error;

const NOT_OURS: &str = "give a ring or frozen folder, a .seg segment or a .ingero bundle";

/// A visit under way.
#[derive(Default)]
pub(super) struct Walk {
    report: Report,
    accounts: Accounts,
    copies: Copies,
    chain: Chain,
    slots: Vec<Slot>,
}

impl Walk {
    /// Visits whatever `path` is.
    pub(super) fn path(&mut self, path: &Path) -> Result<(), Error> {
        if fs::metadata(path).map_err(Error::reading(path))?.is_dir() {
            return self.folder(path);
        }
        let bytes = fs::read(path).map_err(Error::reading(path))?;
        self.report.bytes = bytes.len() as u64;
        if bytes.starts_with(&bundle::MAGIC) {
            self.report.kind = "bundle";
            self.bundle(&bytes);
        } else if bytes.starts_with(&segment::MAGIC) {
            self.report.kind = "segment";
            self.survey(&bytes);
            self.segment(&name(path), &bytes, None);
        } else {
            return Err(Error::not_ours(
                path,
                "neither a ring, a frozen set, a segment nor a bundle",
                NOT_OURS,
            ));
        }
        Ok(())
    }

    // The head is read before the segments: of a live ring, rows may then be seen twice, never missed.
    fn folder(&mut self, path: &Path) -> Result<(), Error> {
        let ring = [path.join("ring"), path.to_owned()].into_iter().find(|p| p.join("RING").exists());
        let frozen = path.join("MANIFEST").exists();
        self.report.kind = if frozen { "frozen" } else { "ring" };
        let Some(folder) = ring.or_else(|| frozen.then(|| path.to_owned())) else {
            return Err(Error::not_ours(path, "a folder without RING or MANIFEST", NOT_OURS));
        };
        let mut entries: Vec<SegmentEntry> = Vec::new();
        if frozen {
            let file = folder.join("MANIFEST");
            let bytes = fs::read(&file).map_err(Error::reading(&file))?;
            match bundle::read_manifest_file(&bytes) {
                Ok(manifest) => entries = manifest.segments,
                Err(e) => self.damage("MANIFEST", &e),
            }
        } else {
            let file = folder.join("RING");
            let bytes = fs::read(&file).map_err(Error::reading(&file))?;
            if let Err(e) = ingero_format::identity::Identity::read(&bytes) {
                self.damage("RING", &e);
            }
        }
        if let Ok(bytes) = fs::read(folder.join("head")) {
            self.report.bytes += bytes.len() as u64;
            self.head(&bytes);
        }
        let segments = segments_in(&folder)?;
        for file in &segments {
            if let Ok(bytes) = fs::read(file) {
                self.survey(&bytes);
            }
        }
        for file in segments {
            let seq = file.file_stem().and_then(|s| s.to_str()).and_then(|s| s.parse().ok());
            // Evicted since it was listed: the oldest go while a ring is read.
            let Ok(bytes) = fs::read(&file) else { continue };
            self.report.bytes += bytes.len() as u64;
            let end = entries.iter().find(|e| Some(e.seq) == seq).map(|e| e.bytes);
            self.segment(&name(&file), &bytes, end);
        }
        Ok(())
    }

    fn bundle(&mut self, bytes: &[u8]) {
        let mut bundle = match Bundle::read(bytes) {
            Ok(bundle) => bundle,
            Err(e) => return self.damage("bundle", &e),
        };
        bundle.check_digests();
        for found in &bundle.damage {
            let (offset, to) = (found.error.offset, found.to);
            let reason = format!("{}: {}", found.error.what, found.error.reason);
            self.report.damaged.push(Damage { place: "bundle".to_owned(), offset, to, reason });
        }
        let manifest = bundle.of(MemberKind::Manifest).next().map(|m| Manifest::read(m.payload));
        if let Some(Err(e)) = &manifest {
            self.damage("manifest", e);
        }
        for member in bundle.of(MemberKind::Head) {
            self.head(member.payload);
        }
        for member in bundle.of(MemberKind::Segment) {
            self.survey(member.payload);
        }
        for member in bundle.of(MemberKind::Segment) {
            let before = self.report.damaged.len();
            self.segment(&format!("segment {}", member.number), member.payload, None);
            for damage in self.report.damaged.iter_mut().skip(before) {
                damage.offset += member.offset;
                damage.to += member.offset;
            }
        }
        for member in bundle.of(MemberKind::Open) {
            let torn =
                member.payload.as_chunks::<ROW_BYTES>().0.iter().position(|r| Row::from_head(r, 0).is_none());
            if let Some(i) = torn {
                let reason = Reason::Content("an open row does not verify".into());
                self.damage(
                    "open rows",
                    &FormatError::new("row", member.offset + (i * ROW_BYTES) as u64, reason),
                );
            }
        }
    }

    fn head(&mut self, bytes: &[u8]) {
        match head::read(bytes) {
            Ok((slots, damaged)) => {
                let torn: u64 = slots.iter().map(|s| s.torn).sum();
                if damaged + torn > 0 {
                    let text = format!("{damaged} slots and {torn} rows do not verify");
                    self.damage("head", &FormatError::new("head", 0, Reason::Content(text)));
                }
                let used = slots.iter().filter(|s| !s.rows.is_empty());
                used.for_each(|s| self.copies.slot(s.epoch, s.generation));
                self.slots = slots;
            }
            Err(e) => self.damage("head", &e),
        }
    }

    fn survey(&mut self, bytes: &[u8]) {
        if let Ok(header) = Header::read(bytes) {
            self.copies.survey(bytes, &header, &Dictionaries::collect(bytes, &header));
        }
    }

    fn segment(&mut self, place: &str, bytes: &[u8], end: Option<u64>) {
        let bytes = bytes.get(..end.map_or(bytes.len(), |e| e as usize)).unwrap_or(bytes);
        let header = match Header::read(bytes) {
            Ok(header) => header,
            Err(e) => return self.damage(place, &e),
        };
        let (tampered, note) = self.chain.segment(bytes, &header);
        self.report.notes.extend(note);
        if let Some(text) = tampered {
            self.damage(place, &FormatError::new("digest chain", 0, Reason::Content(text)));
        }
        let (mut frames, mut whole, mut names) = (0, true, Dictionaries::default());
        let dictionaries = Dictionaries::collect(bytes, &header);
        for step in Scan::new(bytes, &header) {
            let (offset, frame, payload) = match step {
                Step::Frame(offset, frame, payload) => (offset, frame, payload),
                Step::Damage(from, to, e) => {
                    whole = false;
                    let reason = format!("{} at byte {}: {}", e.what, e.offset, e.reason);
                    self.report.damaged.push(Damage { place: place.to_owned(), offset: from, to, reason });
                    continue;
                }
            };
            self.report.frames += 1;
            let read = names.frame(&frame, payload).and_then(|()| match frame.content() {
                Ok(Some(Kind::Footer)) => footer(&frame, payload, whole.then_some(frames)),
                _ => self.frame(&header, &frame, payload, &dictionaries),
            });
            if let Err(e) = read {
                self.damage(place, &e.shifted(offset));
            }
            frames += 1;
        }
    }

    fn frame(
        &mut self,
        header: &Header,
        frame: &frame::Header,
        payload: &[u8],
        dictionaries: &Dictionaries,
    ) -> Result<(), FormatError> {
        match frame.content()? {
            Some(Kind::State) => {
                let state = State::read(&frame::unpack_record(frame, payload)?)?;
                self.accounts.state(header.epoch, &state);
            }
            Some(Kind::Events) => {
                let decoded = columns::decode(frame, payload, header.tick_ns, dictionaries)?;
                if !self.copies.take_frame(header.epoch, frame, dictionaries) {
                    return Ok(());
                }
                self.accounts.rows(header.epoch, frame.sources.trailing_zeros() as u8, &decoded.rows);
                if decoded.unnamed > 0 {
                    let text =
                        format!("{} rows without thread or call: a dictionary is missing", decoded.unnamed);
                    return Err(FormatError::new("frame", 0, Reason::Content(text)));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn damage(&mut self, place: &str, e: &FormatError) {
        let reason = format!("{}: {}", e.what, e.reason);
        self.report.damaged.push(Damage { place: place.to_owned(), offset: e.offset, to: e.offset, reason });
    }

    /// Closes the account.
    pub(super) fn finish(mut self) -> Report {
        for slot in std::mem::take(&mut self.slots) {
            if !slot.rows.is_empty() && self.copies.take_slot(slot.epoch, slot.generation) {
                self.accounts.rows(slot.epoch, slot.source as u8, &slot.rows);
            }
        }
        let (conservation, wrong) = self.accounts.conservation();
        for text in wrong {
            let e = FormatError::new("conservation", 0, Reason::Content(text));
            self.damage("accounts", &e);
        }
        self.report.events = self.accounts.events();
        self.report.losses = self.accounts.losses();
        self.report.conservation = conservation;
        self.report.chain = self.chain.word();
        self.report.ok = self.report.damaged.is_empty();
        self.report
    }
}

// Advisory, but of an undamaged segment it must list what is there.
fn footer(header: &frame::Header, payload: &[u8], frames: Option<usize>) -> Result<(), FormatError> {
    let footer = Footer::read(&frame::unpack_record(header, payload)?)?;
    match frames.filter(|n| *n != footer.frames.len()) {
        None => Ok(()),
        Some(n) => {
            let text = format!("it lists {} frames, {n} are there", footer.frames.len());
            Err(FormatError::new("footer", 0, Reason::Content(text)))
        }
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn segments_in(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(folder).map_err(Error::reading(folder))?.flatten();
    let mut found: Vec<PathBuf> = entries
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == "seg") && p.file_stem().is_some_and(|s| s != "next"))
        .collect();
    found.sort_unstable();
    Ok(found)
}
