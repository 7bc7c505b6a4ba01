//! The second reading: each call and off-CPU interval gets its place in its thread's part of the tables.

use std::{cmp::Ordering, io};

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};
use ingero_format::{
    ops::{self, Source},
    row::flags,
};

use super::{
    collect::{Collector, Event},
    tables::{Moment, Tables},
    window::{Begin, Seen, begin, placed},
};
use crate::{
    model::{Call, Events, OffCpu, Plain, Spool, order},
    progress::Progress,
};

/// Places that an event may come too late without its thread having to be sorted at the end.
const NEAR: usize = 64;
/// Frames after which memory of what is also in a file is given back.
const RELEASE_FRAMES: usize = 64;

/// Part of a table that is being filled.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    from: usize,
    len: usize,
    capacity: usize,
    unsorted: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Thread {
    calls: Part,
    off_cpu: Part,
    /// The thread's only name, an index of tasks.
    task: Option<u32>,
}

/// The tables being filled.
struct Placing<'a> {
    from: &'a Collector,
    tables: &'a mut Tables,
    threads: Vec<Thread>,
    places: HashMap<(u32, u32), usize>,
    calls: Events<Call>,
    off_cpu: Events<OffCpu>,
    seen: Option<Seen>,
    ended: HashSet<Begin>,
    /// Frames that could not be read again.
    gone: Vec<Gone>,
}

/// A frame that was there at the first reading, boottime ns.
#[derive(Clone, Debug)]
pub(super) struct Gone {
    pub from_ns: u64,
    pub to_ns: u64,
    pub why: String,
}

/// What the second reading gives.
pub(super) struct Placed {
    pub calls: Events<Call>,
    pub off_cpu: Events<OffCpu>,
    pub gone: Vec<Gone>,
}

/// Reads all calls and off-CPU intervals again, into tables in order of threads and time.
///
/// # Errors
/// If there is no room for the tables.
pub(super) fn place(
    from: &Collector,
    tables: &mut Tables,
    spool: &Spool,
    progress: &Progress,
) -> io::Result<Placed> {
    let mut placing = Placing::new(from, tables, spool)?;
    progress.begin(from.frames.len() as u64, "placing");
    let mut done = 0;
    from.frames.again(|frame, rows| {
        match rows {
            Ok(rows) => {
                let events = rows.iter().filter_map(|row| placed(row, frame.shift_ns));
                events.filter(|row| frame.window.holds(row)).for_each(|row| {
                    placing.take(&Event { epoch: frame.epoch, row });
                });
            }
            Err(why) => {
                let shifted = |ns: u64| ns.saturating_add(frame.shift_ns);
                let (from_ns, to_ns) = (shifted(frame.header.first_ns), shifted(frame.header.last_ns));
                placing.gone.push(Gone { from_ns, to_ns, why });
            }
        }
        done += 1;
        if done % RELEASE_FRAMES == 0 {
            placing.release();
        }
        progress.at(done as u64);
    });
    let (open, whole): (Vec<&Event>, Vec<&Event>) = from.loose.iter().partition(|event| is_open(event));
    whole.into_iter().for_each(|event| placing.take(event));
    // Of two files, one may hold a call's end and the other only its begin.
    let ended = std::mem::take(&mut placing.ended);
    open.into_iter().filter(|e| !ended.contains(&begin(&e.row))).for_each(|event| placing.put(event));
    Ok(placing.finish())
}

fn is_open(event: &Event) -> bool {
    event.row.flags & flags::OPEN != 0
}

