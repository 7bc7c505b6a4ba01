//! What lies beside the segments of a ring.

use ingero_format::{
    Row,
    bundle::{MemberKind, Module, NO_MODULE, Symbols, UserFrame, UserSymbols, manifest_file},
    codec,
    head::{self, Geometry},
    identity::Identity,
    manifest::SegmentEntry,
    ops::Source,
};

use crate::{
    damage,
    random::Random,
    rows::{Pool, any},
    sample,
};

/// Two pages, one of which may be damaged or of a later version.
pub fn ring(random: &mut Random) -> Vec<u8> {
    let mut page = |generation| Identity {
        generation,
        ring_id: u128::from(any(random)).to_le_bytes(),
        segment_bytes: any(random),
        holder_pid: any(random) as u32,
    };
    let mut bytes = [page(4).to_bytes(), page(5).to_bytes()].concat();
    if random.once_in(4) {
        bytes.rotate_left(4096);
    }
    while random.once_in(3) {
        damage::anywhere(&mut bytes, random);
    }
    bytes
}

/// A few small slots.
pub fn head(random: &mut Random) -> Vec<u8> {
    let geometry = Geometry { slots: 1 + random.below(4) as u32, slot_bytes: 4096 };
    let mut bytes = geometry.to_bytes();
    let mut pool = Pool::new(random);
    for slot in 0..geometry.slots as usize {
        bytes.resize(geometry.slot_offset(slot), 0);
        if random.once_in(3) {
            continue;
        }
        let generation = 1 + any(random);
        let (source, mut rows) = pool.rows(random);
        rows.truncate(geometry.rows());
        let at = bytes.len();
        bytes.extend(head::slot_header(generation, any(random), source));
        let published = if random.once_in(10) { any(random) } else { rows.len() as u64 };
        bytes[at + head::PUBLISHED_OFFSET..at + head::PUBLISHED_OFFSET + 8]
            .copy_from_slice(&published.to_le_bytes());
        let other = random.once_in(4);
        let mut generation = || if other && random.once_in(5) { generation - 1 } else { generation };
        bytes.extend(rows.iter().flat_map(|row| row.to_bytes(generation())));
    }
    if random.once_in(2) {
        bytes.resize(geometry.file_bytes() as usize, 0);
    }
    let pages = head::PAGE_BYTES as u64;
    if random.once_in(4) && bytes.len() as u64 > pages {
        bytes.truncate((pages + random.below(bytes.len() as u64 - pages)) as usize);
    }
    if random.once_in(3) {
        damage::anywhere(&mut bytes, random);
    }
    bytes
}

/// A window of all segments.
pub fn bundle(segments: &[(u64, Vec<u8>)], head: &[u8], random: &mut Random) -> Vec<u8> {
    let entries = segments.iter().map(|(seq, b)| SegmentEntry { seq: *seq, bytes: b.len() as u64 });
    let manifest = sample::a_manifest(entries.collect()).to_bytes().unwrap();
    let mut members = vec![(MemberKind::Manifest, 0, manifest)];
    members.extend(segments.iter().map(|(seq, bytes)| (MemberKind::Segment, *seq, bytes.clone())));
    members.push((MemberKind::Head, 0, head.to_vec()));
    let mut pool = Pool::new(random);
    let (_, open) = pool.rows(random);
    let sealed = |row: &Row| row.to_bytes(0);
    members.push((MemberKind::Open, open.len() as u64, open.iter().flat_map(sealed).collect()));
    let symbols =
        Symbols { kernel: vec![(any(random), format!("s{}", random.below(99)), random.below(4096))] };
    members.push((MemberKind::Symbols, 0, codec::encode("symbols", &symbols).unwrap()));
    if random.once_in(2) {
        let user = user_symbols(random);
        members.push((MemberKind::UserSymbols, 0, codec::encode("user symbols", &user).unwrap()));
    }
    let mut bytes = sample::bundle_of(&members);
    while random.once_in(2) {
        damage::anywhere(&mut bytes, random);
    }
    bytes
}

fn user_symbols(random: &mut Random) -> UserSymbols {
    let build_id = (0..random.below(21)).map(|i| i as u8).collect();
    let frame = UserFrame {
        pid: random.below(99) as u32,
        address: any(random),
        file_offset: any(random),
        symbol: format!("_Z{}", random.below(99)),
        offset: any(random),
        line: random.below(99) as u32,
        ..UserFrame::default()
    };
    let bare = UserFrame { module: NO_MODULE, address: any(random), ..UserFrame::default() };
    UserSymbols { modules: vec![Module { path: "/opt/engine".into(), build_id }], frames: vec![frame, bare] }
}

/// The file of a frozen set.
pub fn manifest(random: &mut Random) -> Vec<u8> {
    let mut manifest = sample::a_manifest(vec![SegmentEntry { seq: any(random), bytes: any(random) }]);
    manifest.version += random.below(2) as u32;
    manifest.to_ns = any(random);
    manifest.id = format!("{}-{}", Source::ALL[random.below(4) as usize].name(), random.below(1000));
    let mut bytes = manifest_file(&manifest).unwrap();
    if random.once_in(3) {
        damage::anywhere(&mut bytes, random);
    }
    bytes
}
