//! What is usual: parts of a window, and what an incident is compared with.

use crate::{
    investigate::{
        baseline::{Baseline, Bins},
        decompose::{Class, Piece},
        units::GAP,
    },
    model::NONE,
};

const FROM: i64 = 5_000_000;
/// Length of a part.
const PART: i64 = 1_000;
const KEY: u16 = 7;

fn bins() -> Bins {
    Bins::new(FROM, FROM + 100 * PART)
}

/// Pieces one after another, from a moment of a part on.
fn pieces(part: i64, list: &[(Class, i64)]) -> Vec<Piece> {
    let mut from_ns = FROM + part * PART;
    let piece = |(class, ns): &(Class, i64)| {
        let piece = Piece { from_ns, to_ns: from_ns + ns, class: *class, actor: NONE, stack: NONE };
        from_ns += ns;
        piece
    };
    list.iter().map(piece).collect()
}

/// Ten short units in each of so many parts.
fn busy(bins: &mut Bins, parts: std::ops::Range<i64>) {
    for part in parts {
        (0..10).for_each(|_| bins.add(KEY, &pieces(part, &[(Class::OnCpu, 10)]), false));
    }
}

fn before(bins: &Bins, part: i64) -> Baseline {
    let begin = FROM + part * PART;
    bins.baseline(Class::OnCpu, (begin, begin + PART), &[]).unwrap()
}

#[test]
fn a_part_holds_its_moments_and_the_first_and_the_last_what_lies_beyond() {
    let bins = bins();
    assert_eq!(bins.width_ns(), PART);
    assert_eq!(bins.bin(FROM - 1_000_000), 0);
    assert_eq!((bins.bin(FROM + PART - 1), bins.bin(FROM + PART)), (0, 1));
    assert_eq!((bins.bin(FROM + 99 * PART), bins.bin(i64::MAX / 2)), (99, 99));
    assert_eq!(bins.edges(0), (i64::MIN, FROM + PART));
    assert_eq!(bins.edges(1), (FROM + PART, FROM + 2 * PART));
    assert_eq!(bins.edges(98), (FROM + 98 * PART, FROM + 99 * PART));
    assert_eq!(bins.edges(99), (FROM + 99 * PART, i64::MAX));
    assert_eq!(Bins::new(FROM, FROM).width_ns(), 1);
}

#[test]
fn an_incident_is_compared_with_the_time_before_it_where_that_is_as_long() {
    let mut bins = bins();
    busy(&mut bins, 0..100);
    let b = before(&bins, 40);
    assert_eq!((b.kind, b.from_ns, b.to_ns, b.units), ("window_before", FROM, FROM + 40 * PART, 400));
    // Ten parts before eleven: not as long.
    let (from, to) = (FROM + 10 * PART, FROM + 21 * PART);
    assert_eq!(bins.baseline(Class::OnCpu, (from, to), &[]).unwrap().kind, "quietest_tenth");
    assert_eq!(bins.baseline(Class::OnCpu, (from, to - PART), &[]).unwrap().kind, "window_before");
}

#[test]
fn other_incidents_are_left_out_of_the_time_before_with_the_parts_they_touch() {
    let mut bins = bins();
    busy(&mut bins, 0..100);
    let own = (FROM + 40 * PART, FROM + 41 * PART);
    let others = [(FROM + 10 * PART + 5, FROM + 12 * PART + 5), own];
    let b = bins.baseline(Class::OnCpu, own, &others).unwrap();
    assert_eq!((b.kind, b.units), ("window_before", 370));
}

#[test]
fn without_a_time_before_the_quietest_lively_tenth_is_taken_and_of_equals_the_first() {
    let mut bins = bins();
    busy(&mut bins, 20..100);
    // Quieter, but nothing to speak of: nine units.
    (0..9).for_each(|_| bins.add(KEY, &pieces(11, &[(Class::OnCpu, 1)]), false));
    for part in (20..50).chain(60..100) {
        bins.add(KEY, &pieces(part, &[(Class::Io, 50)]), true);
    }
    let of = |class| bins.baseline(class, (FROM, FROM + PART), &[]).unwrap();
    let b = of(Class::Io);
    assert_eq!((b.kind, b.from_ns, b.to_ns), ("quietest_tenth", FROM + 50 * PART, FROM + 60 * PART));
    assert_eq!(of(Class::OnCpu).from_ns, FROM + 20 * PART);
    assert!(Bins::new(0, 100).baseline(Class::Io, (0, 1), &[]).is_none());
}

