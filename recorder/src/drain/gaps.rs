//! What is missing, told from the numbers on what arrived.
//!
//! Each (CPU, source) has a sequence that the kernel side raises for every event, also for one it cannot
//! keep. Programs interrupt each other, so numbers may arrive slightly out of order: a gap is declared a
//! loss only [`SETTLE_NS`] after it was seen.

use ingero_format::{
    Row,
    ops::{LossCause, Source},
};

use crate::{continued::Continued, news::Gap};

/// How long a missing number may still arrive, ns: a program that was preempted between taking its number and
/// submitting has long run again.
pub const SETTLE_NS: u64 = 500_000_000;

#[derive(Debug, Default)]
struct Lane {
    next: u64,
    last_end_ns: u64,
    open: Vec<(Gap, u64)>,
}

/// Follows the sequence of every CPU and source.
#[derive(Debug, Default)]
pub struct GapTracker {
    /// By CPU, then source: this is looked up for every event.
    lanes: Vec<[Lane; Source::ALL.len()]>,
    now_ns: u64,
    pending: usize,
}

impl GapTracker {
    /// Goes on at boottime `now_ns` where an earlier run stopped: what it had is known, what is missing below may still
    /// come.
    pub fn resume(&mut self, from: &Continued, now_ns: u64) {
        for end in &from.lanes {
            let (cpu, source, cause) = (end.cpu, end.source, LossCause::RingbufFull);
            let Some(lane) = self.lane(cpu, source) else { continue };
            (lane.next, lane.last_end_ns) = (end.next, from.newest_ns);
            let (from_ns, to_ns) = (from.newest_ns, now_ns);
            lane.open.extend(end.holes.iter().map(|(first_seq, count)| {
                (Gap { cpu, source, first_seq: *first_seq, count: *count, from_ns, to_ns, cause }, now_ns)
            }));
            self.pending += end.holes.len();
        }
    }

    /// Notes that a row arrived; false if its number was accounted for before: it was stored by an earlier run that
    /// was killed before it could take it off the buffer, or told lost.
    #[must_use]
    pub fn arrived(&mut self, row: &Row, source: Source) -> bool {
        let (cpu, seq, seen) = (row.cpu(), row.seq(), self.now_ns);
        let Some(lane) = self.lane(cpu, source) else { return true };
        let (from_ns, to_ns) = (lane.last_end_ns, row.end_ns);
        lane.last_end_ns = from_ns.max(to_ns);
        let (first_seq, cause) = (lane.next, LossCause::RingbufFull);
        if seq == first_seq {
            lane.next += 1;
        } else if seq > first_seq {
            lane.next = seq + 1;
            lane.open
                .push((Gap { cpu, source, first_seq, count: seq - first_seq, from_ns, to_ns, cause }, seen));
            self.pending += 1;
        } else {
            let Some(parts) = fill(&mut lane.open, seq) else { return false };
            self.pending = self.pending + parts - 1;
        }
        true
    }

    #[inline]
    fn lane(&mut self, cpu: u16, source: Source) -> Option<&mut Lane> {
        let cpu = usize::from(cpu);
        if self.lanes.len() <= cpu {
            self.lanes.resize_with(cpu + 1, Default::default);
        }
        self.lanes.get_mut(cpu)?.get_mut(source as usize)
    }

    /// Notes that the kernel had numbered `produced` events of a CPU's source before the buffer was emptied, at
    /// boottime `now_ns`.
    pub fn produced(&mut self, cpu: u16, source: Source, produced: u64, now_ns: u64) {
        let Some(lane) = self.lane(cpu, source) else { return };
        if produced > lane.next {
            let (first_seq, count) = (lane.next, produced - lane.next);
            let from_ns = lane.last_end_ns;
            let gap =
                Gap { cpu, source, first_seq, count, from_ns, to_ns: now_ns, cause: LossCause::RingbufFull };
            lane.open.push((gap, now_ns));
            lane.next = produced;
            self.pending += 1;
        }
    }

    /// True if something is missing.
    #[must_use]
    pub fn any(&self) -> bool {
        self.pending > 0
    }

    /// How many gaps may still be filled.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// Gives the gaps that have stood long enough at boottime `now_ns`.
    pub fn settle(&mut self, now_ns: u64) -> Vec<Gap> {
        self.now_ns = now_ns;
        if self.pending == 0 {
            return Vec::new();
        }
        let mut settled: Vec<Gap> = self
            .lanes
            .iter_mut()
            .flatten()
            .flat_map(|lane| lane.open.extract_if(.., |(_, seen)| *seen + SETTLE_NS <= now_ns))
            .map(|(gap, _)| gap)
            .collect();
        self.pending -= settled.len();
        settled.sort_unstable_by_key(|gap| (gap.from_ns, gap.cpu, gap.first_seq));
        settled
    }
}

