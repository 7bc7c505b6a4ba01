//! Who a blocked thread waited for, and who that one waited for: the wake-up chain.
//!
//! A thread blocked in `[a, b)` was woken by another at `b`. What that other did in `[a, b)` is what held
//! the first one up. Where it was itself blocked, the same is asked of its waker, for that part of the time.
//! The leaves of a chain sum exactly to the interval.

use std::collections::BTreeMap;

use ingero_format::row::flags;

use super::{scene::Scene, spans::touching, waits::Wait};
use crate::limits;
use crate::model::{NONE, OffCpu};

/// What a thread in a chain did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Did {
    /// Ran.
    Worked,
    /// Could have run.
    Runnable,
    /// Waited for a lock whose holder is not known further.
    Lock,
    /// Waited for storage.
    Io,
    /// Waited for memory.
    Memory,
    /// Was stopped.
    Stopped,
    /// Slept by a timer of its own.
    Slept,
    /// Waited, and its stack was left out: most often by a timer, but nobody knows.
    Waited,
    /// Waited for somebody not recorded, an interrupt, or itself in a circle: the chain is open.
    Open,
}

impl Did {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Worked => "ran",
            Self::Runnable => "waited for a CPU",
            Self::Lock => "waited for a lock",
            Self::Io => "waited for storage",
            Self::Memory => "waited for memory",
            Self::Stopped => "was stopped",
            Self::Slept => "slept",
            Self::Waited => "waited for something without a stack",
            Self::Open => "waited for something not recorded",
        }
    }
}

/// The end of a chain: a thread, what it did, and the wakers between it and the one that waited.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Leaf {
    /// Tasks from the first waker to this one.
    pub path: Vec<u32>,
    pub did: Did,
    /// Kernel stack of what it waited in.
    pub stack: u32,
}

/// Leaves of a chain with their time.
pub(super) type Chain = BTreeMap<Leaf, i64>;

/// Follows the blocked part of an interval of the thread `tid`.
pub(super) fn follow(scene: &Scene<'_>, tid: u32, off: &OffCpu) -> Chain {
    let mut chain = Chain::new();
    let mut seen = vec![tid];
    let span = (off.ts_ns, off.runnable_from_ns());
    walk(scene, off, span, &mut Vec::new(), &mut seen, &mut chain);
    chain
}

fn walk(
    scene: &Scene<'_>,
    off: &OffCpu,
    (from, to): (i64, i64),
    path: &mut Vec<u32>,
    seen: &mut Vec<u32>,
    chain: &mut Chain,
) {
    let mut leaf = |path: &[u32], did, stack, ns: i64| {
        if ns > 0 {
            *chain.entry(Leaf { path: path.to_vec(), did, stack }).or_insert(0) += ns;
        }
    };
    let waker = scene.trace.task(off.waker).filter(|_| off.waker != NONE);
    let Some(waker) = waker.filter(|w| scene.is_recorded(w.pid) && !seen.contains(&w.tid)) else {
        return leaf(path, Did::Open, off.stack, to - from);
    };
    path.push(off.waker);
    seen.push(waker.tid);
    let mut ran = to - from;
    let mut deeper = Vec::new();
    let own = scene.threads.by_tid(waker.tid).filter(|t| t.pid == waker.pid);
    for other in own.into_iter().flat_map(|t| t.off_cpu_in(from, to)) {
        let (begin, end) = (other.ts_ns.max(from), other.end_ns().min(to));
        let runnable_from = if other.preempted() { other.ts_ns } else { other.runnable_from_ns() };
        let blocked = (runnable_from.clamp(begin, end) - begin).max(0);
        leaf(path, Did::Runnable, NONE, end - begin - blocked);
        ran -= end - begin;
        match scene.waits.kind(other) {
            _ if blocked == 0 => {}
            Wait::Io => leaf(path, Did::Io, other.stack, blocked),
            Wait::Memory => leaf(path, Did::Memory, other.stack, blocked),
            Wait::Stopped => leaf(path, Did::Stopped, other.stack, blocked),
            Wait::Sleep => leaf(path, Did::Slept, other.stack, blocked),
            Wait::Unknown if other.flags & flags::STACK_SKIPPED != 0 => {
                leaf(path, Did::Waited, NONE, blocked);
            }
            wait => deeper.push((other, (begin, begin + blocked), wait)),
        }
    }
    // What it waited for in between may be missing.
    let hidden = touching(&scene.sched_holes, from, to).next().is_some();
    leaf(path, if hidden { Did::Open } else { Did::Worked }, NONE, ran);
    for (other, span, wait) in deeper {
        if path.len() < limits::CHAIN_DEPTH {
            walk(scene, other, span, path, seen, chain);
        } else {
            let did = if wait == Wait::Lock { Did::Lock } else { Did::Open };
            *chain.entry(Leaf { path: path.clone(), did, stack: other.stack }).or_insert(0) +=
                span.1 - span.0;
        }
    }
    path.pop();
    seen.pop();
}

/// Who kept the waiting thread waiting most, and for how long: at work, and asleep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The thread with the largest share, an index of tasks.
    pub actor: u32,
    pub work_ns: i64,
    pub slept_ns: i64,
    pub all_ns: i64,
}

/// Sums a chain up.
pub(super) fn verdict(chain: &Chain) -> Verdict {
    let mut verdict = Verdict { actor: NONE, ..Verdict::default() };
    let mut by_task: BTreeMap<u32, i64> = BTreeMap::new();
    for (leaf, ns) in chain {
        verdict.all_ns += ns;
        match leaf.did {
            Did::Open => continue,
            Did::Slept | Did::Waited => verdict.slept_ns += ns,
            _ => verdict.work_ns += ns,
        }
        if let Some(last) = leaf.path.last() {
            *by_task.entry(*last).or_insert(0) += ns;
        }
    }
    let most = by_task.into_iter().max_by_key(|(task, ns)| (*ns, std::cmp::Reverse(*task)));
    verdict.actor = most.map_or(NONE, |(task, _)| task);
    verdict
}
