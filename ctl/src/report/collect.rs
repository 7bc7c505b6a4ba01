//! All threads of an investigation, read in one pass over its calls and one over its intervals.

use foldhash::{HashMap, HashMapExt};
use rusqlite::{Connection, Result};

use super::{
    grid::Grid,
    kinds,
    names::Names,
    rows::{self, Who},
    thread::{Call, OffCpu, Thread},
};
use crate::model::{Frame, Stack};

/// What is in an investigation.
#[derive(Debug)]
pub struct Collected {
    /// How the window is cut.
    pub grid: Grid,
    /// Names of operations, kernels and other threads.
    pub names: Names,
    /// Threads in the order in which they appear.
    pub threads: Vec<Thread>,
    /// Frames of kernel stacks by id, innermost first.
    pub stacks: HashMap<i64, Vec<Frame>>,
    /// Threads behind names: machine, process, thread.
    pub peers: HashMap<u32, (String, u32, u32)>,
}

/// Which thread a row is about; rows of one thread often follow each other.
#[derive(Default)]
struct Places {
    nodes: Vec<String>,
    places: HashMap<(usize, u32, u32), usize>,
    last: Option<(usize, u32, u32, usize)>,
}

impl Places {
    fn of(&mut self, who: &Who<'_>, threads: &mut Vec<Thread>, window_ns: i64) -> usize {
        if let Some((node, pid, tid, place)) = self.last
            && (pid, tid) == (who.pid, who.tid)
            && self.nodes.get(node).is_some_and(|n| *n == who.node)
        {
            return place;
        }
        let node = self.nodes.iter().position(|n| *n == who.node).unwrap_or_else(|| {
            self.nodes.push(who.node.clone().into_owned());
            self.nodes.len() - 1
        });
        let place = *self.places.entry((node, who.pid, who.tid)).or_insert_with(|| {
            threads.push(Thread::new(&who.node, who.pid, who.tid, window_ns));
            threads.len() - 1
        });
        self.last = Some((node, who.pid, who.tid, place));
        place
    }
}

/// Reads everything; times become ns after `from_ns`.
///
/// # Errors
/// As SQLite does.
pub fn collect(db: &Connection, from_ns: i64, dur_ns: i64, nodes: usize) -> Result<Collected> {
    let mut all = Collected {
        grid: Grid::of(dur_ns),
        names: Names::default(),
        threads: Vec::new(),
        stacks: HashMap::new(),
        peers: HashMap::new(),
    };
    let mut places = Places::default();
    all.calls(db, from_ns, &mut places)?;
    all.off_cpu(db, from_ns, nodes > 1, &mut places)?;
    Ok(all)
}

impl Collected {
    fn calls(&mut self, db: &Connection, from_ns: i64, places: &mut Places) -> Result<()> {
        let mut kinds: HashMap<u32, usize> = HashMap::new();
        rows::calls(db, |row| {
            let op = self.names.place(&row.op);
            let call = Call {
                ts_ns: row.ts_ns.saturating_sub(from_ns),
                dur_ns: row.dur_ns,
                op,
                kind: *kinds.entry(op).or_insert_with(|| kinds::of_call(&row.op)),
                kernel: row.kernel.map(|kernel| self.names.place(&kernel)),
                first_use: row.first_use,
                off_cpu_ns: row.off_cpu_ns,
            };
            let place = places.of(&row.who, &mut self.threads, self.grid.dur_ns);
            if let Some(thread) = self.threads.get_mut(place) {
                renamed(thread, &row.who);
                thread.call(&self.grid, call);
            }
        })
    }

    fn off_cpu(&mut self, db: &Connection, from_ns: i64, nodes: bool, places: &mut Places) -> Result<()> {
        let mut waits: HashMap<i64, usize> = HashMap::new();
        rows::kernel_stacks(db, |id, frames| {
            let frames: Vec<Frame> = serde_json::from_str(frames).unwrap_or_default();
            let stack = Stack { kind: "kernel".to_owned(), frames };
            waits.insert(id, kinds::of_stack(&stack));
            self.stacks.insert(id, stack.frames);
        })?;
        rows::off_cpu(db, |row| {
            let stack = row.stack.and_then(|id| waits.get(&id)).copied();
            let off = OffCpu {
                ts_ns: row.ts_ns.saturating_sub(from_ns),
                dur_ns: row.dur_ns,
                runqueue_ns: row.runqueue_ns,
                wait: kinds::of_wait(&row.state, stack),
                waker: row.waker.map(|who| self.peer(&who, nodes)),
                preemptor: row.preemptor.map(|who| self.peer(&who, nodes)),
                stack: row.stack,
            };
            let place = places.of(&row.who, &mut self.threads, self.grid.dur_ns);
            if let Some(thread) = self.threads.get_mut(place) {
                renamed(thread, &row.who);
                thread.off_cpu(&self.grid, off);
            }
        })
    }

    fn peer(&mut self, who: &Who<'_>, nodes: bool) -> u32 {
        let place = self.names.place(&label(who, nodes));
        self.peers.entry(place).or_insert_with(|| (who.node.clone().into_owned(), who.pid, who.tid));
        place
    }
}

fn renamed(thread: &mut Thread, who: &Who<'_>) {
    if thread.comm != who.comm {
        thread.comm = who.comm.clone().into_owned();
    }
}

/// `stress/5120`, with the machine before it if there are several.
fn label(who: &Who<'_>, nodes: bool) -> String {
    let comm = if who.comm.is_empty() { "?" } else { &*who.comm };
    let pid = if who.pid == 0 { who.tid } else { who.pid };
    let thread = if pid == who.tid { String::new() } else { format!(" tid {}", who.tid) };
    let node = if nodes { format!("{}: ", who.node) } else { String::new() };
    format!("{node}{comm}/{pid}{thread}")
}