#[test]
fn too_few_units_before_an_incident_are_no_baseline() {
    let mut bins = bins();
    (0..9).for_each(|_| bins.add(KEY, &pieces(3, &[(Class::OnCpu, 1)]), false));
    assert!(bins.baseline(Class::OnCpu, (FROM + 40 * PART, FROM + 41 * PART), &[]).is_none());
    bins.add(KEY, &pieces(3, &[(Class::OnCpu, 1)]), false);
    assert_eq!(before(&bins, 40).kind, "window_before");
}

#[test]
fn work_and_waits_for_the_gpu_are_compared_with_slow_units_and_being_kept_back_with_all() {
    use Class::{Allocator, Blocked, Collective, GpuWait, Io, Lock, OnCpu, Runnable, RunnableAlone};
    for class in [OnCpu, GpuWait, Collective, Allocator, Blocked, RunnableAlone, Runnable, Lock, Io] {
        let mut bins = bins();
        (0..8).for_each(|_| bins.add(KEY, &pieces(3, &[(class, 10)]), false));
        (0..2).for_each(|_| bins.add(KEY, &pieces(4, &[(class, 100)]), true));
        let usual = if matches!(class, Runnable | Lock | Io) { 28 } else { 100 };
        assert_eq!(before(&bins, 40).usual_ns(class, KEY), usual, "{class:?}");
        assert_eq!(before(&bins, 40).usual_ns(class, KEY + 1), 0);
    }
}

#[test]
fn what_is_usual_of_a_time_is_its_share_of_the_time_compared_with() {
    let mut bins = bins();
    busy(&mut bins, 0..50);
    // Kept back for long counts in any unit, briefly only in slow ones.
    bins.add(KEY, &pieces(2, &[(Class::Runnable, 400_000)]), false);
    bins.add(KEY, &pieces(2, &[(Class::Runnable, 200_000)]), false);
    bins.add(KEY, &pieces(2, &[(Class::Runnable, 100_000)]), true);
    let b = before(&bins, 50);
    assert_eq!(b.usual_of_time_ns(Class::Runnable, 5 * PART), 50_000);
    assert_eq!(b.usual_of_time_ns(Class::Stopped, 5 * PART), 0);
}

#[test]
fn the_longest_and_the_mean_wait_are_those_of_gaps_that_have_any() {
    let mut bins = bins();
    busy(&mut bins, 0..10);
    for waits in [&[30, 20][..], &[10], &[]] {
        let mut list = vec![(Class::OnCpu, 5)];
        list.extend(waits.iter().map(|ns| (Class::Waiting, *ns)));
        bins.add(GAP, &pieces(4, &list), true);
    }
    bins.add(KEY, &pieces(4, &[(Class::Waiting, 900)]), true);
    // A gap that is nothing but a wait, and a call that is.
    bins.add(GAP, &pieces(4, &[(Class::Sleep, 70)]), true);
    bins.add(KEY, &pieces(4, &[(Class::Sleep, 90)]), true);
    let b = before(&bins, 40);
    assert_eq!((b.longest_ns(Class::Sleep), b.mean_ns(Class::Sleep)), (70, 70));
    assert_eq!((b.longest_ns(Class::Waiting), b.mean_ns(Class::Waiting)), (50, 30));
    assert_eq!((b.longest_ns(Class::Io), b.mean_ns(Class::Io)), (0, 0));
}

#[test]
fn the_spread_is_that_of_all_parts_also_of_those_without_any() {
    let mut bins = bins();
    busy(&mut bins, 0..1);
    for (part, ns) in [(0, 10), (1, 20), (2, 30)] {
        bins.add(KEY, &pieces(part, &[(Class::Io, ns)]), true);
    }
    assert_eq!(before(&bins, 5).spread_ns(Class::Io), (10, 10));
    assert_eq!(before(&bins, 3).spread_ns(Class::Io), (20, 10));
    assert_eq!(before(&bins, 20).spread_ns(Class::Io), (0, 0));
}

#[test]
fn units_in_which_a_class_occurred_are_counted_by_the_part_they_began_in() {
    let mut bins = bins();
    bins.add(KEY, &pieces(1, &[(Class::Io, 5), (Class::OnCpu, 5), (Class::Io, 5)]), false);
    bins.add(GAP, &pieces(2, &[(Class::Io, 5)]), true);
    bins.add(KEY, &pieces(4, &[(Class::Io, 5)]), true);
    let span = |from: i64, to: i64| (FROM + from * PART, FROM + to * PART);
    assert_eq!(bins.touched(Class::Io, span(1, 2)), 2);
    assert_eq!(bins.touched(Class::Io, span(2, 4)), 2);
    assert_eq!(bins.touched(Class::OnCpu, span(0, 9)), 1);
}
