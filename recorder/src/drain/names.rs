//! What a task, a stack or a text was last called, so that each is written once.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use ingero_ebpf_abi::COMM_LEN;

/// Tasks remembered; beyond it the table starts anew, which only repeats names.
const MAX_TASKS: usize = 1 << 14;
/// Texts remembered, likewise.
const MAX_TEXTS: usize = 1 << 17;

/// Ids above this one are left to names: at 200 annotations a second it is reached after eight months.
const LAST_PASSING_TEXT: u32 = u32::MAX - (1 << 24);

/// Host functions remembered: one process of PyTorch registers 22,000.
const MAX_HOST_FUNCTIONS: usize = 1 << 20;
/// Generations of processes that a host function is looked for in.
const MAX_FORKS: usize = 8;

/// What is known of a function on the host that stands for a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HostFunction {
    /// The kernel's name.
    Named(Arc<[u8]>),
    /// Where the name lies in the process: its page was not in memory when the function was registered.
    NamedAt(u64),
}

/// Memory of what has been written.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Process, name, and since when it was told to bear it.
    tasks: HashMap<u32, (u32, [u8; COMM_LEN], u64)>,
    texts: HashMap<Vec<u8>, u32>,
    handles: HashMap<(u32, u64), u32>,
    next_text: u32,
    /// Kernels by process and host function. Names are shared: all processes of an engine register the same.
    host_functions: HashMap<(u32, u64), HostFunction>,
    host_names: HashSet<Arc<[u8]>>,
    parents: HashMap<u32, u32>,
}

impl Names {
    /// Texts get ids above this one from now on.
    pub(super) fn after(&mut self, id: u32) {
        self.next_text = id;
    }

    /// The highest id that a text got.
    pub(super) fn highest(&self) -> u32 {
        self.next_text
    }

    /// Since when a task is to be written with this process and name, if it was not yet: `since_ns`, or right
    /// after what was told of it before. An interval that tells a new name may have begun before one that told
    /// the old name.
    pub(super) fn new_task(
        &mut self,
        pid: u32,
        tid: u32,
        comm: [u8; COMM_LEN],
        since_ns: u64,
    ) -> Option<u64> {
        if self.tasks.len() >= MAX_TASKS {
            self.tasks.clear();
        }
        let known = self.tasks.get(&tid).copied();
        if known.is_some_and(|(of, name, _)| (of, name) == (pid, comm)) {
            return None;
        }
        let since_ns = known.map_or(since_ns, |(.., told)| since_ns.max(told + 1));
        self.tasks.insert(tid, (pid, comm, since_ns));
        Some(since_ns)
    }

    /// What a process is called; empty if it is not known.
    pub(super) fn comm(&self, pid: u32) -> String {
        let known = self.tasks.get(&pid).filter(|(of, ..)| *of == pid);
        let name = known.map(|(_, name, _)| name.split(|b| *b == 0).next().unwrap_or_default());
        String::from_utf8_lossy(name.unwrap_or_default()).into_owned()
    }

    /// True if the task was written with this process.
    pub(super) fn knows(&self, pid: u32, tid: u32) -> bool {
        self.tasks.get(&tid).is_some_and(|(of, ..)| *of == pid)
    }

    /// Forgets a process that ended: its ids may name others next, who are then written anew.
    pub(super) fn forget(&mut self, pid: u32) {
        self.tasks.retain(|_, (of, ..)| *of != pid);
        self.handles.retain(|(of, _), _| *of != pid);
        // Children that outlive it keep nothing of it: their own entries would have been made by now.
        self.host_functions.retain(|(of, _), _| *of != pid);
        self.parents.remove(&pid);
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

    /// Id of a text that is told once and not remembered; `None` if ids are nearly used up, which names need more.
    pub(super) fn passing_text(&mut self) -> Option<u32> {
        if self.next_text >= LAST_PASSING_TEXT {
            return None;
        }
        self.next_text += 1;
        Some(self.next_text)
    }

    /// True if the handle was not yet written with this text.
    pub(super) fn new_handle(&mut self, pid: u32, handle: u64, text: u32) -> bool {
        if self.handles.len() >= MAX_TEXTS {
            self.handles.clear();
        }
        self.handles.insert((pid, handle), text) != Some(text)
    }

    /// Remembers what a host function stands for: its kernel's name, or where that lies.
    pub(super) fn host_function(&mut self, pid: u32, address: u64, name: &[u8], name_at: u64) {
        if self.host_functions.len() >= MAX_HOST_FUNCTIONS {
            self.host_functions.clear();
            self.host_names.clear();
        }
        if name.is_empty() {
            self.host_functions.insert((pid, address), HostFunction::NamedAt(name_at));
            return;
        }
        let name = match self.host_names.get(name) {
            Some(known) => Arc::clone(known),
            None => {
                let new: Arc<[u8]> = name.into();
                self.host_names.insert(Arc::clone(&new));
                new
            }
        };
        self.host_functions.insert((pid, address), HostFunction::Named(name));
    }

    /// What a host function stands for, if its registration was seen, in this process or in one that it was
    /// forked from.
    pub(super) fn host_function_name(&self, mut pid: u32, address: u64) -> Option<HostFunction> {
        for _ in 0..MAX_FORKS {
            if let Some(name) = self.host_functions.get(&(pid, address)) {
                return Some(name.clone());
            }
            pid = *self.parents.get(&pid)?;
        }
        None
    }

    /// Notes that a process was forked from another.
    pub(super) fn forked(&mut self, pid: u32, parent: u32) {
        if self.parents.len() >= MAX_TASKS {
            self.parents.clear();
        }
        self.parents.insert(pid, parent);
    }

    /// What was written is gone and must be written again; what was only remembered stays.
    pub(super) fn forget_written(&mut self) {
        self.tasks.clear();
        self.texts.clear();
        self.handles.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Found by the demo: its hog renamed itself, a thread that had slept since before told the new name, and
    // the old name was told later for a later time: it stood in every report.
    #[test]
    fn a_new_name_holds_after_the_old_one_whichever_interval_told_it() {
        let mut names = Names::default();
        assert_eq!(names.new_task(7, 7, *b"ingeroctl\0\0\0\0\0\0\0", 100), Some(100));
        assert_eq!(names.new_task(7, 7, *b"batch-job\0\0\0\0\0\0\0", 50), Some(101));
        assert_eq!(names.new_task(7, 7, *b"batch-job\0\0\0\0\0\0\0", 300), None);
    }

    #[test]
    fn a_text_that_passes_has_an_id_of_its_own_and_is_not_remembered() {
        let mut names = Names::default();
        assert_eq!(
            (names.text(b"gemm"), names.passing_text(), names.passing_text()),
            ((1, true), Some(2), Some(3))
        );
        assert_eq!((names.text(b"load1"), names.texts.len()), ((4, true), 2));
        names.after(LAST_PASSING_TEXT);
        assert_eq!(names.passing_text(), None);
        assert_eq!(names.text(b"psi"), (LAST_PASSING_TEXT + 1, true));
    }

    #[test]
    fn an_id_is_not_given_to_another_text_after_everything_was_forgotten() {
        let mut names = Names::default();
        assert_eq!(names.text(b"gemm"), (1, true));
        assert_eq!(names.text(b"gemm"), (1, false));
        names.forget_written();
        assert_eq!(names.text(b"load1"), (2, true));
        assert_eq!(names.text(b"gemm"), (3, true));
    }
}
