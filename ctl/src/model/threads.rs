//! A trace's events, thread by thread.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap},
};

use super::{OffCpu, Trace};

/// Events of one thread, as positions in the trace's tables, by start.
#[derive(Clone, Debug, Default)]
pub struct Thread {
    /// Process id.
    pub pid: u32,
    /// Thread id.
    pub tid: u32,
    /// Its last known name.
    pub comm: String,
    /// Positions in `calls`.
    pub calls: Vec<u32>,
    /// Positions in `off_cpu`.
    pub off_cpu: Vec<u32>,
}

/// All threads of a trace, by pid and tid.
#[derive(Clone, Debug, Default)]
pub struct Threads {
    list: Vec<Thread>,
    by_tid: HashMap<u32, usize>,
}

impl Threads {
    /// Sorts a trace's events by thread.
    #[must_use]
    pub fn of(trace: &Trace) -> Self {
        let mut places: BTreeMap<(u32, u32), usize> =
            trace.tasks.iter().map(|t| ((t.pid, t.tid), 0)).collect();
        let mut list = Vec::with_capacity(places.len());
        for (&(pid, tid), place) in &mut places {
            *place = list.len();
            list.push(Thread { pid, tid, ..Thread::default() });
        }
        let of_task: Vec<usize> =
            trace.tasks.iter().filter_map(|t| places.get(&(t.pid, t.tid)).copied()).collect();
        let place = |task: u32| of_task.get(task as usize).copied();
        for (i, call) in trace.calls.iter().enumerate() {
            if let Some(thread) = place(call.task).and_then(|p| list.get_mut(p)) {
                thread.calls.push(i as u32);
            }
        }
        for (i, off) in trace.off_cpu.iter().enumerate() {
            if let Some(thread) = place(off.task).and_then(|p| list.get_mut(p)) {
                thread.off_cpu.push(i as u32);
            }
        }
        list.retain(|t| !t.calls.is_empty() || !t.off_cpu.is_empty());
        for thread in &mut list {
            thread.comm = last_name(trace, thread);
        }
        let by_tid = list.iter().enumerate().map(|(i, t)| (t.tid, i)).collect();
        Self { list, by_tid }
    }

    /// The threads, by pid and tid.
    pub fn iter(&self) -> impl Iterator<Item = &Thread> {
        self.list.iter()
    }

    /// The thread with an id, if anything of it was recorded.
    #[must_use]
    pub fn by_tid(&self, tid: u32) -> Option<&Thread> {
        self.by_tid.get(&tid).and_then(|i| self.list.get(*i))
    }
}

fn last_name(trace: &Trace, thread: &Thread) -> String {
    let call = thread.calls.last().and_then(|i| trace.calls.get(*i as usize)).map(|c| (c.ts_ns, c.task));
    let off = thread.off_cpu.last().and_then(|i| trace.off_cpu.get(*i as usize)).map(|o| (o.ts_ns, o.task));
    let task = call.max(off).and_then(|(_, task)| trace.task(task));
    task.map_or_else(String::new, |t| t.comm.clone())
}

/// A place among a thread's off-CPU intervals that only moves on: for questions that rise in time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cursor(usize);

impl Cursor {
    /// Moves past the intervals that end until `from_ns`, and gives those that touch `[from_ns, to_ns)`. No
    /// later question may begin before `from_ns`.
    pub fn touching<'a>(
        &mut self,
        thread: &'a Thread,
        trace: &'a Trace,
        from_ns: i64,
        to_ns: i64,
    ) -> impl Iterator<Item = &'a OffCpu> + use<'a> {
        let get = move |i: &u32| trace.off_cpu.get(*i as usize);
        while thread.off_cpu.get(self.0).and_then(get).is_some_and(|o| o.end_ns() <= from_ns) {
            self.0 += 1;
        }
        let rest = thread.off_cpu.get(self.0..).unwrap_or_default();
        rest.iter().filter_map(get).take_while(move |o| o.ts_ns < to_ns)
    }
}

impl Thread {
    /// Off-CPU intervals that touch `[from_ns, to_ns)`, by start.
    pub fn off_cpu_in<'a>(
        &'a self,
        trace: &'a Trace,
        from_ns: i64,
        to_ns: i64,
    ) -> impl Iterator<Item = &'a OffCpu> {
        let get = |i: &u32| trace.off_cpu.get(*i as usize);
        // A thread's intervals are disjoint, so their ends rise as their starts do.
        let first = self
            .off_cpu
            .binary_search_by(|i| {
                let ends_before = get(i).is_some_and(|o| o.end_ns() <= from_ns);
                if ends_before { Ordering::Less } else { Ordering::Greater }
            })
            .unwrap_or_else(|at| at);
        let rest = self.off_cpu.get(first..).unwrap_or_default();
        rest.iter().filter_map(get).take_while(move |o| o.ts_ns < to_ns)
    }
}
