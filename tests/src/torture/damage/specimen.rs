//! An undamaged ring with its bundle, and where in it what lies.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::{Path, PathBuf},
};

use ingero_format::{
    Row, bundle, columns,
    frame::{self, Kind},
    head::{Geometry, PAGE_BYTES, SLOT_HEADER_BYTES},
    manifest::{Host, Manifest, SegmentEntry, Trigger},
    ops::Source,
    row::{META_CPU, ROW_BYTES},
    segment::{Dictionaries, HEADER_BYTES, Header, number_of},
};

use super::seen::{Loss, Seen};
use crate::simulated::{
    events::Key,
    rig::{Rig, Sizes},
};

/// What lies in a stretch of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// What is behind it cannot be placed without it: a segment's header, the head's first page, a member's header.
    Door,
    /// A frame that holds no rows.
    Record(Kind),
    /// A frame of rows, or a used slot.
    Rows {
        /// Events inside.
        keys: Vec<Key>,
        /// Losses told inside.
        losses: Vec<Loss>,
    },
}

/// Something in a file.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its bytes.
    pub bytes: Range<usize>,
    /// What it is.
    pub what: What,
    /// What is lost if it is damaged and it is a door: everything in here.
    pub behind: Range<usize>,
}

/// Files, and where in each what lies.
#[derive(Clone, Debug)]
pub struct Specimen {
    /// Segments and head of the ring.
    pub files: BTreeMap<PathBuf, Vec<u8>>,
    /// Their parts.
    pub places: BTreeMap<PathBuf, Vec<Place>>,
    /// `RING`, for readers that want one.
    pub identity: Vec<u8>,
    /// The head as it was some events earlier, and many events earlier.
    pub earlier_heads: [Vec<u8>; 2],
    /// The segment not closed yet.
    pub active: PathBuf,
    /// A bundle of all of it.
    pub bundle: Vec<u8>,
    /// The bundle's parts.
    pub bundle_places: Vec<Place>,
    /// A file `MANIFEST`.
    pub manifest: Vec<u8>,
}

/// The head's path.
#[must_use]
pub fn head_path() -> PathBuf {
    "/state/ring/head".into()
}

impl Specimen {
    /// Two closed segments of so many bytes, one that is not closed, and a head with rows.
    #[must_use]
    pub fn new(seed: u64, segment_bytes: u64) -> Self {
        let mut rig = Rig::new(seed, Sizes { segment_bytes, ..Sizes::default() });
        rig.start().unwrap();
        let segments = |rig: &Rig| {
            let files = rig.disk.files(Path::new("/state/ring"));
            files.into_iter().filter(|(path, _)| is_segment(path)).collect::<BTreeMap<_, _>>()
        };
        let written = |bytes: &[u8]| bytes.len() - bytes.iter().rev().take_while(|b| **b == 0).count();
        let head = |rig: &Rig| rig.disk.files(Path::new("/state/ring")).remove(&head_path()).unwrap();
        let (mut turn, mut long_ago) = (0, Vec::new());
        loop {
            let list = segments(&rig);
            let enough = list.values().last().map_or(0, |last| written(last)) > segment_bytes as usize / 2;
            if list.len() >= 3 && enough {
                break;
            }
            (0..40).for_each(|_| rig.give());
            turn += 1;
            if turn % 9 == 0 {
                long_ago = head(&rig);
            }
            if turn % 4 == 0 {
                rig.lose(Source::ALL[turn / 4 % 3], turn as u64);
            }
            rig.seal();
            if turn % 7 == 0 {
                rig.seal_all();
            }
        }
        rig.freeze(3);
        let earlier_heads = [head(&rig), long_ago];
        // Rows that stand in the head alone, of every source.
        rig.lose(Source::Cuda, 1_000);
        (0..60).for_each(|_| rig.give());
        let bundle = rig.disk.files(Path::new("/state/bundles")).into_values().next().unwrap();
        let mut files = rig.disk.files(Path::new("/state/ring"));
        let identity = files.remove(Path::new("/state/ring/RING")).unwrap();
        files.retain(|path, _| is_segment(path) || path.ends_with("head"));
        let active = files.keys().rfind(|path| is_segment(path)).unwrap().clone();
        let places = files.iter().map(|(path, bytes)| (path.clone(), places_of(path, bytes))).collect();
        let bundle_places = in_bundle(&bundle);
        let manifest = a_manifest();
        Self { files, places, identity, earlier_heads, active, bundle, bundle_places, manifest }
    }

    /// Events and losses in all places that survive.
    pub fn surviving(&self, survives: impl Fn(&Path, &Place) -> bool) -> (BTreeSet<Key>, BTreeSet<Loss>) {
        let all = self.places.iter().flat_map(|(path, places)| places.iter().map(move |p| (path, p)));
        inside(all.filter(|(path, place)| survives(path, place)).map(|(_, place)| place))
    }

    /// What is in the undamaged ring.
    #[must_use]
    pub fn truth(&self) -> Seen {
        let seen = Seen::ring(&self.files);
        let (keys, losses) = self.surviving(|_, _| true);
        assert!(seen.rows.keys().eq(keys.iter()) && seen.losses == losses, "the specimen is not whole");
        assert!(seen.reported.is_empty() && seen.unnamed == 0, "{:?}", seen.reported);
        seen
    }
}

