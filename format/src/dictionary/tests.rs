use super::*;
use crate::{bytes::put_varint, segment::Footer};

fn table(column: u8, base: u64, count: u64, values: &[u64]) -> Vec<u8> {
    let mut out = vec![column];
    put_varint(&mut out, base);
    put_varint(&mut out, count);
    values.iter().for_each(|v| put_varint(&mut out, *v));
    out
}

fn thread(pid: u32, tid: u32) -> Thread {
    Thread { pid, tid }
}

#[test]
fn entries_of_several_tables_come_together_in_any_order() {
    let mut all = Dictionaries::default();
    all.tables(&table(5, 1, 1, &[3, 4])).unwrap();
    let both = [table(7, 0, 1, &[1, 2, 0xffff_ffff, 3, 4, 5]), table(5, 0, 1, &[1, 2])].concat();
    all.tables(&both).unwrap();
    assert_eq!((all.thread(0), all.thread(1), all.thread(2)), (Some(thread(1, 2)), Some(thread(3, 4)), None));
    assert_eq!(all.call(0), Some(Call { op: 1, flags: 2, ret: -1, stack: 3, arg0: 4, arg1: 5 }));
    assert_eq!(all.counts(), (2, 1));
}

#[test]
fn an_id_with_two_meanings_has_none_and_the_same_meaning_twice_is_fine() {
    let mut all = Dictionaries::default();
    all.tables(&table(5, 0, 2, &[1, 2, 3, 4])).unwrap();
    all.tables(&table(5, 0, 2, &[1, 2, 3, 5])).unwrap();
    assert_eq!((all.thread(0), all.thread(1)), (Some(thread(1, 2)), None));
    all.tables(&table(5, 1, 1, &[3, 4])).unwrap();
    assert_eq!(all.thread(1), None, "a third opinion settles nothing");
    // A value is compared as the field holds it.
    all.tables(&table(5, 0, 1, &[(7 << 32) + 1, 2])).unwrap();
    assert_eq!(all.thread(0), Some(thread(1, 2)));
}

#[test]
fn tables_that_break_a_rule_bring_nothing_at_all() {
    let good = table(5, 0, 1, &[1, 2]);
    let bad: [Vec<u8>; 9] = [
        table(6, 0, 1, &[1, 2, 3, 4]),
        table(5, 0, 0, &[]),
        table(5, 0, 2, &[1, 2, 3]),
        table(7, 0, 1, &[1, 2, 3, 4, 5]),
        table(5, 65_536, 1, &[1, 2]),
        table(5, 65_535, 2, &[1, 2, 3, 4]),
        table(5, u64::MAX, 1, &[1, 2]),
        table(5, 0, u64::MAX, &[1, 2]),
        vec![5],
    ];
    for bad in bad {
        let mut all = Dictionaries::default();
        assert!(all.tables(&[good.as_slice(), &bad].concat()).is_err(), "{bad:?}");
        assert_eq!(all.counts(), (0, 0));
    }
    let mut all = Dictionaries::default();
    all.tables(&table(5, 65_535, 1, &[1, 2])).unwrap();
    assert_eq!(all.thread(65_535), Some(thread(1, 2)));
}

#[test]
fn a_plan_that_passes_a_limit_leaves_everything_as_it_was() {
    let mut ledger = Ledger::default();
    let mut ids = Vec::new();
    let threads: Vec<Thread> = (0..MAX_ENTRIES as u32).map(|i| thread(1, i)).collect();
    let mut additions = Additions::default();
    assert!(additions.threads(&ledger, &threads, &mut ids));
    ledger.commit(&additions);
    let full = ledger.after(&Additions::default());
    assert_eq!(full.0, MAX_ENTRIES as u32);
    let mut more = Additions::default();
    assert!(more.threads(&ledger, &[thread(1, 5), thread(1, 9)], &mut ids));
    assert_eq!((ids.as_slice(), more.raw().len()), ([5, 9].as_slice(), 0));
    assert!(!more.threads(&ledger, &[thread(2, 0)], &mut ids), "the 65,537th entry");
    // Calls have room by number, but not by bytes.
    let call = |i: u64| Call { arg0: u64::MAX - i, arg1: u64::MAX, ..Call::default() };
    let calls: Vec<Call> = (0..20_000).map(call).collect();
    assert!(!more.calls(&ledger, &calls, &mut ids));
    assert!(more.raw().is_empty());
    assert_eq!(ledger.after(&more), full);
    assert!(more.calls(&ledger, &calls[..100], &mut ids));
}

#[test]
fn a_digest_is_the_checksum_of_all_tables_in_order() {
    let mut ledger = Ledger::default();
    assert_eq!(ledger.after(&Additions::default()), (0, 0, 0));
    let mut raw = Vec::new();
    for i in 0..3 {
        let mut additions = Additions::default();
        assert!(additions.threads(&ledger, &[thread(i, i)], &mut Vec::new()));
        raw.extend(additions.raw());
        assert_eq!(ledger.after(&additions), (i + 1, 0, crate::bytes::crc32c(&[&raw])));
        ledger.commit(&additions);
    }
    let mut all = Vec::new();
    ledger.write_all(&mut all);
    assert!(all.len() <= ledger.bytes_with(0));
}

fn frame_of(kind: frame::Kind, raw: &[u8]) -> (frame::Header, Vec<u8>) {
    let header = frame::Header { raw_len: raw.len() as u32, ..frame::Header::of(kind) };
    (header, frame::pack_record(raw).unwrap())
}

// Frames of 1 KiB that unpack to 32 MiB of one table, again and again, each once cost a reader half a second.
#[test]
fn tables_said_again_and_again_are_read_up_to_512_kib_in_dictionary_frames_and_512_in_the_footer() {
    let often = |bytes: usize| table(5, 0, 1, &[1, 2]).repeat(bytes / 5);
    let mut all = Dictionaries::default();
    let mut take = |kind, raw: &[u8]| {
        let (header, payload) = frame_of(kind, raw);
        all.frame(&header, &payload).is_ok()
    };
    use frame::Kind::{Dictionary, Footer as Index};
    assert!(take(Dictionary, &often(300_000)));
    assert!(!take(Dictionary, &often(300_000)), "together too long");
    assert!(!take(Dictionary, &[often(200_000), vec![9]].concat()), "a broken one counts too");
    assert!(take(Dictionary, &often(20_000)), "one that fits is taken");
    assert!(!take(Dictionary, &often(10_000)));
    let mut unpacked = frame_of(Dictionary, &[]).0;
    unpacked.raw_len = u32::MAX;
    assert!(all.frame(&unpacked, &[]).is_err());
    let footer = |tables: &[u8]| [Footer::default().to_bytes(), tables.to_vec()].concat();
    assert!(Footer::read(&footer(&often(MAX_TABLE_BYTES))).is_ok());
    assert!(Footer::read(&footer(&often(MAX_TABLE_BYTES + 5))).is_err());
    let (header, payload) = frame_of(Index, &footer(&table(5, 1, 1, &[3, 4])));
    assert!(all.frame(&header, &payload).is_ok());
    let (header, payload) = frame_of(Index, &footer(&table(5, 2, 1, &[5, 6])));
    assert!(all.frame(&header, &payload).is_err(), "a second Footer");
    assert_eq!(all.counts(), (2, 0));
}
