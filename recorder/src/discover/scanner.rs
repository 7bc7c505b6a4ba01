//! The discovery thread: finds libraries, has them probed, enrols threads.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fs::File,
    os::fd::{AsRawFd, BorrowedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender},
    },
    time::{Duration, Instant},
};

use aya::maps::{HashMap as BpfHashMap, MapData, RingBuf};
use ingero_ebpf_abi::{NoticeKind, ProcessRole, ThreadState};
use ingero_format::manifest::LibraryProbes;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{
    Mappings, NewMapping,
    maps::{MappedLibrary, Sonames},
    processes::{self, Registry},
    window::NameWindow,
};
use crate::{
    attach::{LibraryKind, Prober},
    budget::Keeper,
    clock,
    continued::Continued,
    journal,
    limits::{RESCAN_AFTER_EXEC, RESCAN_INTERVAL, SWEEP_INTERVAL},
    news::{News, Unnamed},
};

/// How often a library is tried before it is given up.
const TRIES: u32 = 3;
/// How long after a failure it is tried again.
const RETRY: Duration = Duration::from_millis(200);
/// How long mappings are gathered after the first.
const GATHER: Duration = Duration::from_millis(10);
/// Longest time without a look at the clock and the order to stop.
const TURN: Duration = Duration::from_millis(500);

/// Outlets and inlets of the scanner.
pub struct Watch {
    /// Hints from the kernel.
    pub notices: RingBuf<MapData>,
    /// Threads to enrol.
    pub threads: BpfHashMap<MapData, u32, ThreadState>,
    /// Processes to enrol.
    pub processes: BpfHashMap<MapData, u32, u32>,
    /// Names and coverage, on their way into the ring.
    pub news: Sender<News>,
    /// What is known, for others to read.
    pub registry: Arc<Registry>,
    /// Where code of recorded processes is noted, if stacks of it are taken.
    pub modules: Option<Arc<super::Modules>>,
    /// Launches whose host function has no name yet.
    pub unnamed: Receiver<Unnamed>,
    /// What an earlier recorder had covered whose probes were still in place.
    pub earlier: Continued,
}

/// State of the discovery.
pub struct Scanner {
    watch: Watch,
    prober: Prober,
    /// Identity of every library seen; the value says when its probes were in place, or `None` if there are
    /// none.
    libraries: HashMap<(u64, u64), Option<u64>>,
    /// How often a library could not be probed.
    failures: HashMap<(u64, u64), u32>,
    sizes: HashMap<u32, u64>,
    covered: HashSet<(u32, (u64, u64))>,
    due: Vec<(Instant, u32)>,
    sonames: Sonames,
    keeper: Keeper,
    mappings: Option<Mappings>,
    window: NameWindow,
}

impl Scanner {
    /// Takes the programs and the maps.
    #[must_use]
    pub fn new(prober: Prober, keeper: Keeper, watch: Watch) -> Self {
        let mappings = Mappings::open();
        if let Err(e) = &mappings {
            journal::warning(&format!(
                "mappings are not told by the kernel ({e}); libraries are looked for every two seconds"
            ));
        }
        Self {
            keeper,
            mappings: mappings.ok(),
            window: NameWindow::default(),
            watch,
            prober,
            libraries: HashMap::new(),
            failures: HashMap::new(),
            sizes: HashMap::new(),
            covered: HashSet::new(),
            due: Vec::new(),
            sonames: Sonames::default(),
        }
    }

    /// First look at the whole host; when it returns, everything present is probed.
    pub fn first_scan(&mut self) {
        for library in super::known_libraries() {
            self.probe(&library);
        }
        self.sweep();
    }

    /// Records everything whole again that an earlier recorder had shed.
    ///
    /// # Errors
    /// If the kernel refuses the change.
    pub fn restore(&mut self) -> crate::Result<()> {
        self.prober.restore()
    }

