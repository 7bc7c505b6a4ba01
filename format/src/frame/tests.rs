use super::*;

fn sample() -> Vec<u8> {
    let header =
        Header { salt: 7, frame_seq: 2, first_ns: 5, last_ns: 6, dict_calls: 9, ..Header::of(Kind::State) };
    write(&header, b"hello")
}

fn sealed(mut bytes: Vec<u8>, header_len: usize) -> Vec<u8> {
    let crc = crc32c(&[&bytes[..header_len - 4]]);
    bytes[header_len - 4..header_len].copy_from_slice(&crc.to_le_bytes());
    bytes
}

#[test]
fn a_frame_reads_back_and_says_where_the_next_begins() {
    let bytes = sample();
    let (header, payload) = read(&bytes, 7).unwrap();
    assert_eq!(payload, b"hello");
    assert_eq!((header.frame_seq, header.first_ns, header.last_ns, header.dict_calls), (2, 5, 6, 9));
    assert_eq!(header.frame_bytes(), bytes.len() as u64);
    assert_eq!(header.content(), Ok(Some(Kind::State)));
}

#[test]
fn any_flipped_bit_but_in_the_padding_is_noticed() {
    let bytes = sample();
    for bit in 0..bytes.len() * 8 {
        let mut torn = bytes.clone();
        torn[bit / 8] ^= 1 << (bit % 8);
        let padding = (HEADER_BYTES + 5..HEADER_BYTES + 8).contains(&(bit / 8));
        assert_eq!(read(&torn, 7).is_ok(), padding, "bit {bit}");
    }
}

#[test]
fn a_frame_cut_anywhere_or_of_another_file_is_refused() {
    let bytes = sample();
    for cut in 0..bytes.len() {
        assert!(read(&bytes[..cut], 7).is_err(), "cut at {cut}");
    }
    assert_eq!(read(&bytes, 8).unwrap_err().reason, Reason::Salt);
}

#[test]
fn every_unknown_incompatible_flag_is_named_and_every_compatible_one_ignored() {
    for bit in 0..16 {
        let mut bytes = sample();
        bytes[14..16].copy_from_slice(&(1u16 << bit).to_le_bytes());
        let (header, _) = read(&sealed(bytes, HEADER_BYTES), 7).map(|(h, p)| (h, p.len())).unwrap();
        assert_eq!(header.flags, 1 << bit);
        match header.content() {
            Ok(kind) => assert_eq!((kind, bit < 8), (Some(Kind::State), true)),
            Err(e) => {
                assert!(bit >= 8 && e.to_string().contains(&format!("frame flag bit {bit},")), "{e}");
            }
        }
    }
}

#[test]
fn a_kind_has_its_own_codec_and_an_unknown_kind_is_skipped() {
    for kind in 0..=u8::MAX {
        for codec in 0..=4 {
            let header = Header { kind, codec, sources: 1, ..Header::default() };
            match Kind::from_number(kind) {
                Some(known) => assert_eq!(header.content().is_ok(), known.codec() as u8 == codec),
                None => assert_eq!(header.content(), Ok(None)),
            }
        }
    }
}

#[test]
fn a_longer_header_of_a_later_version_is_read_if_its_length_is_a_multiple_of_8() {
    let short = sample();
    for header_len in [136usize, 140, 4096, 4104] {
        let mut bytes = short[..124].to_vec();
        bytes.resize(header_len, 0xee);
        bytes.extend(&short[128..]);
        bytes[8..10].copy_from_slice(&(header_len as u16).to_le_bytes());
        let bytes = sealed(bytes, header_len);
        let read = read(&bytes, 7);
        assert_eq!(read.is_ok(), header_len == 136 || header_len == 4096, "{header_len}");
        if let Ok((header, payload)) = read {
            assert_eq!(payload, b"hello");
            assert_eq!((header.frame_bytes(), header.last_ns), (bytes.len() as u64, 6));
        }
    }
}

#[test]
fn events_are_of_exactly_one_known_source() {
    for sources in (0..64).chain([1 << 31, u32::MAX, 0x101]) {
        let header = Header { sources, ..Header::of(Kind::Events) };
        assert_eq!(header.content().is_ok(), [1, 2, 4, 8, 16].contains(&sources), "{sources:#x}");
        assert_eq!(header.source().is_some(), header.content().is_ok());
        assert!(Header { sources, ..Header::of(Kind::State) }.content().is_ok());
    }
}

#[test]
fn an_unknown_kind_with_an_unknown_incompatible_flag_is_unreadable_not_skipped() {
    let header = Header { kind: 77, flags: 0x0100, ..Header::default() };
    assert!(header.content().is_err());
    assert_eq!(Header { flags: 0x0001, ..header }.content(), Ok(None));
}

#[test]
fn a_record_is_exactly_one_zstd_frame() {
    let raw = [7; 100];
    let packed = pack_record(&raw).unwrap();
    let header = Header { raw_len: 100, ..Header::of(Kind::State) };
    assert_eq!(unpack_record(&header, &packed).unwrap(), raw);
    let empty = pack_record(&[]).unwrap();
    let skippable = [0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0];
    for more in [&[0][..], &[0; 8], &empty, &skippable] {
        assert!(unpack_record(&header, &[&packed, more].concat()).is_err(), "{more:?} behind it");
        assert!(unpack_record(&header, &[more, &packed].concat()).is_err(), "{more:?} before it");
    }
    assert!(unpack_record(&header, &packed[..packed.len() - 1]).is_err());
    let none = Header { raw_len: 0, ..header };
    assert!(unpack_record(&none, &empty).unwrap().is_empty());
    assert!(unpack_record(&none, &skippable).is_err());
    assert!(unpack_record(&none, &[]).is_err());
}

#[test]
fn a_zstd_frame_may_name_dictionary_0_and_no_other() {
    for (number, good) in [(0, true), (1, false)] {
        let packed = [&[0x28, 0xb5, 0x2f, 0xfd, 0x21, number, 3, 0x19, 0, 0][..], b"abc"].concat();
        assert_eq!(unpack("record", &packed, 3).ok(), good.then(|| b"abc".to_vec()));
    }
}