impl<'a> Placing<'a> {
    fn new(from: &'a Collector, tables: &'a mut Tables, spool: &Spool) -> io::Result<Self> {
        let mut counts: Vec<_> = from.frames.counts.iter().collect();
        counts.sort_unstable_by_key(|(id, _)| **id);
        let (mut threads, mut places) = (Vec::with_capacity(counts.len()), HashMap::new());
        let (mut calls, mut off_cpu) = (0, 0);
        for (&(pid, tid), count) in counts {
            places.insert((pid, tid), threads.len());
            threads.push(Thread {
                calls: Part { from: calls, capacity: count.calls, ..Part::default() },
                off_cpu: Part { from: off_cpu, capacity: count.off_cpu, ..Part::default() },
                task: None,
            });
            (calls, off_cpu) = (calls + count.calls, off_cpu + count.off_cpu);
        }
        let (calls, off_cpu) = spool.tables(calls, off_cpu)?;
        let seen = from.has_duplicates().then(Seen::default);
        let (ended, gone) = (HashSet::new(), Vec::new());
        Ok(Self { from, tables, threads, places, calls, off_cpu, seen, ended, gone })
    }

    fn take(&mut self, event: &Event) {
        if !self.from.begun.is_empty() && !is_open(event) {
            let begin = begin(&event.row);
            if self.from.begun.contains(&begin) {
                self.ended.insert(begin);
            }
        }
        self.put(event);
    }

    fn put(&mut self, event: &Event) {
        let row = &event.row;
        let source = ops::source(row.op);
        if !matches!(source, Source::Cuda | Source::Sched)
            || self.seen.as_mut().is_some_and(|seen| !seen.is_new(event.epoch, row))
        {
            return;
        }
        let place = self.places.get(&(row.pid, row.tid)).copied();
        let Some(thread) = place.and_then(|place| self.threads.get_mut(place)) else { return };
        let moment = Moment::of(row);
        let task = match thread.task {
            Some(task) => task,
            None => {
                let (task, only) = self.tables.names.own(row.pid, row.tid, row.end_ns);
                thread.task = only.then_some(task);
                task
            }
        };
        self.tables.firsts.tasks.note(task, moment);
        if source == Source::Cuda {
            let call = self.tables.call(self.from, event, task);
            insert(&mut self.calls, &mut thread.calls, call, order::calls);
        } else {
            let off = self.tables.off_cpu(self.from, event, task);
            insert(&mut self.off_cpu, &mut thread.off_cpu, off, order::off_cpu);
        }
    }

    fn release(&self) {
        self.calls.release(0..self.calls.len());
        self.off_cpu.release(0..self.off_cpu.len());
    }

    fn finish(mut self) -> Placed {
        finish(&mut self.calls, self.threads.iter_mut().map(|t| &mut t.calls), order::calls);
        finish(&mut self.off_cpu, self.threads.iter_mut().map(|t| &mut t.off_cpu), order::off_cpu);
        Placed { calls: self.calls, off_cpu: self.off_cpu, gone: self.gone }
    }
}

/// Puts an event where it belongs among those of its thread, most often at their end or a little before.
fn insert<T: Plain>(table: &mut [T], part: &mut Part, event: T, compare: fn(&T, &T) -> Ordering) {
    if part.len >= part.capacity {
        return;
    }
    let Some(own) = table.get_mut(part.from..=part.from + part.len) else { return };
    let Some((last, before)) = own.split_last_mut() else { return };
    *last = event;
    part.len += 1;
    let later = before.iter().rev().take(NEAR).take_while(|other| compare(other, &event).is_gt()).count();
    if later == NEAR {
        part.unsorted = true;
    } else if later > 0 {
        let from = before.len() - later;
        own.get_mut(from..).into_iter().for_each(|moved| moved.rotate_right(1));
    }
}

/// Sorts what came too late, and closes holes where less came than was counted.
fn finish<'p, T: Plain>(
    table: &mut Events<T>,
    parts: impl Iterator<Item = &'p mut Part>,
    compare: fn(&T, &T) -> Ordering,
) {
    let mut end = 0;
    for part in parts {
        if part.unsorted {
            let own = table.get_mut(part.from..part.from + part.len);
            own.into_iter().for_each(|own| own.sort_by(compare));
        }
        if part.from > end {
            table.copy_within(part.from..part.from + part.len, end);
        }
        end += part.len;
    }
    table.truncate(end);
}
