//! R10: clocks that step, stop, jump, run backwards and lie. Times on disk are boottime; one offset, that of the
//! manifest, makes Unix time of them, for the whole bundle (FORMAT.md, sections 3, 5, 12 and 16).

use ingero_format::{
    Row,
    manifest::Manifest,
    ops::{self, LossCause},
    row::{META_CPU, flags, origin},
    segment::{Anchor, Header},
};
use ingero_tests::recorded::{Read, Recording, begun};

const SECOND: u64 = 1_000_000_000;
/// Begin of the windows, boottime.
const BEGIN: u64 = 1_000 * SECOND;
const END: u64 = 1_100 * SECOND;
const REAL: u64 = 1_795_000_000 * SECOND;
const YEARS: u64 = 10 * 365 * 86_400 * SECOND;
const NIGHT: u64 = 8 * 3_600 * SECOND;
/// Times above this are no times.
const MAX: u64 = 1 << 61;

/// The window of all cases but those about windows.
fn window() -> Manifest {
    let anchor = Anchor { boot_ns: BEGIN, real_ns: REAL, uncertainty_ns: 50 };
    Manifest { version: 1, id: "c".into(), from_ns: BEGIN, to_ns: END, anchor, ..Manifest::default() }
}

fn with(change: impl FnOnce(&mut Manifest)) -> Option<Manifest> {
    let mut manifest = window();
    change(&mut manifest);
    Some(manifest)
}

fn on(cpu: u16, seq: u64, end_ns: u64, dur_ns: u64) -> Row {
    let op = ops::CU_LAUNCH_KERNEL;
    Row { end_ns, dur_ns, pid: 10, tid: 11, origin: origin(cpu, seq), op, arg0: 1, ..Row::default() }
}

/// Call number `seq`, which ended `at` ns after the window's begin.
fn call(seq: u64, at: u64, dur_ns: u64) -> Row {
    on(0, seq, BEGIN + at, dur_ns)
}

fn usual() -> Header {
    begun(1, BEGIN, REAL)
}

/// A case: what was recorded, and what must come of it.
struct Case {
    name: &'static str,
    recording: Recording,
    /// Start, ns after the anchor's Unix time, and duration of each event; or a word of the refusal.
    expected: Result<Vec<(i64, i64)>, &'static str>,
    /// Rows left out because their times cannot be true.
    refused: u64,
    /// Unix time that the anchor gives to `BEGIN`.
    real_ns: i64,
    /// A word of the damage that must be told beside refused rows.
    damage: Option<&'static str>,
}

fn case(name: &'static str, rows: Vec<Row>, expected: &[(i64, i64)]) -> Case {
    let segments = vec![(usual(), vec![rows])];
    Case {
        name,
        recording: Recording { manifest: Some(window()), segments, ..Recording::default() },
        expected: Ok(expected.to_vec()),
        refused: 0,
        real_ns: REAL as i64,
        damage: None,
    }
}

impl Case {
    fn recorded(mut self, change: impl FnOnce(&mut Recording)) -> Self {
        change(&mut self.recording);
        self
    }

    fn refusing(self, refused: u64) -> Self {
        Self { refused, ..self }
    }

    fn refused(self, word: &'static str) -> Self {
        Self { expected: Err(word), ..self }
    }

    fn at(self, real_ns: i64) -> Self {
        Self { real_ns, ..self }
    }

    fn told(self, word: &'static str) -> Self {
        Self { damage: Some(word), ..self }
    }

    fn check(&self) -> Result<Option<Read>, String> {
        let read = match (self.recording.read(), &self.expected) {
            (Ok(read), Ok(_)) => read,
            (Err((Some(3), said)), Err(word)) if said.contains(word) => return Ok(None),
            (other, expected) => return Err(format!("{other:?}, expected {expected:?}")),
        };
        let shifted = |(ts, dur): &(i64, i64)| (ts + self.real_ns, *dur);
        let mut expected: Vec<_> = self.expected.iter().flatten().map(shifted).collect();
        expected.sort_unstable();
        if read.events != expected {
            return Err(format!("{:?}, expected {expected:?}", read.events));
        }
        if read.offset_ns != self.real_ns - BEGIN as i64 {
            return Err(format!("offset {}", read.offset_ns));
        }
        let mut damage = read.damage.clone();
        if self.refused > 0 {
            let said = format!("{} rows with impossible times were left out", self.refused);
            let at = damage.iter().position(|d| *d == said);
            damage.remove(at.ok_or_else(|| format!("not `{said}`: {damage:?}"))?);
        }
        match self.damage {
            Some(word) if damage.iter().any(|d| d.contains(word)) => {}
            None if damage.is_empty() => {}
            _ => return Err(format!("{damage:?}")),
        }
        Ok(Some(read))
    }
}

