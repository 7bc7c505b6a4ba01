//! Lies in head, `RING`, `MANIFEST`, bundle and control messages.

use ingero_format::{
    bundle::{self, Index, IndexEntry, Symbols},
    control::{self, Reply, Request, Status},
    manifest::{Manifest, SegmentEntry},
};

use super::{
    Kind, Lie,
    make::{
        bundle_of, bundle_with, end, head, manifest, member, member_claiming, put, record, ring, rows, seal,
        segment_around,
    },
};

/// All of them.
#[must_use]
pub fn lies() -> Vec<Lie> {
    [of_heads(), of_rings(), of_manifests(), of_bundles(), of_members(), of_indexes(), of_messages()].concat()
}

fn of_heads() -> Vec<Lie> {
    let lie = |name: String, bytes, says| Lie::new(Kind::Head, name, bytes, says);
    let page = |at: usize, value: &[u8]| {
        let mut bytes = head();
        put(&mut bytes, at, value);
        seal(&mut bytes, 0, 4096);
        bytes
    };
    let slot = |at: usize, value: &[u8]| {
        let mut bytes = head();
        put(&mut bytes, 4096 + at, value);
        seal(&mut bytes, 4096, 4096 + 32);
        bytes
    };
    let mut lies = Vec::new();
    for slots in [0u32, 1_025, u32::MAX] {
        lies.push(lie(format!("head_slots_{slots}"), page(12, &slots.to_le_bytes()), "slots"));
    }
    for bytes in [0u32, 4_095, 4_100, (64 << 20) + 4096, u32::MAX] {
        lies.push(lie(format!("head_slot_bytes_{bytes}"), page(16, &bytes.to_le_bytes()), "slot_bytes"));
    }
    for bit in 0..32 {
        let bytes = page(24, &(1u32 << bit).to_le_bytes());
        lies.push(lie(format!("head_incompat_bit_{bit}"), bytes, "incompatible feature bit"));
    }
    for published in [64u64, 65, 1 << 32, 1 << 58, u64::MAX] {
        let bytes = slot(32, &published.to_le_bytes());
        lies.push(lie(format!("head_published_{published}"), bytes, "published"));
    }
    for source in [5u8, 31, 255] {
        lies.push(lie(format!("head_source_{source}"), slot(16, &[source]), "source"));
    }
    let mut torn = head();
    torn[4096 + 64 + 70] ^= 1;
    let mut copied = head();
    let first = copied[4096..8192].to_vec();
    put(&mut copied, 8192, &first);
    let most = [12, 0x00, 0x04, 0, 0];
    let mut huge = page(usize::from(most[0]), &most[1..]);
    put(&mut huge, 16, &(64u32 << 20).to_le_bytes());
    seal(&mut huge, 0, 4096);
    let unsealed = |at: usize| {
        let mut bytes = head();
        bytes[at] ^= 1;
        bytes
    };
    lies.extend([
        lie("head_1024_slots_of_64_mib_in_12_kib".into(), huge, ""),
        lie("head_1024_slots_of_4_kib_in_12_kib".into(), page(12, &1024u32.to_le_bytes()), ""),
        lie("head_published_more_than_were_written".into(), slot(32, &[63]), "torn"),
        lie("head_published_fewer_than_were_written".into(), slot(32, &[1]), ""),
        lie("head_generation_0".into(), slot(0, &[0; 8]), "torn"),
        lie("head_generation_u64_max".into(), slot(0, &[0xff; 8]), "torn"),
        lie("head_epoch_u64_max".into(), slot(8, &[0xff; 8]), ""),
        lie("head_row_does_not_verify".into(), torn, "torn"),
        lie("head_same_use_in_two_slots".into(), copied, "twice"),
        lie("head_page_checksum".into(), unsealed(100), "checksum"),
        lie("head_slot_checksum".into(), unsealed(4096 + 28), "checksum"),
        lie("head_cut_in_its_page".into(), head()[..4000].to_vec(), "cut short"),
        lie("head_cut_in_a_slot_header".into(), head()[..4096 + 20].to_vec(), "cut short"),
        lie("head_cut_in_its_rows".into(), head()[..4096 + 150].to_vec(), "published"),
        lie("head_all_compat_bits".into(), page(20, &[0xff; 4]), ""),
    ]);
    lies
}

