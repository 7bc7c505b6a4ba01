//! What META rows and state records say: names of threads, stacks, texts, handles, processes.

use std::collections::{BTreeMap, HashMap};

use ingero_format::{Row, ops, state};

/// More parts than any stack or text has; a longer one is damage.
const MAX_PARTS: usize = 512;

/// A handle's name: written out, or the id of a text that may still be incomplete.
#[derive(Clone, Debug)]
pub(super) enum HandleName {
    Known(String),
    Text(u64, u32),
}

/// Names as they were learned; nothing is resolved before all is read.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    /// By thread: since when, process, name.
    pub tasks: BTreeMap<u32, Vec<(u64, u32, String)>>,
    /// By epoch and id: frames, innermost first.
    pub stacks: HashMap<(u64, u32), Vec<u64>>,
    /// By process and handle: since when, name.
    pub handles: HashMap<(u32, u64), Vec<(u64, HandleName)>>,
    /// By process and function: the kernel it was made from.
    pub aliases: HashMap<(u32, u64), u64>,
    /// By pid and start.
    pub processes: BTreeMap<(u32, u64), state::Process>,
    stack_parts: HashMap<(u64, u32), Vec<[u64; 2]>>,
    text_parts: HashMap<(u64, u32), Vec<[u8; 16]>>,
}

impl Dictionary {
    /// Takes a state record.
    pub fn state(&mut self, epoch: u64, state: &state::State) {
        for task in &state.tasks {
            self.task(task.tid, task.since_ns, task.pid, task.comm.clone());
        }
        for stack in &state.stacks {
            self.stacks.insert((epoch, stack.id), stack.frames.clone());
        }
        for handle in &state.handles {
            self.handle(handle.pid, handle.handle, 0, HandleName::Known(handle.name.clone()));
        }
        state.processes.iter().for_each(|p| self.process(p));
    }

    /// Takes a process; of two accounts the fuller one is kept, and the later begin of recording: before
    /// it, calls into one of its libraries went unseen.
    pub fn process(&mut self, process: &state::Process) {
        let known = self.processes.entry((process.pid, process.start_ns)).or_insert_with(|| process.clone());
        known.covered_ns = known.covered_ns.max(process.covered_ns);
        if known.exe.is_empty() && !process.exe.is_empty() {
            *known = state::Process { covered_ns: known.covered_ns, ..process.clone() };
        }
    }

    /// Takes a process of which the recorder says when it started (`arg0`) and was found or covered.
    pub fn seen(&mut self, row: &Row) {
        self.process(&state::Process {
            pid: row.pid,
            start_ns: row.arg0,
            covered_ns: row.end_ns,
            ..state::Process::default()
        });
    }

    /// A function made from a kernel bears its name.
    pub fn alias(&mut self, pid: u32, kernel: u64, function: u64) {
        self.aliases.insert((pid, function), kernel);
    }

    /// Takes a row that the recorder added itself.
    pub fn meta(&mut self, epoch: u64, row: &Row) {
        let bytes = || {
            let mut bytes = [0; 16];
            let values = row.arg0.to_le_bytes().into_iter().chain(row.arg1.to_le_bytes());
            bytes.iter_mut().zip(values).for_each(|(to, from)| *to = from);
            bytes
        };
        let place = usize::try_from(row.ret).ok().filter(|part| *part < MAX_PARTS);
        match (row.op, place) {
            (ops::TASK_NAME, _) => self.task(row.tid, row.end_ns, row.pid, text(&bytes())),
            (ops::STACK_PART, Some(part)) => {
                let parts = self.stack_parts.entry((epoch, row.stack)).or_default();
                put(parts, part, [row.arg0, row.arg1]);
                let complete = parts.len() >= usize::from(row.flags);
                if complete {
                    let frames = parts.iter().flatten().copied().filter(|a| *a != 0).collect();
                    self.stacks.insert((epoch, row.stack), frames);
                }
            }
            (ops::TEXT_PART, Some(part)) => {
                put(self.text_parts.entry((epoch, row.stack)).or_default(), part, bytes());
            }
            (ops::HANDLE_NAME, _) => {
                self.handle(row.pid, row.arg0, row.end_ns, HandleName::Text(epoch, row.stack));
            }
            (ops::COVERED, _) => self.seen(row),
            _ => {}
        }
    }

    /// A handle's name at a time: the newest given before it, else the earliest known.
    pub fn handle_name(&self, pid: u32, handle: u64, at_ns: u64) -> Option<String> {
        let known = |handle: u64| {
            let names = self.handles.get(&(pid, handle))?;
            let before = names.iter().filter(|(since, _)| *since <= at_ns).max_by_key(|(since, _)| *since);
            before.or_else(|| names.iter().min_by_key(|(since, _)| *since)).map(|(_, name)| name)
        };
        let name = known(handle).or_else(|| known(*self.aliases.get(&(pid, handle))?))?;
        match name {
            HandleName::Known(name) => Some(name.clone()),
            HandleName::Text(epoch, id) => {
                let parts = self.text_parts.get(&(*epoch, *id))?;
                Some(text(parts.as_flattened()))
            }
        }
    }

    fn task(&mut self, tid: u32, since_ns: u64, pid: u32, comm: String) {
        let names = self.tasks.entry(tid).or_default();
        let name = (since_ns, pid, comm);
        if !names.contains(&name) {
            names.push(name);
        }
    }

    fn handle(&mut self, pid: u32, handle: u64, since_ns: u64, name: HandleName) {
        self.handles.entry((pid, handle)).or_default().push((since_ns, name));
    }
}

fn put<T: Default + Clone>(parts: &mut Vec<T>, place: usize, value: T) {
    if parts.len() <= place {
        parts.resize(place + 1, T::default());
    }
    if let Some(part) = parts.get_mut(place) {
        *part = value;
    }
}

/// Bytes up to the first zero, as text.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}
