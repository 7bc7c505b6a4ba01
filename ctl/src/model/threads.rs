//! A trace's events, thread by thread.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

use super::{Call, OffCpu, Task, Trace, store::AT_A_TIME};

/// Events of one thread, by start.
#[derive(Clone, Debug, Default)]
pub struct Thread<'a> {
    /// Process id.
    pub pid: u32,
    /// Thread id.
    pub tid: u32,
    /// Its last known name.
    pub comm: String,
    /// Its calls; a call before those inside it.
    pub calls: &'a [Call],
    /// Its off-CPU intervals; no two overlap.
    pub off_cpu: &'a [OffCpu],
}

/// All threads of a trace, by pid and tid.
#[derive(Clone, Debug, Default)]
pub struct Threads<'a> {
    list: Vec<Thread<'a>>,
    by_tid: HashMap<u32, usize>,
}

/// Where the events of one thread lie in a trace's tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Process id.
    pub pid: u32,
    /// Thread id.
    pub tid: u32,
    /// Indexes in [`Trace::calls`].
    pub calls: Range<usize>,
    /// Indexes in [`Trace::off_cpu`].
    pub off_cpu: Range<usize>,
}

/// Place of each task's thread among all threads, by pid and tid.
pub(super) struct Ranks {
    threads: Vec<(u32, u32)>,
    of_task: Vec<u32>,
}

impl Ranks {
    pub fn of(tasks: &[Task]) -> Self {
        let mut places: BTreeMap<(u32, u32), u32> = tasks.iter().map(|t| ((t.pid, t.tid), 0)).collect();
        (0..).zip(places.values_mut()).for_each(|(rank, place)| *place = rank);
        let rank = |t: &Task| places.get(&(t.pid, t.tid)).copied().unwrap_or(u32::MAX);
        Self { of_task: tasks.iter().map(rank).collect(), threads: places.into_keys().collect() }
    }

    /// The place of a task's thread; behind all others for a task that does not exist.
    pub fn rank(&self, task: u32) -> usize {
        self.of_task.get(task as usize).map_or(self.threads.len(), |rank| *rank as usize)
    }

    /// Number of threads.
    pub fn len(&self) -> usize {
        self.threads.len()
    }

    /// Where each thread's part of a table lies that is in order of threads.
    fn ranges<T>(&self, table: &[T], task: impl Fn(&T) -> u32) -> Vec<Range<usize>> {
        let mut ranges = vec![0..0; self.len()];
        let mut from = 0;
        while let Some(first) = table.get(from) {
            let rank = self.rank(task(first));
            let rest = table.get(from..).unwrap_or_default();
            let to = from + rest.partition_point(|event| self.rank(task(event)) <= rank);
            if let Some(range) = ranges.get_mut(rank) {
                *range = from..to;
            }
            from = to;
        }
        ranges
    }
}

/// Where each thread's events lie; threads without any are left out.
#[must_use]
pub fn spans(trace: &Trace) -> Vec<Span> {
    let ranks = Ranks::of(&trace.tasks);
    let calls = ranks.ranges(&trace.calls, |c| c.task);
    let off_cpu = ranks.ranges(&trace.off_cpu, |o| o.task);
    let both = ranks.threads.iter().zip(calls.into_iter().zip(off_cpu));
    let spans = both.map(|((pid, tid), (calls, off_cpu))| Span { pid: *pid, tid: *tid, calls, off_cpu });
    spans.filter(|s| !s.calls.is_empty() || !s.off_cpu.is_empty()).collect()
}

impl Trace {
    /// Says that a thread's events are not needed for a while ([`super::Events::release`]).
    pub fn release(&self, thread: &Thread) {
        self.release_calls(thread.calls);
        self.off_cpu.release(place(thread.off_cpu, &self.off_cpu));
    }

    /// Calls of a thread in order; where they lie in a file, those that were gone through are not kept in memory.
    pub fn through<'a>(&'a self, calls: &'a [Call]) -> impl Iterator<Item = &'a Call> {
        let mut walk = Walk::of(self, calls);
        calls.chunks(AT_A_TIME).zip((0..).step_by(AT_A_TIME)).flat_map(move |(part, from)| {
            walk.at(from);
            part
        })
    }

