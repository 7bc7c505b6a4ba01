use proptest::prelude::*;

use super::{encode::distances, per_cpu::LastEnds, *};
use crate::{
    Row,
    bytes::{put_varint, zigzag},
    dictionary::{Dictionaries, Ledger},
    frame, row,
};

fn any_row() -> impl Strategy<Value = Row> {
    let times = (any::<u64>(), any::<u64>(), any::<u32>(), any::<u32>());
    let rest =
        (any::<u64>(), any::<u64>(), any::<u64>(), any::<u16>(), any::<u16>(), any::<i32>(), any::<u32>());
    (times, rest).prop_map(|((end_ns, dur_ns, pid, tid), (arg0, arg1, origin, op, flags, ret, stack))| Row {
        end_ns,
        dur_ns,
        pid,
        tid,
        arg0,
        arg1,
        origin,
        op,
        flags,
        ret,
        stack,
    })
}

fn header(encoded: &Encoded<'_>, rows: usize) -> frame::Header {
    frame::Header {
        n_events: rows as u32,
        raw_len: encoded.raw_len,
        first_ns: encoded.span.0,
        last_ns: encoded.span.1,
        ..frame::Header::of(frame::Kind::Events)
    }
}

fn round_trip(mut rows: Vec<Row>, tick_ns: u32, ledger: Option<&mut Ledger>) -> Result<(), TestCaseError> {
    let given = rows.clone();
    let mut compressor = Compressor::new().unwrap();
    let encoded = encode(&mut rows, tick_ns, ledger.as_deref(), &mut compressor).unwrap();
    let mut dictionaries = Dictionaries::default();
    if let Some(ledger) = ledger {
        ledger.commit(encoded.additions);
        let mut all = Vec::new();
        ledger.write_all(&mut all);
        dictionaries.tables(&all).unwrap();
    }
    let decoded = decode(&header(&encoded, rows.len()), encoded.payload, tick_ns, &dictionaries).unwrap();
    prop_assert_eq!((&decoded.rows, decoded.unnamed), (&rows, 0));
    let tick = u64::from(tick_ns);
    let mut expected: Vec<Row> = given
        .into_iter()
        .map(|r| Row { end_ns: r.end_ns / tick * tick, dur_ns: r.dur_ns / tick * tick, ..r })
        .collect();
    expected.sort_by_key(|r| (r.end_ns, r.origin));
    prop_assert_eq!(rows, expected);
    Ok(())
}

fn ticks() -> impl Strategy<Value = u32> {
    prop_oneof![Just(1u32), Just(16), Just(1_000_000), 1u32..=1_000_000]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_rows_come_back_exactly(rows in prop::collection::vec(any_row(), 1..200), tick in ticks()) {
        round_trip(rows, tick, None)?;
    }

    #[test]
    fn rows_of_several_frames_that_share_dictionaries_come_back_exactly(
        rows in prop::collection::vec(any_row(), 1..6),
        frames in prop::collection::vec(prop::collection::vec(any::<u32>(), 1..300), 1..4),
        tick in ticks(),
    ) {
        let mut ledger = Ledger::default();
        for times in frames {
            let repeated = times.iter().enumerate().map(|(i, t)| Row { end_ns: u64::from(*t), ..rows[i % rows.len()] });
            round_trip(repeated.clone().collect(), tick, None)?;
            round_trip(repeated.collect(), tick, Some(&mut ledger))?;
        }
    }

    #[test]
    fn arbitrary_payloads_never_panic(payload: Vec<u8>, raw_len in 0u32..100_000, n_events in 0u32..1000) {
        let header = frame::Header { raw_len, n_events, ..frame::Header::of(frame::Kind::Events) };
        let _ = decode(&header, &payload, 1, &Dictionaries::default());
    }

    #[test]
    fn damaged_payloads_never_panic(flips in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 1..4)) {
        let mut rows: Vec<Row> = (0..100).map(|i| Row { end_ns: i * 1000, dur_ns: i, origin: i, ..Row::default() }).collect();
        let mut compressor = Compressor::new().unwrap();
        let encoded = encode(&mut rows, 1, None, &mut compressor).unwrap();
        let mut payload = encoded.payload.to_vec();
        for (at, bit) in flips {
            let at = at.index(payload.len());
            payload[at] ^= 1 << bit;
        }
        let _ = decode(&header(&encoded, 100), &payload, 1, &Dictionaries::default());
    }
}

