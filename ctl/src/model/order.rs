//! The order of a trace's tables: events thread by thread, each thread's by start.

use std::cmp::{Ordering, Reverse};

use super::{Annotation, Call, Events, OffCpu, Trace, store::Plain, threads::Ranks};

/// Calls of one thread by start, a call before those inside it; then whatever tells two calls apart.
#[must_use]
pub fn calls(a: &Call, b: &Call) -> Ordering {
    a.ts_ns.cmp(&b.ts_ns).then_with(|| {
        let key = |c: &Call| (Reverse(c.dur_ns), c.task, c.op, c.cpu, c.arg0, c.arg1);
        key(a).cmp(&key(b))
    })
}

/// Off-CPU intervals of one thread by start.
#[must_use]
pub fn off_cpu(a: &OffCpu, b: &OffCpu) -> Ordering {
    a.ts_ns.cmp(&b.ts_ns).then_with(|| {
        let key = |o: &OffCpu| (o.dur_ns, o.task, o.cpu);
        key(a).cmp(&key(b))
    })
}

impl Trace {
    /// Orders calls and off-CPU intervals by thread (pid and tid) and start, all else by time, with a fixed order
    /// among events of one moment.
    pub fn sort(&mut self) {
        let ranks = Ranks::of(&self.tasks);
        by_thread(&mut self.calls, &ranks, |c| c.task, calls);
        by_thread(&mut self.off_cpu, &ranks, |o| o.task, off_cpu);
        self.sort_all_else();
    }

    /// Orders what is neither a call nor an off-CPU interval.
    pub fn sort_all_else(&mut self) {
        self.host_events.sort_by_key(|h| (h.ts_ns, h.op, h.task, h.cpu));
        self.losses.sort_by_key(|l| (l.from_ns, l.to_ns, l.source, l.cpu, l.cause));
        self.annotations.sort_by(|a, b| {
            let key = |x: &Annotation| (x.ts_ns, x.dur_ns, x.pid, x.sender);
            (a.ts_ns, &a.labels, key(a)).cmp(&(b.ts_ns, &b.labels, key(b)))
        });
        self.samples
            .sort_by(|a, b| (a.ts_ns, a.series).cmp(&(b.ts_ns, b.series)).then(a.value.total_cmp(&b.value)));
    }
}

/// Gives each thread's events a place of their own, in the order in which they lie, and orders those.
fn by_thread<T: Plain + Default>(
    table: &mut Events<T>,
    ranks: &Ranks,
    task: impl Fn(&T) -> u32,
    compare: impl Fn(&T, &T) -> Ordering,
) {
    let in_order = |a: &T, b: &T| {
        let threads = ranks.rank(task(a)).cmp(&ranks.rank(task(b)));
        threads.then_with(|| compare(a, b)) != Ordering::Greater
    };
    if table.is_sorted_by(in_order) {
        return;
    }
    let mut ends = vec![0; ranks.len() + 1];
    for event in table.iter() {
        ends.iter_mut().skip(ranks.rank(task(event))).take(1).for_each(|count| *count += 1);
    }
    let mut end = 0;
    for place in &mut ends {
        end += std::mem::replace(place, end);
    }
    let mut sorted = vec![T::default(); table.len()];
    for event in table.iter() {
        let Some(next) = ends.get_mut(ranks.rank(task(event))) else { continue };
        if let Some(place) = sorted.get_mut(*next) {
            *place = *event;
        }
        *next += 1;
    }
    let mut rest = sorted.as_mut_slice();
    let mut from = 0;
    for to in ends {
        let (own, others) = std::mem::take(&mut rest).split_at_mut(to - from);
        own.sort_by(&compare);
        (rest, from) = (others, to);
    }
    *table = sorted.into();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Task, spans};

    #[test]
    fn events_lie_thread_by_thread_and_by_start_also_under_two_names_and_without_a_task() {
        let task = |pid, tid, comm: &str| Task { pid, tid, comm: comm.into() };
        let call = |task, ts_ns, dur_ns| Call { task, ts_ns, dur_ns, ..Call::default() };
        let mut trace = Trace {
            tasks: vec![
                task(9, 9, "b"),
                task(5, 6, "old"),
                task(5, 5, ""),
                task(5, 6, "new"),
                task(1, 1, ""),
            ],
            calls: vec![
                call(0, 3, 1),
                call(3, 40, 1),
                call(77, 1, 1),
                call(1, 20, 5),
                call(1, 20, 9),
                call(0, 1, 1),
                call(2, 2, 1),
            ]
            .into(),
            off_cpu: vec![OffCpu { task: 4, ..OffCpu::default() }].into(),
            ..Trace::default()
        };
        trace.sort();
        let told: Vec<_> = trace.calls.iter().map(|c| (c.task, c.ts_ns, c.dur_ns)).collect();
        assert_eq!(told, [(2, 2, 1), (1, 20, 9), (1, 20, 5), (3, 40, 1), (0, 1, 1), (0, 3, 1), (77, 1, 1)]);
        let found: Vec<_> = spans(&trace).into_iter().map(|s| (s.pid, s.tid, s.calls, s.off_cpu)).collect();
        assert_eq!(found, [(1, 1, 0..0, 0..1), (5, 5, 0..1, 0..0), (5, 6, 1..4, 0..0), (9, 9, 4..6, 0..0)]);
    }
}
