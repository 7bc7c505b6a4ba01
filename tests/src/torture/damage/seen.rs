//! What a reader finds, and whether it says that something is wrong.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use ingero_format::{
    Row,
    bundle::{Bundle, MemberKind},
    head, ops,
    segment::file_name,
};

use super::{
    Judged,
    specimen::{Place, What, inside},
};
use crate::simulated::{contents::Contents, events::Key};

/// A loss as told: epoch, CPU, source, first number, count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Loss(u64, u16, u8, u64, u64);

impl Loss {
    /// That of a META row, if it tells one.
    #[must_use]
    pub fn of(epoch: u64, row: &Row) -> Option<Self> {
        (row.op == ops::LOSS).then_some(Self(epoch, row.tid as u16, row.flags as u8, row.arg1, row.arg0))
    }
}

/// What a reader finds.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Events.
    pub rows: BTreeMap<Key, Row>,
    /// Losses told.
    pub losses: BTreeSet<Loss>,
    /// Events that were there twice.
    pub doubles: Vec<Key>,
    /// Events without thread or call.
    pub unnamed: u64,
    /// What it says is wrong.
    pub reported: Vec<String>,
}

impl Seen {
    /// Reads segments and head.
    #[must_use]
    pub fn ring(files: &BTreeMap<PathBuf, Vec<u8>>) -> Self {
        let contents = Contents::of(files, &BTreeSet::new());
        let mut reported = contents.damage;
        if contents.unnamed > 0 {
            reported.push(format!("{} events without names", contents.unnamed));
        }
        for bytes in files.iter().filter(|(path, _)| path.ends_with("head")).map(|(_, bytes)| bytes) {
            match head::read(bytes) {
                Ok((slots, damaged)) => {
                    let torn: u64 = slots.iter().map(|s| s.torn).sum();
                    if damaged + torn > 0 {
                        reported.push(format!("{damaged} slots and {torn} rows do not verify"));
                    }
                }
                Err(e) => reported.push(e.to_string()),
            }
        }
        let losses = contents.losses.into_iter().map(|(e, c, s, first, n)| Loss(e, c, s, first, n));
        Self {
            rows: contents.rows,
            losses: losses.collect(),
            doubles: contents.doubles,
            unnamed: contents.unnamed,
            reported,
        }
    }

    /// Reads a bundle.
    #[must_use]
    pub fn bundle(bytes: &[u8]) -> Self {
        let mut bundle = match Bundle::read(bytes) {
            Ok(bundle) => bundle,
            Err(e) => return Self { reported: vec![e.to_string()], ..Self::default() },
        };
        bundle.check_digests();
        let mut files = BTreeMap::new();
        for member in bundle.of(MemberKind::Segment) {
            files.insert(PathBuf::from(file_name(member.number)), member.payload.to_vec());
        }
        for member in bundle.of(MemberKind::Head) {
            files.insert(Path::new("head").to_owned(), member.payload.to_vec());
        }
        let mut seen = Self::ring(&files);
        seen.reported.extend(bundle.damage.iter().map(ToString::to_string));
        if !bundle.complete {
            seen.reported.push("the bundle has no end".into());
        }
        seen
    }

    fn same(&self, other: &Self) -> bool {
        (&self.rows, &self.losses, self.unnamed) == (&other.rows, &other.losses, other.unnamed)
    }

    /// Holds what was found in a damaged file against the undamaged one, of which these places were hit.
    ///
    /// # Errors
    /// What was invented, doubled, lost beyond what was hit, or changed in silence.
    pub fn judge<'a>(
        &self,
        truth: &Self,
        places: &'a [Place],
        hit: impl Fn(&Place) -> bool,
    ) -> Result<Judged, String> {
        let harmless = self.same(truth);
        if !harmless && self.reported.is_empty() {
            return Err(format!("{} of {} events and not a word", self.rows.len(), truth.rows.len()));
        }
        let doors: Vec<&Place> = places.iter().filter(|p| p.what == What::Door && hit(p)).collect();
        let gone = |p: &&'a Place| hit(p) || doors.iter().any(|d| d.behind.contains(&p.bytes.start));
        let (keys, losses) = inside(places.iter().filter(gone));
        self.is_part_of(truth)?;
        let lost: Vec<&Key> = truth.rows.keys().filter(|key| !self.rows.contains_key(*key)).collect();
        if let Some(key) = lost.iter().find(|key| !keys.contains(key)) {
            return Err(format!("{key:?} is lost, which was not hit; {:?}", self.reported));
        }
        if let Some(loss) = truth.losses.difference(&self.losses).find(|loss| !losses.contains(loss)) {
            return Err(format!("{loss:?} is not told any more, which was not hit"));
        }
        Ok(Judged { reported: !self.reported.is_empty(), harmless, lost: lost.len() })
    }

    /// Nothing here is invented, doubled or changed, but for names that are known to be missing.
    ///
    /// # Errors
    /// The first that is.
    pub fn is_part_of(&self, truth: &Self) -> Result<(), String> {
        if let Some(double) = self.doubles.first() {
            return Err(format!("{double:?} is there twice"));
        }
        let mut nameless = 0;
        for (key, row) in &self.rows {
            let Some(given) = truth.rows.get(key) else { return Err(format!("{key:?} was invented")) };
            if row != given {
                let times = (row.end_ns, row.dur_ns) == (given.end_ns, given.dur_ns);
                if !times || ((row.pid, row.tid) != (0, 0) && row.op != 0) {
                    return Err(format!("{key:?}: {row:?} for {given:?}"));
                }
                nameless += 1;
            }
        }
        if nameless > self.unnamed {
            return Err(format!("{nameless} events have lost names, {} are counted", self.unnamed));
        }
        match self.losses.difference(&truth.losses).next() {
            Some(loss) => Err(format!("{loss:?} was invented")),
            None => Ok(()),
        }
    }
}
