//! Clocks that cannot be true: readers of bytes take them as they are, `ingeroctl` must live with them.

use ingero_format::{
    Row,
    bundle::MemberKind,
    columns::Compressor,
    manifest::{Manifest, Trigger},
    ops::{self, LossCause, Source},
    row::{META_CPU, flags, origin},
    segment::{Anchor, Builder, Header},
    state::{Process, State},
};

use super::{
    Kind, Lie,
    make::{bundle_of, end, header, manifest, member, rows},
};

const YEARS: u64 = 10 * 365 * 86_400 * 1_000_000_000;
const NOW: u64 = 1_795_000_000_000_000_000;

fn segment(header: Header, list: &[Row], source: Source) -> Vec<u8> {
    let (mut builder, mut bytes) = Builder::begin(header, u64::MAX);
    bytes.extend(builder.state(&State::default()).unwrap());
    let mut compressor = Compressor::new().unwrap();
    bytes.extend(builder.events(&mut list.to_vec(), source, 0, 0, &mut compressor).unwrap().unwrap());
    bytes
}

/// All of them.
#[must_use]
pub fn lies() -> Vec<Lie> {
    [of_anchors(), of_rows(), of_windows()].concat()
}

fn of_anchors() -> Vec<Lie> {
    let mut lies = Vec::new();
    for (name, boot_ns, real_ns) in [
        ("10_years_ahead", 1, NOW + YEARS),
        ("10_years_behind", 1, NOW - YEARS),
        ("0", 0, 0),
        ("real_0", NOW, 0),
        ("real_u64_max", 0, u64::MAX),
        ("boot_u64_max", u64::MAX, 0),
        ("both_u64_max", u64::MAX, u64::MAX),
        ("i64_max", 0, i64::MAX as u64),
        ("i64_min", 0, 1 << 63),
        ("boot_i64_min", 1 << 63, 0),
    ] {
        for uncertainty_ns in [0, u64::MAX] {
            let anchor = Anchor { boot_ns, real_ns, uncertainty_ns };
            let bytes = segment(Header { created: anchor, ..header() }, &rows(4, 0), Source::Cuda);
            let sure = if uncertainty_ns == 0 { "sure" } else { "unsure" };
            lies.push(Lie::new(Kind::Segment, format!("anchor_{name}_{sure}"), bytes.clone(), ""));
            let manifest = Manifest { anchor, ..manifest() };
            lies.push(bundle(format!("window_anchor_{name}_{sure}"), &manifest, &bytes, &[]));
        }
    }
    lies
}

fn bundle(name: String, manifest: &Manifest, segment: &[u8], open: &[Row]) -> Lie {
    let open: Vec<u8> = open.iter().flat_map(|row| row.to_bytes(0)).collect();
    let members = [
        member(MemberKind::Manifest as u16, 0, &manifest.to_bytes().unwrap()),
        member(MemberKind::Segment as u16, 1, segment),
        member(MemberKind::Open as u16, (open.len() / 64) as u64, &open),
        end(),
    ];
    Lie::new(Kind::Bundle, name, bundle_of(&members), "")
}

