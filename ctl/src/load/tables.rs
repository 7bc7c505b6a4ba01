//! From rows to events: what a number meant becomes an index of a dictionary.

use foldhash::HashMap;
use ingero_format::{Row, ops::Group};

use super::{
    clock::Clock,
    collect::{Collector, Event},
    names::TaskNames,
    stacks::{Code, StackTable},
};
use crate::model::{Call, HostEvent, NONE, OffCpu, Trace};

/// When an entry of a dictionary was first needed: the start of the event, the longest first, and its thread; then
/// the place in that event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(u64, u64, u64, u8);

impl Moment {
    const NEVER: Self = Self(u64::MAX, u64::MAX, u64::MAX, u8::MAX);

    pub fn of(row: &Row) -> Self {
        Self(row.start_ns(), !row.dur_ns, u64::from(row.pid) << 32 | u64::from(row.tid), 0)
    }

    fn then(self, place: u8) -> Self {
        Self(self.0, self.1, self.2, place)
    }
}

/// When each entry of a dictionary was first needed. Rows do not come by time, but dictionaries are in the order of
/// time, so that they do not depend on how a file was cut in frames.
#[derive(Debug, Default)]
pub(super) struct Firsts(Vec<Moment>);

impl Firsts {
    pub fn note(&mut self, id: u32, moment: Moment) {
        if id == NONE {
            return;
        }
        let place = id as usize;
        if self.0.len() <= place {
            self.0.resize(place + 1, Moment::NEVER);
        }
        if let Some(first) = self.0.get_mut(place) {
            *first = (*first).min(moment);
        }
    }

    /// Puts entries in order of time. Gives the new index of each.
    fn put_in_order<T>(&self, entries: &mut Vec<T>) -> Vec<u32> {
        let first = |place: usize| self.0.get(place).copied().unwrap_or(Moment::NEVER);
        let mut old: Vec<(usize, T)> = std::mem::take(entries).into_iter().enumerate().collect();
        old.sort_by_key(|(place, _)| (first(*place), *place));
        let mut new = vec![NONE; old.len()];
        for (index, (place, entry)) in (0..).zip(old) {
            new.iter_mut().skip(place).take(1).for_each(|n| *n = index);
            entries.push(entry);
        }
        new
    }
}

/// [`Firsts`] of each dictionary.
#[derive(Debug, Default)]
pub(super) struct AllFirsts {
    pub tasks: Firsts,
    stacks: Firsts,
    kernels: Firsts,
}

/// What is interned while rows become events.
pub(super) struct Tables {
    clock: Clock,
    pub names: TaskNames,
    stacks: StackTable,
    kernels: KernelNames,
    pub firsts: AllFirsts,
}

impl Tables {
    pub fn new(clock: Clock, names: TaskNames, stacks: StackTable) -> Self {
        Self { clock, names, stacks, kernels: KernelNames::default(), firsts: AllFirsts::default() }
    }

    /// A call of a thread, an index of tasks.
    pub fn call(&mut self, from: &Collector, event: &Event, task: u32) -> Call {
        let row = &event.row;
        let mut call = Call {
            ts_ns: self.clock.unix(row.start_ns()),
            dur_ns: ns(row.dur_ns),
            arg0: row.arg0,
            arg1: row.arg1,
            task,
            kernel: NONE,
            stack: self.stacks.of(from, event, Code::User),
            ret: row.ret,
            op: row.op,
            cpu: row.cpu(),
            flags: row.flags,
            ..Call::default()
        };
        if let Some(function) = call.function() {
            call.kernel = self.kernels.of(from, row.pid, function, row.end_ns);
        } else if call.group() == Group::Code {
            call.kernel = self.kernels.of(from, row.pid, row.arg1, row.end_ns);
        }
        if call.stack != NONE || call.kernel != NONE {
            let moment = Moment::of(row);
            self.firsts.stacks.note(call.stack, moment);
            self.firsts.kernels.note(call.kernel, moment);
        }
        call
    }