fn of_rings() -> Vec<Lie> {
    let lie = |name: String, bytes, says| Lie::new(Kind::Ring, name, bytes, says);
    let both = |at: usize, value: &[u8]| {
        let mut bytes = ring();
        for page in [0, 4096] {
            put(&mut bytes, page + at, value);
            seal(&mut bytes, page, page + 4096);
        }
        bytes
    };
    let mut lies = Vec::new();
    for bit in 0..32 {
        let bytes = both(12, &(1u32 << bit).to_le_bytes());
        lies.push(lie(format!("ring_incompat_bit_{bit}"), bytes, "incompatible feature bit"));
    }
    lies.extend([
        lie("ring_magic".into(), both(0, b"RINGRING"), "magic"),
        lie("ring_cut".into(), ring()[..4095].to_vec(), "cut short"),
        lie("ring_second_page_alone".into(), [vec![0; 4096], ring()[4096..].to_vec()].concat(), ""),
        lie("ring_generation_u64_max".into(), both(16, &[0xff; 8]), ""),
        lie("ring_segments_of_0_bytes".into(), both(40, &[0; 8]), ""),
        lie("ring_segments_of_u64_max_bytes".into(), both(40, &[0xff; 8]), ""),
        lie("ring_holder_u32_max".into(), both(48, &[0xff; 4]), ""),
    ]);
    lies
}

fn of_manifests() -> Vec<Lie> {
    let honest = manifest().to_bytes().unwrap();
    let file = |payload: &[u8]| bundle_of(&[member(1, 0, payload)]);
    let lie = |name: &str, bytes, says| Lie::new(Kind::Manifest, name, bytes, says);
    let with = |at: usize, value: &[u8]| {
        let mut payload = honest.clone();
        put(&mut payload, at, value);
        file(&payload)
    };
    let of = |manifest: Manifest| bundle::manifest_file(&manifest).unwrap();
    let cut = &honest[..honest.len() - 1];
    vec![
        lie("manifest_version_0", with(0, &[0; 4]), ""),
        lie("manifest_version_u32_max", with(0, &[0xff; 4]), ""),
        lie(
            "manifest_of_a_later_version_with_more",
            file(&[with(0, &[2])[64..].to_vec(), vec![9; 99]].concat()),
            "",
        ),
        lie("manifest_with_bytes_left_over", file(&[honest.clone(), vec![0; 3]].concat()), "left over"),
        lie("manifest_cut_within", file(cut), "manifest"),
        lie("manifest_of_nothing", file(&[]), "cut short"),
        lie("manifest_id_u64_max_long", with(4, &[0xff; 8]), "manifest").declaring(16 << 20),
        lie("manifest_id_15_mib_long", with(4, &(15u64 << 20).to_le_bytes()), "manifest").declaring(16 << 20),
        lie("manifest_id_not_utf8", with(12, &[0xff]), "manifest"),
        lie("manifest_triggers_2_to_the_60", with(13, &(1u64 << 60).to_le_bytes()), "manifest")
            .declaring(16 << 20),
        lie("manifest_triggers_2_to_the_18", with(13, &(1u64 << 18).to_le_bytes()), "manifest")
            .declaring(16 << 20),
        lie("manifest_missing", bundle_of(&[end()]), "no manifest"),
        lie("manifest_behind_the_end", bundle_of(&[end(), member(1, 0, &honest)]), "no manifest"),
        lie(
            "manifest_longer_than_its_file",
            bundle_of(&[member_claiming(1, 0, 9_999, &honest)]),
            "cut short",
        ),
        lie("manifest_u64_max_long", bundle_of(&[member_claiming(1, 0, u64::MAX, &honest)]), "cut short"),
        lie(
            "manifest_of_100_000_segments",
            of(Manifest { segments: vec![SegmentEntry::default(); 100_000], ..manifest() }),
            "",
        ),
        lie(
            "manifest_of_segments_u64_max_long",
            of(Manifest { segments: vec![SegmentEntry { seq: 1, bytes: u64::MAX }; 2], ..manifest() }),
            "",
        ),
        lie(
            "manifest_of_segments_1_byte_long",
            of(Manifest { segments: vec![SegmentEntry { seq: 1, bytes: 1 }], ..manifest() }),
            "",
        ),
        lie(
            "manifest_of_a_segment_not_there",
            of(Manifest { segments: vec![SegmentEntry { seq: 99, bytes: 1 }], ..manifest() }),
            "",
        ),
        lie("manifest_named_like_a_path", of(Manifest { id: "../../etc/passwd".into(), ..manifest() }), ""),
        lie(
            "manifest_notes_with_escape_codes",
            of(Manifest { notes: vec!["\x1b[2J\r\n\0".into()], ..manifest() }),
            "",
        ),
    ]
}

