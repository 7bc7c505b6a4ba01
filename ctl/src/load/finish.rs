//! From rows and names in boottime to a [`Trace`] in Unix time.

use std::{
    cmp::Ordering,
    collections::{BTreeSet, HashSet},
    path::Path,
};

use foldhash::HashMap;
use ingero_format::{
    manifest::Manifest,
    ops::{self, LossCause, Source},
    row::flags,
};

use super::{
    collect::{Collector, Event},
    input::hex,
    names::TaskNames,
    samples,
    stacks::{Code, StackTable},
};
use crate::{
    error::Error,
    investigate,
    model::{ANY_SOURCE, Call, Facts, HostEvent, Loss, NONE, OffCpu, Process, Trace},
};

/// Events after which memory of those that were used is given back.
const GIVE_BACK: usize = 1 << 18;

/// Shifts boottime to Unix time.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    offset_ns: i64,
}

impl Clock {
    pub fn unix(self, boot_ns: u64) -> i64 {
        self.offset_ns.saturating_add(i64::try_from(boot_ns).unwrap_or(i64::MAX))
    }
}

/// What is interned while rows become events.
struct Tables {
    clock: Clock,
    names: TaskNames,
    stacks: StackTable,
    kernels: KernelNames,
}

impl Collector {
    /// Builds the trace.
    ///
    /// # Errors
    /// If nothing that was read says what time the window covers.
    pub fn finish(mut self, path: &Path) -> Result<Trace, Error> {
        let anchor = self.manifests.first().map_or_else(|| self.boots.earliest(), |m| m.anchor);
        let clock =
            Clock { offset_ns: anchor.real_ns.cast_signed().wrapping_sub(anchor.boot_ns.cast_signed()) };
        let (from, to) = self.span().ok_or_else(|| {
            Error::not_ours(path, "no window and no events in it", "see what `ingeroctl verify` finds")
        })?;
        let mut trace = Trace {
            node: self.node(),
            from_ns: clock.unix(from),
            to_ns: clock.unix(to),
            facts: self.facts(path, clock),
            ..Trace::default()
        };
        self.holes_between_windows();
        trace.losses = self.losses(clock, (from, to));
        let processes = std::mem::take(&mut self.names.processes);
        let names = TaskNames::new(
            std::mem::take(&mut self.names.tasks),
            processes.values().map(|p| (p.pid, p.comm.clone())).filter(|(_, c)| !c.is_empty()).collect(),
        );
        let mut tables = Tables {
            clock,
            names,
            stacks: StackTable::new(std::mem::take(&mut self.symbols.kernel), &self.user_symbols),
            kernels: KernelNames::default(),
        };
        let mut events = std::mem::take(&mut self.events);
        drop_open_rows_that_ended(&mut events);
        // Dictionaries are filled in this order, so it must not depend on how the file was cut in frames.
        // Backwards, so that each can be taken from the end and its memory given back.
        events.sort_unstable_by(|a, b| in_time(b, a));
        while let Some(event) = events.pop() {
            tables.event(&self, &mut trace, &event);
            if events.len().is_multiple_of(GIVE_BACK) {
                events.shrink_to_fit();
            }
        }
        (trace.series, trace.samples) = samples::resolve(&self.samples, &self.names, clock);
        trace.processes = processes.into_values().map(|p| process(clock, p)).collect();
        trace.tasks = tables.names.into_tasks();
        trace.stacks = tables.stacks.list;
        trace.kernels = tables.kernels.list;
        trace.sort();
        let known = investigate::Known { launched_before: &self.launched_before, looked_up: &self.looked_up };
        investigate::annotate(&mut trace, &known);
        Ok(trace)
    }

    fn span(&self) -> Option<(u64, u64)> {
        if let Some(first) = self.manifests.first() {
            let (from, to) = (first.from_ns, first.to_ns);
            return Some(
                self.manifests.iter().fold((from, to), |(f, t), m| (f.min(m.from_ns), t.max(m.to_ns))),
            );
        }
        let ends = self.events.iter().map(|e| e.row.end_ns);
        Some((ends.clone().min()?, ends.max()?))
    }

    fn node(&self) -> String {
        let name = self.manifests.first().map(|m| m.host.name.clone()).filter(|n| !n.is_empty());
        name.unwrap_or_else(|| "localhost".to_owned())
    }

    fn facts(&mut self, path: &Path, clock: Clock) -> Facts {
        let mut damage = std::mem::take(&mut self.damage);
        if self.implausible() > 0 {
            damage.push(format!("{} rows with impossible times were left out", self.implausible()));
        }
        let first = self.manifests.first().cloned().unwrap_or_default();
        let all = |list: fn(&Manifest) -> Vec<String>| {
            let mut seen = BTreeSet::new();
            self.manifests.iter().flat_map(list).filter(|x| seen.insert(x.clone())).collect::<Vec<_>>()
        };
        Facts {
            file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            sha256: self.digests.join(" "),
            snapshot: all(|m| vec![m.id.clone()]).join(" "),
            triggers: all(|m| m.triggers.iter().map(|t| format!("{}: {}", t.kind, t.reason)).collect()),
            kernel: first.host.kernel,
            machine: first.host.machine,
            cpus: first.host.cpus,
            boot_id: hex(&if self.manifests.is_empty() { self.boot_id } else { first.host.boot_id }),
            gpus: first.host.gpus,
            driver: first.host.driver,
            recorder_version: first.recorder_version,
            config_digest: first.config_digest,
            asked_last_ns: first.asked_last_ns,
            asked_after_ns: first.asked_after_ns,
            clock_offset_ns: clock.offset_ns,
            clock_uncertainty_ns: first.anchor.uncertainty_ns,
            notes: all(|m| m.notes.clone()).into_iter().chain(std::mem::take(&mut self.left_out)).collect(),
            not_probed: all(|m| m.probes.iter().flat_map(|p| p.failed.clone()).collect()),
            population: String::new(),
            damage,
        }
    }