#[test]
fn launches_in_a_loop_take_few_bytes() {
    let mut rows: Vec<Row> = (0u64..16_000)
        .map(|i| Row {
            end_ns: i * 9_000 + (i * 7919) % 2_000,
            dur_ns: 4_000 + (i * 104_729) % 1_500,
            pid: 10,
            tid: 11,
            arg0: 0x7f00_0000_0000 + (i % 30) * 64,
            arg1: 0x55,
            origin: row::origin((i / 8_000) as u16, i),
            op: 0x100,
            ..Row::default()
        })
        .collect();
    let mut compressor = Compressor::new().unwrap();
    let encoded = encode(&mut rows, 1, None, &mut compressor).unwrap();
    let bytes = encoded.payload.len() as f64 / 16_000.0;
    assert!(bytes < 5.0, "{bytes:.2} bytes per event");
}

#[test]
fn a_block_that_claims_too_much_is_refused_before_it_is_unpacked() {
    let mut compressor = Compressor::new().unwrap();
    let encoded = encode(&mut [Row::default()], 1, None, &mut compressor).unwrap();
    let good = header(&encoded, 1);
    let read = |h: frame::Header| decode(&h, encoded.payload, 1, &Dictionaries::default());
    assert!(read(good).is_ok());
    assert!(matches!(
        read(frame::Header { raw_len: u32::MAX, ..good }).unwrap_err().reason,
        Reason::Range { field: "block bytes", .. }
    ));
    let largest = read(frame::Header { raw_len: 16 << 20, ..good }).unwrap_err().reason;
    assert!(!matches!(largest, Reason::Range { field: "block bytes", .. }), "16 MiB may be: {largest:?}");
    assert!(read(frame::Header { raw_len: good.raw_len + 1, ..good }).is_err());
    assert!(read(frame::Header { n_events: 0, ..good }).is_err());
    assert!(read(frame::Header { n_events: u32::MAX, ..good }).is_err());
}

/// A payload of one row whose columns are given: id, encoding, block part, raw part.
fn payload(columns: &[(u8, u8, &[u8], &[u8])]) -> (Vec<u8>, u32) {
    let block: Vec<u8> = columns.iter().flat_map(|c| c.2).copied().collect();
    let packed = zstd::bulk::compress(&block, 1).unwrap();
    let mut out = vec![columns.len() as u8, 0, 0, 0];
    out.extend((packed.len() as u32).to_le_bytes());
    for (id, encoding, block, raw) in columns {
        out.extend([*id, *encoding, 0, 0]);
        out.extend((block.len() as u32).to_le_bytes());
        out.extend((raw.len() as u32).to_le_bytes());
    }
    out.extend(packed);
    columns.iter().for_each(|c| out.extend(c.3));
    (out, block.len() as u32)
}

fn one_row(columns: &[(u8, u8, &[u8], &[u8])], dictionaries: &Dictionaries) -> Result<Decoded, FormatError> {
    let (payload, raw_len) = payload(columns);
    let header =
        frame::Header { raw_len, n_events: 1, first_ns: 77, ..frame::Header::of(frame::Kind::Events) };
    decode(&header, &payload, 1, dictionaries)
}

#[test]
fn a_missing_column_is_0_in_every_row() {
    let none = Dictionaries::default();
    let decoded = one_row(&[], &none).unwrap();
    assert_eq!(decoded.rows, [Row { end_ns: 77, ..Row::default() }]);
    let decoded = one_row(&[(3, 1, &[5], &[])], &none).unwrap();
    assert_eq!(decoded.rows, [Row { end_ns: 77, origin: row::origin(5, 0), ..Row::default() }]);
}

#[test]
fn columns_that_contradict_each_other_or_are_unknown_are_refused() {
    let none = Dictionaries::default();
    let call: (u8, u8, &[u8], &[u8]) = (7, 3, &[1, 1, 0, 0, 0, 8, 9, 0], &[]);
    let second: (u8, u8, &[u8], &[u8]) = (9, 3, &[1, 4, 0], &[]);
    assert_eq!(one_row(&[call], &none).unwrap().rows[0].arg0, 8);
    assert_eq!(one_row(&[second], &none).unwrap().rows[0].arg1, 4);
    assert!(one_row(&[call, second], &none).is_err(), "second value twice");
    let kind: (u8, u8, &[u8], &[u8]) = (6, 3, &[1, 0, 0, 0, 0, 0, 0, 0], &[]);
    let first: (u8, u8, &[u8], &[u8]) = (8, 2, &[0], &[]);
    assert!(one_row(&[kind], &none).is_ok() && one_row(&[first], &none).is_ok());
    assert!(one_row(&[call, kind], &none).is_err(), "kind twice");
    assert!(one_row(&[call, first], &none).is_err(), "first value twice");
    assert!(one_row(&[call, call], &none).is_err(), "the same column twice");
    for column in 0..12u8 {
        for encoding in 0..8u8 {
            let block: &[u8] = match encoding {
                3 => &[1, 0, 0, 0, 0, 0, 0, 0],
                6 => &[0, 0],
                _ => &[0],
            };
            let known = matches!(
                (column, encoding),
                (1 | 2 | 8, 2 | 6) | (2, 5) | (3 | 4, 1) | (5 | 6 | 7 | 9, 3) | (5 | 7, 4)
            );
            let read = one_row(&[(column, encoding, block, &[])], &none);
            assert_eq!(read.is_ok(), known, "column {column} in encoding {encoding}");
        }
    }
}

