//! The governor is driven up and down.

use super::*;

const SECOND: u64 = 1_000_000_000;
const COSTS: [LaneCost; LANES] = [LaneCost { pair_ns: 1_200.0, entry_ns: 600.0 }; LANES];
const LIMITS: Limits = Limits { thread: 0.02, daemon: 0.01, recover_after_ns: 30 * SECOND };

fn launching(rate: f64) -> Usage {
    Usage { pid: 7, tid: 8, calls: [rate, 0.0, 0.0, 10.0], switches: 50.0, stacks: 5.0 }
}

/// A governor with time and what has been decided.
struct Run {
    governor: Governor,
    now_ns: u64,
    paused: bool,
}

impl Run {
    fn new() -> Self {
        Self { governor: Governor::new(LIMITS), now_ns: SECOND, paused: false }
    }

    // Lets seconds pass; a paused lane is not seen.
    fn seconds(&mut self, count: u64, usage: Usage, daemon: f64) -> Vec<Change> {
        let mut all = Vec::new();
        for _ in 0..count {
            self.now_ns += SECOND;
            let mut seen = usage;
            if self.paused || self.governor.lane(Lane::Launch).mode == Mode::Off {
                seen.calls[0] = 0.0;
            }
            let changes = self.governor.tick(self.now_ns, &[seen, launching(1.0)], &COSTS, daemon);
            for change in &changes {
                if let Change::Pause(Lane::Launch, paused) = change {
                    self.paused = *paused;
                }
                if matches!(change, Change::Mode { .. }) {
                    self.paused = false;
                }
            }
            all.extend(changes);
        }
        all
    }
}

fn modes(changes: &[Change]) -> Vec<(Lane, Mode, Mode)> {
    changes
        .iter()
        .filter_map(|c| match c {
            Change::Mode { lane, from, to, .. } => Some((*lane, *from, *to)),
            _ => None,
        })
        .collect()
}

#[test]
fn nothing_is_shed_within_the_limit() {
    let mut run = Run::new();
    // 16,000 pairs a second are 1.92 %.
    assert!(run.seconds(100, launching(16_000.0), 0.005).is_empty());
    assert!((run.governor.share() - 0.0192).abs() < 0.0003, "{}", run.governor.share());
}

#[test]
fn a_second_over_the_limit_is_not_enough_and_three_are() {
    let mut run = Run::new();
    assert!(run.seconds(1, launching(24_000.0), 0.0).is_empty());
    assert!(run.seconds(1, launching(1_000.0), 0.0).is_empty());
    assert!(run.seconds(2, launching(24_000.0), 0.0).is_empty());
    assert_eq!(modes(&run.seconds(1, launching(24_000.0), 0.0)), [(Lane::Launch, Mode::Whole, Mode::Entry)]);
    // 24,000 entries are 1.44 %: within the limit, and nothing more happens.
    assert!(run.seconds(100, launching(24_000.0), 0.0).is_empty());
}

#[test]
fn a_launch_bound_loop_ends_on_duty_within_the_limit() {
    let mut run = Run::new();
    let changes = run.seconds(10, launching(115_000.0), 0.0);
    assert_eq!(
        modes(&changes),
        [(Lane::Launch, Mode::Whole, Mode::Entry), (Lane::Launch, Mode::Entry, Mode::Duty)]
    );
    let later = run.seconds(120, launching(115_000.0), 0.0);
    assert!(modes(&later).is_empty(), "{later:?}");
    let on = later.iter().filter(|c| **c == Change::Pause(Lane::Launch, false)).count();
    assert!((15..=30).contains(&on), "on {on} times in two minutes");
    assert!(run.governor.share() <= LIMITS.thread, "{}", run.governor.share());
}

#[test]
fn it_comes_back_by_the_same_steps_once_there_is_room_for_half_a_minute() {
    let mut run = Run::new();
    run.seconds(10, launching(115_000.0), 0.0);
    let changes = run.seconds(120, launching(2_000.0), 0.0);
    assert_eq!(
        modes(&changes),
        [(Lane::Launch, Mode::Duty, Mode::Entry), (Lane::Launch, Mode::Entry, Mode::Whole)]
    );
    assert!(run.governor.steps().is_empty());
}

