//! Segments as [`Builder`] makes them: what goes in comes out, whatever happens to the bytes in between.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[allow(dead_code, reason = "not all samples are needed here")]
#[path = "support/sample.rs"]
mod sample;

use ingero_format::{
    Row,
    columns::{self, Compressor},
    dictionary::{MAX_ENTRIES, MAX_TABLE_BYTES},
    frame::{self, Kind},
    ops::{self, Source},
    row::origin,
    segment::{Builder, Dictionaries, Footer, Header, Scan, Step, chain, follow},
    state::State,
};
use proptest::prelude::*;

/// What a reader gets out of a segment.
#[derive(Debug, Default, PartialEq)]
struct Read {
    frames: Vec<(u64, Vec<Row>)>,
    unnamed: u64,
    damage: usize,
}

fn read(bytes: &[u8]) -> Read {
    let header = Header::read(bytes).unwrap();
    let dictionaries = Dictionaries::collect(bytes, &header);
    let mut read = Read::default();
    for step in Scan::new(bytes, &header) {
        match step {
            Step::Frame(_, frame, payload) if frame.content() == Ok(Some(Kind::Events)) => {
                let decoded = columns::decode(&frame, payload, header.tick_ns, &dictionaries).unwrap();
                read.unnamed += decoded.unnamed;
                read.frames.push((frame.frame_seq, decoded.rows));
            }
            Step::Frame(..) => {}
            Step::Damage(..) => read.damage += 1,
        }
    }
    read
}

/// Where frames of a kind lie: offset and length.
fn places(bytes: &[u8], kind: Kind) -> Vec<(usize, usize)> {
    let header = Header::read(bytes).unwrap();
    Scan::new(bytes, &header)
        .filter_map(|step| match step {
            Step::Frame(at, frame, _) if frame.kind == kind as u8 => {
                Some((at as usize, frame.frame_bytes() as usize))
            }
            _ => None,
        })
        .collect()
}

fn expected(frames: &[(Source, Vec<Row>)], tick_ns: u32) -> Vec<Vec<Row>> {
    let tick = u64::from(tick_ns);
    let rounded = |r: &Row| Row { end_ns: r.end_ns / tick * tick, dur_ns: r.dur_ns / tick * tick, ..*r };
    let mut all: Vec<Vec<Row>> = frames.iter().map(|(_, rows)| rows.iter().map(rounded).collect()).collect();
    all.iter_mut().for_each(|rows| rows.sort_by_key(|r| (r.end_ns, r.origin)));
    all
}

fn any_number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0u32..64).prop_map(|(v, shift)| v >> shift)
}

