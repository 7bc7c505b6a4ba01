use proptest::prelude::*;

use super::*;
use crate::{
    Row,
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
    assert!(one_row(&[call, call], &none).is_err(), "the same column twice");
    for column in 0..12u8 {
        for encoding in 0..6u8 {
            let block: &[u8] = match encoding {
                3 => &[1, 0, 0, 0, 0, 0, 0, 0],
                _ => &[0],
            };
            let known =
                matches!((column, encoding), (1 | 2 | 8, 2) | (3 | 4, 1) | (5 | 6 | 7 | 9, 3) | (5 | 7, 4));
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
