//! A unit's nanoseconds, each in exactly one class.
//!
//! Two partitions of the unit's time are laid over each other: what the scheduler says (on a CPU,
//! blocked, runnable), and which call was innermost. A partition covers the unit without hole or overlap by
//! construction, so their overlay does too. Where records may be missing, the part of a piece that may really have
//! been something else is cut off.

use ingero_format::ops::Group;

use super::{
    chain,
    scene::Scene,
    spans::{Partition, Span, overlay, touching},
    units::Unit,
    waits::Wait,
};
use crate::limits;
use crate::model::{Call, Cursor, NONE, OffCpu, Thread};

/// Where a nanosecond went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(usize)]
pub enum Class {
    /// On a CPU, doing what is usual or cannot be told.
    OnCpu = 0,
    /// Able to run while another task had the CPU.
    Runnable,
    /// Able to run while nobody had the CPU: a slow wake-up, or a limit that was not recorded.
    RunnableAlone,
    /// Kept from running by its cgroup's CPU limit.
    Throttled,
    /// Able to run while this recorder had the CPU.
    Recorder,
    /// Blocked on a lock.
    Lock,
    /// Blocked on storage.
    Io,
    /// In direct reclaim or swap-in.
    Memory,
    /// In a collective, on a CPU or blocked.
    Collective,
    /// Between calls, while a thread that feeds this one was at work or kept from it.
    Starved,
    /// Between calls, while a thread that feeds this one slept.
    StarvedAsleep,
    /// Asleep by its own timer, between calls.
    Sleep,
    /// Waiting for another task's product, between calls.
    Waiting,
    /// Blocked, on what is not known.
    Blocked,
    /// Stopped by a signal or a debugger.
    Stopped,
    /// Waiting for the GPU, spinning or blocked.
    GpuWait,
    /// Loading or compiling code.
    FirstUse,
    /// In an allocation or release, on a CPU or blocked for no reason known better.
    Allocator,
    /// Records may be missing: undecidable.
    Lost,
}

impl Class {
    /// All, by number.
    pub const ALL: [Self; CLASSES] = [
        Self::OnCpu,
        Self::Runnable,
        Self::RunnableAlone,
        Self::Throttled,
        Self::Recorder,
        Self::Lock,
        Self::Io,
        Self::Memory,
        Self::Collective,
        Self::Starved,
        Self::StarvedAsleep,
        Self::Sleep,
        Self::Waiting,
        Self::Blocked,
        Self::Stopped,
        Self::GpuWait,
        Self::FirstUse,
        Self::Allocator,
        Self::Lost,
    ];

    /// The name in evidence.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OnCpu => "on_cpu",
            Self::Runnable => "runnable",
            Self::RunnableAlone => "runnable_alone",
            Self::Throttled => "throttled",
            Self::Recorder => "recorder",
            Self::Lock => "lock",
            Self::Io => "io",
            Self::Memory => "memory",
            Self::Collective => "collective",
            Self::Starved => "starved",
            Self::StarvedAsleep => "starved_asleep",
            Self::Sleep => "sleep",
            Self::Waiting => "waiting",
            Self::Blocked => "blocked",
            Self::Stopped => "stopped",
            Self::GpuWait => "gpu_wait",
            Self::FirstUse => "first_use",
            Self::Allocator => "allocator",
            Self::Lost => "lost",
        }
    }

    /// True for time in which a thread wanted to run and was kept from it: that counts wherever it lies.
    #[must_use]
    pub fn is_kept_back(self) -> bool {
        matches!(self, Self::Runnable | Self::Throttled | Self::Recorder | Self::Stopped)
    }

    /// True for a wait between calls that is most likely for the next work.
    #[must_use]
    pub fn is_idle(self) -> bool {
        matches!(self, Self::Sleep | Self::Waiting | Self::Blocked | Self::Starved | Self::StarvedAsleep)
    }
}

/// Number of classes.
pub const CLASSES: usize = Class::Lost as usize + 1;

/// A stretch of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Begin, Unix ns.
    pub from_ns: i64,
    /// End.
    pub to_ns: i64,
    /// Class.
    pub class: Class,
    /// Preemptor or waker, an index of tasks.
    pub actor: u32,
    /// Kernel stack, an index of stacks.
    pub stack: u32,
}

impl Piece {
    /// Length.
    #[must_use]
    pub fn dur_ns(&self) -> i64 {
        self.to_ns - self.from_ns
    }

