//! Lies in the columns of Events frames and in dictionaries.

use ingero_format::{bytes::put_varint, frame::Kind as FrameKind};

use super::{
    Kind, Lie,
    make::{Columns, events_frame, put, record_frame, segment_around},
};

fn around(name: impl Into<String>, frame: &[u8], says: &'static str) -> Lie {
    Lie::new(Kind::Segment, name, segment_around(frame), says)
}

/// All of them.
#[must_use]
pub fn lies() -> Vec<Lie> {
    [of_directories(), of_values(), of_dictionaries()].concat()
}

fn varints(values: &[u64]) -> Vec<u8> {
    let mut out = Vec::new();
    values.iter().for_each(|value| put_varint(&mut out, *value));
    out
}

fn of_directories() -> Vec<Lie> {
    let honest = Columns::honest();
    let (payload, raw) = (honest.payload(), honest.block().len());
    let with = |at: usize, value: &[u8]| {
        let mut payload = payload.clone();
        put(&mut payload, at, value);
        events_frame(4, 4, raw, &payload)
    };
    let mut lies = vec![
        around("columns_65535", &with(0, &[0xff; 2]), "cut short"),
        around("columns_0", &with(0, &[0; 2]), ""),
        around("columns_one_less", &with(0, &[5, 0]), ""),
        around("zstd_bytes_u32_max", &with(4, &[0xff; 4]), "cut short"),
        around("zstd_bytes_0", &with(4, &[0; 4]), "compressed"),
        around("column_block_bytes_u32_max", &with(12, &[0xff; 4]), "cut short"),
        around("column_raw_bytes_u32_max", &with(16, &[0xff; 4]), "cut short"),
        around("column_block_bytes_0", &with(12, &[0; 4]), "cut short"),
        around("no_payload", &events_frame(4, 4, raw, &[]), "cut short"),
        around("payload_of_one_byte", &events_frame(4, 4, raw, &[1]), "cut short"),
        around(
            "payload_with_bytes_left_over",
            &events_frame(4, 4, raw, &[payload.clone(), vec![7; 99]].concat()),
            "",
        ),
    ];
    for column in [0u8, 10, 77, 255] {
        lies.push(around(format!("column_{column}"), &with(8, &[column]), "column"));
    }
    for encoding in [0u8, 1, 3, 4, 5, 255] {
        lies.push(around(format!("end_column_in_encoding_{encoding}"), &with(9, &[encoding]), "encoding"));
    }
    lies.push(around("column_twice", &with(8, &[2]), "column"));
    let both = honest.clone().with(6, 3, vec![1, 0, 0, 0, 0, 0, 0, 0, 0], vec![]);
    lies.push(around("calls_beside_kinds", &both.frame(4), "7, or 6"));
    let both = honest.with(8, 2, vec![0; 4], vec![]);
    lies.push(around("calls_beside_arguments", &both.frame(4), "7, or 6"));
    lies
}

