use proptest::prelude::*;

use super::*;

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

fn round_trip(mut rows: Vec<Row>) {
    let mut compressor = Compressor::new().unwrap();
    let encoded = encode(&mut rows, &mut compressor).unwrap();
    let back = decode(&encoded.payload, encoded.raw_len, rows.len() as u32, encoded.span.0).unwrap();
    assert_eq!(back, rows);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_rows_come_back_exactly(rows in prop::collection::vec(any_row(), 1..200)) {
        round_trip(rows);
    }

    #[test]
    fn rows_that_repeat_come_back_exactly(rows in prop::collection::vec(any_row(), 1..4), times in prop::collection::vec(any::<u32>(), 1..300)) {
        let repeated = times.iter().enumerate().map(|(i, t)| Row { end_ns: u64::from(*t), ..rows[i % rows.len()] });
        round_trip(repeated.collect());
    }

    #[test]
    fn arbitrary_payloads_never_panic(payload: Vec<u8>, raw_len in 0u32..100_000, count in 0u32..1000) {
        let _ = decode(&payload, raw_len, count, 0);
    }

    #[test]
    fn damaged_payloads_never_panic(flips in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 1..4)) {
        let mut rows: Vec<Row> = (0..100).map(|i| Row { end_ns: i * 1000, dur_ns: i, origin: i, ..Row::default() }).collect();
        let encoded = encode(&mut rows, &mut Compressor::new().unwrap()).unwrap();
        let mut payload = encoded.payload;
        for (at, bit) in flips {
            let at = at.index(payload.len());
            payload[at] ^= 1 << bit;
        }
        let _ = decode(&payload, encoded.raw_len, 100, encoded.span.0);
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
    let encoded = encode(&mut rows, &mut Compressor::new().unwrap()).unwrap();
    let bytes = encoded.payload.len() as f64 / 16_000.0;
    assert!(bytes < 5.0, "{bytes:.2} bytes per event");
}

#[test]
fn a_block_that_claims_too_much_is_refused_before_it_is_unpacked() {
    let mut rows = vec![Row::default()];
    let encoded = encode(&mut rows, &mut Compressor::new().unwrap()).unwrap();
    assert!(matches!(
        decode(&encoded.payload, u32::MAX, 1, 0).unwrap_err().reason,
        Reason::Range { field: "block bytes", .. }
    ));
    assert!(decode(&encoded.payload, encoded.raw_len + 1, 1, 0).is_err());
    assert!(decode(&encoded.payload, encoded.raw_len, 0, 0).is_err());
    assert!(decode(&encoded.payload, encoded.raw_len, u32::MAX, 0).is_err());
}
