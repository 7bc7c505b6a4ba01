//! What META rows and state records say: names of threads, stacks, texts, handles, processes.

use std::collections::{BTreeMap, HashMap};

use ingero_format::{Row, ops, state};

use super::parts::Parts;

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
    /// By epoch and id, as state records have them: frames, innermost first.
    stacks: HashMap<(u64, u32), Vec<u64>>,
    /// By process and handle: since when, name.
    pub handles: HashMap<(u32, u64), Vec<(u64, HandleName)>>,
    /// By process and function: the kernel it was made from.
    pub aliases: HashMap<(u32, u64), u64>,
    /// By pid and start.
    pub processes: BTreeMap<(u32, u64), state::Process>,
    stack_parts: Parts,
    text_parts: Parts,
    /// Texts that a state record wrote out.
    texts: HashMap<(u64, u32), String>,
}

impl Dictionary {
    /// Takes a state record of a boot that began at `begun_ns`.
    pub fn state(&mut self, epoch: u64, begun_ns: u64, state: &state::State) {
        for task in &state.tasks {
            self.task(task.tid, task.since_ns, task.pid, task.comm.clone());
        }
        for stack in &state.stacks {
            self.stacks.insert((epoch, stack.id), stack.frames.clone());
        }
        for handle in &state.handles {
            self.handle(handle.pid, handle.handle, begun_ns, HandleName::Known(handle.name.clone()));
        }
        state.processes.iter().for_each(|p| self.process(p));
        for text in &state.texts {
            self.texts.insert((epoch, text.id), text.text.clone());
        }
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
        match row.op {
            ops::TASK_NAME => self.task(row.tid, row.end_ns, row.pid, text(&[row.arg0, row.arg1])),
            ops::STACK_PART => self.stack_parts.add(epoch, row),
            ops::TEXT_PART => self.text_parts.add(epoch, row),
            ops::HANDLE_NAME => {
                self.handle(row.pid, row.arg0, row.end_ns, HandleName::Text(epoch, row.stack));
            }
            ops::COVERED => self.seen(row),
            _ => {}
        }
    }

    /// A kernel stack, innermost frame first: what its own rows say goes before what a state record repeats.
    pub fn stack(&self, epoch: u64, id: u32) -> Option<Vec<u64>> {
        let Some(mut frames) = self.stack_parts.whole(epoch, id) else {
            return self.stacks.get(&(epoch, id)).cloned();
        };
        // The last part may have room for one frame more than there are.
        frames.pop_if(|last| *last == 0);
        Some(frames)
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
            HandleName::Text(epoch, id) => self.text(*epoch, *id),
        }
    }

    /// A text, if all of it is known.
    pub fn text(&self, epoch: u64, id: u32) -> Option<String> {
        if let Some(text) = self.texts.get(&(epoch, id)) {
            return Some(text.clone());
        }
        self.text_parts.whole(epoch, id).map(|words| text(&words))
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

/// Bytes up to the first zero, as text.
fn text(words: &[u64]) -> String {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).take_while(|b| *b != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
