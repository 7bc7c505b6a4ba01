//! Lies in the headers of segments and frames.

use ingero_format::frame::{self, Kind as FrameKind};

use super::{
    Kind, Lie,
    make::{
        Columns, bomb, events_frame, frame_of, header, put, record_frame, resealed, rows, seal,
        segment_around,
    },
};

fn segment(name: impl Into<String>, bytes: Vec<u8>, says: &'static str) -> Lie {
    Lie::new(Kind::Segment, name, bytes, says)
}

fn around(name: impl Into<String>, frame: &[u8], says: &'static str) -> Lie {
    segment(name, segment_around(frame), says)
}

/// All of them.
#[must_use]
pub fn lies() -> Vec<Lie> {
    [of_segment_headers(), of_frame_lengths(), of_frame_headers(), of_order(), of_packing()].concat()
}

fn changed_header(at: usize, value: &[u8]) -> Vec<u8> {
    let mut bytes = segment_around(&[]);
    put(&mut bytes, at, value);
    seal(&mut bytes, 0, 256);
    bytes
}

fn of_segment_headers() -> Vec<Lie> {
    let mut lies = Vec::new();
    for len in [0u16, 1, 8, 248, 255, 257, 260, 4104, 8192, u16::MAX] {
        let bytes = changed_header(8, &len.to_le_bytes());
        lies.push(segment(format!("segment_header_len_{len}"), bytes, "header_len"));
    }
    for len in [264u16, 512, 4096] {
        let mut bytes = segment_around(&[]);
        bytes.truncate(if len == 4096 { 2048 } else { bytes.len() });
        put(&mut bytes, 8, &len.to_le_bytes());
        seal(&mut bytes, 0, 256);
        let says = if len == 4096 { "cut short" } else { "checksum" };
        lies.push(segment(format!("segment_header_len_{len}_not_there"), bytes, says));
    }
    for tick in [0u32, 1_000_001, u32::MAX] {
        lies.push(segment(format!("tick_{tick}"), changed_header(20, &tick.to_le_bytes()), "tick_ns"));
    }
    lies.push(segment("tick_of_a_millisecond", changed_header(20, &1_000_000u32.to_le_bytes()), ""));
    for bit in 0..32 {
        let bytes = changed_header(16, &(1u32 << bit).to_le_bytes());
        lies.push(segment(format!("segment_incompat_bit_{bit}"), bytes, "incompatible feature bit"));
    }
    lies.push(segment("segment_all_compat_bits", changed_header(12, &[0xff; 4]), ""));
    lies.push(segment("segment_version_65535", changed_header(10, &[0xff; 2]), ""));
    lies.push(segment("segment_of_another_salt", changed_header(24, &[7; 8]), "salt"));
    lies.push(segment("segment_number_u64_max", changed_header(32, &[0xff; 8]), ""));
    lies.push(segment("segment_epoch_u64_max", changed_header(72, &[0xff; 8]), ""));
    lies.push(segment("segment_chain_before_is_another", changed_header(104, &[7; 16]), ""));
    let text_mode: Vec<u8> = segment_around(&[]).into_iter().filter(|b| *b != b'\r').collect();
    lies.push(segment("segment_through_a_text_tool", text_mode, "magic"));
    lies.push(segment("segment_header_alone", header().to_bytes(), ""));
    lies.push(segment("segment_header_cut", header().to_bytes()[..255].to_vec(), "cut short"));
    lies
}