fn check(cases: Vec<Case>, at_least: usize) {
    assert!(cases.len() >= at_least, "{} cases", cases.len());
    let broken = |case: &Case| Some(format!("{}: {}", case.name, case.check().err()?));
    let broken: Vec<String> = cases.iter().filter_map(broken).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn steps_of_the_clock_move_no_event_within_a_bundle() {
    let two = |first: u64, second: u64| {
        let rows = |seq, at| vec![vec![call(seq, at, 10)]];
        vec![(begun(1, BEGIN, first), rows(0, 100)), (begun(2, BEGIN + 500, second), rows(1, 600))]
    };
    let expected = [(90, 10), (590, 10)];
    let stepped =
        |name, first, second| case(name, vec![], &expected).recorded(|r| r.segments = two(first, second));
    let anchor = |boot_ns, real_ns, uncertainty_ns| Anchor { boot_ns, real_ns, uncertainty_ns };
    let anchored = |name, anchor| {
        case(name, vec![call(0, 100, 10)], &[(90, 10)]).recorded(|r| r.manifest = with(|m| m.anchor = anchor))
    };
    let tell = |seq, at, real_ns| Row {
        op: ops::ANCHOR,
        origin: origin(META_CPU, seq),
        arg0: real_ns,
        arg1: 50,
        ..call(0, at, 0)
    };
    let (ahead, behind) = (REAL + YEARS, REAL - YEARS);
    check(
        vec![
            case("nothing happens", vec![call(0, 100, 10)], &[(90, 10)]),
            stepped("realtime steps ten years ahead between segments", REAL, ahead),
            stepped("realtime steps ten years back between segments", REAL, behind),
            stepped("realtime was ten years ahead and is set right", ahead, REAL),
            stepped("realtime is lost: the first segment is of 1970", 0, REAL),
            stepped("a segment's realtime is beyond all time", REAL, u64::MAX),
            anchored("realtime steps ten years ahead in the window", anchor(BEGIN, ahead, 50))
                .at(ahead as i64),
            anchored("realtime steps ten years back in the window", anchor(BEGIN, behind, 50))
                .at(behind as i64),
            case("anchors inside tell of a step", vec![call(0, 100, 10)], &[(90, 10)]).recorded(|r| {
                r.segments[0].1.push(vec![tell(0, 5, REAL), tell(1, 50, ahead), tell(2, 90, behind)]);
            }),
            anchored("the anchor is taken after the window", anchor(END + 7, REAL + (END - BEGIN) + 7, 50)),
            anchored("the anchor is wholly uncertain", anchor(BEGIN, REAL, u64::MAX)),
            anchored("the anchor is certain to the ns", anchor(BEGIN, REAL, 0)),
            anchored("realtime was never set: Unix time is boottime", anchor(0, 0, 50)).at(BEGIN as i64),
            anchored("realtime is before 1970 at boot", anchor(BEGIN, 0, 50)).at(0),
            anchored("realtime is behind boottime", anchor(2 * BEGIN, 0, 50)).at(-(BEGIN as i64)),
        ],
        15,
    );
}

#[test]
fn suspended_and_restarted_machines_keep_their_events() {
    let off = |seq, at, dur_ns| Row { op: ops::OFF_CPU, arg0: 5, ..call(seq, at, dur_ns) };
    let night = NIGHT as i64;
    let long = || with(|m| m.to_ns = BEGIN + 2 * NIGHT);
    let epochs = |first: u64, second: u64| {
        let rows = |at| vec![vec![call(0, at, 10), call(1, at + 20, 10)]];
        let header = |seq, epoch| Header { epoch, ..begun(seq, BEGIN, REAL) };
        vec![(header(1, first), rows(100)), (header(2, second), rows(200))]
    };
    let four = [(90, 10), (110, 10), (190, 10), (210, 10)];
    check(
        vec![
            case(
                "the machine sleeps a night between two calls",
                vec![call(0, 10, 5), call(1, NIGHT, 5)],
                &[(5, 5), (night - 5, 5)],
            )
            .recorded(|r| r.manifest = long()),
            case(
                "the machine sleeps a night inside a call",
                vec![call(0, NIGHT + 50, NIGHT)],
                &[(50, night)],
            )
            .recorded(|r| r.manifest = long()),
            case("a thread is off its CPU for a night", vec![off(0, NIGHT + 50, NIGHT)], &[(50, night)])
                .recorded(|r| r.manifest = long()),
            case("the recorder is started again within a boot", vec![], &four)
                .recorded(|r| r.segments = epochs(1, 2)),
            case("the second epoch is below the first", vec![], &four)
                .recorded(|r| r.segments = epochs(9, 2)),
            case("an epoch at the end of time", vec![], &four).recorded(|r| r.segments = epochs(1, u64::MAX)),
            case("boottime begins anew: the window is of the second boot", vec![], &[(90, 10)]).recorded(
                |r| {
                    let before = Header { boot_id: [6; 16], ..begun(1, 90 * BEGIN, REAL - 5) };
                    r.segments = vec![
                        (before, vec![vec![on(0, 0, 90 * BEGIN, 10)]]),
                        (Header { epoch: 2, ..begun(2, BEGIN, REAL) }, vec![vec![call(0, 100, 10)]]),
                    ];
                },
            ),
        ],
        7,
    );
}

#[test]
fn events_out_of_order_keep_their_times_and_their_count() {
    let frames = |name, frames: Vec<Vec<Row>>, expected: &[(i64, i64)]| {
        case(name, vec![], expected).recorded(|r| r.segments[0].1 = frames)
    };
    let process = |op, seq, at| Row { op, ..call(seq, at, 0) };
    check(
        vec![
            case(
                "three CPUs at one moment",
                (0..3).map(|cpu| on(cpu, 0, BEGIN + 9, 4)).collect(),
                &[(5, 4); 3],
            ),
            case("one CPU twice at one moment", vec![call(0, 9, 4), call(1, 9, 4)], &[(5, 4); 2]),
            case(
                "time runs backwards on one CPU",
                vec![call(0, 90, 1), call(1, 50, 1), call(2, 10, 1)],
                &[(9, 1), (49, 1), (89, 1)],
            ),
            frames(
                "a CPU is drained late",
                vec![
                    vec![on(0, 0, BEGIN + 100, 1)],
                    vec![on(1, 0, BEGIN + 20, 1)],
                    vec![on(0, 1, BEGIN + 60, 1)],
                ],
                &[(19, 1), (59, 1), (99, 1)],
            ),
            frames(
                "a frame begins before the one before it ends",
                vec![vec![call(0, 10, 1), call(2, 100, 1)], vec![call(1, 50, 1), call(3, 70, 1)]],
                &[(9, 1), (49, 1), (69, 1), (99, 1)],
            ),
            frames(
                "a call begins before one that ended earlier",
                vec![vec![call(0, 50, 10)], vec![call(1, 100, 90)]],
                &[(10, 90), (40, 10)],
            ),
            frames(
                "an exit before its fork",
                vec![vec![process(ops::EXIT, 0, 5), process(ops::FORK, 1, 9), process(ops::EXEC, 2, 9)]],
                &[(5, 0), (9, 0), (9, 0)],
            ),
            case(
                "rows in the head are older than those in frames",
                vec![call(1, 80, 1)],
                &[(19, 1), (79, 1)],
            )
            .recorded(|r| r.head = vec![call(0, 20, 1)]),
            case(
                "ticks of a millisecond round downwards",
                vec![call(0, 5_900_000, 2_999_999)],
                &[(3_000_000, 2_000_000)],
            )
            .recorded(|r| r.segments[0].0.tick_ns = 1_000_000),
        ],
        9,
    );
}

#[test]
fn times_at_the_edges_are_kept_or_counted_as_refused() {
    let begin = BEGIN as i64;
    let all = || {
        with(|m| {
            m.from_ns = 0;
            m.to_ns = MAX;
        })
    };
    let last = (MAX - BEGIN) as i64;
    let wide =
        |name, rows, expected: &[(i64, i64)]| case(name, rows, expected).recorded(|r| r.manifest = all());
    let at = |end_ns, dur_ns| vec![on(0, 0, end_ns, dur_ns)];
    check(
        vec![
            wide("a call ends at 0", at(0, 0), &[(-begin, 0)]),
            wide(
                "a call longer than the time since boot begins at boot",
                at(BEGIN, BEGIN + 1),
                &[(-begin, begin)],
            ),
            wide("a call of u64 max begins at boot", at(BEGIN, u64::MAX), &[(-begin, begin)]),
            wide("a call ends in the last moment there is", at(MAX, 0), &[]),
            wide("a call ends one before the last moment", at(MAX - 1, 1), &[(last - 2, 1)]),
            wide("a call ends after the last moment", at(MAX + 1, 1), &[]).refusing(1),
            wide("a call ends at u64 max", at(u64::MAX, u64::MAX), &[]).refusing(1),
            wide(
                "three of five calls cannot be",
                vec![
                    call(0, 10, 1),
                    on(0, 1, u64::MAX, 1),
                    on(0, 2, MAX + 1, 1),
                    call(3, 20, 1),
                    on(0, 4, u64::MAX - 1, 1),
                ],
                &[(9, 1), (19, 1)],
            )
            .refusing(3),
        ],
        8,
    );
}

#[test]
fn windows_and_open_calls_hold_what_touches_them() {
    let begin = BEGIN as i64;
    let at = |end_ns, dur_ns| vec![on(0, 0, end_ns, dur_ns)];
    let open = |at, dur_ns| Row { flags: flags::OPEN, origin: origin(META_CPU, 0), ..call(0, at, dur_ns) };
    check(
        vec![
            case("calls touch the window from outside", vec![], &[(0, 0), (-9, 10), (99, 2)]).recorded(|r| {
                r.manifest = with(|m| m.to_ns = BEGIN + 100);
                let rows = [(0, 9), (0, 0), (1, 10), (101, 2), (105, 5), (110, 3)];
                let rows = (0..).zip(rows).map(|(seq, (at, dur))| call(seq, at, dur));
                r.segments[0].1 = vec![rows.collect()];
            }),
            case(
                "a call longer than the window covers it",
                at(END + 5, END - BEGIN + 10),
                &[(-5, (END - BEGIN + 10) as i64)],
            ),
            case("a call that has not ended", vec![call(0, 10, 1)], &[(9, 1), (40, 60)])
                .recorded(|r| r.open = vec![open(100, 60)]),
            case("a call that ended after it was seen open", vec![call(0, 150, 110)], &[(40, 110)])
                .recorded(|r| r.open = vec![open(100, 60)]),
            case(
                "an open call older than the machine",
                vec![call(0, 10, 1)],
                &[(-begin, begin + 50), (9, 1)],
            )
            .recorded(|r| {
                r.manifest = with(|m| m.from_ns = 0);
                r.open = vec![open(50, u64::MAX)];
            }),
            case("a window that ends before it begins", at(BEGIN, 1), &[])
                .recorded(|r| r.manifest = with(|m| m.to_ns = 0))
                .refused("begin before end"),
            case("a window beyond all time", at(BEGIN, 1), &[])
                .recorded(|r| r.manifest = with(|m| m.to_ns = MAX + 1))
                .refused("below 73 years"),
            case("an anchor beyond all time", at(BEGIN, 1), &[])
                .recorded(|r| r.manifest = with(|m| m.anchor.real_ns = u64::MAX))
                .refused("below 73 years"),
        ],
        8,
    );
}

#[test]
fn a_ring_without_a_window_is_placed_by_its_newest_segment_whose_clocks_can_be_true() {
    let ring = |name, real: [u64; 2], expected: &[(i64, i64)]| {
        case(name, vec![], expected).recorded(|r| {
            r.manifest = None;
            let rows = |seq, at| vec![vec![call(seq, at, 10)]];
            r.segments =
                vec![(begun(1, BEGIN, real[0]), rows(0, 100)), (begun(2, BEGIN, real[1]), rows(1, 600))];
        })
    };
    let both = [(90, 10), (590, 10)];
    check(
        vec![
            ring("clocks agree", [REAL, REAL], &both),
            ring("realtime steps ten years ahead", [REAL, REAL + YEARS], &both).at((REAL + YEARS) as i64),
            ring("realtime steps ten years back", [REAL, REAL - YEARS], &both).at((REAL - YEARS) as i64),
            ring("the newest clock cannot be true", [REAL, u64::MAX], &both).told("segment 2: its clocks"),
            ring("no clock can be true: boottime it is", [u64::MAX; 2], &both)
                .told("segment 1: its clocks")
                .at(BEGIN as i64),
        ],
        5,
    );
}

#[test]
fn a_loss_longer_than_time_lies_between_boot_and_its_end() {
    let loss = Row {
        op: ops::LOSS,
        origin: origin(META_CPU, 0),
        tid: 3,
        flags: 1,
        ret: LossCause::RingbufFull as i32,
        arg0: 4,
        ..call(0, 50, u64::MAX)
    };
    let lossy = case("", vec![call(0, 10, 1)], &[(9, 1)]).recorded(|r| r.segments[0].1.push(vec![loss]));
    let read = lossy.check().unwrap().unwrap();
    let real = REAL as i64;
    assert_eq!(read.losses, [(real - BEGIN as i64, real + 50)]);
    assert!(read.verified);
}