    /// Follows hints and growth until told to stop; gives the probes back, which are still in place.
    pub fn run(mut self, stop: &AtomicBool) -> Prober {
        let interval = if self.mappings.is_some() { SWEEP_INTERVAL } else { RESCAN_INTERVAL };
        let mut next_sweep = Instant::now() + interval;
        while !stop.load(Ordering::Relaxed) {
            let next = self.due.iter().map(|(at, _)| *at).min().unwrap_or(next_sweep).min(next_sweep);
            let next = next.min(self.keeper.due()).min(self.window.due());
            self.wait(next.saturating_duration_since(Instant::now()).min(TURN));
            self.read_mappings();
            self.read_notices();
            self.name_functions();
            self.keeper.tick(&mut self.prober, &self.watch.threads);
            self.window.tick(&mut self.prober);
            let now = Instant::now();
            let due: Vec<u32> = self.due.extract_if(.., |(at, _)| *at <= now).map(|(_, pid)| pid).collect();
            due.into_iter().for_each(|pid| self.look(pid));
            if now >= next_sweep {
                self.sweep();
                next_sweep = Instant::now() + interval;
            }
        }
        self.prober
    }

    // Hints wake us: a library mapped by a new program is found without waiting for a sweep.
    fn wait(&self, at_most: Duration) {
        // SAFETY: the descriptor belongs to `notices`, which outlives this borrow.
        let fd = unsafe { BorrowedFd::borrow_raw(self.watch.notices.as_raw_fd()) };
        let timeout = PollTimeout::try_from(at_most).unwrap_or(PollTimeout::ZERO);
        let mapped = self.mappings.iter().flat_map(Mappings::descriptors);
        let mut fds: Vec<PollFd<'_>> =
            mapped.chain([fd]).map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        let _ = poll(&mut fds, timeout);
        // A program that starts maps a dozen files: one look for all of them.
        if fds.iter().rev().skip(1).any(|fd| fd.any().unwrap_or(false)) {
            std::thread::sleep(GATHER);
        }
    }

    // A file that nobody has looked into yet, or a known library: its process is looked at now.
    fn read_mappings(&mut self) {
        let Some(news) = self.mappings.as_mut().map(Mappings::take) else { return };
        if news.missed {
            self.sizes.clear();
            self.sweep();
        }
        let interesting = |m: &NewMapping, sonames: &Sonames| {
            LibraryKind::of_path(&m.path).is_some() || !sonames.knows_none(m.id)
        };
        let pids: BTreeSet<u32> =
            news.mapped.iter().filter(|m| interesting(m, &self.sonames)).map(|m| m.pid).collect();
        pids.into_iter().for_each(|pid| self.look(pid));
    }

    fn name_functions(&mut self) {
        while let Ok(Unnamed { pid, handle, host_function, name_at }) = self.watch.unnamed.try_recv() {
            let told = super::host_functions::told(pid, name_at);
            if let Some(name) = told.or_else(|| super::host_functions::name(pid, host_function)) {
                let _ = self.watch.news.send(News::HandleName { pid, handle, name });
            }
        }
    }

    fn read_notices(&mut self) {
        let now = Instant::now();
        while let Some(item) = self.watch.notices.next() {
            let Some((kind, pid)) = item.split_first_chunk::<4>().and_then(|(kind, rest)| {
                Some((u32::from_le_bytes(*kind), u32::from_le_bytes(*rest.first_chunk::<4>()?)))
            }) else {
                continue;
            };
            if kind == NoticeKind::FirstCall as u32 {
                self.due.push((now, pid));
            } else {
                // A new program: nothing that was known of the process holds.
                self.sizes.remove(&pid);
                let covered = self.covered.len();
                self.covered.retain(|(of, _)| *of != pid);
                self.watch.registry.remove(pid);
                if self.mappings.is_none() {
                    self.due.extend(RESCAN_AFTER_EXEC.iter().map(|after| (now + *after, pid)));
                } else if self.covered.len() < covered {
                    // What was forgotten may be the new program's: its mappings can have been read before this.
                    self.due.push((now, pid));
                }
            }
        }
    }

    // Reading the maps of every process is dear on a large host; a library cannot be mapped without the
    // process growing.
    fn sweep(&mut self) {
        let pids: HashSet<u32> = processes::all_pids().collect();
        for &pid in &pids {
            let size = processes::size_pages(pid).unwrap_or(0);
            if size > 0 && self.sizes.insert(pid, size) != Some(size) {
                self.look(pid);
            }
        }
        self.sizes.retain(|pid, _| pids.contains(pid));
        self.covered.retain(|(pid, _)| pids.contains(pid));
        let covered = &self.covered;
        for id in self.prober.release(|id| covered.iter().any(|(_, of)| of == id)) {
            self.libraries.remove(&id);
        }
        for process in self.watch.registry.processes() {
            if !pids.contains(&process.pid) {
                self.watch.registry.remove(process.pid);
            }
        }
    }