fn of_frame_lengths() -> Vec<Lie> {
    let honest = Columns::honest().frame(4);
    let with = |at, value: u32| resealed(honest.clone(), at, &value.to_le_bytes());
    let mut lies = vec![
        around("comp_len_past_eof", &with(64, 1 << 20), "cut short"),
        around("comp_len_over_all_that_follows", &with(64, 600), "trailer"),
        around("comp_len_33_mib", &with(64, 33 << 20), "payload_len"),
        around("comp_len_u32_max", &with(64, u32::MAX), "payload_len"),
        around("comp_len_0", &with(64, 0), "trailer"),
        around("comp_len_one_less", &with(64, u32_at(&honest, 64) - 1), "checksum"),
        around("n_events_0", &with(56, 0), "row count"),
        around("n_events_5_of_4", &with(56, 5), ""),
        around("n_events_65536", &with(56, 65_536), ""),
        around("n_events_65537", &with(56, 65_537), "row count"),
        around("n_events_u32_max", &with(56, u32::MAX), "row count"),
        around("raw_len_zero_with_rows", &with(60, 0), "compressed"),
        around("raw_len_one_less", &with(60, u32_at(&honest, 60) - 1), "compressed"),
        around("raw_len_one_more", &with(60, u32_at(&honest, 60) + 1), "compressed"),
        around("raw_len_16_mib", &with(60, 16 << 20), "compressed").declaring(16 << 20),
        around("raw_len_17_mib", &with(60, 17 << 20), "block bytes"),
        around("raw_len_u32_max", &with(60, u32::MAX), "block bytes"),
    ];
    for len in [0u16, 64, 127, 130, 4104, u16::MAX] {
        let frame = resealed(honest.clone(), 8, &len.to_le_bytes());
        lies.push(around(format!("frame_header_len_{len}"), &frame, "header_len"));
    }
    for len in [136u16, 256, 4096] {
        let frame = resealed(honest.clone(), 8, &len.to_le_bytes());
        lies.push(around(format!("frame_header_len_{len}_not_so"), &frame, ""));
    }
    for (kind, name) in
        [(FrameKind::State, "state"), (FrameKind::Dictionary, "dictionary"), (FrameKind::Footer, "footer")]
    {
        let packed = frame::pack_record(&[5, 0, 1, 1, 1]).unwrap();
        let of = |raw_len: usize| frame_of(kind, 4, raw_len, &packed);
        lies.push(around(format!("{name}_raw_len_one_less"), &of(4), "compressed"));
        lies.push(around(format!("{name}_raw_len_one_more"), &of(6), "compressed"));
        lies.push(
            around(format!("{name}_raw_len_32_mib"), &of(32 << 20), too_long(kind)).declaring(32 << 20),
        );
        lies.push(around(format!("{name}_raw_len_33_mib"), &of(33 << 20), "raw_len"));
        lies.push(around(format!("{name}_raw_len_u32_max"), &of(u32::MAX as usize), "raw_len"));
        lies.push(around(format!("{name}_without_payload"), &frame_of(kind, 4, 0, &[]), ""));
    }
    lies
}

// Dictionary frames may not even declare so much.
fn too_long(kind: FrameKind) -> &'static str {
    if kind == FrameKind::Dictionary { "raw_len of all dictionary frames" } else { "compressed" }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn of_frame_headers() -> Vec<Lie> {
    let honest = Columns::honest().frame(4);
    let with = |at, value: &[u8]| resealed(honest.clone(), at, value);
    let mut lies = Vec::new();
    for bit in 8..16 {
        let frame = with(14, &(1u16 << bit).to_le_bytes());
        lies.push(around(format!("frame_incompat_flag_{bit}"), &frame, "incompatible frame flag bit"));
    }
    lies.push(around("frame_all_compat_flags", &with(14, &[0xff, 0]), ""));
    for kind in [0u8, 5, 255] {
        lies.push(around(format!("frame_kind_{kind}"), &with(12, &[kind]), ""));
    }
    for codec in [0u8, 2, 3, 255] {
        lies.push(around(format!("events_in_codec_{codec}"), &with(13, &[codec]), "codec"));
    }
    for kind in [2u8, 3, 4] {
        lies.push(around(format!("columns_as_kind_{kind}"), &with(12, &[kind]), "codec"));
        lies.push(around(format!("columns_as_record_of_kind_{kind}"), &with(12, &[kind, 2]), "compressed"));
    }
    for (name, sources) in
        [("no_source", 0u32), ("two_sources", 3), ("source_31", 1 << 31), ("all_sources", u32::MAX)]
    {
        lies.push(around(format!("frame_of_{name}"), &with(16, &sources.to_le_bytes()), ""));
    }
    lies.push(around("frame_first_ns_u64_max", &with(40, &[0xff; 8]), ""));
    lies.push(around("frame_last_before_first", &with(48, &[0; 8]), ""));
    lies.push(around("frame_last_ns_u64_max", &with(48, &[0xff; 8]), ""));
    lies.push(around("frame_needs_u32_max_threads", &with(68, &[0xff; 4]), ""));
    lies.push(around("frame_needs_u32_max_calls", &with(72, &[0xff; 4]), ""));
    lies.push(around("frame_of_another_dictionary_digest", &with(76, &[7; 4]), ""));
    lies.push(around("frame_lost_before_u64_max", &with(80, &[0xff; 8]), ""));
    lies.push(around("frame_generation_u64_max", &with(88, &[0xff; 8]), ""));
    let mut bad = honest.clone();
    bad[124] ^= 1;
    lies.push(around("frame_header_crc_wrong", &bad, "checksum"));
    lies.push(around("frame_payload_crc_wrong", &with(120, &[1; 4]), "checksum"));
    let mut bad = honest.clone();
    let end = bad.len() - 8;
    bad[end] ^= 1;
    lies.push(around("frame_trailer_wrong", &bad, "trailer"));
    lies.push(around("frame_trailer_missing", &honest[..end], "trailer"));
    lies.push(around("frame_header_alone", &honest[..frame::HEADER_BYTES], "trailer"));
    lies.push(around("frame_salt_of_another_file", &with(24, &[3; 8]), "salt"));
    lies
}