fn of_bundles() -> Vec<Lie> {
    let lie = |name: String, bytes, says| Lie::new(Kind::Bundle, name, bytes, says);
    let mut lies = Vec::new();
    for bit in 0..32 {
        let mut bytes = bundle_with(&[end()]);
        put(&mut bytes, 12, &(1u32 << bit).to_le_bytes());
        seal(&mut bytes, 0, 32);
        lies.push(lie(format!("bundle_incompat_bit_{bit}"), bytes, "incompatible feature bit"));
    }
    for kind in [0u16, 8, 255, u16::MAX] {
        lies.push(lie(format!("member_kind_{kind}"), bundle_with(&[member(kind, 0, b"later"), end()]), ""));
    }
    let open: Vec<u8> = rows(3, 0).iter().flat_map(|row| row.to_bytes(0)).collect();
    let wrong: Vec<u8> = rows(3, 0).iter().flat_map(|row| row.to_bytes(1)).collect();
    let symbols = record(&Symbols { kernel: vec![(1, "a".into(), 2)] });
    let claims = |len: u64, payload: &[u8]| bundle_with(&[member_claiming(5, 0, len, payload), end()]);
    let mut magic = member(5, 0, &symbols);
    put(&mut magic, 0, b"NGMI");
    seal(&mut magic, 0, 32);
    let mut unsealed = member(5, 0, &symbols);
    unsealed[8] ^= 1;
    lies.extend([
        lie("member_longer_than_file".into(), claims(1 << 30, &symbols), "cut short"),
        lie("member_u64_max_long".into(), claims(u64::MAX, &symbols), "cut short"),
        lie("member_that_overflows_with_its_padding".into(), claims(u64::MAX - 6, &symbols), "cut short"),
        lie("member_that_overflows_with_its_offset".into(), claims(u64::MAX - 600, &symbols), "cut short"),
        lie("overlapping_members".into(), claims(8, &symbols), "checksum"),
        lie("member_of_0_bytes_that_has_some".into(), claims(0, &symbols), "checksum"),
        lie("member_magic".into(), bundle_with(&[magic, end()]), "magic"),
        lie("member_header_checksum".into(), bundle_with(&[unsealed, end()]), "checksum"),
        lie("open_rows_2_to_the_60".into(), bundle_with(&[member(4, 1 << 60, &open), end()]), "open rows"),
        lie(
            "open_rows_of_another_generation".into(),
            bundle_with(&[member(4, 3, &wrong), end()]),
            "open rows",
        ),
        lie(
            "open_rows_of_no_whole_row".into(),
            bundle_with(&[member(4, 3, &open[..100]), end()]),
            "open rows",
        ),
        lie(
            "symbols_with_bytes_left_over".into(),
            bundle_with(&[member(5, 0, &[symbols.clone(), vec![0]].concat()), end()]),
            "left over",
        ),
        lie(
            "symbols_2_to_the_60".into(),
            bundle_with(&[member(5, 0, &(1u64 << 60).to_le_bytes()), end()]),
            "symbols",
        )
        .declaring(16 << 20),
        lie("symbols_cut".into(), bundle_with(&[member(5, 0, &symbols[..9]), end()]), "symbols"),
    ]);
    lies.push(lie(
        "100_000_members_of_nothing".into(),
        bundle_with(&[member(9, 0, &[]).repeat(100_000), end()]),
        "",
    ));
    lies
}