    /// True if it counts also in a unit that was not slow: somebody kept the thread back for longer than waking up
    /// takes.
    pub(super) fn counts_anywhere(&self) -> bool {
        self.class.is_kept_back() && self.dur_ns() >= limits::MINOR_MIN_NS
    }
}

#[derive(Clone, Copy)]
enum State<'a> {
    OnCpu,
    Blocked(&'a OffCpu),
    Runnable(&'a OffCpu),
}

/// Splits a unit into `out`; the pieces cover it exactly, in order. Units of a thread come by rising time.
pub(super) fn pieces(
    scene: &Scene<'_>,
    thread: &Thread,
    unit: &Unit<'_>,
    cursor: &mut Cursor,
    out: &mut Vec<Piece>,
) {
    out.clear();
    let holes = Holes::of(scene, unit);
    let alone = unit.inside_to == unit.place + 1;
    if alone && holes.are_none() && on_cpu_throughout(scene, thread, unit, cursor) {
        // Most units: nothing happened inside.
        out.extend(undisturbed(unit));
    } else {
        *out = disturbed(scene, thread, unit, &holes, cursor);
    }
    if unit.is_gap() && unit.call.readies_code() {
        own_work_before_a_load(scene, thread, out);
    } else if unit.call.first_use.counts() && !unit.is_gap() {
        let warm = scene.norms.warm_on_cpu_ns(thread.pid, unit.call.op);
        *out = beyond_warm(out, warm);
    }
}

fn on_cpu_throughout(scene: &Scene<'_>, thread: &Thread, unit: &Unit<'_>, cursor: &mut Cursor) -> bool {
    cursor.touching(thread.off_cpu, unit.from_ns, unit.to_ns).next().is_none()
        && touching(scene.host.reclaims(thread.tid), unit.from_ns, unit.to_ns).next().is_none()
}

fn undisturbed(unit: &Unit<'_>) -> Option<Piece> {
    let class = on_cpu((!unit.is_gap()).then_some(unit.call));
    let piece = Piece { from_ns: unit.from_ns, to_ns: unit.to_ns, class, actor: NONE, stack: NONE };
    (piece.dur_ns() > 0).then_some(piece)
}

fn disturbed(
    scene: &Scene<'_>,
    thread: &Thread,
    unit: &Unit<'_>,
    holes: &Holes,
    cursor: &mut Cursor,
) -> Vec<Piece> {
    let states = states(cursor.touching(thread.off_cpu, unit.from_ns, unit.to_ns), unit);
    let contexts = contexts(thread, unit);
    let with_calls = overlay(&states, &contexts);
    let mut out = Vec::with_capacity(with_calls.len());
    for (from_ns, to_ns, (state, context)) in with_calls {
        let (class, actor, stack) = classify(scene, thread, unit, state, context);
        let mut piece = Piece { from_ns, to_ns, class, actor, stack };
        let known_from = holes.reach(state, &piece).min(to_ns);
        if known_from > from_ns {
            out.push(Piece { to_ns: known_from, class: Class::Lost, actor: NONE, stack: NONE, ..piece });
            piece.from_ns = known_from;
        }
        if piece.dur_ns() > 0 {
            out.push(piece);
        }
    }
    known_better(scene, thread, out)
}

/// Where records may be missing in a unit. An event is told when it ends: one that was lost in a hole may have begun
/// long before it, as far back as anything else is known of the thread.
struct Holes {
    /// Of scheduler events.
    sched: Vec<(i64, i64)>,
    /// End of the last one of calls; only between calls, for a call that was recorded was not lost.
    calls_to_ns: i64,
}

impl Holes {
    fn of(scene: &Scene<'_>, unit: &Unit<'_>) -> Self {
        let inside = |holes| touching(holes, unit.from_ns, unit.to_ns);
        let calls = if unit.is_gap() { inside(&scene.call_holes).last() } else { None };
        Self {
            sched: inside(&scene.sched_holes).collect(),
            calls_to_ns: calls.map_or(i64::MIN, |hole| hole.1),
        }
    }

    fn are_none(&self) -> bool {
        self.sched.is_empty() && self.calls_to_ns == i64::MIN
    }

    /// Until when a piece may really have been something else.
    fn reach(&self, state: State<'_>, piece: &Piece) -> i64 {
        match state {
            State::OnCpu => {
                let last = touching(&self.sched, piece.from_ns, piece.to_ns).last();
                last.map_or(i64::MIN, |hole| hole.1).max(self.calls_to_ns)
            }
            // What a thread waits for depends on the call in which it does.
            State::Blocked(_) if piece.class.is_idle() || piece.class == Class::Lock => self.calls_to_ns,
            _ => i64::MIN,
        }
    }
}

/// Gives time to what events of the host say beyond stacks and states.
pub(super) fn known_better(scene: &Scene<'_>, thread: &Thread, pieces: Vec<Piece>) -> Vec<Piece> {
    let host = &scene.host;
    let pieces = repaint(pieces, host.reclaims(thread.tid), |class| match class {
        Class::OnCpu | Class::Blocked | Class::Io | Class::Lock | Class::Allocator => Some(Class::Memory),
        _ => None,
    });
    let waited = |class| (class == Class::Blocked).then_some(Class::Io);
    let pieces = repaint(pieces, host.requests(thread.tid), waited);
    let limited = |class| matches!(class, Class::Runnable | Class::RunnableAlone).then_some(Class::Throttled);
    repaint(pieces, scene.throttled.of_tid(thread.tid), limited)
}

/// Changes the class of what lies inside `spans`, cutting pieces at their edges.
fn repaint(pieces: Vec<Piece>, spans: &[(i64, i64)], class: impl Fn(Class) -> Option<Class>) -> Vec<Piece> {
    if spans.is_empty() {
        return pieces;
    }
    let mut out = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let Some(other) = class(piece.class) else {
            out.push(piece);
            continue;
        };
        let mut parts = Partition::new(piece.from_ns, piece.to_ns);
        for (from, to) in touching(spans, piece.from_ns, piece.to_ns) {
            parts.until(from, piece.class);
            parts.until(to, other);
        }
        let actor = |class| if class == piece.class { piece.actor } else { NONE };
        let parts = parts.close(piece.class).into_iter();
        out.extend(parts.map(|(from_ns, to_ns, class)| Piece {
            from_ns,
            to_ns,
            class,
            actor: actor(class),
            ..piece
        }));
    }
    out
}

