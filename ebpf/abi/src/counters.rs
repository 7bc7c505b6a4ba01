//! Exact per-CPU accounts of what was produced and what could not be kept.

/// Which probes an event came from. Each (CPU, source) has a sequence of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Source {
    /// CUDA calls, seen by uprobes on a CUDA library.
    Cuda = 0,
    /// Off-CPU intervals, seen by scheduler tracepoints.
    Sched = 1,
    /// Process life: fork, exec, exit.
    Process = 2,
    /// What the recorder itself adds: names, stacks, losses. Never produced in the kernel.
    Meta = 3,
    /// Memory, disks, signals and the network, as far as they touch recorded threads.
    Host = 4,
}

/// Number of sources that the per-CPU counters have room for.
pub const SOURCES: usize = 5;

/// Why the kernel side could not keep an event: those of `format::ops::LossCause` that it can tell. The number is an index
/// of [`CpuCounters::lost`], from 0; on disk they count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum LossCause {
    /// The BPF ring buffer had no room.
    RingbufFull = 0,
    /// A probe fired but its call could not be tracked: thread table full, nesting too deep,
    /// or a return without its entry.
    ProbeMissed = 1,
}

/// Number of kernel-side causes.
pub const LOSS_CAUSES: usize = 2;

/// One per CPU. `produced` counts every event that should exist, kept or not, and is also the
/// sequence: the number taken from it is the event's `seq`. So for each source
/// `produced = received + sum(lost)` holds exactly once the buffer is drained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct CpuCounters {
    /// Events that should exist: `[source]`, a [`Source`] as a number.
    pub produced: [u64; SOURCES],
    /// Of those, events not kept: `[source][cause]`, a [`Source`] and a [`LossCause`] as numbers.
    pub lost: [[u64; LOSS_CAUSES]; SOURCES],
    /// Stacks, kernel and user, that could not be stored: as a rule because two hashed to one slot of the stack map.
    pub stacks_lost: u64,
    /// Kernel stacks not taken because the thread's last one was too recent.
    pub stacks_skipped: u64,
    /// Names that did not fit into the ring buffer, or could not be read.
    pub names_lost: u64,
}

const _: () = assert!(size_of::<CpuCounters>() == 8 * (SOURCES + SOURCES * LOSS_CAUSES + 3));