fn of_rows() -> Vec<Lie> {
    let one = rows(1, 0)[0];
    let mut lies = Vec::new();
    for (name, end_ns, dur_ns) in [
        ("end_u64_max", u64::MAX, 0),
        ("both_u64_max", u64::MAX, u64::MAX),
        ("duration_u64_max", 1, u64::MAX),
        ("longer_than_the_end", 1_000, 1_001),
        ("end_0", 0, 0),
        ("end_0_with_a_duration", 0, 5),
        ("end_73_years", 1 << 61, 1 << 61),
        ("end_over_73_years", (1 << 61) + 1, 1),
        ("end_i64_max", i64::MAX as u64, i64::MAX as u64),
    ] {
        for (kind, op, source) in [
            ("call", ops::CU_LAUNCH_KERNEL, Source::Cuda),
            ("interval", ops::OFF_CPU, Source::Sched),
            ("exit", ops::EXIT, Source::Process),
            ("loss", ops::LOSS, Source::Meta),
            ("name", ops::HANDLE_NAME, Source::Meta),
            ("covered", ops::COVERED, Source::Meta),
        ] {
            let cpu = if source == Source::Meta { META_CPU } else { 0 };
            let (arg0, arg1, origin) = (u64::MAX, u64::MAX, origin(cpu, 0));
            let row =
                Row { end_ns, dur_ns, op, origin, arg0, arg1, ret: -1, flags: u16::MAX, stack: 1, ..one };
            let segment = segment(header(), &[row], source);
            lies.push(Lie::new(Kind::Segment, format!("{kind}_{name}"), segment.clone(), ""));
            if source != Source::Meta {
                let window = Manifest { to_ns: 1 << 61, ..manifest() };
                let open = [Row { flags: flags::OPEN, origin: u64::MAX, ..row }];
                lies.push(bundle(format!("open_{kind}_{name}"), &window, &segment, &open));
            }
        }
    }
    let loss = |first: u64, count: u64, number: u64, cpu: u32| Row {
        tid: cpu,
        flags: 0,
        ret: LossCause::RingbufFull as i32,
        op: ops::LOSS,
        origin: origin(META_CPU, number),
        arg0: count,
        arg1: first,
        ..one
    };
    for (name, list) in [
        ("losses_that_overflow_in_one_lane", vec![loss(0, u64::MAX, 0, 0), loss(1, u64::MAX, 1, 0)]),
        ("losses_that_overflow_anywhere", vec![loss(0, u64::MAX, 0, 65_535), loss(0, u64::MAX, 1, 65_535)]),
        ("losses_that_overflow_in_two_lanes", vec![loss(0, u64::MAX, 0, 0), loss(0, u64::MAX, 1, 1)]),
        ("loss_beyond_the_last_number", vec![loss(u64::MAX, 5, 0, 0)]),
        ("loss_of_a_cpu_over_65535", vec![loss(0, 5, 0, u32::MAX)]),
    ] {
        lies.push(Lie::new(Kind::Segment, name, segment(header(), &list, Source::Meta), ""));
    }
    lies
}

fn of_windows() -> Vec<Lie> {
    let honest = segment(header(), &rows(4, 0), Source::Cuda);
    let process = |start_ns, covered_ns| Process { pid: 10, start_ns, covered_ns, ..Process::default() };
    let mut lies = Vec::new();
    for (name, window) in [
        ("window_from_u64_max", Manifest { from_ns: u64::MAX, to_ns: u64::MAX, ..manifest() }),
        ("window_to_u64_max", Manifest { to_ns: u64::MAX, ..manifest() }),
        ("window_that_ends_before_it_begins", Manifest { from_ns: 9, to_ns: 8, ..manifest() }),
        ("window_of_nothing", Manifest { from_ns: 9, to_ns: 9, ..manifest() }),
        ("window_at_0", Manifest { from_ns: 0, to_ns: 0, ..manifest() }),
        ("window_of_73_years", Manifest { to_ns: 1 << 61, ..manifest() }),
        ("asked_for_u64_max", Manifest { asked_last_ns: u64::MAX, asked_after_ns: u64::MAX, ..manifest() }),
        (
            "trigger_at_u64_max",
            Manifest { triggers: vec![Trigger { at_ns: u64::MAX, ..Trigger::default() }], ..manifest() },
        ),
        ("process_of_the_year_2554", Manifest { processes: vec![process(u64::MAX, u64::MAX)], ..manifest() }),
        ("process_covered_before_it_began", Manifest { processes: vec![process(9, 1)], ..manifest() }),
    ] {
        lies.push(bundle(name.into(), &window, &honest, &[]));
    }
    lies
}
