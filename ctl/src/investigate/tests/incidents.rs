//! Which affected units are one incident.

use crate::{
    investigate::{
        baseline::Bins,
        case::{Hit, asleep, incidents},
        decompose::{Class, Piece},
        rhythm::Rhythm,
        thread::{Examined, Slow},
        units::GAP,
    },
    model::{NONE, Thread},
};

const S: i64 = 1_000_000_000;

/// Slow units: begin and length of what the cause took.
fn slow(list: &[(i64, i64)]) -> Vec<Slow> {
    let one = |(from_ns, ns): &(i64, i64)| {
        let (from_ns, to_ns) = (*from_ns, from_ns + ns);
        let piece = Piece { from_ns, to_ns, class: Class::Io, actor: NONE, stack: NONE };
        Slow { from_ns, to_ns, key: GAP, place: None, pieces: vec![piece] }
    };
    list.iter().map(one).collect()
}

/// Incidents in a window of 100 s: parts of 1 s, so what is more than 2 s apart is apart.
fn spans(list: &[(i64, i64)]) -> Vec<(i64, i64)> {
    let (thread, slow) = (Thread::default(), slow(list));
    let examined = Examined {
        thread: &thread,
        slow: Vec::new(),
        minor: Vec::new(),
        bins: Bins::new(0, 100 * S),
        rhythm: Rhythm::default(),
        gap_from_ns: 0,
        calls: true,
    };
    let hit = |s| Hit { slow: s, ns: s.dur_ns(), from_ns: s.from_ns, to_ns: s.to_ns };
    incidents(&examined, &slow.iter().map(hit).collect::<Vec<_>>())
}

#[test]
fn what_is_two_parts_apart_is_one_incident_and_what_is_further_two() {
    let ms = S / 1000;
    assert_eq!(spans(&[]), []);
    assert_eq!(spans(&[(10 * S, 100 * ms), (12 * S + 100 * ms, 50 * ms)]), [(10 * S, 12 * S + 150 * ms)]);
    let apart = [(10 * S, 100 * ms), (12 * S + 100 * ms + 1, 50 * ms)];
    assert_eq!(spans(&apart), [(10 * S, 10 * S + 100 * ms), (apart[1].0, apart[1].0 + 50 * ms)]);
}

#[test]
fn a_part_with_less_than_a_quarter_of_the_worst_begins_no_incident() {
    let ms = S / 1000;
    assert_eq!(spans(&[(10 * S, 400 * ms), (50 * S, 99 * ms)]), [(10 * S, 10 * S + 400 * ms)]);
    assert_eq!(spans(&[(10 * S, 400 * ms), (50 * S, 100 * ms)]).len(), 2);
    // Two in one part together.
    assert_eq!(spans(&[(10 * S, 400 * ms), (50 * S, 60 * ms), (50 * S + 500 * ms, 60 * ms)]).len(), 2);
}

#[test]
fn what_began_or_ended_in_the_part_beside_belongs_to_the_incident() {
    let ms = S / 1000;
    let worst = (10 * S + 100 * ms, 400 * ms);
    let (early, late) = ((9 * S + 900 * ms, 10 * ms), (11 * S + 100 * ms, 10 * ms));
    let (too_early, too_late) = ((8 * S + 900 * ms, 10 * ms), (12 * S + 100 * ms, 10 * ms));
    let told = spans(&[too_early, early, worst, late, too_late]);
    assert_eq!(told, [(early.0, late.0 + late.1)]);
}

#[test]
fn more_than_three_incidents_are_one() {
    let at = |n: i64| (0..n).map(|i| (i * 10 * S, S / 10)).collect::<Vec<_>>();
    assert_eq!(spans(&at(3)).len(), 3);
    assert_eq!(spans(&at(4)), [(0, 30 * S + S / 10)]);
}

#[test]
fn who_feeds_a_thread_slept_if_that_is_more_than_it_worked() {
    let of = |worked: i64, slept: i64| {
        let mut list = slow(&[(0, 1)]);
        let piece = list[0].pieces[0];
        list[0].pieces = vec![
            Piece { to_ns: worked, class: Class::Starved, ..piece },
            Piece { to_ns: slept, class: Class::StarvedAsleep, ..piece },
        ];
        asleep(&[Hit { slow: &list[0], ns: 0, from_ns: 0, to_ns: 1 }])
    };
    assert!(of(10, 11) && !of(11, 11) && !of(11, 10));
}
