//! What memory, disks and signals did to each thread, from events of the host.

use foldhash::HashMap;
use ingero_format::ops;

use super::spans::{merged, touching};
use crate::model::{HostEvent, NONE, Trace};

/// Kinds of request that a thread waits for itself (`REQ_OP_*`, include/linux/blk_types.h): reads and
/// flushes. Writes are most often somebody else's, carried out later.
const WAITED_FOR: [u32; 2] = [0, 2];
/// A write (`REQ_OP_WRITE`).
const WRITE: u32 = 1;
/// Numbers of the signals that stop (asm-generic/signal.h).
const STOPPING: [u64; 4] = [19, 20, 21, 22];

/// A signal that stops, and who sent it.
#[derive(Clone, Copy, Debug)]
struct Stop {
    ts_ns: i64,
    sender: u32,
}

/// Spans by thread id; disjoint, rising.
#[derive(Debug, Default)]
pub(super) struct HostSide {
    reclaims: HashMap<u32, Vec<(i64, i64)>>,
    requests: HashMap<u32, Vec<(i64, i64)>>,
    writes: HashMap<u32, Vec<(i64, i64)>>,
    stops: HashMap<u32, Vec<Stop>>,
}

impl HostSide {
    pub fn of(trace: &Trace) -> Self {
        let mut side = Self::default();
        let tasks: HashMap<(u32, u32), u32> =
            (0u32..).zip(&trace.tasks).map(|(i, t)| ((t.pid, t.tid), i)).collect();
        for event in &trace.host_events {
            let Some(task) = trace.task(event.task) else { continue };
            let span = (event.ts_ns, event.ts_ns + event.dur_ns);
            match event.op {
                ops::DIRECT_RECLAIM => side.reclaims.entry(task.tid).or_default().push(span),
                ops::BLOCK_IO if WAITED_FOR.contains(&(event.arg1 as u32)) => {
                    side.requests.entry(task.tid).or_default().push(span);
                }
                ops::BLOCK_IO if event.arg1 as u32 == WRITE => {
                    side.writes.entry(task.tid).or_default().push(span);
                }
                ops::SIGNAL if STOPPING.contains(&event.arg0) => {
                    let sender = tasks.get(&sender(event)).copied().unwrap_or(NONE);
                    side.stops.entry(task.pid).or_default().push(Stop { ts_ns: event.ts_ns, sender });
                }
                _ => {}
            }
        }
        for list in [&mut side.reclaims, &mut side.requests, &mut side.writes] {
            list.values_mut().for_each(|spans| *spans = merged(std::mem::take(spans)));
        }
        side
    }

    /// When a thread freed memory before it got some.
    pub fn reclaims(&self, tid: u32) -> &[(i64, i64)] {
        self.reclaims.get(&tid).map_or(&[], Vec::as_slice)
    }

    /// When a disk worked on something that a thread waited for.
    pub fn requests(&self, tid: u32) -> &[(i64, i64)] {
        self.requests.get(&tid).map_or(&[], Vec::as_slice)
    }

    /// True if a disk worked on something that a thread itself had asked for, a write included.
    pub fn asked_disk(&self, tid: u32, from_ns: i64, to_ns: i64) -> bool {
        let touches = |list: &HashMap<u32, Vec<(i64, i64)>>| {
            list.get(&tid).is_some_and(|spans| touching(spans, from_ns, to_ns).next().is_some())
        };
        touches(&self.requests) || touches(&self.writes)
    }

    /// Who stopped a process: the sender of the last such signal until a moment.
    pub fn stopped_by(&self, pid: u32, ts_ns: i64) -> u32 {
        let before = |stops: &Vec<Stop>| stops.iter().rev().find(|s| s.ts_ns <= ts_ns).map(|s| s.sender);
        self.stops.get(&pid).and_then(before).unwrap_or(NONE)
    }
}

/// Pid and tid of a signal's sender.
pub(super) fn sender(event: &HostEvent) -> (u32, u32) {
    ((event.arg1 >> 32) as u32, event.arg1 as u32)
}
