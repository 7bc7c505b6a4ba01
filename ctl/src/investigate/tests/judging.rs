//! Which case is a finding, and how severe it may be called.

use crate::{
    investigate::{
        baseline::{Baseline, Bins},
        case::{Case, Hit},
        cause::CAUSES,
        decompose::{Class, Piece},
        finding::Severity,
        judge::{severity, share_of},
        rhythm::Rhythm,
        thread::{Examined, Slow},
        units::{GAP, Unit},
    },
    model::{Call, NONE, Thread},
};

const S: i64 = 1_000_000_000;
const MS: i64 = 1_000_000;
const KEY: u16 = 7;

/// A case of a cause between second 50 and 60 of a window of 100 s, in parts of 1 s.
struct Told {
    cause: &'static str,
    attributed_ns: i64,
    /// Slow units: key, and pieces by class and length.
    units: Vec<(u16, Vec<(Class, i64)>)>,
    baseline: Option<Baseline>,
    calls: bool,
    /// A time of which records may be missing.
    lost: Option<(i64, i64)>,
    span: (i64, i64),
}

fn pieces(mut from_ns: i64, list: &[(Class, i64)]) -> Vec<Piece> {
    let piece = |(class, ns): &(Class, i64)| {
        let piece = Piece { from_ns, to_ns: from_ns + ns, class: *class, actor: NONE, stack: NONE };
        from_ns += ns;
        piece
    };
    list.iter().map(piece).collect()
}

/// Ten short units in each part.
fn bins() -> Bins {
    let mut bins = Bins::new(0, 100 * S);
    for part in 0..100 {
        (0..10).for_each(|_| bins.add(KEY, &pieces(part * S, &[(Class::OnCpu, 1_000)]), false));
    }
    bins
}

fn before() -> Option<Baseline> {
    bins().baseline(Class::Io, (50 * S, 60 * S), &[])
}

impl Told {
    /// Attributed is a fifth of the time, in ten slow units of a call: HIGH if nothing speaks against it.
    fn of(cause: &'static str) -> Self {
        let class = CAUSES.iter().find(|c| c.name == cause).unwrap().classes[0];
        let units = vec![(KEY, vec![(class, 200 * MS)]); 10];
        let (baseline, span) = (before(), (50 * S, 60 * S));
        Self { cause, attributed_ns: 2 * S, units, baseline, calls: true, lost: None, span }
    }

    fn judged(&self) -> Option<Severity> {
        let thread = Thread::default();
        let mut examined = Examined {
            thread: &thread,
            slow: Vec::new(),
            minor: Vec::new(),
            bins: bins(),
            rhythm: Rhythm::default(),
            gap_from_ns: 0,
            calls: self.calls,
        };
        if let Some((from_ns, to_ns)) = self.lost {
            let call = &Call::default();
            let unit = Unit { from_ns, to_ns, key: KEY, call, place: 0, inside_to: 1 };
            examined.rhythm.add(&examined.bins, &unit, &pieces(from_ns, &[(Class::Lost, to_ns - from_ns)]));
        }
        let cause = CAUSES.iter().find(|c| c.name == self.cause).unwrap();
        let from = self.span.0;
        let slow: Vec<Slow> = self
            .units
            .iter()
            .map(|(key, list)| {
                let pieces = pieces(from, list);
                Slow { from_ns: from, to_ns: pieces.last().unwrap().to_ns, key: *key, place: None, pieces }
            })
            .collect();
        let hits = slow.iter().map(|slow| {
            let ns = cause.classes.iter().map(|class| slow.class_ns(*class)).sum();
            Hit { slow, ns, from_ns: slow.from_ns, to_ns: slow.to_ns }
        });
        let case = Case {
            cause,
            hits: hits.collect(),
            slow: Vec::new(),
            from_ns: self.span.0,
            to_ns: self.span.1,
            baseline: self.baseline.clone(),
            minor_ns: 0,
            usual_ns: 0,
            attributed_ns: self.attributed_ns,
        };
        severity(&examined, &case)
    }
}

use Severity::{High, Low, Medium};

#[test]
fn severity_is_the_share_of_the_time_and_short_times_count_as_five_seconds() {
    assert_eq!((share_of(S, 10 * S), share_of(S, 5 * S), share_of(S, S)), (100, 200, 200));
    let of = |ms: i64, seconds: i64| {
        let span = (50 * S, (50 + seconds) * S);
        Told { attributed_ns: ms * MS, span, ..Told::of("blocked_io") }.judged()
    };
    let shares = [(1_000, 10), (999, 10), (200, 10), (199, 10), (20, 10), (19, 10)];
    let told = shares.map(|(ms, seconds)| of(ms, seconds));
    assert_eq!(told, [Some(High), Some(Medium), Some(Medium), Some(Low), Some(Low), None]);
    assert_eq!([of(500, 1), of(499, 1), of(10, 1), of(9, 1)], [Some(High), Some(Medium), Some(Low), None]);
}

#[test]
fn what_nothing_explains_is_low_and_only_told_from_a_fiftieth_of_the_time() {
    let of = |ms: i64| Told { attributed_ns: ms * MS, ..Told::of("unknown") }.judged();
    assert_eq!([of(5_000), of(200), of(199)], [Some(Low), Some(Low), None]);
}