#[test]
fn rows_without_an_entry_are_counted_once_and_a_wrong_own_index_is_refused() {
    let mut some = Dictionaries::default();
    some.tables(&[5, 0, 2, 10, 11, 12, 13]).unwrap();
    let named = one_row(&[(5, 4, &[1], &[])], &some).unwrap();
    assert_eq!((named.rows[0].pid, named.rows[0].tid, named.unnamed), (12, 13, 0));
    let unnamed = one_row(&[(5, 4, &[2], &[]), (7, 4, &[0xff, 0xff, 0xff, 0xff, 0x7f], &[])], &some).unwrap();
    assert_eq!((unnamed.rows[0], unnamed.unnamed), (Row { end_ns: 77, ..Row::default() }, 1));
    assert!(one_row(&[(5, 3, &[1, 10, 11, 1], &[])], &some).is_err());
    assert!(one_row(&[(5, 3, &[2, 10, 11, 12, 13, 1], &[])], &some).is_err(), "more entries than rows");
    assert!(one_row(&[(3, 1, &[0x80, 0x80, 4], &[])], &some).is_err(), "CPU 65536");
}

// Which encoding each column of a payload has, by column.
fn encodings(payload: &[u8]) -> [u8; 10] {
    let mut found = [0; 10];
    for entry in payload[8..].chunks(12).take(payload[0].into()) {
        found[usize::from(entry[0])] = entry[1];
    }
    found
}

// Intervals off some CPUs, each of which begins where the one before on its CPU ended, but for a few; by end.
fn intervals(cpus: u16, switches: &[(u16, u32)], from_ns: u64) -> Vec<Row> {
    let mut last_ns = vec![from_ns; cpus.into()];
    let mut now_ns = from_ns;
    let mut number = 0;
    let interval = |(cpu, step): &(u16, u32)| {
        let cpu = cpu % cpus;
        now_ns = now_ns.saturating_add(u64::from(step % 5_000));
        number += 1;
        let late_ns = if step % 61 == 0 { u64::from(step >> 16) } else { 0 };
        let dur_ns = (now_ns - last_ns[usize::from(cpu)]).wrapping_sub(late_ns);
        last_ns[usize::from(cpu)] = now_ns;
        Row { end_ns: now_ns, dur_ns, origin: row::origin(cpu, number), op: 0x2001, ..Row::default() }
    };
    switches.iter().map(interval).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn intervals_of_any_cpus_in_any_order_come_back_exactly(
        cpus in 1u16..40,
        switches in prop::collection::vec(any::<(u16, u32)>(), 1..400),
        from_ns in prop_oneof![Just(0), Just(u64::MAX - 2_000_000), any::<u64>()],
        tick in ticks(),
    ) {
        round_trip(intervals(cpus, &switches, from_ns), tick, None)?;
    }

    #[test]
    fn a_chain_over_any_rows_reads_back_whatever_wraps_around(
        rows in prop::collection::vec((any_row(), 0u16..4), 1..100),
        tick in ticks(),
    ) {
        let tick_ns = u64::from(tick);
        let mut rows: Vec<Row> = rows
            .into_iter()
            .map(|(r, cpu)| Row {
                end_ns: r.end_ns - r.end_ns % tick_ns,
                dur_ns: r.dur_ns - r.dur_ns % tick_ns,
                origin: row::origin(cpu.wrapping_sub(1), 0),
                ..Row::default()
            })
            .collect();
        rows.sort_by_key(|r| r.end_ns);
        let first_ns = rows[0].end_ns;
        let (mut ends, mut durations, mut cpus) = (Vec::new(), Vec::new(), Vec::new());
        let (mut end_bits, mut duration_bits) = (Vec::new(), Vec::new());
        let steps = rows.iter().scan(first_ns, |last, r| Some((r.end_ns - std::mem::replace(last, r.end_ns)) / tick_ns));
        split::encode(steps, &mut ends, &mut end_bits);
        split::encode(distances(&rows, tick_ns, &mut LastEnds::default()), &mut durations, &mut duration_bits);
        rows.iter().for_each(|r| put_varint(&mut cpus, r.cpu().into()));
        let columns = [(2, 5, &*durations, &*duration_bits), (1, 2, &*ends, &*end_bits), (3, 1, &*cpus, &[])];
        let (payload, raw_len) = payload(&columns);
        let n_events = rows.len() as u32;
        let header = frame::Header { raw_len, n_events, first_ns, ..frame::Header::of(frame::Kind::Events) };
        let decoded = decode(&header, &payload, tick, &Dictionaries::default()).unwrap().rows;
        prop_assert!(decoded.iter().zip(&rows).all(|(a, b)| (a.end_ns, a.dur_ns, a.cpu()) == (b.end_ns, b.dur_ns, b.cpu())));
    }

    #[test]
    fn numbers_around_any_centre_read_back(values: [u64; 3], centre: u64, tick in ticks()) {
        for column in [1u8, 2, 8] {
            let (mut block, mut raw) = (Vec::new(), Vec::new());
            put_varint(&mut block, centre);
            split::encode(values.iter().map(|v| zigzag(v.wrapping_sub(centre).cast_signed())), &mut block, &mut raw);
            let (payload, raw_len) = payload(&[(column, 6, &block, &raw)]);
            let header = frame::Header { raw_len, n_events: 3, ..frame::Header::of(frame::Kind::Events) };
            let rows = decode(&header, &payload, tick, &Dictionaries::default()).unwrap().rows;
            let mut end = 0u64;
            for (row, value) in rows.iter().zip(values) {
                let ns = value.wrapping_mul(tick.into());
                end = end.wrapping_add(ns);
                prop_assert_eq!([0, row.end_ns, row.dur_ns, 0, 0, 0, 0, 0, row.arg0][usize::from(column)],
                    [0, end, ns, 0, 0, 0, 0, 0, value][usize::from(column)]);
            }
        }
    }
}