fn any_row() -> impl Strategy<Value = Row> {
    let times = (any_number(), any_number(), any::<u32>(), any::<u32>());
    let rest =
        (any_number(), any_number(), any::<u64>(), any::<u16>(), any::<u16>(), any::<i32>(), any::<u32>());
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

/// Frames whose rows are drawn from a few: threads and calls repeat within a frame and between frames.
fn any_frames() -> impl Strategy<Value = Vec<(Source, Vec<Row>)>> {
    let pool = prop::collection::vec(any_row(), 1..8);
    let picks = prop::collection::vec(
        (0usize..4, prop::collection::vec((any::<prop::sample::Index>(), any_number()), 1..60)),
        1..6,
    );
    (pool, picks).prop_map(|(pool, picks)| {
        let row = |(at, end_ns): &(prop::sample::Index, u64)| Row { end_ns: *end_ns, ..*at.get(&pool) };
        picks.iter().map(|(s, rows)| (Source::ALL[*s], rows.iter().map(row).collect())).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_rows_of_any_sources_come_back_exactly(
        frames in any_frames(),
        tick_ns in prop_oneof![Just(1u32), Just(16), 1u32..=1_000_000],
        closed: bool,
    ) {
        let header = sample::segment_header(5, tick_ns, 0);
        let read = read(&sample::segment_of(header, &frames, closed).0);
        let rows: Vec<Vec<Row>> = read.frames.into_iter().map(|f| f.1).collect();
        prop_assert_eq!(rows, expected(&frames, tick_ns));
        prop_assert_eq!((read.unnamed, read.damage), (0, 0));
    }

    #[test]
    fn a_lost_dictionary_frame_costs_names_and_no_rows(frames in any_frames(), which: prop::sample::Index, closed: bool) {
        let (mut bytes, _) = sample::segment_of(sample::segment_header(5, 1, 0), &frames, closed);
        let whole = read(&bytes);
        let dictionaries = places(&bytes, Kind::Dictionary);
        prop_assume!(!dictionaries.is_empty());
        let (at, len) = dictionaries[which.index(dictionaries.len())];
        bytes[at + len / 2] ^= 1;
        let damaged = read(&bytes);
        prop_assert_eq!(damaged.damage, 1);
        prop_assert_eq!(damaged.frames.len(), whole.frames.len());
        let mut unnamed = 0;
        for ((seq, rows), (same, all)) in damaged.frames.iter().zip(&whole.frames) {
            prop_assert_eq!(seq, same);
            for (row, good) in rows.iter().zip(all) {
                let thread = (row.pid, row.tid) != (good.pid, good.tid);
                let call = (row.op, row.arg0, row.arg1, row.ret, row.flags, row.stack)
                    != (good.op, good.arg0, good.arg1, good.ret, good.flags, good.stack);
                prop_assert!(!thread || (row.pid, row.tid) == (0, 0));
                prop_assert!(!call || (row.op, row.arg0, row.stack) == (0, 0, 0));
                prop_assert_eq!((row.end_ns, row.dur_ns, row.origin), (good.end_ns, good.dur_ns, good.origin));
                unnamed += u64::from(thread || call);
            }
        }
        // A row of all zeros is told apart by the count alone.
        prop_assert!(damaged.unnamed >= unnamed);
        prop_assert!(!closed || damaged.unnamed == 0, "the footer has all names");
    }
}

#[test]
fn frames_after_a_lost_dictionary_frame_still_have_their_own_names() {
    let frames = sample::frames();
    let (mut bytes, _) = sample::segment_of(sample::segment_header(5, 1, 0), &frames, false);
    let (at, _) = places(&bytes, Kind::Dictionary)[0];
    bytes[at + 130] ^= 1;
    let read = read(&bytes);
    // The first Dictionary frame brings the three kinds of launches: those rows are without a call. It also brings the
    // thread that intervals and copies have.
    let named: Vec<usize> = read.frames.iter().map(|f| f.1.iter().filter(|r| r.op != 0).count()).collect();
    assert_eq!(named, [8, 0, 0, 12, 16, 16]);
    assert_eq!(read.unnamed, 24 + 16 + 12 + 16);
}

// The CPU of a LOSS row once went with a Dictionary frame and the footer: the loss was placed on CPU 0.
#[test]
fn what_meta_rows_say_is_never_lost_with_another_frame() {
    let mut bytes = sample::segment(true);
    let of_meta = |bytes: &[u8]| {
        let header = Header::read(bytes).unwrap();
        let dictionaries = Dictionaries::collect(bytes, &header);
        let decode = |step| match step {
            Step::Frame(_, frame, payload) if frame.sources == 1 << Source::Meta as u8 => {
                Some(columns::decode(&frame, payload, header.tick_ns, &dictionaries).unwrap().rows)
            }
            _ => None,
        };
        Scan::new(bytes, &header).find_map(decode).unwrap()
    };
    let whole = of_meta(&bytes);
    for (at, _) in [places(&bytes, Kind::Dictionary), places(&bytes, Kind::Footer)].concat() {
        bytes[at + 130] ^= 1;
    }
    assert_eq!(of_meta(&bytes), whole);
    assert!(whole.iter().any(|row| row.op == ops::LOSS && row.tid != 0) && read(&bytes).unnamed > 0);
}

#[test]
fn headers_say_what_dictionaries_their_frame_needs() {
    let bytes = sample::segment(true);
    let header = Header::read(&bytes).unwrap();
    let (mut all, mut known) = (Vec::new(), Dictionaries::default());
    let mut checked = 0;
    for step in Scan::new(&bytes, &header) {
        let Step::Frame(_, frame, payload) = step else { panic!("damage") };
        known.frame(&frame, payload).unwrap();
        if frame.kind == Kind::Dictionary as u8 {
            all.extend(frame::unpack_record(&frame, payload).unwrap());
        }
        if frame.dict_threads > 0 {
            assert_eq!((frame.dict_threads as usize, frame.dict_calls as usize), known.counts());
            assert_eq!(frame.dict_digest, ingero_format::bytes::crc32c(&[&all]));
            checked += 1;
        }
    }
    assert!(checked >= 4);
}

#[test]
fn a_frame_that_does_not_fit_changes_nothing_and_a_footer_always_fits() {
    let mut compressor = Compressor::new().unwrap();
    let mut refused = 0;
    for segment_bytes in (1_500..6_000).step_by(97) {
        let (mut builder, mut bytes) = Builder::begin(sample::segment_header(5, 1, 0), segment_bytes);
        bytes.extend(builder.state(&sample::a_state()).unwrap());
        for (source, mut rows) in sample::frames() {
            let before = (builder.bytes(), builder.chain(), builder.frames(), builder.reserve());
            match builder.events(&mut rows, source, 1, 0, &mut compressor).unwrap() {
                Some(frames) => bytes.extend(frames),
                None => {
                    refused += 1;
                    let after = (builder.bytes(), builder.chain(), builder.frames(), builder.reserve());
                    assert_eq!(before, after);
                }
            }
            assert_eq!(builder.bytes(), bytes.len() as u64);
        }
        let reserve = builder.reserve();
        let footer = builder.footer().unwrap();
        assert!(footer.len() as u64 <= reserve);
        bytes.extend(footer);
        assert!(bytes.len() as u64 <= segment_bytes);
        assert_eq!(read(&bytes).unnamed, 0);
    }
    assert!(refused > 10);
}

#[test]
fn a_footer_of_very_many_small_frames_still_fits() {
    let mut compressor = Compressor::new().unwrap();
    let rows: Vec<_> = sample::frames()
        .into_iter()
        .flat_map(|(source, rows)| rows.into_iter().map(move |r| (source, r)))
        .collect();
    let (mut builder, _) = Builder::begin(sample::segment_header(5, 1, 0), 100_000);
    builder.state(&sample::a_state()).unwrap();
    for (n, (source, row)) in rows.iter().cycle().enumerate() {
        // Each row a thread of its own: the footer holds as many entries as there are frames.
        let mut row = Row { tid: 100_000 + n as u32 * 7_919, ..*row };
        if builder.events(std::slice::from_mut(&mut row), *source, 1, 0, &mut compressor).unwrap().is_none() {
            break;
        }
    }
    let (frames, at, reserve) = (builder.frames(), builder.bytes(), builder.reserve());
    assert!(frames > 300, "{frames}");
    let footer = builder.footer().unwrap().len() as u64;
    assert!(footer <= reserve && at + reserve <= 100_000, "{at} + {footer} of {reserve}");
    // What is kept free is not much more than what is needed: two small frames, and what zstd saves.
    assert!(at + reserve + 1_000 > 100_000, "{at} + {reserve}");
}

#[test]
fn a_segment_cut_anywhere_gives_the_rows_of_the_frames_before_the_cut() {
    let bytes = sample::segment(true);
    let whole = read(&bytes);
    let ends: Vec<usize> = places(&bytes, Kind::Events).into_iter().map(|(at, len)| at + len).collect();
    for cut in 256..bytes.len() {
        let read = read(&bytes[..cut]);
        let before = ends.iter().filter(|e| **e <= cut).count();
        assert_eq!(read.frames, whole.frames[..before], "cut at {cut}");
        assert_eq!(read.unnamed, 0, "a Dictionary frame stands before the frames that use it");
    }
}

#[test]
fn any_flipped_bit_costs_at_most_its_own_frame_and_no_row_is_wrong() {
    let bytes = sample::segment(true);
    let whole = read(&bytes);
    let padding: Vec<usize> = paddings(&bytes);
    for bit in 256 * 8..(bytes.len() - 64) * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let read = read(&damaged);
        let missing = whole.frames.len() - read.frames.len();
        assert!(missing <= 1, "bit {bit}");
        assert_eq!(read.damage, usize::from(!padding.contains(&(bit / 8))), "bit {bit}");
        assert_eq!(read.unnamed, 0, "bit {bit}: names stand twice in a closed segment");
        assert!(read.frames.iter().all(|f| whole.frames.contains(f)), "bit {bit}");
    }
}

fn paddings(bytes: &[u8]) -> Vec<usize> {
    let header = Header::read(bytes).unwrap();
    let mut all = Vec::new();
    for step in Scan::new(bytes, &header) {
        let Step::Frame(at, frame, payload) = step else { continue };
        let from = at as usize + usize::from(frame.header_len) + payload.len();
        all.extend(from..from + payload.len().next_multiple_of(8) - payload.len());
    }
    all
}

#[test]
fn any_flipped_bit_of_a_header_refuses_the_file() {
    let bytes = sample::segment(false);
    for bit in 0..256 * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(Header::read(&damaged).is_err(), "bit {bit}");
    }
}

#[test]
fn the_chain_goes_over_every_byte_of_every_frame_and_from_segment_to_segment() {
    let (first, builder) = sample::segment_of(sample::segment_header(5, 1, 0), &sample::frames(), true);
    let header = Header::read(&first).unwrap();
    let links = follow(&first, &header);
    assert_eq!((links.after, links.footer_agrees, links.damaged), (builder.chain(), Some(true), false));
    let (second, _) =
        sample::segment_of(sample::segment_header(6, 1, links.after), &sample::frames()[..2], false);
    let next = Header::read(&second).unwrap();
    assert_eq!(next.chain_before, links.after);
    let links = follow(&second, &next);
    assert_eq!((links.footer_agrees, links.tampered()), (None, false));
    let by_hand = Scan::new(&second, &next).fold(next.chain_before, |value, step| match step {
        Step::Frame(at, frame, _) => chain(value, &second[at as usize..(at + frame.frame_bytes()) as usize]),
        Step::Damage(..) => panic!("damage"),
    });
    assert_eq!(links.after, by_hand);
}

#[test]
fn a_frame_exchanged_for_another_whole_one_is_told_from_damage() {
    let (mut bytes, _) = sample::segment_of(sample::segment_header(5, 1, 0), &sample::frames(), true);
    let header = Header::read(&bytes).unwrap();
    let (at, len) = places(&bytes, Kind::Events)[2];
    let (old, payload) = frame::read(&bytes[at..at + len], sample::SALT).unwrap();
    let forged = frame::write(&frame::Header { lost_before: 77, ..old }, payload);
    bytes[at..at + len].copy_from_slice(&forged);
    assert!(follow(&bytes, &header).tampered());
    bytes[at + 200] ^= 1;
    let links = follow(&bytes, &header);
    assert!(links.damaged && !links.tampered());
}

#[test]
fn a_footer_lists_all_frames_and_repeats_all_entries() {
    let bytes = sample::segment(true);
    let header = Header::read(&bytes).unwrap();
    let (at, len) = places(&bytes, Kind::Footer)[0];
    let (frame, payload) = frame::read(&bytes[at..at + len], header.salt).unwrap();
    let raw = frame::unpack_record(&frame, payload).unwrap();
    let footer = Footer::read(&raw).unwrap();
    assert_eq!(footer.frames.len() as u64, frame.frame_seq);
    assert!(footer.frames.iter().all(|e| frame::read(&bytes[e.offset as usize..], header.salt).is_ok()));
    let mut alone = Dictionaries::default();
    alone.frame(&frame, payload).unwrap();
    assert_eq!(alone.counts(), Dictionaries::collect(&bytes, &header).counts());
    assert_eq!(alone.counts(), (2, 8));
}

#[test]
fn the_state_record_comes_first_or_not_at_all() {
    let mut compressor = Compressor::new().unwrap();
    let (mut builder, _) = Builder::begin(sample::segment_header(5, 1, 0), u64::MAX);
    builder.events(&mut [Row::default()], Source::Cuda, 1, 0, &mut compressor).unwrap();
    assert!(builder.state(&State::default()).is_err());
    assert!(builder.events(&mut [], Source::Cuda, 1, 0, &mut compressor).is_err());
}

// Threads without end: the dictionary takes what it can, further frames bring their own.
#[test]
fn a_full_dictionary_leaves_later_frames_to_their_own() {
    let mut compressor = Compressor::new().unwrap();
    let (mut builder, mut bytes) = Builder::begin(sample::segment_header(5, 1, 0), u64::MAX);
    let mut expected = Vec::new();
    let (mut most, mut own) = (0, 0);
    for frame in 0..12u64 {
        let row = |i: u64| Row {
            end_ns: frame << 32 | i,
            pid: (frame * 8_000 + i) as u32 * 1_000,
            tid: i as u32,
            arg0: u64::MAX - frame * 3_000 - i % 2_000,
            arg1: u64::MAX - i % 2_000,
            origin: origin(1, frame * 8_000 + i),
            ..Row::default()
        };
        let mut rows: Vec<Row> = (0..8_000).map(row).collect();
        let frames = builder.events(&mut rows, Source::Cuda, 1, 0, &mut compressor).unwrap().unwrap();
        bytes.extend(&frames);
        let last = frames.len();
        let start = frame::read_header(&frames).unwrap();
        let events = if start.kind == Kind::Events as u8 {
            start
        } else {
            frame::read_header(&frames[start.frame_bytes() as usize..last]).unwrap()
        };
        most = most.max(events.dict_threads.max(events.dict_calls) as usize);
        own += usize::from(events.dict_digest == 0);
        expected.extend(rows);
    }
    bytes.extend(builder.footer().unwrap());
    let tables: usize = places(&bytes, Kind::Dictionary)
        .iter()
        .map(|(at, _)| frame::read_header(&bytes[*at..]).unwrap().raw_len as usize)
        .sum();
    assert!(tables > MAX_TABLE_BYTES * 9 / 10 && tables <= MAX_TABLE_BYTES, "{tables} bytes of tables");
    assert!(most > 20_000 && most <= MAX_ENTRIES && own > 0, "{most} entries, {own} frames without");
    let read = read(&bytes);
    assert_eq!(read.unnamed, 0);
    assert!(read.frames.into_iter().flat_map(|f| f.1).eq(expected));
}
