//! What is known of recorded processes, for status, state records and MANIFEST.

use std::{collections::BTreeMap, fs, sync::Mutex};

use ingero_format::{container::path_of, manifest::LibraryProbes, state::Process};

use crate::{kernel::start_ns, lock::lock};

/// Processes and libraries under observation. Shared; every use is short.
#[derive(Debug, Default)]
pub struct Registry {
    processes: Mutex<BTreeMap<u32, Process>>,
    libraries: Mutex<Vec<LibraryProbes>>,
    /// Inode of every path under which a process maps a library.
    inodes: Mutex<BTreeMap<String, u64>>,
}

impl Registry {
    /// Adds or replaces a process.
    pub fn put(&self, process: Process) {
        lock(&self.processes).insert(process.pid, process);
    }

    /// Forgets a process that is gone.
    pub fn remove(&self, pid: u32) {
        lock(&self.processes).remove(&pid);
    }

    /// A copy of one process.
    #[must_use]
    pub fn get(&self, pid: u32) -> Option<Process> {
        lock(&self.processes).get(&pid).cloned()
    }

    /// All processes by pid.
    #[must_use]
    pub fn processes(&self) -> Vec<Process> {
        lock(&self.processes).values().cloned().collect()
    }

    /// Adds a library's report.
    pub fn put_library(&self, report: LibraryProbes) {
        lock(&self.libraries).push(report);
    }

    /// Notes that `path` names the library with `inode`.
    pub fn put_path(&self, path: &str, inode: u64) {
        lock(&self.inodes).insert(path.to_owned(), inode);
    }

    /// Functions probed in the libraries that processes see under these paths.
    #[must_use]
    pub fn probes(&self, paths: &[String]) -> u32 {
        let inodes = lock(&self.inodes);
        let mapped = |l: &&LibraryProbes| paths.iter().any(|path| inodes.get(path) == Some(&l.inode));
        lock(&self.libraries).iter().filter(mapped).map(|l| l.probed).sum()
    }

    /// All libraries.
    #[must_use]
    pub fn libraries(&self) -> Vec<LibraryProbes> {
        lock(&self.libraries).clone()
    }
}

/// Reads what `/proc` tells of a process. `None` if it is gone.
#[must_use]
pub fn describe_process(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let exe = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    let cgroup = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(Process {
        pid,
        start_ns: start_ns(&stat).unwrap_or_default(),
        comm: comm.trim_end().to_owned(),
        exe: exe.to_string_lossy().into_owned(),
        cgroup: path_of(&cgroup).to_owned(),
        ..Process::default()
    })
}

/// Virtual memory of a process in pages: grows when a library is mapped. `None` if it is gone.
pub(super) fn size_pages(pid: u32) -> Option<u64> {
    fs::read_to_string(format!("/proc/{pid}/statm")).ok()?.split(' ').next()?.parse().ok()
}

/// Threads of a process with their names.
pub(super) fn threads(pid: u32) -> Vec<(u32, String)> {
    numbers(&format!("/proc/{pid}/task"))
        .map(|tid| {
            let comm = fs::read_to_string(format!("/proc/{pid}/task/{tid}/comm")).unwrap_or_default();
            (tid, comm.trim_end().to_owned())
        })
        .collect()
}

/// All processes.
pub fn all_pids() -> impl Iterator<Item = u32> {
    numbers("/proc")
}

fn numbers(directory: &str) -> impl Iterator<Item = u32> + use<> {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_described() {
        let me = describe_process(std::process::id()).unwrap();
        let now = crate::clock::boot_ns();
        assert!(me.start_ns > 0 && me.start_ns < now, "{} {now}", me.start_ns);
        assert!(!me.comm.is_empty() && !me.exe.is_empty());
        assert!(threads(std::process::id()).iter().any(|(tid, _)| *tid == std::process::id()));
        assert!(size_pages(std::process::id()).is_some_and(|n| n > 0));
    }

    #[test]
    fn a_process_name_with_brackets_and_spaces_does_not_confuse_the_start_time() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 500 0 0";
        assert_eq!(start_ns(stat), Some(5_000_000_000));
    }
}
