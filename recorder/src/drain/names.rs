//! What a task, a stack or a text was last called, so that each is written once.

use std::collections::HashMap;

use ingero_ebpf_abi::COMM_LEN;

/// Tasks remembered; beyond it the table starts anew, which only repeats names.
const MAX_TASKS: usize = 1 << 14;
/// Texts remembered, likewise.
const MAX_TEXTS: usize = 1 << 17;

/// Memory of what has been written.
#[derive(Debug, Default)]
pub(super) struct Names {
    tasks: HashMap<u32, (u32, [u8; COMM_LEN])>,
    texts: HashMap<Vec<u8>, u32>,
    handles: HashMap<(u32, u64), u32>,
    stacks: Vec<u64>,
    next_text: u32,
}

impl Names {
    /// True if the task's process or name was not yet written.
    pub(super) fn new_task(&mut self, pid: u32, tid: u32, comm: [u8; COMM_LEN]) -> bool {
        if self.tasks.len() >= MAX_TASKS {
            self.tasks.clear();
        }
        self.tasks.insert(tid, (pid, comm)) != Some((pid, comm))
    }

    /// True if the task was written with this process.
    pub(super) fn knows(&self, pid: u32, tid: u32) -> bool {
        self.tasks.get(&tid).is_some_and(|(of, _)| *of == pid)
    }

    /// Forgets a process that ended: its ids may name others next, who are then written anew.
    pub(super) fn forget(&mut self, pid: u32) {
        self.tasks.retain(|_, (of, _)| *of != pid);
        self.handles.retain(|(of, _), _| *of != pid);
    }

    /// Id of a text, and whether it is new.
    pub(super) fn text(&mut self, text: &[u8]) -> (u32, bool) {
        if let Some(id) = self.texts.get(text) {
            return (*id, false);
        }
        if self.texts.len() >= MAX_TEXTS {
            self.texts.clear();
        }
        self.next_text += 1;
        self.texts.insert(text.to_vec(), self.next_text);
        (self.next_text, true)
    }

    /// True if the handle was not yet written with this text.
    pub(super) fn new_handle(&mut self, pid: u32, handle: u64, text: u32) -> bool {
        if self.handles.len() >= MAX_TEXTS {
            self.handles.clear();
        }
        self.handles.insert((pid, handle), text) != Some(text)
    }

    /// True the first time a stack id is seen.
    pub(super) fn new_stack(&mut self, id: u32) -> bool {
        let (word, bit) = (id as usize / 64, 1u64 << (id % 64));
        if self.stacks.len() <= word {
            self.stacks.resize(word + 1, 0);
        }
        let Some(word) = self.stacks.get_mut(word) else { return false };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }
}
