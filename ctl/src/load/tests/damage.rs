//! Damage of members: what is left out, and what is told of it.

use super::*;

// Behind a damaged member header nothing was read, and of a segment lost in the middle no hole was told.
#[test]
fn a_segment_whose_member_header_is_damaged_is_a_hole_between_its_neighbours() {
    let folder = TempDir::new().unwrap();
    let mut draft = Draft::new(10);
    draft.manifest.segments = (1..4).map(|seq| SegmentEntry { seq, bytes: u64::MAX }).collect();
    let mut out = bundle::file_header();
    bundle::append_member(&mut out, MemberKind::Manifest, 0, &draft.manifest.to_bytes().unwrap());
    let mut middle = 0;
    for seq in 1..4 {
        draft.frames = vec![(vec![launch(seq, seq * 1_000, 5, 0xf1)], seq)];
        let created = Anchor { boot_ns: BEGIN + seq * 1_000, real_ns: 1, uncertainty_ns: 0 };
        let header = segment::Header { seq, created, ..segment::Header::default() };
        middle = if seq == 2 { out.len() } else { middle };
        bundle::append_member(&mut out, MemberKind::Segment, seq, &draft.segment_of(header));
    }
    bundle::append_member(&mut out, MemberKind::End, 0, &[]);
    out[middle + 9] ^= 4;
    let path = folder.path().join("x.ingero");
    fs::write(&path, out).unwrap();
    let trace = open(&path, &Progress::none()).unwrap();
    let times: Vec<i64> = trace.calls.iter().map(|c| c.ts_ns - trace.from_ns).collect();
    assert_eq!(times, [1_000, 3_000]);
    let hole = trace.losses.iter().find(|l| l.cause == LossCause::Corrupt as i32).unwrap();
    assert_eq!((hole.from_ns - trace.from_ns, hole.to_ns - trace.from_ns), (1_000, 3_000));
    let damage = trace.facts.damage.join("; ");
    assert!(
        damage.contains("segment 2 is missing") && damage.contains(&format!("bytes {middle} to ")),
        "{damage}"
    );
    let report = crate::verify::verify(&path).unwrap();
    let named =
        report.damaged.iter().any(|d| d.place == "bundle" && d.offset == middle as u64 && d.to > d.offset);
    assert!(named && !report.ok, "{:?}", report.damaged);
}

#[test]
fn a_change_in_a_small_member_is_found_and_the_member_left_out() {
    let mut draft = Draft::new(10);
    draft.frames.push((vec![launch(0, 10, 5, 0xf1)], 0));
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.ingero");
    let changed = |word: &[u8]| {
        let mut bytes = draft.bytes();
        let at = bytes.windows(word.len()).position(|w| w == word).unwrap();
        bytes[at] = b'X';
        fs::write(&path, bytes).unwrap();
        open(&path, &Progress::none())
    };
    let trace = changed(b"futex_wait").unwrap();
    assert!(trace.facts.damage[0].contains("checksum differs"), "{:?}", trace.facts.damage);
    let refused = changed(b"alpha").unwrap_err().to_string();
    assert!(refused.contains("manifest is damaged"), "{refused}");
}