fn of_values() -> Vec<Lie> {
    let with = |column, encoding, block: Vec<u8>, raw: Vec<u8>| {
        Columns::honest().with(column, encoding, block, raw).frame(4)
    };
    let call = |ids: &[u64]| [varints(&[1, 0x101, 0, 0, 0, 0, 0]), varints(ids)].concat();
    let highest = varints(&[u64::MAX; 4]);
    let mut lies = Vec::new();
    for class in [252u8, 253, 254, 255] {
        lies.push(around(
            format!("split_class_{class}"),
            &with(1, 2, vec![class; 4], vec![0xff; 64]),
            "class",
        ));
    }
    lies.extend([
        around("split_without_its_raw_bits", &with(1, 2, vec![251; 4], vec![0xff; 3]), "cut short"),
        around("split_of_too_few_rows", &with(2, 2, vec![0; 3], vec![]), "cut short"),
        around("split_of_too_many_rows", &with(2, 2, vec![0; 99], vec![]), ""),
        around("ends_that_overflow_when_added", &with(1, 2, vec![251; 4], vec![0xff; 64]), ""),
        around("durations_of_600_years", &with(2, 2, vec![251; 4], vec![0xff; 64]), ""),
        around("cpu_65536", &with(3, 1, varints(&[0, 0, 65_536, 0]), vec![]), "cpu"),
        around("cpu_u64_max", &with(3, 1, highest.clone(), vec![]), "cpu"),
        around("cpu_65535_of_no_meta_row", &with(3, 1, varints(&[65_535; 4]), vec![]), ""),
        around("varint_of_eleven_bytes", &with(4, 1, [[0x80; 11], [0; 11]].concat(), vec![]), "varint"),
        around("varint_that_does_not_end", &with(4, 1, vec![0x80; 4], vec![]), "cut short"),
        around("varints_of_too_few_rows", &with(4, 1, vec![0; 3], vec![]), "cut short"),
        around("numbers_that_jump_by_2_to_the_63", &with(4, 1, highest.clone(), vec![]), ""),
        around("numbers_all_the_same", &with(4, 1, varints(&[0, 1, 1, 1]), vec![]), "twice"),
        around("own_dictionary_of_nothing", &with(7, 3, varints(&[0, 0, 0, 0, 0]), vec![]), "index"),
        around("own_dictionary_of_5_for_4_rows", &with(7, 3, vec![5; 99], vec![]), "entries"),
        around("own_dictionary_count_u64_max", &with(7, 3, highest.clone(), vec![]), "entries"),
        around("own_dictionary_cut", &with(7, 3, vec![4, 1, 1], vec![]), "cut short"),
        around("own_dictionary_index_1_of_1", &with(7, 3, call(&[0, 0, 1, 0]), vec![]), "index"),
        around("own_dictionary_index_u64_max", &with(7, 3, call(&[u64::MAX; 4]), vec![]), "index"),
        around("own_dictionary_of_too_few_rows", &with(7, 3, call(&[0; 3]), vec![]), "cut short"),
        around(
            "pid_wider_than_its_field",
            &with(5, 3, varints(&[1, u64::MAX, u64::MAX, 0, 0, 0, 0]), vec![]),
            "",
        ),
        around("dictionary_id_missing", &with(7, 4, varints(&[77; 4]), vec![]), "unnamed"),
        around("dictionary_id_u64_max", &with(7, 4, highest.clone(), vec![]), "unnamed"),
        around("thread_id_u64_max", &with(5, 4, highest, vec![]), "unnamed"),
        around("dictionary_ids_of_too_few_rows", &with(5, 4, vec![0; 3], vec![]), "cut short"),
    ]);
    lies
}

fn of_dictionaries() -> Vec<Lie> {
    let table = |column: u8, base: u64, count: u64, values: usize| {
        [vec![column], varints(&[base, count]), vec![7; values]].concat()
    };
    let frame = |raw: Vec<u8>| record_frame(FrameKind::Dictionary, 4, &raw);
    let mut lies = vec![
        around("dictionary_base_ahead", &frame(table(7, 500, 1, 6)), ""),
        around("dictionary_base_65535", &frame(table(5, 65_535, 1, 2)), ""),
        around("dictionary_base_65536", &frame(table(5, 65_536, 1, 2)), "table's end"),
        around("dictionary_base_u64_max", &frame(table(5, u64::MAX, 1, 2)), "table's end"),
        around("dictionary_ends_at_65537", &frame(table(5, 65_530, 7, 14)), "table's end"),
        around("dictionary_count_0", &frame(table(5, 0, 0, 0)), "table's end"),
        around("dictionary_count_u64_max", &frame(table(5, 0, u64::MAX, 2)), "table's end"),
        around("dictionary_base_and_count_overflow", &frame(table(5, u64::MAX, u64::MAX, 2)), "table's end"),
        around("dictionary_count_over_its_bytes", &frame(table(5, 0, 60_000, 100)), "bytes hold"),
        around("dictionary_of_column_6", &frame(table(6, 0, 1, 4)), "column"),
        around("dictionary_of_column_0", &frame(table(0, 0, 1, 4)), "column"),
        around(
            "dictionary_with_a_broken_second_table",
            &frame([table(5, 0, 1, 2), vec![9]].concat()),
            "column",
        ),
        around("dictionary_of_no_table", &frame(Vec::new()), "tables"),
        around(
            "dictionary_contradicts_itself",
            &frame([table(5, 0, 1, 2), vec![5, 0, 1, 8, 8]].concat()),
            "unnamed",
        ),
        around("dictionary_varint_that_does_not_end", &frame(vec![5, 0x80, 0x80]), "cut short"),
    ];
    let all = [table(5, 0, 65_536, 131_072), table(7, 0, 65_536, 393_216)].concat();
    lies.push(around("dictionary_of_all_entries_there_may_be", &frame(all.clone()), ""));
    let ten = all.repeat(10);
    let name = "dictionary_of_all_entries_ten_times";
    lies.push(around(name, &frame(ten.clone()), "").declaring(ten.len()));
    lies
}