    /// Windows of one machine that do not touch leave a time of which nothing is known.
    fn holes_between_windows(&mut self) {
        let mut windows: Vec<_> = self.manifests.iter().map(|m| (m.from_ns, m.to_ns)).collect();
        windows.sort_unstable();
        let mut covered_to = windows.first().map_or(0, |w| w.1);
        for (from_ns, to_ns) in windows {
            if from_ns > covered_to {
                let hole = super::collect::Missing {
                    from_ns: covered_to,
                    to_ns: from_ns,
                    count: 0,
                    cause: LossCause::RestartGap as i32,
                    cpu: u16::MAX,
                    source: ANY_SOURCE,
                };
                self.missing.push(hole);
            }
            covered_to = covered_to.max(to_ns);
        }
    }

    fn losses(&self, clock: Clock, (from, to): (u64, u64)) -> Vec<Loss> {
        let inside = self.missing.iter().filter(|m| m.from_ns <= to && m.to_ns >= from);
        let mut losses: Vec<Loss> = inside
            .map(|m| Loss {
                from_ns: clock.unix(m.from_ns),
                to_ns: clock.unix(m.to_ns),
                count: i64::try_from(m.count).unwrap_or(i64::MAX),
                cause: m.cause,
                cpu: m.cpu,
                source: m.source,
            })
            .collect();
        let key = |l: &Loss| (l.from_ns, l.to_ns, l.source, l.cpu, l.cause, l.count);
        losses.sort_by_key(key);
        losses.dedup();
        losses
    }
}

/// By start, the longer first; then whatever tells two events apart, so that the order is always the same.
fn in_time(a: &Event, b: &Event) -> Ordering {
    let begins = a.row.start_ns().cmp(&b.row.start_ns());
    begins
        .then_with(|| b.row.dur_ns.cmp(&a.row.dur_ns))
        .then_with(|| a.row.cmp(&b.row))
        .then(a.epoch.cmp(&b.epoch))
}

/// Of two files, one may hold a call's end and the other only its begin.
fn drop_open_rows_that_ended(events: &mut Vec<Event>) {
    let begin = |e: &Event| (e.row.tid, e.row.op, e.row.start_ns());
    let open = |e: &Event| e.row.flags & flags::OPEN != 0;
    let begun: HashSet<_> = events.iter().filter(|e| open(e)).map(begin).collect();
    if begun.is_empty() {
        return;
    }
    let ended: HashSet<_> =
        events.iter().filter(|e| !open(e) && begun.contains(&begin(e))).map(begin).collect();
    events.retain(|e| !(open(e) && ended.contains(&begin(e))));
}

fn process(clock: Clock, p: ingero_format::state::Process) -> Process {
    Process {
        pid: p.pid,
        start_ns: clock.unix(p.start_ns),
        covered_ns: clock.unix(p.covered_ns),
        comm: p.comm,
        exe: p.exe,
        cgroup: p.cgroup,
        libraries: p.libraries,
    }
}

impl Tables {
    fn event(&mut self, from: &Collector, trace: &mut Trace, event: &Event) {
        let row = &event.row;
        let task = self.names.own(row.pid, row.tid, row.end_ns);
        let (ts_ns, dur_ns) =
            (self.clock.unix(row.start_ns()), i64::try_from(row.dur_ns).unwrap_or(i64::MAX));
        match ops::source(row.op) {
            Source::Cuda => {
                let mut call = Call {
                    ts_ns,
                    dur_ns,
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
                } else if call.group() == ops::Group::Code {
                    call.kernel = self.kernels.of(from, row.pid, row.arg1, row.end_ns);
                }
                trace.calls.push(call);
            }
            Source::Sched => trace.off_cpu.push(OffCpu {
                ts_ns,
                dur_ns,
                runqueue_ns: i64::try_from(row.arg0).unwrap_or(i64::MAX).min(dur_ns),
                task,
                waker: self.names.any((row.arg1 >> 32) as u32, row.end_ns),
                preemptor: self.names.any(row.arg1 as u32, row.end_ns),
                stack: self.stacks.of(from, event, Code::Kernel),
                state: row.ret,
                cpu: row.cpu(),
                flags: row.flags,
            }),
            Source::Process | Source::Meta | Source::Host => trace.host_events.push(HostEvent {
                ts_ns,
                dur_ns,
                arg0: row.arg0,
                arg1: row.arg1,
                task,
                op: row.op,
                cpu: row.cpu(),
            }),
        }
    }
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