    /// An off-CPU interval of a thread, an index of tasks.
    pub fn off_cpu(&mut self, from: &Collector, event: &Event, task: u32) -> OffCpu {
        let row = &event.row;
        let dur_ns = ns(row.dur_ns);
        let off = OffCpu {
            ts_ns: self.clock.unix(row.start_ns()),
            dur_ns,
            runqueue_ns: ns(row.arg0).min(dur_ns),
            task,
            waker: self.names.any((row.arg1 >> 32) as u32, row.end_ns),
            preemptor: self.names.any(row.arg1 as u32, row.end_ns),
            stack: self.stacks.of(from, event, Code::Kernel),
            state: row.ret,
            cpu: row.cpu(),
            flags: row.flags,
        };
        let moment = Moment::of(row);
        self.firsts.tasks.note(off.waker, moment.then(1));
        self.firsts.tasks.note(off.preemptor, moment.then(2));
        self.firsts.stacks.note(off.stack, moment);
        off
    }

    /// Any other event.
    pub fn host(&mut self, event: &Event) -> HostEvent {
        let row = &event.row;
        let (task, _) = self.names.own(row.pid, row.tid, row.end_ns);
        self.firsts.tasks.note(task, Moment::of(row));
        HostEvent {
            ts_ns: self.clock.unix(row.start_ns()),
            dur_ns: ns(row.dur_ns),
            arg0: row.arg0,
            arg1: row.arg1,
            task,
            op: row.op,
            cpu: row.cpu(),
        }
    }

    /// Gives the dictionaries to the trace, in order of time, and its events their new indexes.
    pub fn finish(self, trace: &mut Trace) {
        (trace.tasks, trace.stacks, trace.kernels) =
            (self.names.into_tasks(), self.stacks.list, self.kernels.list);
        let tasks = self.firsts.tasks.put_in_order(&mut trace.tasks);
        let stacks = self.firsts.stacks.put_in_order(&mut trace.stacks);
        let kernels = self.firsts.kernels.put_in_order(&mut trace.kernels);
        if [&tasks, &stacks, &kernels].into_iter().all(|new| (0..).zip(new).all(|(old, new)| old == *new)) {
            return;
        }
        let new = |list: &[u32], id: &mut u32| *id = list.get(*id as usize).copied().unwrap_or(NONE);
        let (calls, off_cpu) = (0..trace.calls.len(), 0..trace.off_cpu.len());
        trace.calls.each(calls, |call| {
            new(&tasks, &mut call.task);
            new(&stacks, &mut call.stack);
            new(&kernels, &mut call.kernel);
        });
        trace.off_cpu.each(off_cpu, |off| {
            new(&tasks, &mut off.task);
            new(&tasks, &mut off.waker);
            new(&tasks, &mut off.preemptor);
            new(&stacks, &mut off.stack);
        });
        trace.host_events.iter_mut().for_each(|host| new(&tasks, &mut host.task));
    }
}

fn ns(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Kernel names by content; handles are looked up once for each name they may have.
#[derive(Default)]
struct KernelNames {
    list: Vec<String>,
    by_name: HashMap<String, u32>,
    /// Handles with at most one name, the common case.
    single: HashMap<(u32, u64), u32>,
}

impl KernelNames {
    fn of(&mut self, from: &Collector, pid: u32, handle: u64, at_ns: u64) -> u32 {
        if let Some(id) = self.single.get(&(pid, handle)) {
            return *id;
        }
        let id = from.names.handle_name(pid, handle, at_ns).map_or(NONE, |name| {
            let next = self.list.len() as u32;
            *self.by_name.entry(name.clone()).or_insert_with(|| {
                self.list.push(name);
                next
            })
        });
        if from.names.handles.get(&(pid, handle)).is_none_or(|names| names.len() == 1) {
            self.single.insert((pid, handle), id);
        }
        id
    }
}
