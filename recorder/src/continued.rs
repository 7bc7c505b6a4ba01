//! What a recorder that takes over probes is told of the one before it: how far numbers, processes and coverage go.

use ingero_format::{ops::Source, state::Process};

/// What the ring holds of an epoch that goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Continued {
    /// The numbers of each CPU and source.
    pub lanes: Vec<LaneEnd>,
    /// Processes recorded when the newest segment was begun.
    pub processes: Vec<Process>,
    /// Since when which process is recorded in which library, as far as it was told since.
    pub covered: Vec<Covered>,
    /// End of the newest event, boottime ns; 0 if there is none.
    pub newest_ns: u64,
}

/// From a time on, calls of a process into one library are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Covered {
    /// Its process id.
    pub pid: u32,
    /// When it started, boottime ns.
    pub start_ns: u64,
    /// The library's inode.
    pub inode: u64,
    /// Since when, boottime ns.
    pub since_ns: u64,
}

/// How far one CPU's numbers of one source are accounted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneEnd {
    /// The CPU.
    pub cpu: u16,
    /// The source.
    pub source: Source,
    /// One past the highest number that is stored or told lost.
    pub next: u64,
    /// Numbers below it that are neither: first, and how many; they rise.
    pub holes: Vec<(u64, u64)>,
}

impl Continued {
    /// Since when a process is recorded in a library, boottime ns, if the earlier run had probed it: for this process,
    /// or for another before this one was started.
    #[must_use]
    pub fn covered_since(&self, process: &Process, inode: u64, path: &str) -> Option<u64> {
        let same = |pid, start_ns| (pid, start_ns) == (process.pid, process.start_ns);
        let told = self.covered.iter().find(|c| same(c.pid, c.start_ns) && c.inode == inode);
        let known = || {
            let of = self.processes.iter().find(|p| same(p.pid, p.start_ns))?;
            of.libraries.iter().any(|library| library == path).then_some(of.covered_ns)
        };
        let probed = || self.covered.iter().filter(|c| c.inode == inode).map(|c| c.since_ns).min();
        let since = told.map(|c| c.since_ns).or_else(known);
        since.or_else(|| probed().filter(|since| *since <= process.start_ns))
    }

    /// Events that are stored or told lost.
    #[must_use]
    pub fn accounted(&self) -> u64 {
        let of = |lane: &LaneEnd| lane.next - lane.holes.iter().map(|(_, count)| count).sum::<u64>();
        self.lanes.iter().map(of).sum()
    }
}