// Members that are what they say, but not where or how often they should be.
fn of_members() -> Vec<Lie> {
    let lie = |name: String, bytes, says| Lie::new(Kind::Bundle, name, bytes, says);
    let segment = segment_around(&[]);
    let (one, two) = (member(1, 0, &manifest().to_bytes().unwrap()), member(2, 1, &segment));
    vec![
        lie("bundle_without_an_end".into(), bundle_with(&[]), "no end"),
        lie("bundle_with_bytes_behind_its_end".into(), [bundle_with(&[end()]), vec![7; 999]].concat(), ""),
        lie("bundle_of_an_end_alone".into(), bundle_of(&[end()]), "no manifest"),
        lie("bundle_of_nothing".into(), bundle_of(&[]), "no end"),
        lie("bundle_with_two_manifests".into(), bundle_of(&[one.clone(), one.clone(), end()]), ""),
        lie("bundle_with_the_manifest_last".into(), bundle_of(&[two.clone(), one.clone(), end()]), ""),
        lie(
            "bundle_with_a_segment_twice".into(),
            bundle_of(&[one.clone(), two.clone(), two.clone(), end()]),
            "",
        ),
        lie(
            "segment_under_another_number".into(),
            bundle_of(&[one.clone(), member(2, 77, &segment), end()]),
            "",
        ),
        lie("segment_of_0_bytes".into(), bundle_of(&[one.clone(), member(2, 1, &[]), end()]), "cut short"),
        lie("head_as_a_segment".into(), bundle_of(&[one.clone(), member(2, 1, &head()), end()]), "magic"),
        lie("segment_as_the_head".into(), bundle_of(&[one.clone(), member(3, 0, &segment), end()]), "magic"),
        lie(
            "two_heads".into(),
            bundle_of(&[one.clone(), member(3, 0, &head()), member(3, 0, &head()), end()]),
            "",
        ),
        lie(
            "a_bundle_inside_a_bundle".into(),
            bundle_of(&[one, member(2, 1, &bundle_with(&[end()])), end()]),
            "magic",
        ),
    ]
}

fn of_indexes() -> Vec<Lie> {
    let lie = |name: &str, index: Vec<u8>, says| {
        Lie::new(Kind::Bundle, name, bundle_with(&[member(6, 0, &index), end()]), says)
    };
    let entry = |offset| IndexEntry { kind: 2, number: 1, offset, bytes: 10, sha256: [0; 32] };
    let index = |members: Vec<IndexEntry>| record(&Index { members });
    let segment_at = 64 + manifest().to_bytes().unwrap().len().next_multiple_of(8) as u64 + 32;
    let big = vec![member(2, 2, &vec![1; 4 << 20]), member(6, 0, &index(vec![entry(64); 1_000])), end()];
    vec![
        lie("index_that_lists_one_member_1000_times", index(vec![entry(segment_at); 1_000]), "SHA-256"),
        Lie::new(
            Kind::Bundle,
            "index_that_lists_a_manifest_1000_times_beside_4_mib",
            bundle_with(&big),
            "SHA-256",
        ),
        lie("index_of_nothing", index(vec![]), "not in the index"),
        lie("index_that_points_past_the_end", index(vec![entry(u64::MAX)]), "is not there"),
        lie("index_that_points_into_a_member", index(vec![entry(segment_at + 8)]), "is not there"),
        lie("index_that_points_at_itself", index(vec![entry(0); 3]), "is not there"),
        lie("index_claims_2_to_the_60", (1u64 << 60).to_le_bytes().to_vec(), "bundle index")
            .declaring(16 << 20),
        lie(
            "index_claims_200_000_of_1",
            [200_000u64.to_le_bytes().to_vec(), index(vec![entry(1)])].concat(),
            "bundle index",
        )
        .declaring(16 << 20),
        lie("index_with_bytes_left_over", [index(vec![]), vec![0]].concat(), "left over"),
        lie("index_cut", vec![1, 0], "bundle index"),
    ]
}