/// What the scheduler says about each moment of the unit.
fn states<'a>(off_cpu: impl Iterator<Item = &'a OffCpu>, unit: &Unit<'_>) -> Vec<Span<State<'a>>> {
    let mut out = Partition::new(unit.from_ns, unit.to_ns);
    for off in off_cpu {
        out.until(off.ts_ns, State::OnCpu);
        if !off.preempted() {
            out.until(off.runnable_from_ns(), State::Blocked(off));
        }
        out.until(off.end_ns(), State::Runnable(off));
    }
    out.close(State::OnCpu)
}

/// The innermost call at each moment; `None` between calls.
fn contexts<'a>(thread: &Thread<'a>, unit: &Unit<'a>) -> Vec<Span<Option<&'a Call>>> {
    if unit.is_gap() {
        return vec![(unit.from_ns, unit.to_ns, None)];
    }
    let mut out = Partition::new(unit.from_ns, unit.to_ns);
    let mut open: Vec<&Call> = vec![unit.call];
    let inside = thread.calls.get(unit.place + 1..unit.inside_to).unwrap_or_default();
    for call in inside {
        while let Some(ended) = open.pop_if(|c| c.end_ns() <= call.ts_ns) {
            out.until(ended.end_ns(), Some(ended));
        }
        out.until(call.ts_ns, open.last().copied().or(Some(unit.call)));
        open.push(call);
    }
    while let Some(ended) = open.pop() {
        out.until(ended.end_ns(), Some(ended));
    }
    out.close(Some(unit.call))
}

/// Class, actor and stack of a moment.
fn classify(
    scene: &Scene<'_>,
    thread: &Thread,
    unit: &Unit<'_>,
    state: State<'_>,
    innermost: Option<&Call>,
) -> (Class, u32, u32) {
    match state {
        State::OnCpu => (on_cpu(innermost), NONE, NONE),
        State::Runnable(off) if off.preemptor == NONE => (Class::RunnableAlone, NONE, off.stack),
        State::Runnable(off) if scene.is_recorder(off.preemptor) => {
            (Class::Recorder, off.preemptor, off.stack)
        }
        State::Runnable(off) => (Class::Runnable, off.preemptor, off.stack),
        State::Blocked(off) => {
            let class = blocked(scene, thread, off, innermost);
            // Inside a first use, time blocked on something unnamed belongs to the load.
            let loading = class == Class::Blocked && !unit.is_gap() && unit.call.first_use.counts();
            let class = if loading { Class::FirstUse } else { class };
            match class {
                Class::Waiting => {
                    let (class, actor) = fed(scene, thread, off);
                    (class, actor, off.stack)
                }
                Class::Stopped => (class, scene.host.stopped_by(thread.pid, off.end_ns()), off.stack),
                Class::Lock => (class, scene.named_waker(thread, off), off.stack),
                _ => (class, NONE, off.stack),
            }
        }
    }
}