    fn release_calls(&self, calls: &[Call]) {
        self.calls.release(place(calls, &self.calls));
    }
}

/// Where a part of a table lies in it.
fn place<T>(part: &[T], table: &[T]) -> Range<usize> {
    let from = part.as_ptr().addr().saturating_sub(table.as_ptr().addr()) / size_of::<T>();
    from..from + part.len()
}

/// Goes through a thread's calls; those that lie behind are not needed for a while.
#[derive(Debug)]
pub struct Walk<'a> {
    trace: &'a Trace,
    calls: &'a [Call],
    behind: usize,
}

impl<'a> Walk<'a> {
    /// Begins at the first.
    #[must_use]
    pub fn of(trace: &'a Trace, calls: &'a [Call]) -> Self {
        Self { trace, calls, behind: 0 }
    }

    /// Has come to a place, counted from the thread's first call.
    pub fn at(&mut self, place: usize) {
        if place >= self.behind + AT_A_TIME {
            self.trace.release_calls(self.calls.get(self.behind..place).unwrap_or_default());
            self.behind = place;
        }
    }
}

impl<'a> Threads<'a> {
    /// The threads of a trace that is in order ([`Trace::sort`]).
    #[must_use]
    pub fn of(trace: &'a Trace) -> Self {
        let thread = |span: Span| {
            let calls = trace.calls.get(span.calls).unwrap_or_default();
            let off_cpu = trace.off_cpu.get(span.off_cpu).unwrap_or_default();
            let comm = last_name(trace, calls, off_cpu);
            Thread { pid: span.pid, tid: span.tid, comm, calls, off_cpu }
        };
        let list: Vec<Thread<'a>> = spans(trace).into_iter().map(thread).collect();
        let by_tid = list.iter().enumerate().map(|(i, t)| (t.tid, i)).collect();
        Self { list, by_tid }
    }

    /// The threads, by pid and tid.
    pub fn iter(&self) -> impl Iterator<Item = &Thread<'a>> {
        self.list.iter()
    }

    /// The thread with an id, if anything of it was recorded.
    #[must_use]
    pub fn by_tid(&self, tid: u32) -> Option<&Thread<'a>> {
        self.by_tid.get(&tid).and_then(|i| self.list.get(*i))
    }
}

fn last_name(trace: &Trace, calls: &[Call], off_cpu: &[OffCpu]) -> String {
    let call = calls.last().map(|c| (c.ts_ns, c.task));
    let off = off_cpu.last().map(|o| (o.ts_ns, o.task));
    let task = call.max(off).and_then(|(_, task)| trace.task(task));
    task.map_or_else(String::new, |t| t.comm.clone())
}

/// A place among a thread's off-CPU intervals that only moves on: for questions that rise in time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cursor(usize);

impl Cursor {
    /// Moves past the intervals that end until `from_ns`, and gives those that touch `[from_ns, to_ns)`, Unix ns. No
    /// later question may begin before `from_ns`.
    pub fn touching<'a>(
        &mut self,
        off_cpu: &'a [OffCpu],
        from_ns: i64,
        to_ns: i64,
    ) -> impl Iterator<Item = &'a OffCpu> + use<'a> {
        while off_cpu.get(self.0).is_some_and(|o| o.end_ns() <= from_ns) {
            self.0 += 1;
        }
        off_cpu.get(self.0..).unwrap_or_default().iter().take_while(move |o| o.ts_ns < to_ns)
    }
}

impl<'a> Thread<'a> {
    /// Off-CPU intervals that touch `[from_ns, to_ns)`, Unix ns, by start.
    pub fn off_cpu_in(&self, from_ns: i64, to_ns: i64) -> impl Iterator<Item = &'a OffCpu> + use<'a> {
        // A thread's intervals are disjoint, so their ends rise as their starts do.
        let first = self.off_cpu.partition_point(|o| o.end_ns() <= from_ns);
        self.off_cpu.get(first..).unwrap_or_default().iter().take_while(move |o| o.ts_ns < to_ns)
    }
}