#[test]
fn intervals_that_begin_where_others_end_are_chained_in_ticks_too() {
    let mut number = 0u32;
    let switches: Vec<(u16, u32)> = std::iter::repeat_with(|| {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((number >> 24) as u16, number >> 8)
    })
    .take(3_000)
    .collect();
    for tick in [1, 16, 1_000] {
        let mut compressor = Compressor::new().unwrap();
        let mut rows = intervals(8, &switches, 1_000_000);
        let encoded = encode(&mut rows, tick, None, &mut compressor).unwrap();
        assert_eq!(encodings(encoded.payload)[2], 5, "ticks of {tick} ns");
        round_trip(intervals(8, &switches, 1_000_000), tick, None).unwrap();
        let mut few = intervals(8, &switches[..63], 1_000_000);
        let encoded = encode(&mut few, tick, None, &mut compressor).unwrap();
        assert_eq!(encodings(encoded.payload)[2], 2, "too few rows to tell");
    }
}

#[test]
fn an_interval_that_is_longer_than_its_end_starts_before_0_and_a_missing_end_is_the_first() {
    let none = Dictionaries::default();
    let distance = |n: i64| {
        let (mut block, mut raw) = (Vec::new(), Vec::new());
        split::encode([zigzag(n)].into_iter(), &mut block, &mut raw);
        let decoded = one_row(&[(2, 5, &block, &raw)], &none).unwrap();
        (decoded.rows[0].end_ns, decoded.rows[0].dur_ns)
    };
    assert_eq!(distance(-100), (77, 100));
    assert_eq!(distance(0), (77, 0));
    assert_eq!(distance(1), (77, u64::MAX));
    assert_eq!(distance(i64::MIN), (77, 1 << 63));
}

#[test]
fn first_arguments_that_are_noise_get_a_column_although_few_are_different() {
    let delays = |i: u64| 600 + (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 57);
    let row = |i: u64| Row { end_ns: i * 3_000, arg0: delays(i), arg1: i % 2, op: 0x2001, ..Row::default() };
    let mut rows: Vec<Row> = (0..4_000).map(row).collect();
    let mut compressor = Compressor::new().unwrap();
    let encoded = encode(&mut rows, 1, None, &mut compressor).unwrap();
    assert_eq!(encodings(encoded.payload)[6..], [3, 0, 6, 3]);
    round_trip(rows.clone(), 1, Some(&mut Ledger::default())).unwrap();
    rows.iter_mut().for_each(|r| r.arg0 = 0x7f00_0000_0000 + r.arg0 * 0x1_0040);
    let encoded = encode(&mut rows, 1, None, &mut compressor).unwrap();
    assert_eq!(encodings(encoded.payload)[6..], [0, 3, 0, 0], "addresses are told by their number");
}