    fn look(&mut self, pid: u32) {
        if pid == std::process::id() {
            return;
        }
        let libraries = self.sonames.mapped_libraries(pid).unwrap_or_default();
        for library in &libraries {
            if library.kind.is_runtime() {
                self.window.begin_again();
            }
            if let Some(since) = self.probe(library)
                && self.covered.insert((pid, library.id))
            {
                self.cover(pid, library, since);
            }
            // Nothing else would bring us back here: the process need not map or grow again.
            if self.failures.contains_key(&library.id) && !self.libraries.contains_key(&library.id) {
                self.due.push((Instant::now() + RETRY, pid));
            }
        }
    }

    /// Probes a library once; gives the time since when it is, or `None` if it is not wanted.
    fn probe(&mut self, library: &MappedLibrary) -> Option<u64> {
        // Runtimes are looked into for names, whether or not their calls are recorded.
        if !self.prober.records(library.kind) && !library.kind.is_runtime() {
            return None;
        }
        if let Some(since) = self.libraries.get(&library.id) {
            return *since;
        }
        let attached = File::open(&library.open)
            .map_err(|e| crate::Error::Other(e.to_string()))
            .and_then(|file| self.prober.attach(file, &library.path, library.id, library.kind));
        let since = clock::boot_ns();
        match attached {
            Ok(report) => {
                let since = (report.probed > 0).then_some(since);
                if self.prober.records(library.kind) {
                    tell(&report);
                    self.watch.registry.put_library(report);
                }
                self.libraries.insert(library.id, since);
                since
            }
            Err(e) => {
                // The process may have ended while its library was looked at: the next one is tried again.
                let failures = self.failures.entry(library.id).or_default();
                *failures += 1;
                if *failures >= TRIES {
                    journal::warning(&format!(
                        "{}: not probed: {e}; calls into it are not recorded",
                        library.path
                    ));
                    self.libraries.insert(library.id, None);
                }
                None
            }
        }
    }

    // Enrols a process and all its threads, and tells the ring since when it is covered.
    fn cover(&mut self, pid: u32, library: &MappedLibrary, since: u64) {
        let Some(mut process) = processes::describe_process(pid) else { return };
        let known = self.watch.registry.get(pid);
        let since = self.watch.earlier.covered_since(&process, library.id.1, &library.path).unwrap_or(since);
        process.libraries = known.as_ref().map(|p| p.libraries.clone()).unwrap_or_default();
        process.libraries.push(library.path.clone());
        process.covered_ns = known.map_or(0, |p| p.covered_ns).max(since).max(process.start_ns);
        self.watch.registry.put_path(&library.path, library.id.1);
        let _ = self.watch.processes.insert(pid, ProcessRole::Gpu as u32, 0);
        // Twice: a thread started during the first look is there in the second.
        for _ in 0..2 {
            for (tid, comm) in processes::threads(pid) {
                self.enrol(pid, tid, comm);
            }
        }
        let _ = self.watch.news.send(News::Covered {
            pid,
            start_ns: process.start_ns,
            since_ns: process.covered_ns,
            inode: library.id.1,
        });
        // A short-lived process may be gone before anybody else looks.
        if let Some(modules) = &self.watch.modules {
            modules.refresh(std::slice::from_ref(&process));
        }
        self.watch.registry.put(process);
    }

    fn enrol(&mut self, pid: u32, tid: u32, comm: String) {
        const BPF_NOEXIST: u64 = 1;
        let state = ThreadState { pid, ..ThreadState::default() };
        // The kernel side may have enrolled it already, with a call in flight: never overwrite.
        let _ = self.watch.threads.insert(tid, state, BPF_NOEXIST);
        let _ = self.watch.news.send(News::Name { pid, tid, comm });
    }
}

fn tell(report: &LibraryProbes) {
    let path = &report.path;
    if report.probed == 0 {
        let why = report.failed.first().map_or("it exports none of the known functions", String::as_str);
        journal::warning(&format!("{path}: nothing probed: {why}; calls into it are not recorded"));
        return;
    }
    journal::info(&format!("{path}: {} functions probed", report.probed));
    for failure in &report.failed {
        journal::warning(&format!("{path}: not probed: {failure}"));
    }
}
