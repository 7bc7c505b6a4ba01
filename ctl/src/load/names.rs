//! Which thread a number meant at a time.

use std::collections::BTreeMap;

use foldhash::{HashMap, HashMapExt};

use crate::model::{NONE, Task};

/// Threads by number, with the names they bore; hands out indexes of [`Self::into_tasks`].
#[derive(Debug)]
pub(super) struct TaskNames {
    known: BTreeMap<u32, Vec<(u64, u32, String)>>,
    tasks: Vec<Task>,
    ids: HashMap<Task, u32>,
    /// Numbers that only ever had one name: the common case, found without comparing text.
    single: HashMap<u32, u32>,
    process_names: BTreeMap<u32, String>,
}

impl TaskNames {
    pub fn new(
        mut known: BTreeMap<u32, Vec<(u64, u32, String)>>,
        process_names: BTreeMap<u32, String>,
    ) -> Self {
        known.values_mut().for_each(|names| names.sort());
        Self { known, tasks: Vec::new(), ids: HashMap::new(), single: HashMap::new(), process_names }
    }

    pub fn into_tasks(self) -> Vec<Task> {
        self.tasks
    }

    /// A thread whose process is known, under the name it bore at a time; and whether that is its only one.
    pub fn own(&mut self, pid: u32, tid: u32, at_ns: u64) -> (u32, bool) {
        let mut names = self.known.get(&tid).map(Vec::as_slice).unwrap_or_default().iter();
        let of_process = names.clone().filter(|(_, p, _)| *p == pid);
        let comm = newest(of_process, at_ns).or_else(|| self.process_names.get(&pid).cloned());
        let only = names.all(|(_, p, _)| *p == pid) && self.known.get(&tid).is_none_or(|n| n.len() == 1);
        (self.intern(Task { pid, tid, comm: comm.unwrap_or_default() }), only)
    }

    /// Any thread of the machine; [`NONE`] for thread 0.
    pub fn any(&mut self, tid: u32, at_ns: u64) -> u32 {
        if tid == 0 {
            return NONE;
        }
        if let Some(id) = self.single.get(&tid) {
            return *id;
        }
        let names = self.known.get(&tid).map(Vec::as_slice).unwrap_or_default();
        let before = names.iter().rev().find(|(since, ..)| *since <= at_ns);
        let task = before.or(names.first()).map(|(_, pid, comm)| Task { pid: *pid, tid, comm: comm.clone() });
        let only = names.len() <= 1;
        let id = self.intern(task.unwrap_or(Task { pid: 0, tid, comm: String::new() }));
        if only {
            self.single.insert(tid, id);
        }
        id
    }

    fn intern(&mut self, task: Task) -> u32 {
        let next = self.tasks.len() as u32;
        *self.ids.entry(task.clone()).or_insert_with(|| {
            self.tasks.push(task);
            next
        })
    }
}

/// The newest name at or before a time, else the earliest known; `names` rise by time.
fn newest<'a>(names: impl Iterator<Item = &'a (u64, u32, String)> + Clone, at_ns: u64) -> Option<String> {
    let before = names.clone().filter(|(since, ..)| *since <= at_ns).last();
    before.or_else(|| names.clone().next()).map(|(.., comm)| comm.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_called_what_it_was_called_then() {
        let names = vec![(50, 7, "worker".to_owned()), (10, 7, "python".to_owned())];
        let mut tasks = TaskNames::new(BTreeMap::from([(8, names)]), BTreeMap::new());
        let mut comm = |at| {
            let id = tasks.own(7, 8, at).0 as usize;
            tasks.tasks[id].comm.clone()
        };
        assert_eq!([comm(5), comm(10), comm(49), comm(50)], ["python", "python", "python", "worker"]);
    }

    #[test]
    fn a_thread_nobody_named_takes_its_process_s_name_or_none() {
        let mut tasks = TaskNames::new(BTreeMap::new(), BTreeMap::from([(7, "engine".to_owned())]));
        let (a, b, idle) = (tasks.own(7, 9, 1).0, tasks.any(99, 1), tasks.any(0, 1));
        assert_eq!(idle, NONE);
        let tasks = tasks.into_tasks();
        assert_eq!(tasks[a as usize].comm, "engine");
        assert_eq!(tasks[b as usize], Task { pid: 0, tid: 99, comm: String::new() });
    }
}
