//! Visiting every byte of a ring, frozen set, segment or bundle.

use std::{fs, path::Path};

use ingero_format::{
    FormatError, Reason, Row,
    bundle::{self, Bundle, MemberKind},
    columns,
    copies::Copies,
    frame::{self, Kind},
    head::{self, Slot},
    identity::Identity,
    manifest::Manifest,
    row::ROW_BYTES,
    segment::{self, Dictionaries, Footer, Header, Scan, Step, file_name},
    state::State,
};

use super::{Damage, Report, accounts::Accounts, links::Chain};
use crate::{
    error::Error,
    folder::{self, Folder, Part},
};

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

    fn folder(&mut self, path: &Path) -> Result<(), Error> {
        let folder = Folder::open(path)?;
        if matches!(folder.kind, folder::Kind::Loose) {
            return Err(Error::not_ours(path, "a folder without RING or MANIFEST", NOT_OURS));
        }
        let (mut left, mut notes) = (folder.segments.as_slice(), Vec::new());
        // What is older than an evicted segment went before it: the account begins behind them all.
        while let Some((seq, newer)) = self.visit(&folder, left)? {
            notes.push(format!("segment {seq} was evicted while the ring was read"));
            left = newer;
            *self = Self::default();
        }
        self.report.notes.extend(notes);
        Ok(())
    }

    /// Visits a folder from its first segment that counts. Gives one that was evicted meanwhile, and what is newer.
    fn visit<'a>(&mut self, folder: &Folder, segments: &'a [u64]) -> Result<Option<(u64, &'a [u64])>, Error> {
        self.about(folder)?;
        let mut left = segments;
        while let Some((&seq, newer)) = left.split_first() {
            left = newer;
            match folder.segment(seq)? {
                Part::Whole(bytes) => self.survey(&bytes),
                Part::Gone => return Ok(Some((seq, newer))),
                Part::Damaged(_) => {}
            }
        }
        left = segments;
        while let Some((&seq, newer)) = left.split_first() {
            left = newer;
            let place = file_name(seq);
            match folder.segment(seq)? {
                Part::Whole(bytes) => {
                    self.report.bytes += bytes.len() as u64;
                    self.segment(&place, &bytes, folder.end_of(seq));
                }
                Part::Gone => return Ok(Some((seq, newer))),
                Part::Damaged(why) => self.unread(&place, why),
            }
        }
        Ok(None)
    }

    /// Visits what a folder has beside its segments.
    fn about(&mut self, folder: &Folder) -> Result<(), Error> {
        self.report.kind = "ring";
        if let folder::Kind::Frozen(manifest) = &folder.kind {
            self.report.kind = "frozen";
            manifest.as_ref().as_ref().err().into_iter().for_each(|e| self.damage("MANIFEST", e));
        } else {
            match folder.part("RING")? {
                Part::Whole(bytes) => {
                    Identity::read(&bytes).err().into_iter().for_each(|e| self.damage("RING", &e));
                }
                Part::Gone => self.unread("RING", "it is missing".to_owned()),
                Part::Damaged(why) => self.unread("RING", why),
            }
        }
        match &folder.head {
            Part::Whole(bytes) => {
                self.report.bytes += bytes.len() as u64;
                self.head(bytes);
            }
            Part::Gone => {}
            Part::Damaged(why) => self.unread("head", why.clone()),
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

    fn segment(&mut self, place: &str, bytes: &[u8], end: Option<usize>) {
        let bytes = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or(bytes);
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

    fn unread(&mut self, place: &str, why: String) {
        self.damage(place, &FormatError::new("file", 0, Reason::Content(why)));
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
