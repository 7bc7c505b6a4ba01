use super::*;

fn sample() -> Vec<u8> {
    let mut bytes = file_header();
    let mut index = Index::default();
    for (kind, payload) in [(MemberKind::Manifest, b"manifest!".as_slice()), (MemberKind::Segment, b"seg")] {
        index.members.push(IndexEntry {
            kind: kind as u16,
            number: 4,
            offset: (bytes.len() + HEADER_BYTES) as u64,
            bytes: payload.len() as u64,
            sha256: Sha256::digest(payload).into(),
        });
        append_member(&mut bytes, kind, 4, payload);
    }
    append_member(&mut bytes, MemberKind::Index, 0, &codec::encode("index", &index).unwrap());
    append_member(&mut bytes, MemberKind::End, 0, &[]);
    bytes
}

fn resealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = crc32c(&[&bytes[..28]]);
    bytes[28..32].copy_from_slice(&crc.to_le_bytes());
    bytes
}

#[test]
fn a_whole_bundle_reads_back_and_its_digests_agree() {
    let bytes = sample();
    let mut bundle = Bundle::read(&bytes).unwrap();
    bundle.check_digests();
    assert!(bundle.complete && bundle.damage.is_empty(), "{:?}", bundle.damage);
    let segment = bundle.of(MemberKind::Segment).next().unwrap();
    assert_eq!(
        (segment.payload, segment.payload_crc, segment.digest_agrees),
        (b"seg".as_slice(), 0, Some(true))
    );
}

#[test]
fn a_bundle_cut_anywhere_is_readable_up_to_the_cut_and_says_so() {
    let bytes = sample();
    for cut in HEADER_BYTES..bytes.len() {
        let bundle = Bundle::read(&bytes[..cut]).unwrap();
        assert!(!bundle.complete && !bundle.damage.is_empty(), "cut at {cut}");
    }
    for cut in 0..HEADER_BYTES {
        assert!(Bundle::read(&bytes[..cut]).is_err());
    }
}

#[test]
fn a_changed_payload_is_found_by_its_checksum_and_left_out() {
    let mut bytes = sample();
    bytes[HEADER_BYTES * 2] ^= 1;
    let mut bundle = Bundle::read(&bytes).unwrap();
    assert!(bundle.complete, "what follows is read");
    assert_eq!((bundle.damage.len(), bundle.of(MemberKind::Manifest).count()), (1, 0));
    assert_eq!(bundle.members[0].condition, Condition::Damaged);
    let from = HEADER_BYTES as u64 * 2;
    let (damage, len) = (&bundle.damage[0], bundle.members[0].payload_len);
    assert_eq!((damage.error.offset, damage.to, damage.skipped), (from, from + len, false));
    bundle.check_digests();
    assert_eq!((bundle.damage.len(), bundle.members[0].digest_agrees), (2, Some(false)));
}

// A flipped bit in a header once cost every member behind it.
#[test]
fn a_damaged_member_header_costs_that_member_alone_and_the_range_is_named() {
    let whole = sample();
    let places: Vec<(usize, usize)> = {
        let members = Bundle::read(&whole).unwrap().members;
        members
            .iter()
            .map(|m| (m.offset as usize - HEADER_BYTES, m.payload.len().next_multiple_of(8)))
            .collect()
    };
    for (i, (at, len)) in places.iter().enumerate() {
        for bit in 0..HEADER_BYTES * 8 {
            let mut bytes = whole.clone();
            bytes[at + bit / 8] ^= 1 << (bit % 8);
            let mut bundle = Bundle::read(&bytes).unwrap();
            let last = i + 1 == places.len();
            assert_eq!(
                (bundle.members.len(), bundle.complete),
                (places.len() - 1, !last),
                "bit {bit} at {at}"
            );
            let found = &bundle.damage[0];
            let end = (at + HEADER_BYTES + len) as u64;
            assert_eq!((found.error.offset, found.to, found.skipped), (*at as u64, end, true));
            assert!(found.to_string().ends_with(&format!("; bytes {at} to {end}")), "{found}");
            bundle.check_digests();
            assert!(bundle.members.iter().all(|m| m.digest_agrees != Some(false)));
        }
    }
}

#[test]
fn a_changed_segment_is_found_by_its_digest_alone() {
    let mut bytes = sample();
    let at = Bundle::read(&bytes).unwrap().members[1].offset as usize;
    bytes[at] ^= 1;
    let mut bundle = Bundle::read(&bytes).unwrap();
    assert!(bundle.damage.is_empty());
    bundle.check_digests();
    assert_eq!((bundle.damage.len(), bundle.members[1].digest_agrees), (1, Some(false)));
}

// Found by mutants: the ranges of what the index says otherwise were nobody's business.
#[test]
fn what_the_index_says_otherwise_is_told_with_its_range_of_bytes() {
    let range = |bytes: &[u8]| {
        let mut bundle = Bundle::read(bytes).unwrap();
        bundle.check_digests();
        let [found] = &bundle.damage[..] else { panic!("{:?}", bundle.damage) };
        (found.error.offset, found.to)
    };
    let whole = sample();
    let segment = Bundle::read(&whole).unwrap().members[1].offset;
    let mut other = whole.clone();
    other[segment as usize] ^= 1;
    assert_eq!(range(&other), (segment, segment + 3));
    // An index that does not know the segment, and one that cannot be read.
    for (index, expected) in [(Some(Index::default()), None), (None, Some((0, 5)))] {
        let mut bytes = file_header();
        append_member(&mut bytes, MemberKind::Segment, 4, b"seg");
        let at = bytes.len() as u64 + HEADER_BYTES as u64;
        let payload = index.map_or_else(|| vec![0xff; 5], |index| codec::encode("index", &index).unwrap());
        append_member(&mut bytes, MemberKind::Index, 0, &payload);
        append_member(&mut bytes, MemberKind::End, 0, &[]);
        let segment = Bundle::read(&bytes).unwrap().members[0].offset;
        let (from, to) = range(&bytes);
        match expected {
            None => assert_eq!((from, to), (segment, segment + 3)),
            Some((_, len)) => assert!((at..=at + len).contains(&from) && to == at + len, "{from} {to} {at}"),
        }
    }
}

#[test]
fn every_unknown_incompatible_bit_is_named_and_compatible_ones_are_ignored() {
    for bit in 0..32 {
        let mut newer = sample();
        newer[12..16].copy_from_slice(&(1u32 << bit).to_le_bytes());
        let refused = Bundle::read(&resealed(newer)).map(|b| b.complete).unwrap_err().to_string();
        assert!(refused.contains(&format!("feature bit {bit},")), "{refused}");
        let mut compatible = sample();
        compatible[16..20].copy_from_slice(&(1u32 << bit).to_le_bytes());
        assert!(Bundle::read(&resealed(compatible)).unwrap().complete);
    }
}

#[test]
fn the_file_manifest_is_a_bundle_of_one_and_any_flipped_bit_of_it_is_noticed() {
    let manifest = Manifest { version: 1, id: "a-1".into(), from_ns: 5, ..Manifest::default() };
    let bytes = manifest_file(&manifest).unwrap();
    assert_eq!(read_manifest_file(&bytes), Ok(manifest));
    let padding = bytes.len() - padding(bytes.len() as u64 - 64 - 5) as usize..bytes.len();
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(read_manifest_file(&damaged).is_err() || padding.contains(&(bit / 8)), "bit {bit}");
    }
    for cut in 0..bytes.len() - 8 {
        assert!(read_manifest_file(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    assert!(read_manifest_file(&file_header()).is_err());
}
