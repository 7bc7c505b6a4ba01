//! Lies in the records of State frames, and in Footers.

use ingero_format::{
    frame::{Kind as FrameKind, pack_record},
    segment::{Footer, FooterEntry},
    state::{Account, State, Task},
};

use super::{
    Kind, Lie,
    make::{Columns, frame_of, record_frame, segment_around},
};

fn around(name: impl Into<String>, frame: &[u8], says: &'static str) -> Lie {
    Lie::new(Kind::Segment, name, segment_around(frame), says)
}

/// All of them.
#[must_use]
pub fn lies() -> Vec<Lie> {
    [of_states(), of_footers(), of_dictionaries()].concat()
}

fn section(tag: u16, record: &[u8]) -> Vec<u8> {
    claiming(tag, record.len() as u32, record)
}

fn claiming(tag: u16, len: u32, record: &[u8]) -> Vec<u8> {
    [&tag.to_le_bytes(), &[0; 2][..], &len.to_le_bytes(), record].concat()
}

fn list(count: u64, items: &[u8]) -> Vec<u8> {
    [&count.to_le_bytes(), items].concat()
}

fn of_states() -> Vec<Lie> {
    let frame = |raw: &[u8]| record_frame(FrameKind::State, 4, raw);
    let task =
        |len: u64, name: &[u8]| section(2, &list(1, &[&[0; 16][..], &len.to_le_bytes(), name].concat()));
    let mut lies = Vec::new();
    for (tag, name) in [(1, "account"), (2, "task"), (3, "stack"), (4, "handle"), (5, "process")] {
        for (count, many) in [(1u64 << 60, "2_to_the_60"), (u64::MAX, "u64_max"), (1 << 21, "2_to_the_21")] {
            let record = frame(&section(tag, &list(count, &[])));
            lies.push(
                around(format!("{name}_list_claims_{many}"), &record, "state record").declaring(16 << 20),
            );
        }
        let left_over = frame(&section(tag, &list(0, &[1, 2, 3])));
        lies.push(around(format!("{name}_list_with_trailing_bytes"), &left_over, "left over"));
        lies.push(around(format!("{name}_list_cut"), &frame(&section(tag, &[1, 0, 0])), "state record"));
        let twice = [section(tag, &list(0, &[])), section(tag, &list(0, &[]))].concat();
        lies.push(around(format!("{name}_section_twice"), &frame(&twice), "section tag"));
    }
    let overflow = State {
        accounts: vec![Account { cpu: 0, source: 0, stored: u64::MAX, lost: u64::MAX }],
        ..State::default()
    };
    let late = State {
        tasks: vec![Task { pid: 1, tid: u32::MAX, since_ns: u64::MAX, comm: "x".repeat(100_000) }],
        ..State::default()
    };
    let many: Vec<u8> = (100..20_000u16).flat_map(|tag| section(tag, &[])).collect();
    lies.extend([
        around("string_length_u64_max", &frame(&task(u64::MAX, b"x")), "state record").declaring(16 << 20),
        around("string_length_15_mib", &frame(&task(15 << 20, b"x")), "state record").declaring(16 << 20),
        around("string_length_one_more", &frame(&task(2, b"x")), "state record"),
        around("string_length_one_less", &frame(&task(0, b"x")), "left over"),
        around("string_not_utf8", &frame(&task(2, &[0xc3, 0x28])), "state record"),
        around("string_of_zeros", &frame(&task(3, &[0; 3])), ""),
        around("section_past_the_end", &frame(&claiming(1, 99, &list(0, &[]))), "cut short"),
        around("section_length_u32_max", &frame(&claiming(1, u32::MAX, &[])), "cut short"),
        around("section_header_cut", &frame(&[1, 0, 0, 0, 8]), "cut short"),
        around("section_of_a_later_version", &frame(&section(99, &[1, 2, 3])), ""),
        around("later_section_twice", &frame(&[section(99, &[]), section(99, &[])].concat()), "section tag"),
        around("twenty_thousand_sections", &frame(&many), ""),
        around("account_that_overflows", &frame(&overflow.to_bytes().unwrap()), ""),
        around("name_of_100_kb_in_the_year_2554", &frame(&late.to_bytes().unwrap()), ""),
        around("accounts_alone_without_a_section", &frame(&list(1, &[0; 19])), "state record"),
    ]);
    // The oldest state decides what was evicted: there, an account reaches the sums.
    let mut first = super::make::header().to_bytes();
    first.extend(record_frame(FrameKind::State, 0, &overflow.to_bytes().unwrap()));
    first.extend(Columns::honest().frame(1));
    lies.push(Lie::new(Kind::Segment, "first_account_that_overflows", first, ""));
    lies
}