// A late number turns the gap that holds it into none, one or two: gives how many.
fn fill(open: &mut Vec<(Gap, u64)>, seq: u64) -> Option<usize> {
    let at = open.iter().position(|(g, _)| (g.first_seq..g.first_seq + g.count).contains(&seq))?;
    let (gap, turn) = open.swap_remove(at);
    let before = Gap { count: seq - gap.first_seq, ..gap };
    let after = Gap { first_seq: seq + 1, count: gap.first_seq + gap.count - seq - 1, ..gap };
    let parts = [before, after].into_iter().filter(|g| g.count > 0);
    let left = open.len();
    open.extend(parts.map(|g| (g, turn)));
    Some(open.len() - left)
}

#[cfg(test)]
mod tests {
    use ingero_format::row;
    use proptest::prelude::*;

    use super::*;
    use crate::continued::LaneEnd;

    fn row(cpu: u16, seq: u64) -> Row {
        Row { end_ns: 1000 + seq, origin: row::origin(cpu, seq), ..Row::default() }
    }

    fn settle_all(gaps: &mut GapTracker) -> Vec<Gap> {
        gaps.settle(u64::MAX)
    }

    #[test]
    fn numbers_in_order_leave_no_gap() {
        let mut gaps = GapTracker::default();
        assert!((0..100).all(|seq| gaps.arrived(&row(0, seq), Source::Cuda)));
        assert!(settle_all(&mut gaps).is_empty() && !gaps.any());
    }

    #[test]
    fn a_gap_is_told_with_its_numbers_and_the_times_it_lies_between() {
        let mut gaps = GapTracker::default();
        for seq in [0, 1, 5] {
            assert!(gaps.arrived(&row(3, seq), Source::Sched));
        }
        assert!(gaps.settle(SETTLE_NS - 1).is_empty(), "a late number may still come");
        let [gap] = gaps.settle(SETTLE_NS)[..] else { panic!("one gap") };
        assert_eq!((gap.cpu, gap.first_seq, gap.count), (3, 2, 3));
        assert_eq!((gap.from_ns, gap.to_ns), (1001, 1005));
    }

    #[test]
    fn a_loss_after_the_last_event_is_found_by_the_kernels_count() {
        let mut gaps = GapTracker::default();
        assert!(gaps.arrived(&row(0, 0), Source::Cuda));
        gaps.produced(0, Source::Cuda, 4, 9000);
        let [gap] = settle_all(&mut gaps)[..] else { panic!("one gap") };
        assert_eq!((gap.first_seq, gap.count, gap.to_ns), (1, 3, 9000));
    }

    #[test]
    fn after_a_kill_what_was_stored_is_not_taken_twice_and_what_is_missing_may_still_come() {
        let mut gaps = GapTracker::default();
        let lane = LaneEnd { cpu: 0, source: Source::Cuda, next: 10, holes: vec![(7, 2)] };
        let from = Continued { lanes: vec![lane], newest_ns: 500, ..Continued::default() };
        gaps.resume(&from, 900);
        assert_eq!(gaps.pending(), 1);
        assert!(!gaps.arrived(&row(0, 9), Source::Cuda), "stored, not yet taken off the buffer");
        assert!(gaps.arrived(&row(0, 7), Source::Cuda) && gaps.arrived(&row(0, 10), Source::Cuda));
        assert!(!gaps.arrived(&row(0, 7), Source::Cuda));
        gaps.produced(0, Source::Cuda, 12, 1000);
        let lost: Vec<(u64, u64)> = settle_all(&mut gaps).iter().map(|g| (g.first_seq, g.count)).collect();
        assert_eq!(lost, [(8, 1), (11, 1)]);
    }

    proptest! {
        #[test]
        fn whatever_the_order_missing_numbers_are_exactly_the_gaps(
            order in Just((0u64..60).collect::<Vec<_>>()).prop_shuffle(),
            missing in prop::collection::hash_set(0u64..60, 0..30),
        ) {
            let mut gaps = GapTracker::default();
            for seq in order.iter().filter(|seq| !missing.contains(seq)) {
                prop_assert!(gaps.arrived(&row(0, *seq), Source::Cuda));
            }
            gaps.produced(0, Source::Cuda, 60, 1);
            let mut found: Vec<u64> = settle_all(&mut gaps).iter().flat_map(|g| g.first_seq..g.first_seq + g.count).collect();
            found.sort_unstable();
            let mut expected: Vec<u64> = missing.into_iter().collect();
            expected.sort_unstable();
            prop_assert_eq!(found, expected);
            prop_assert!(!gaps.any());
        }
    }
}