fn blocked(scene: &Scene<'_>, thread: &Thread, off: &OffCpu, innermost: Option<&Call>) -> Class {
    match (scene.waits.kind(off), innermost) {
        (Wait::Stopped, _) => Class::Stopped,
        (Wait::Memory, _) => Class::Memory,
        // A file system that was busy with what this recorder wrote.
        (Wait::Io, _) if scene.waited_for_recorder(thread, off) => Class::Recorder,
        (Wait::Io, _) => Class::Io,
        // Ranks on one host may wait for each other by a futex.
        (Wait::Lock, Some(call))
            if call.group() == Group::Collective && woken_from_outside(scene, thread, off) =>
        {
            Class::Collective
        }
        (Wait::Lock, Some(call)) if !call.waits_for_gpu() => Class::Lock,
        (Wait::Lock, _) if scene.held_up(thread, off) => Class::Lock,
        (_, Some(call)) if call.waits_for_gpu() => Class::GpuWait,
        (_, Some(call)) => match call.group() {
            Group::Collective => Class::Collective,
            Group::Memory => Class::Allocator,
            _ if call.readies_code() => Class::FirstUse,
            _ => Class::Blocked,
        },
        (Wait::Sleep, None) => Class::Sleep,
        (Wait::Lock | Wait::Product, None) => Class::Waiting,
        (Wait::Unknown, None) => Class::Blocked,
    }
}

fn woken_from_outside(scene: &Scene<'_>, thread: &Thread, off: &OffCpu) -> bool {
    scene.trace.task(off.waker).is_some_and(|waker| waker.pid != 0 && waker.pid != thread.pid)
}

/// Whether a thread that waited for its next work was kept waiting by one that is recorded.
fn fed(scene: &Scene<'_>, thread: &Thread, off: &OffCpu) -> (Class, u32) {
    let verdict = chain::verdict(&chain::follow(scene, thread.tid, off));
    if (verdict.work_ns + verdict.slept_ns) * 2 < verdict.all_ns || verdict.actor == NONE {
        (Class::Waiting, NONE)
    } else if verdict.work_ns >= verdict.slept_ns {
        (Class::Starved, verdict.actor)
    } else {
        (Class::StarvedAsleep, verdict.actor)
    }
}

fn on_cpu(innermost: Option<&Call>) -> Class {
    match innermost {
        Some(call) if call.waits_for_gpu() => Class::GpuWait,
        Some(call) => match call.group() {
            Group::Collective => Class::Collective,
            Group::Memory => Class::Allocator,
            _ if call.readies_code() => Class::FirstUse,
            _ => Class::OnCpu,
        },
        None => Class::OnCpu,
    }
}

/// In a gap that ends in a load, the thread's own work prepared it, and so did compilers it waited for.
///
/// Work before the last long idle wait belonged to something else.
fn own_work_before_a_load(scene: &Scene<'_>, thread: &Thread, pieces: &mut [Piece]) {
    for piece in pieces.iter_mut().rev() {
        let idle = piece.class.is_idle();
        if idle && scene.compilers.during(thread.pid, piece.from_ns, piece.to_ns).is_some() {
            piece.class = Class::FirstUse;
        } else if idle && piece.dur_ns() >= limits::IDLE_BEFORE_LOAD_NS {
            return;
        } else if piece.class == Class::OnCpu {
            piece.class = Class::FirstUse;
        }
    }
}

/// In a first use, on-CPU time beyond that of a warm launch is the load's.
fn beyond_warm(pieces: &[Piece], mut warm_ns: i64) -> Vec<Piece> {
    let mut out = Vec::with_capacity(pieces.len() + 1);
    for mut piece in pieces.iter().copied() {
        if piece.class == Class::OnCpu {
            let usual = warm_ns.min(piece.dur_ns()).max(0);
            warm_ns -= usual;
            if usual > 0 {
                out.push(Piece { to_ns: piece.from_ns + usual, ..piece });
            }
            piece.from_ns += usual;
            piece.class = Class::FirstUse;
        }
        if piece.dur_ns() > 0 {
            out.push(piece);
        }
    }
    out
}
