//! Rows of many threads and nodes, by time: the tables have them thread by thread.

use std::cmp::Ordering;

use crate::model::{Call, Events, OffCpu, Plain, Trace, order, spans};

/// Events of all lanes that are put in order together.
const TOGETHER: usize = 1 << 18;
/// Events after which memory of what is also in a file is given back.
const RELEASE: usize = 1 << 20;

/// An event with a start.
pub(super) trait Timed: Plain {
    fn ts_ns(&self) -> i64;
}

impl Timed for Call {
    fn ts_ns(&self) -> i64 {
        self.ts_ns
    }
}

impl Timed for OffCpu {
    fn ts_ns(&self) -> i64 {
        self.ts_ns
    }
}

/// A thread's events, those that have not been visited.
struct Lane<'a, T> {
    node: usize,
    rest: &'a [T],
}

/// Events of all traces by time; those of one moment by node and then in the order that `compare` says.
pub(super) struct Timeline<'a, T> {
    lanes: Vec<Lane<'a, T>>,
    tables: Vec<&'a Events<T>>,
    compare: fn(&T, &T) -> Ordering,
}

/// All calls.
pub(super) fn calls(traces: &[Trace]) -> Timeline<'_, Call> {
    let lanes = traces.iter().enumerate().flat_map(|(node, trace)| {
        let part = |span| trace.calls.get(span).unwrap_or_default();
        spans(trace).into_iter().map(move |s| Lane { node, rest: part(s.calls) })
    });
    Timeline::of(lanes, traces.iter().map(|t| &t.calls), order::calls)
}

/// All off-CPU intervals.
pub(super) fn off_cpu(traces: &[Trace]) -> Timeline<'_, OffCpu> {
    let lanes = traces.iter().enumerate().flat_map(|(node, trace)| {
        let part = |span| trace.off_cpu.get(span).unwrap_or_default();
        spans(trace).into_iter().map(move |s| Lane { node, rest: part(s.off_cpu) })
    });
    Timeline::of(lanes, traces.iter().map(|t| &t.off_cpu), order::off_cpu)
}

impl<'a, T: Timed> Timeline<'a, T> {
    fn of(
        lanes: impl Iterator<Item = Lane<'a, T>>,
        tables: impl Iterator<Item = &'a Events<T>>,
        compare: fn(&T, &T) -> Ordering,
    ) -> Self {
        let lanes = lanes.filter(|lane| !lane.rest.is_empty()).collect();
        Self { lanes, tables: tables.collect(), compare }
    }

    /// Visits every event: number of its node, event.
    pub fn visit<E>(mut self, mut visit: impl FnMut(usize, &'a T) -> Result<(), E>) -> Result<(), E> {
        let mut visited = 0;
        let mut moments = Vec::new();
        // A moment is a time since the begin of what is put in order together, and below it the lane's number.
        let bits = self.lanes.len().next_power_of_two().trailing_zeros();
        while !self.lanes.is_empty() {
            self.next(&mut moments, bits);
            for same in moments.chunk_by(|a, b| a >> bits == b >> bits) {
                if let [only] = same {
                    self.take(*only, bits).map_or(Ok(()), |(node, event)| visit(node, event))?;
                } else {
                    let mut events: Vec<_> = same.iter().filter_map(|m| self.take(*m, bits)).collect();
                    events.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| (self.compare)(a.1, b.1)));
                    events.into_iter().try_for_each(|(node, event)| visit(node, event))?;
                }
            }
            self.lanes.retain(|lane| !lane.rest.is_empty());
            let before = visited / RELEASE;
            visited += moments.len();
            if visited / RELEASE > before {
                self.tables.iter().for_each(|table| table.release(0..table.len()));
            }
        }
        Ok(())
    }

    /// The next moments, in order: all events up to a time, at least one.
    fn next(&self, moments: &mut Vec<u64>, bits: u32) {
        let each = (TOGETHER / self.lanes.len().max(1)).max(16);
        let first = self.lanes.iter().filter_map(|l| l.rest.first()).map(Timed::ts_ns).min().unwrap_or(0);
        let most = self.lanes.iter().filter_map(|l| l.rest.get(each)).map(Timed::ts_ns).min();
        let last = most.unwrap_or(i64::MAX).min(first.saturating_add((1 << (62 - bits)) - 1));
        moments.clear();
        for (number, lane) in (0u64..).zip(&self.lanes) {
            let due = lane.rest.iter().map(Timed::ts_ns).take_while(|ts| *ts <= last);
            moments.extend(due.map(|ts| ts.abs_diff(first) << bits | number));
        }
        moments.sort_unstable();
    }

    fn take(&mut self, moment: u64, bits: u32) -> Option<(usize, &'a T)> {
        let lane = self.lanes.get_mut((moment & ((1 << bits) - 1)) as usize)?;
        let (first, rest) = lane.rest.split_first()?;
        lane.rest = rest;
        Some((lane.node, first))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Task;

    fn trace(events: &[(u32, i64, i64)]) -> Trace {
        let call = |(task, ts_ns, dur_ns): &(u32, i64, i64)| Call {
            task: *task,
            ts_ns: *ts_ns,
            dur_ns: *dur_ns,
            ..Call::default()
        };
        let mut trace = Trace {
            tasks: (0..4).map(|tid| Task { pid: 9 - tid / 2, tid, comm: String::new() }).collect(),
            calls: events.iter().map(call).collect::<Vec<_>>().into(),
            ..Trace::default()
        };
        trace.sort();
        trace
    }

    proptest! {
        #[test]
        fn every_event_is_visited_once_by_time_then_node_then_as_they_compare(
            a in prop::collection::vec((0..4u32, -40..40i64, 0..5i64), 0..120),
            b in prop::collection::vec((0..4u32, prop_oneof![0..9i64, Just(i64::MAX), Just(i64::MIN)], 0..5i64), 0..60),
        ) {
            let traces = [trace(&a), trace(&b)];
            let mut seen = Vec::new();
            let visited: Result<(), ()> = calls(&traces).visit(|node, call| {
                seen.push((node, *call));
                Ok(())
            });
            visited.unwrap();
            let mut expected: Vec<(usize, Call)> = Vec::new();
            for (node, trace) in traces.iter().enumerate() {
                expected.extend(trace.calls.iter().map(|c| (node, *c)));
            }
            expected.sort_by(|a, b| (a.1.ts_ns, a.0).cmp(&(b.1.ts_ns, b.0)).then_with(|| order::calls(&a.1, &b.1)));
            prop_assert_eq!(seen, expected);
        }
    }

    #[test]
    fn a_lane_with_more_events_than_are_put_in_order_together_is_visited_whole() {
        let events: Vec<_> = (0..TOGETHER as i64 + 99).map(|i| (u32::from(i % 7 == 0), i / 50, 1)).collect();
        let mut last = i64::MIN;
        let mut count = 0;
        let visited: Result<(), ()> = calls(&[trace(&events)]).visit(|_, call| {
            assert!(call.ts_ns >= last);
            (last, count) = (call.ts_ns, count + 1);
            Ok(())
        });
        visited.unwrap();
        assert_eq!(count, events.len());
    }
}