#[test]
fn it_does_not_come_back_where_it_would_have_to_leave_again() {
    let mut run = Run::new();
    run.seconds(5, launching(24_000.0), 0.0);
    // 15,000 pairs would be 1.8 %: under the limit, but over 70 % of it.
    assert!(run.seconds(300, launching(15_000.0), 0.0).is_empty());
    assert_eq!(modes(&run.seconds(60, launching(10_000.0), 0.0)).len(), 1);
}

#[test]
fn stacks_go_before_any_call_if_they_are_what_costs() {
    let mut run = Run::new();
    let usage = Usage { stacks: 5_000.0, ..launching(12_000.0) };
    let changes = run.seconds(4, usage, 0.0);
    assert_eq!(changes, [Change::Stacks(true)]);
    let quiet = Usage { stacks: 0.0, ..launching(100.0) };
    // What stacks cost is remembered: they would cost 1.15 %, which fits.
    assert_eq!(run.seconds(60, quiet, 0.0), [Change::Stacks(false)]);
}

#[test]
fn waits_are_shed_after_what_explains_less() {
    let mut run = Run::new();
    let usage = Usage { calls: [9_000.0, 9_000.0, 0.0, 12_000.0], ..launching(0.0) };
    let order: Vec<Lane> = modes(&run.seconds(7, usage, 0.0)).iter().map(|m| m.0).collect();
    assert_eq!(order.first().max(order.get(1)), Some(&Lane::Copy), "{order:?}");
    assert!(!order[..2].contains(&Lane::Rest), "{order:?}");
}

#[test]
fn nothing_is_shed_for_cpu_that_calls_do_not_explain() {
    let mut run = Run::new();
    // 10,000 calls a second are 0.2 % of a core.
    assert!(run.seconds(10, launching(10_000.0), 0.05).is_empty());
}

// It was once remembered at its last rate for ever, and never came back.
#[test]
fn a_lane_that_was_given_up_comes_back_once_its_thread_is_quiet() {
    let mut run = Run::new();
    // Calls of the last lane keep the thread over its limit even while launches are on duty.
    let usage = Usage { calls: [60_000.0, 0.0, 0.0, 14_000.0], ..launching(0.0) };
    let given_up = modes(&run.seconds(20, usage, 0.0));
    assert_eq!(given_up.get(2), Some(&(Lane::Launch, Mode::Duty, Mode::Off)), "{given_up:?}");
    run.seconds(400, launching(100.0), 0.0);
    assert!(run.governor.steps().is_empty(), "{:?}", run.governor.steps());
}

#[test]
fn what_is_too_much_for_the_recorder_alone_is_recorded_at_times_and_never_by_entries() {
    let mut run = Run::new();
    // 5,000 a second cost no thread too much; 100 such threads cost the recorder 9.5 % of a core.
    let threads = [launching(5_000.0); 100];
    let mut changes = Vec::new();
    for _ in 0..4 {
        run.now_ns += SECOND;
        changes.extend(run.governor.tick(run.now_ns, &threads, &COSTS, 0.097));
    }
    assert_eq!(modes(&changes), [(Lane::Launch, Mode::Whole, Mode::Duty)]);
    let on = run.governor.lane(Lane::Launch).on();
    assert!((0.04..0.08).contains(&on), "{on}");
}

#[test]
fn lanes_come_back_when_what_comes_back_fits_the_recorders_own_limit() {
    let mut run = Run::new();
    let tick = |run: &mut Run, rate, daemon| {
        run.now_ns += SECOND;
        let mut usage = launching(rate);
        if run.paused {
            usage.calls[0] = 0.0;
        }
        let changes = run.governor.tick(run.now_ns, &[usage], &[LaneCost::default(); LANES], daemon);
        for change in &changes {
            if let Change::Pause(_, paused) = change {
                run.paused = *paused;
            }
        }
        modes(&changes)
    };
    let shed: Vec<_> = (0..4).flat_map(|_| tick(&mut run, 100_000.0, 0.02)).collect();
    assert_eq!(shed, [(Lane::Launch, Mode::Whole, Mode::Duty)]);
    // On duty it takes little: that is no reason to take the step back while the load is what it was.
    assert!((0..200).all(|_| tick(&mut run, 100_000.0, 0.005).is_empty()));
    let back: Vec<_> = (0..60).flat_map(|_| tick(&mut run, 1_000.0, 0.003)).collect();
    assert_eq!(back, [(Lane::Launch, Mode::Duty, Mode::Whole)]);
}