#[test]
fn compared_with_no_time_before_a_case_is_at_most_medium() {
    let tenth = bins().baseline(Class::Io, (0, S), &[]);
    assert_eq!(tenth.as_ref().unwrap().kind, "quietest_tenth");
    for (baseline, told) in [(before(), High), (tenth, Medium), (None, Medium)] {
        assert_eq!(Told { baseline, ..Told::of("blocked_io") }.judged(), Some(told));
    }
}

#[test]
fn waits_for_the_gpu_or_other_ranks_that_nothing_is_compared_with_are_no_finding() {
    for cause in ["gpu_wait", "collective_wait"] {
        assert_eq!(Told::of(cause).judged(), Some(High));
        assert_eq!(Told { baseline: None, ..Told::of(cause) }.judged(), None);
    }
}

#[test]
fn a_lock_between_calls_is_at_most_medium_and_one_such_wait_inside_a_call_lifts_that() {
    let mut told = Told::of("blocked_lock");
    told.units.iter_mut().for_each(|(key, _)| *key = GAP);
    assert_eq!(told.judged(), Some(Medium));
    told.units[4].0 = KEY;
    assert_eq!(told.judged(), Some(High));
    let mut storage = Told::of("blocked_io");
    storage.units.iter_mut().for_each(|(key, _)| *key = GAP);
    assert_eq!(storage.judged(), Some(High));
}

#[test]
fn of_a_thread_without_calls_everything_is_low() {
    assert_eq!(Told { calls: false, ..Told::of("cpu_contention") }.judged(), Some(Low));
}

#[test]
fn a_case_of_which_more_than_half_is_undecidable_is_low() {
    for (lost, blocked, told) in [(100, 100, High), (101, 100, Low), (200, 0, High), (0, 201, Low)] {
        let mut case = Told::of("blocked_io");
        for (_, list) in &mut case.units {
            list.extend([(Class::Lost, lost * MS), (Class::Blocked, blocked * MS)]);
        }
        assert_eq!(case.judged(), Some(told), "{lost} {blocked}");
    }
}

#[test]
fn a_thread_whose_feeder_slept_may_have_had_nothing_to_do_and_is_low() {
    assert_eq!(Told::of("data_starvation").judged(), Some(High));
    let mut slept = Told::of("data_starvation");
    slept.units.iter_mut().for_each(|(_, list)| list[0].0 = Class::StarvedAsleep);
    assert_eq!(slept.judged(), Some(Low));
}

#[test]
fn waits_for_the_gpu_as_frequent_as_a_storms_are_low_where_records_are_missing() {
    // Ten seconds: 500 are 50 a second.
    let of = |units: usize, lost| {
        let mut told = Told { lost, ..Told::of("gpu_wait") };
        told.units = vec![(KEY, vec![(Class::GpuWait, 20 * MS)]); units];
        told.judged()
    };
    let (inside, outside) = (Some((55 * S, 55 * S + 1)), Some((70 * S, 71 * S)));
    assert_eq!([of(500, inside), of(499, inside), of(500, None)], [Some(Low), Some(High), Some(High)]);
    assert_eq!(of(500, outside), Some(High));
    assert_eq!(Told { lost: inside, ..Told::of("collective_wait") }.judged(), Some(High));
}

#[test]
fn waits_for_a_cpu_are_low_where_as_much_is_undecidable_here_or_in_the_time_compared_with() {
    for cause in ["cpu_contention", "recorder_self"] {
        for (lost, told) in [
            ((55 * S, 57 * S), Low),
            ((55 * S, 57 * S - 1), High),
            ((10 * S, 12 * S), Low),
            ((70 * S, 90 * S), High),
        ] {
            assert_eq!(Told { lost: Some(lost), ..Told::of(cause) }.judged(), Some(told), "{lost:?}");
        }
    }
    // Without one to compare with, only its own time counts.
    let alone = |lost| Told { baseline: None, lost: Some(lost), ..Told::of("cpu_contention") }.judged();
    assert_eq!([alone((55 * S, 57 * S)), alone((10 * S, 12 * S))], [Some(Low), Some(Medium)]);
    assert_eq!(Told { lost: Some((55 * S, 57 * S)), ..Told::of("blocked_io") }.judged(), Some(High));
}

#[test]
fn what_is_within_the_usual_spread_is_no_finding() {
    // A third each of the parts before have 100, 120 and 140 ms of it.
    let mut usual = bins();
    for part in 0..50 {
        usual.add(KEY, &pieces(part * S, &[(Class::Io, (100 + part % 3 * 20) * MS)]), true);
    }
    let often = usual.baseline(Class::Io, (50 * S, 60 * S), &[]);
    assert_eq!(often.as_ref().unwrap().spread_ns(Class::Io), (120 * MS, 20 * MS));
    // One slow unit in each of ten parts.
    for (ms, told) in [(180, None), (181, Some(High))] {
        let mut case = Told { baseline: often.clone(), ..Told::of("blocked_io") };
        case.units.iter_mut().for_each(|(_, list)| list[0].1 = ms * MS);
        assert_eq!(case.judged(), told, "{ms}");
    }
}
