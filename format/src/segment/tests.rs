use proptest::prelude::*;

use super::*;
use crate::frame::{self, Kind};

fn segment(frames: u64) -> (Header, Vec<u8>) {
    let header = Header { salt: 99, seq: 5, epoch: 3, ..Header::default() };
    let mut bytes = header.to_bytes();
    for frame_seq in 0..frames {
        let h = frame::Header { salt: 99, frame_seq, ..frame::Header::of(Kind::Events) };
        bytes.extend(frame::write(&h, &[frame_seq as u8 + 1; 50]));
    }
    (header, bytes)
}

fn seqs(bytes: &[u8], header: &Header) -> (Vec<u64>, usize) {
    let mut damage = 0;
    let frames = Scan::new(bytes, header)
        .filter_map(|step| match step {
            Step::Frame(_, h, _) => Some(h.frame_seq),
            Step::Damage(..) => {
                damage += 1;
                None
            }
        })
        .collect();
    (frames, damage)
}

fn resealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - 4;
    let crc = crc32c(&[&bytes[..end]]);
    bytes[end..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

#[test]
fn a_header_reads_back_with_all_its_fields() {
    let header = Header {
        tick_ns: 16,
        chain_before: 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10,
        ring_id: [7; 16],
        created: Anchor { boot_ns: 1, real_ns: 2, uncertainty_ns: 3 },
        ..segment(0).0
    };
    let bytes = header.to_bytes();
    assert_eq!(Header::read(&bytes), Ok(header));
    assert_eq!(bytes[104..112], [0x10, 0x0f, 0x0e, 0x0d, 0x0c, 0x0b, 0x0a, 0x09]);
}

#[test]
fn every_unknown_incompatible_bit_is_named_and_compatible_ones_are_ignored() {
    let (header, bytes) = segment(0);
    for bit in 0..32 {
        let mut newer = bytes.clone();
        newer[16..20].copy_from_slice(&(1u32 << bit).to_le_bytes());
        let refused = Header::read(&resealed(newer)).unwrap_err().to_string();
        assert!(refused.contains(&format!("feature bit {bit},")), "{refused}");
        let mut compatible = bytes.clone();
        compatible[12..16].copy_from_slice(&(1u32 << bit).to_le_bytes());
        assert_eq!(Header::read(&resealed(compatible)), Ok(header));
    }
}

#[test]
fn ticks_of_nothing_or_over_a_millisecond_are_refused() {
    for (tick_ns, allowed) in
        [(0, false), (1, true), (1_000_000, true), (1_000_001, false), (u32::MAX, false)]
    {
        let bytes = Header { tick_ns, ..segment(0).0 }.to_bytes();
        assert_eq!(Header::read(&bytes).is_ok(), allowed, "{tick_ns}");
    }
}

#[test]
fn a_longer_header_of_a_later_version_is_read() {
    let (header, short) = segment(0);
    for header_len in [264usize, 4096, 260, 4104] {
        let mut bytes = short[..252].to_vec();
        bytes.resize(header_len, 0xee);
        bytes[8..10].copy_from_slice(&(header_len as u16).to_le_bytes());
        let expected = Header { header_len: header_len as u16, ..header };
        let read = Header::read(&resealed(bytes));
        assert_eq!(read.ok(), (header_len == 264 || header_len == 4096).then_some(expected));
    }
}

#[test]
fn a_scan_ends_at_the_unwritten_tail_and_passes_over_one_damaged_frame() {
    let (header, mut bytes) = segment(5);
    let written = bytes.len();
    bytes.resize(written + 4096, 0);
    assert_eq!(seqs(&bytes, &header), (vec![0, 1, 2, 3, 4], 0));
    let second = 256 + (written - 256) / 5 + 130;
    bytes[second] ^= 1;
    assert_eq!(seqs(&bytes, &header), (vec![0, 2, 3, 4], 1));
}

#[test]
fn a_segment_cut_at_any_byte_gives_exactly_the_frames_before_the_cut() {
    let (header, bytes) = segment(4);
    let size = (bytes.len() - 256) / 4;
    for cut in 256..bytes.len() {
        let (frames, _) = seqs(&bytes[..cut], &header);
        assert_eq!(frames.len(), (cut - 256) / size, "cut at {cut}");
    }
}

#[test]
fn frames_of_an_earlier_file_in_the_tail_are_not_taken_for_ours() {
    let (header, mut bytes) = segment(2);
    let stale = frame::Header { salt: 98, frame_seq: 2, ..frame::Header::of(Kind::Events) };
    bytes.extend(frame::write(&stale, &[7; 50]));
    assert_eq!(seqs(&bytes, &header), (vec![0, 1], 1));
}

#[test]
fn a_frame_number_that_does_not_rise_is_damage_even_at_the_highest() {
    let (header, mut bytes) = segment(1);
    for frame_seq in [u64::MAX, u64::MAX, 0] {
        let h = frame::Header { salt: 99, frame_seq, ..frame::Header::of(Kind::Events) };
        bytes.extend(frame::write(&h, &[1; 50]));
    }
    assert_eq!(seqs(&bytes, &header), (vec![0, u64::MAX], 1));
}

#[test]
fn a_footer_reads_back() {
    let entry = FooterEntry { offset: 1, first_ns: 2, last_ns: 3, n_events: 4, sources: 5 };
    let footer = Footer { frames: vec![entry; 3], chain: 77 };
    assert_eq!(Footer::read(&footer.to_bytes()), Ok(footer.clone()));
    assert!(Footer::read(&footer.to_bytes()[..40]).is_err());
    // What follows the entries is a table of column 9.
    assert!(Footer::read(&[footer.to_bytes(), vec![9, 0, 1, 0]].concat()).is_err());
}

// Headers that are right, of frames with long payloads that are not; and headers of 4,096 bytes that are not.
fn hostile(bytes: usize, header_len: u16, sealed: bool) -> (Header, Vec<u8>) {
    // The next header's length stands where this one's salt is.
    let header = Header { salt: u64::from_le_bytes([0x80, 0, 0, 0, 0, 0, 0, 0]), ..Header::default() };
    let mut file = header.to_bytes();
    let total = bytes + file.len();
    while file.len() < total - 256 {
        let left = (total - file.len() - 256) as u32 & !7;
        let h = frame::Header { salt: header.salt, ..frame::Header::of(Kind::Events) };
        let mut one = frame::write(&h, &[]);
        one.truncate(frame::HEADER_BYTES);
        one[8..10].copy_from_slice(&header_len.to_le_bytes());
        one[64..68].copy_from_slice(&left.min(frame::MAX_PAYLOAD_BYTES).to_le_bytes());
        if sealed {
            let crc = crc32c(&[&one[..124]]);
            one[124..].copy_from_slice(&crc.to_le_bytes());
        }
        file.extend(one);
    }
    // All of the payloads end where the trailer is that all of them need.
    file.resize(total, 0);
    let trailer = header.salt.to_le_bytes();
    for at in (total - 264..total - 8).step_by(8) {
        file[at..at + 8].copy_from_slice(&trailer);
    }
    (header, file)
}

#[test]
fn overlapping_forged_headers_cannot_keep_a_scan_busy() {
    for (header_len, sealed) in [(128, true), (4096, false)] {
        let (header, file) = hostile(4 << 20, header_len, sealed);
        let mut scan = Scan::new(&file, &header);
        let steps: Vec<Step<'_>> = scan.by_ref().collect();
        let (work, len) = (scan.checked_bytes(), file.len() as u64);
        assert!(work > 8 * len, "the file is not hostile enough: {work} bytes checked of {len}");
        // The last place looked at may pass the bound by what it claims.
        assert!(work <= 17 * len + (1 << 20) + 4096, "{work} bytes checked of {len}");
        assert_eq!(scan.position(), len);
        assert!(matches!(&steps[..], [Step::Damage(256, to, _)] if *to == len), "{steps:?}");
    }
}

#[test]
fn too_much_damage_ends_a_scan_and_says_so() {
    let (header, file) = hostile(4 << 20, 128, true);
    let Some(Step::Damage(_, _, e)) = Scan::new(&file, &header).next() else { panic!("no damage") };
    assert!(e.to_string().contains("too much damage"), "{e}");
}

proptest! {
    #[test]
    fn a_scan_of_arbitrary_bytes_ends(bytes: Vec<u8>, salt: u64) {
        let header = Header { header_len: 0, salt, ..Header::default() };
        prop_assert!(Scan::new(&bytes, &header).count() <= bytes.len() / 8 + 1);
    }
}

#[test]
fn an_events_frame_says_what_was_lost_before_it_and_where_its_rows_were() {
    let (mut builder, _) = Builder::begin(Header::default(), 1 << 20);
    builder.state(&crate::state::State::default()).unwrap();
    let mut compressor = crate::columns::Compressor::new().unwrap();
    let mut rows = [7, 9].map(|end_ns| crate::Row { end_ns, op: 0x2001, ..crate::Row::default() });
    let bytes =
        builder.events(&mut rows, crate::ops::Source::Sched, 41, 3, &mut compressor).unwrap().unwrap();
    let at = bytes
        .windows(4)
        .rposition(|w| w == &frame::write(&frame::Header::of(Kind::Events), &[])[..4])
        .unwrap();
    let (header, _) = frame::read(&bytes[at..], 0).unwrap();
    assert_eq!((header.lost_before, header.head_generation, header.n_events), (3, 41, 2));
    assert_eq!((header.first_ns, header.last_ns, header.sources), (7, 9, 1 << 1));
}