/// Events and losses in places.
pub fn inside<'a>(places: impl Iterator<Item = &'a Place>) -> (BTreeSet<Key>, BTreeSet<Loss>) {
    let (mut keys, mut losses) = (BTreeSet::new(), BTreeSet::new());
    for place in places {
        if let What::Rows { keys: k, losses: l } = &place.what {
            keys.extend(k);
            losses.extend(l);
        }
    }
    (keys, losses)
}

/// True for the name of a segment of a ring.
#[must_use]
pub fn is_segment(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).and_then(number_of).is_some()
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn places_of(path: &Path, bytes: &[u8]) -> Vec<Place> {
    if is_segment(path) { in_segment(bytes, 0) } else { in_head(bytes, 0) }
}

fn shifted(range: Range<usize>, base: usize) -> Range<usize> {
    range.start + base..range.end + base
}

fn rows_of(rows: &[Row], epoch: u64, source: u8) -> What {
    let named = rows.iter().filter(|r| r.cpu() != META_CPU);
    let losses = rows.iter().filter_map(|r| Loss::of(epoch, r)).collect();
    What::Rows { keys: named.map(|r| (epoch, r.cpu(), source, r.seq())).collect(), losses }
}

// By the lengths in the headers of undamaged frames (FORMAT.md, section 6).
fn in_segment(bytes: &[u8], base: usize) -> Vec<Place> {
    let header = Header::read(bytes).unwrap();
    let dictionaries = Dictionaries::collect(bytes, &header);
    let whole = shifted(0..bytes.len(), base);
    let mut places =
        vec![Place { bytes: shifted(0..HEADER_BYTES, base), what: What::Door, behind: whole.clone() }];
    let mut at = HEADER_BYTES;
    while bytes.get(at..at + 8) == Some(frame::MAGIC.as_slice()) {
        let payload = u32::from_le_bytes(bytes[at + 64..at + 68].try_into().unwrap()) as usize;
        let end = at + frame::HEADER_BYTES + payload.next_multiple_of(8) + 8;
        let what = match Kind::from_number(bytes[at + 12]).unwrap() {
            Kind::Events => {
                let (frame, payload) = frame::read(&bytes[at..], header.salt).unwrap();
                let rows = columns::decode(&frame, payload, header.tick_ns, &dictionaries).unwrap().rows;
                rows_of(&rows, header.epoch, frame.sources.trailing_zeros() as u8)
            }
            kind => What::Record(kind),
        };
        places.push(Place { bytes: shifted(at..end, base), what, behind: whole.clone() });
        at = end;
    }
    places
}

// By the counts in the headers of undamaged slots (FORMAT.md, section 4).
fn in_head(bytes: &[u8], base: usize) -> Vec<Place> {
    let geometry = Geometry::read(bytes).unwrap();
    let whole = shifted(0..bytes.len(), base);
    let mut places =
        vec![Place { bytes: shifted(0..PAGE_BYTES, base), what: What::Door, behind: whole.clone() }];
    for i in 0..geometry.slots as usize {
        let at = geometry.slot_offset(i);
        if at + SLOT_HEADER_BYTES > bytes.len() {
            break;
        }
        let rows = u64_at(bytes, at + 32) as usize;
        let from = at + SLOT_HEADER_BYTES;
        let end = from + rows * ROW_BYTES;
        let list: Vec<Row> = bytes[from..end].as_chunks().0.iter().map(Row::from_bytes).collect();
        let what = rows_of(&list, u64_at(bytes, at + 8), bytes[at + 16]);
        places.push(Place { bytes: shifted(at..end, base), what, behind: whole.clone() });
    }
    places
}

// By the lengths in the members' headers (FORMAT.md, section 13): where one is damaged, its member is lost.
fn in_bundle(bytes: &[u8]) -> Vec<Place> {
    let door = |bytes: Range<usize>, end| Place { behind: bytes.start..end, bytes, what: What::Door };
    let mut places = vec![door(0..bundle::HEADER_BYTES, bytes.len())];
    let mut at = bundle::HEADER_BYTES;
    while at < bytes.len() {
        let from = at + bundle::HEADER_BYTES;
        let len = u64_at(bytes, at + 16) as usize;
        places.push(door(at..from, from + len));
        let payload = &bytes[from..from + len];
        match bytes[at + 4] {
            // Without a manifest nothing could be placed in time; rows are still found.
            2 => places.extend(in_segment(payload, from)),
            // One checksum over the whole member: damage anywhere in it costs all of it.
            3 => places.extend(in_head(payload, from).into_iter().map(|place| match place.what {
                What::Door => Place { bytes: from..from + len, ..place },
                _ => place,
            })),
            _ => {}
        }
        at = from + len.next_multiple_of(8);
    }
    places
}

fn a_manifest() -> Vec<u8> {
    let manifest = Manifest {
        version: 1,
        id: "20261122T101340-0001".into(),
        triggers: vec![Trigger { kind: "command".into(), reason: "slow".into(), at_ns: 9_000_000 }],
        to_ns: 9_000_000,
        host: Host { name: "node-1".into(), cpus: 2, ..Host::default() },
        segments: vec![SegmentEntry { seq: 5, bytes: 4096 }; 3],
        notes: vec!["of an odd length!".into()],
        ..Manifest::default()
    };
    bundle::manifest_file(&manifest).unwrap()
}