fn of_messages() -> Vec<Lie> {
    let lie = |name: &str, bytes, says| Lie::new(Kind::Control, name, bytes, says);
    let request = Request::Snapshot { last_ns: 1, after_ns: 2, reason: "why".into(), unit: false };
    let honest = control::to_wire(&request).unwrap();
    let status = control::to_wire(&Reply::Status(Box::<Status>::default())).unwrap();
    // The length, right again.
    let wire = |record: &[u8]| [&(record.len() as u32 + 4).to_le_bytes(), &[2, 0, 0, 0][..], record].concat();
    let record = |bytes: &[u8]| bytes[8..].to_vec();
    let with = |bytes: &[u8], at: usize, value: &[u8]| {
        let mut bytes = bytes.to_vec();
        put(&mut bytes, at, value);
        bytes
    };
    // Found by what changes there: the record has grown behind it more than once.
    let mut other = Status::default();
    other.cost.thread_percent = Some(0.0);
    let other = control::to_wire(&Reply::Status(Box::new(other))).unwrap();
    let option = 4 + status.iter().zip(&other).skip(4).take_while(|(a, b)| a == b).count();
    vec![
        lie("message_of_nothing", vec![], "cut short"),
        lie("message_length_0", with(&honest, 0, &[0; 4]), "length"),
        lie("message_length_3", with(&honest, 0, &[3, 0, 0, 0]), "length"),
        lie("message_length_4_without_a_record", vec![4, 0, 0, 0, 2, 0, 0, 0], "control message"),
        lie("message_length_over_1_mib", with(&honest, 0, &0x10_0001u32.to_le_bytes()), "length"),
        lie("message_length_u32_max", with(&honest, 0, &[0xff; 4]), "length"),
        lie("message_length_past_its_end", with(&honest, 0, &[0xff, 0, 0, 0]), "cut short"),
        lie("message_version_0", with(&honest, 4, &[0, 0]), "control protocol 0"),
        lie("message_version_65535", with(&honest, 4, &[0xff; 2]), "control protocol 65535"),
        lie("message_variant_6", with(&honest, 8, &[99]), "control message"),
        lie("message_variant_u32_max", with(&honest, 8, &[0xff; 4]), "control message"),
        lie("message_string_u64_max", with(&honest, 28, &[0xff; 8]), "control message").declaring(16 << 20),
        lie("message_string_15_mib", with(&honest, 28, &(15u64 << 20).to_le_bytes()), "control message")
            .declaring(16 << 20),
        lie("message_string_not_utf8", with(&honest, 36, &[0xff]), "control message"),
        lie("message_with_trailing_bytes", wire(&[record(&honest), vec![0]].concat()), "left over"),
        lie("message_cut_within", wire(&record(&honest)[..9]), "control message"),
        lie(
            "message_list_2_to_the_60",
            wire(&[&2u32.to_le_bytes()[..], &(1u64 << 60).to_le_bytes()].concat()),
            "left over",
        ),
        lie(
            "message_list_2_to_the_16",
            wire(&[&2u32.to_le_bytes()[..], &(1u64 << 16).to_le_bytes()].concat()),
            "left over",
        )
        .declaring(16 << 20),
        lie("message_unknown_option_byte", with(&status, option, &[2]), "control message"),
        lie("message_lasting_for_ever", with(&honest, 12, &[0xff; 16]), ""),
    ]
}