fn of_footers() -> Vec<Lie> {
    let frame = |raw: &[u8]| record_frame(FrameKind::Footer, 4, raw);
    let raw = |count: u64, entries: &[u8]| [&count.to_le_bytes(), &[0; 16][..], entries].concat();
    let entry = |offset| FooterEntry { offset, n_events: u32::MAX, sources: 1, ..FooterEntry::default() };
    let footer = |frames| Footer { frames, chain: 0 }.to_bytes();
    let mut lies = vec![
        around("footer_entries_u64_max", &frame(&raw(u64::MAX, &[0; 32])), "entries"),
        around("footer_entries_one_more", &frame(&raw(2, &[0; 32])), "entries"),
        around("footer_entries_overflow_when_multiplied", &frame(&raw(1 << 59, &[0; 64])), "entries"),
        around("footer_cut", &frame(&[1, 0, 0]), "cut short"),
        around(
            "footer_points_backwards",
            &frame(&footer(vec![entry(300), entry(256), entry(0)])),
            "tampered",
        ),
        around("footer_points_past_the_end", &frame(&footer(vec![entry(u64::MAX); 3])), "tampered"),
        around("footer_points_at_itself", &frame(&footer(vec![entry(700); 3])), "tampered"),
        around("footer_lists_nothing", &frame(&footer(vec![])), "tampered"),
        around("footer_lists_100_000_frames", &frame(&footer(vec![entry(256); 100_000])), "tampered")
            .declaring(16 << 20),
        around("footer_with_a_broken_table", &frame(&[footer(vec![]), vec![9, 0, 1]].concat()), "column"),
        around(
            "footer_of_another_chain_twice",
            &[frame(&footer(vec![])), record_frame(FrameKind::Footer, 5, &footer(vec![]))].concat(),
            "tampered",
        ),
        around(
            "footer_contradicts_the_dictionary",
            &frame(&[footer(vec![]), vec![5, 0, 1, 9, 9]].concat()),
            "unnamed",
        ),
    ];
    let lost = Footer::default().to_bytes();
    lies.push(around(
        "frames_after_the_footer",
        &[frame(&lost), Columns::honest().frame(5)].concat(),
        "tampered",
    ));
    lies
}

// A table said again and again packs to next to nothing: a reader once spent seconds on a few KiB.
fn of_dictionaries() -> Vec<Lie> {
    let said_often = |bytes: usize| [5, 0, 1, 9, 9].repeat(bytes / 5);
    let frames = |kind, count: u64, raw: &[u8]| -> Vec<u8> {
        let packed = pack_record(raw).unwrap();
        (4..4 + count).flat_map(|seq| frame_of(kind, seq, raw.len(), &packed)).collect()
    };
    let footer = [Footer::default().to_bytes(), said_often(512 << 10)].concat();
    let long_footer = [Footer::default().to_bytes(), said_often((512 << 10) + 5)].concat();
    let too_long = "raw_len of all dictionary frames";
    vec![
        around(
            "dictionary_of_32_mib_of_tables",
            &record_frame(FrameKind::Dictionary, 4, &said_often(32 << 20)),
            too_long,
        ),
        around(
            "256_dictionaries_of_500_kib_of_tables",
            &frames(FrameKind::Dictionary, 256, &said_often(500 << 10)),
            too_long,
        )
        .declaring(1 << 20),
        around(
            "256_dictionaries_whose_last_table_is_broken",
            &frames(FrameKind::Dictionary, 256, &[said_often(500 << 10), vec![9]].concat()),
            too_long,
        )
        .declaring(1 << 20),
        around(
            "256_footers_of_512_kib_of_tables",
            &frames(FrameKind::Footer, 256, &footer),
            "another Footer",
        )
        .declaring(1 << 20),
        around(
            "footer_of_more_tables_than_allowed",
            &record_frame(FrameKind::Footer, 4, &long_footer),
            "bytes of tables",
        ),
    ]
}
