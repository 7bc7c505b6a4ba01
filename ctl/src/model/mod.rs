//! A recorded window in memory: what the engine reads, whether it came from a bundle or a database.
//!
//! Times are Unix nanoseconds; every event covers `[ts_ns, ts_ns + dur_ns)`. Big tables hold indexes
//! into dictionaries; [`NONE`] is "no such entry".

mod crop;
mod events;
mod facts;
pub mod order;
mod samples;
mod store;
mod threads;

pub use events::{
    ANY_SOURCE, CPU_UNKNOWN, Call, FirstUse, HostEvent, Loss, NOT_RECORDED, OffCpu, STATE_UNKNOWN,
};
pub use facts::{BUDGET_NOTE, Clocks, Facts, Process};
pub use samples::{Annotation, Sample, Sender, Series};
pub use store::{Events, Plain, Spool};
pub use threads::{Cursor, Span, Thread, Threads, Walk, spans};

use std::{borrow::Cow, collections::BTreeMap};

use ingero_format::ops;

use crate::demangle::demangled;

/// Bytes of a kernel's name that versions of the recorder keep: one of this length may have been longer.
const CUT_NAMES: [usize; 2] = [127, 255];

/// A kernel's name as people write it.
#[must_use]
pub fn shown_kernel(name: &str) -> Cow<'_, str> {
    if CUT_NAMES.contains(&name.len()) { Cow::Borrowed(name) } else { demangled(name) }
}

/// Name and layer of an operation, also of one this version does not know.
#[must_use]
pub fn op_name(number: u16) -> (String, &'static str) {
    match ops::by_number(number) {
        Some(op) => (op.name.to_owned(), op.layer()),
        None => (format!("op_{number:#06x}"), if number < 0x0800 { "driver" } else { "runtime" }),
    }
}

/// "No entry" in a column of indexes.
pub const NONE: u32 = u32::MAX;

/// Everything known about one node's window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// The machine's name, which tells it from others in an investigation.
    pub node: String,
    /// Begin of the window, Unix ns.
    pub from_ns: i64,
    /// End of the window, Unix ns: the first moment behind it.
    pub to_ns: i64,
    /// Where it comes from and how complete it is.
    pub facts: Facts,
    /// Recorded processes, by pid and start.
    pub processes: Vec<Process>,
    /// Threads by number and name.
    pub tasks: Vec<Task>,
    /// Names of kernels.
    pub kernels: Vec<String>,
    /// Stacks in use.
    pub stacks: Vec<Stack>,
    /// CUDA calls, thread by thread (pid and tid), each thread's by start; a call before those inside it.
    pub calls: Events<Call>,
    /// Off-CPU intervals, thread by thread, each thread's by start.
    pub off_cpu: Events<OffCpu>,
    /// Events of the host and the life of processes, by time.
    pub host_events: Vec<HostEvent>,
    /// Events known not to be here, by time.
    pub losses: Vec<Loss>,
    /// What was read at intervals, by name.
    pub series: Vec<Series>,
    /// The numbers, by time.
    pub samples: Vec<Sample>,
    /// What was said of a time, by time.
    pub annotations: Vec<Annotation>,
    /// Names of operations that are spelled otherwise in what this was made from, or have no number here.
    pub spellings: BTreeMap<u16, String>,
}

/// A thread under one of its names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Task {
    /// Process id; 0 if not known.
    pub pid: u32,
    /// Thread id.
    pub tid: u32,
    /// Name; empty if not known.
    pub comm: String,
}

impl Task {
    /// Name and process id, and the thread's if it is another: `stress/5120`, `python/7 tid 9`.
    #[must_use]
    pub fn label(&self) -> String {
        let comm = if self.comm.is_empty() { "?" } else { &self.comm };
        let pid = if self.pid == 0 { self.tid } else { self.pid };
        if pid == self.tid { format!("{comm}/{pid}") } else { format!("{comm}/{pid} tid {}", self.tid) }
    }
}

/// A stack, innermost frame first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stack {
    /// `kernel` or `user`.
    pub kind: String,
    /// Its frames.
    pub frames: Vec<Frame>,
}

/// One frame of a stack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Frame {
    /// Symbol, if known.
    pub symbol: Option<String>,
    /// Offset in the symbol, bytes.
    pub offset: Option<u64>,
    /// Module or library, if known.
    pub module: Option<String>,
    /// Source file, if known.
    pub file: Option<String>,
    /// Line in it.
    pub line: Option<u32>,
    /// Address, hexadecimal.
    pub address: String,
}

impl Trace {
    /// A thread of the dictionary.
    #[must_use]
    pub fn task(&self, id: u32) -> Option<&Task> {
        self.tasks.get(id as usize)
    }

    /// Name of an operation as the recording spells it, and its layer.
    #[must_use]
    pub fn op_name(&self, number: u16) -> (String, &'static str) {
        let (name, layer) = op_name(number);
        (self.spellings.get(&number).cloned().unwrap_or(name), layer)
    }

    /// A kernel's name.
    #[must_use]
    pub fn kernel(&self, id: u32) -> Option<&str> {
        self.kernels.get(id as usize).map(String::as_str)
    }

    /// A kernel's name as people write it; one that was cut when it was recorded, as it was recorded.
    #[must_use]
    pub fn kernel_shown(&self, id: u32) -> Option<Cow<'_, str>> {
        self.kernel(id).map(shown_kernel)
    }

    /// Process id of an event's thread.
    #[must_use]
    pub fn pid(&self, task: u32) -> u32 {
        self.task(task).map_or(0, |t| t.pid)
    }

    /// A name for a process: its main thread's, else what the recorder noted, else any thread's.
    #[must_use]
    pub fn process_name(&self, pid: u32) -> &str {
        let main = self.tasks.iter().find(|t| t.pid == pid && t.tid == pid && !t.comm.is_empty());
        let noted = || self.processes.iter().find(|p| p.pid == pid && !p.comm.is_empty());
        let any = || self.tasks.iter().find(|t| t.pid == pid && !t.comm.is_empty());
        main.map(|t| t.comm.as_str())
            .or_else(|| noted().map(|p| p.comm.as_str()))
            .or_else(|| any().map(|t| t.comm.as_str()))
            .unwrap_or("")
    }

    /// Container or service of a recorded process.
    #[must_use]
    pub fn whereabouts(&self, pid: u32) -> Option<String> {
        self.processes.iter().find(|p| p.pid == pid)?.whereabouts()
    }

    /// Length of the window, ns.
    #[must_use]
    pub fn span_ns(&self) -> i64 {
        self.to_ns - self.from_ns
    }
}