fn of_order() -> Vec<Lie> {
    let at = |seq| Columns::honest().frame(seq);
    let generation = |seq| resealed(at(seq), 88, &77u64.to_le_bytes());
    let mut lies = vec![
        around("frame_seq_backwards", &at(0), "frame_seq"),
        around("frame_seq_repeats", &[at(4), at(4)].concat(), "frame_seq"),
        around("frame_seq_u64_max", &at(u64::MAX), "frame_seq"),
        around("frame_seq_leaves_out_many", &at(6), ""),
        around("duplicated_sequences", &[at(4), at(5)].concat(), "twice"),
        around("duplicated_generations", &[generation(4), generation(5)].concat(), ""),
    ];
    lies.push(around("a_frame_inside_a_frame", &events_frame(4, 4, 0, &at(5)), "cut short"));
    lies.push(around("a_misaligned_frame", &[vec![0; 4], at(4)].concat(), "magic"));
    lies.push(around("two_states", &record_frame(FrameKind::State, 4, &[]), ""));
    let mut forged = Vec::new();
    for left in (0..2_000usize).rev() {
        let mut one = resealed(events_frame(4, 4, 0, &[]), 64, &((left * 128) as u32).to_le_bytes());
        one.truncate(frame::HEADER_BYTES);
        forged.extend(resealed(one, 120, &[0xee; 4]));
    }
    forged.extend((4 ^ super::make::SALT).to_le_bytes());
    lies.push(around("two_thousand_overlapping_headers", &forged, "too much damage"));
    let magics = frame::MAGIC.repeat(100_000);
    lies.push(around("nothing_but_magics", &magics, "header_len"));
    lies.push(around("a_megabyte_of_noise", &noise(1 << 20), "magic"));
    let rows: Vec<u8> = rows(100, 0).iter().flat_map(|row| row.to_bytes(1)).collect();
    lies.push(around("rows_instead_of_frames", &rows, "magic"));
    lies
}

fn noise(len: usize) -> Vec<u8> {
    let mut random = crate::simulated::random::Random::new(9);
    (0..len / 8).flat_map(|_| random.number().to_le_bytes()).collect()
}

// A terabyte is claimed only; its blocks would fill the disk.
fn claiming(bytes: u64) -> Vec<u8> {
    let mut packed = bomb(bytes.min(4 << 30));
    put(&mut packed, 6, &bytes.to_le_bytes());
    packed
}

fn of_packing() -> Vec<Lie> {
    let mut lies = Vec::new();
    let bombs: [(&str, u64); 3] = [("4g", 4 << 30), ("1t", 1 << 40), ("of_33_mib", 33 << 20)];
    for kind in [FrameKind::State, FrameKind::Dictionary, FrameKind::Footer] {
        for (name, bytes) in bombs {
            let frame = frame_of(kind, 4, 32 << 20, &claiming(bytes));
            let name = format!("zstd_bomb_{name}_{kind:?}").to_lowercase();
            lies.push(around(name, &frame, too_long(kind)).declaring(32 << 20));
        }
        let zeros = frame_of(kind, 4, 32 << 20, &bomb(32 << 20));
        let name = format!("32_mib_of_zeros_{kind:?}").to_lowercase();
        lies.push(around(name, &zeros, "").declaring(2 * (32 << 20)));
    }
    let columns = |packed: &[u8]| {
        let mut payload = Columns::honest().payload();
        payload.truncate(8 + 6 * 12);
        put(&mut payload, 4, &(packed.len() as u32).to_le_bytes());
        payload.extend(packed);
        payload
    };
    for (name, bytes) in bombs {
        let frame = events_frame(4, 4, 16 << 20, &columns(&claiming(bytes)));
        lies.push(around(format!("zstd_bomb_{name}_events"), &frame, "compressed").declaring(16 << 20));
    }
    let zeros = events_frame(4, 4, 16 << 20, &columns(&bomb(16 << 20)));
    lies.push(around("16_mib_of_zeros_events", &zeros, "").declaring(16 << 20));
    let mut wide = bomb(64);
    wide[5] = 0xff;
    let block = frame::pack_record(&Columns::honest().block()).unwrap();
    let raw = Columns::honest().block().len();
    let skippable = [vec![0x50, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0x7f], block.clone()].concat();
    for (name, packed, says) in [
        ("zstd_window_of_terabytes", wide, "compressed"),
        ("zstd_of_nothing", Vec::new(), "compressed"),
        ("zstd_cut", block[..block.len() - 3].to_vec(), "compressed"),
        ("zstd_noise", noise(64), "compressed"),
        ("zstd_magic_alone", block[..4].to_vec(), "compressed"),
        ("zstd_skippable_frame_past_the_end", skippable, "compressed"),
        ("zstd_twice", block.repeat(2), "compressed"),
    ] {
        lies.push(around(name, &events_frame(4, 4, raw, &columns(&packed)), says));
    }
    lies
}
