//! The rows of the big tables.

use std::sync::LazyLock;

use ingero_format::ops::{self, Group, TaskState};

/// "Not recorded" in a column of CPU numbers.
pub const CPU_UNKNOWN: u16 = u16::MAX;
/// "Not recorded" in a column of durations.
pub const NOT_RECORDED: i64 = -1;
/// Task state of an interval of which it was not recorded; no combination of the kernel's bits.
pub const STATE_UNKNOWN: i32 = i32::MIN;

/// Groups by operation number: asked several times for each call, so not searched for.
static GROUPS: LazyLock<Vec<Group>> = LazyLock::new(|| {
    let group = |number| ops::by_number(number).map_or(Group::Host, |op| op.group);
    (0..=ops::OPS.last().map_or(0, |op| op.number)).map(group).collect()
});

/// A CUDA call.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Call {
    /// Start, Unix ns.
    pub ts_ns: i64,
    /// Duration, ns; "so far" for a call that had not ended.
    pub dur_ns: i64,
    /// First value of the operation; [`ingero_format::ops`] says of what, in which unit.
    pub arg0: u64,
    /// Second value of the operation.
    pub arg1: u64,
    /// Time the thread was off-CPU inside the call, ns.
    pub off_cpu_ns: i64,
    /// Thread, an index of [`super::Trace::tasks`].
    pub task: u32,
    /// Kernel's name, an index of [`super::Trace::kernels`], or [`super::NONE`].
    pub kernel: u32,
    /// User stack, an index of [`super::Trace::stacks`], or [`super::NONE`].
    pub stack: u32,
    /// How many off-CPU intervals touch the call.
    pub off_cpu_count: u32,
    /// Return value: `CUresult` (cuda.h), `cudaError_t` (driver_types.h) or `ncclResult_t` (nccl.h).
    pub ret: i32,
    /// Operation number, of [`ingero_format::ops`].
    pub op: u16,
    /// CPU on which it ended, or [`CPU_UNKNOWN`].
    pub cpu: u16,
    /// Bits of [`ingero_format::row::flags`].
    pub flags: u16,
    /// Whether the function was launched for the first time.
    pub first_use: FirstUse,
}

/// What is known about a launch being the first of its function in its process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum FirstUse {
    /// Seen before, or not a launch.
    #[default]
    No = 0,
    /// First in the window, but recording began later than the process.
    Seen = 1,
    /// As `Seen`, and a load beside it or its own cost say that it was the first.
    Evident = 2,
    /// The function was looked up in the recording, or the process was recorded from its start.
    Certain = 3,
}

impl FirstUse {
    /// From its number in a database.
    #[must_use]
    pub fn from_number(number: i64) -> Self {
        match number {
            1 => Self::Seen,
            2 => Self::Evident,
            3 => Self::Certain,
            _ => Self::No,
        }
    }

    /// True if the call counts as a first use.
    #[must_use]
    pub fn counts(self) -> bool {
        self >= Self::Evident
    }
}

impl Call {
    /// End, Unix ns.
    #[must_use]
    pub fn end_ns(&self) -> i64 {
        self.ts_ns + self.dur_ns
    }

    /// What kind of work it is.
    #[must_use]
    pub fn group(&self) -> Group {
        GROUPS.get(usize::from(self.op)).copied().unwrap_or(Group::Host)
    }

    /// True if it makes code ready to run: loads or looks it up, or starts CUDA for the library that holds it.
    #[must_use]
    pub fn readies_code(&self) -> bool {
        let starts = [ops::CU_INIT, ops::CU_CTX_CREATE, ops::CU_DEVICE_PRIMARY_CTX_RETAIN];
        self.group() == Group::Code || starts.contains(&self.op)
    }

    /// True if its duration is known: not if only its entry was recorded.
    #[must_use]
    pub fn timed(&self) -> bool {
        self.flags & ingero_format::row::flags::ENTRY_ONLY == 0
    }

    /// Time on a CPU, ns.
    #[must_use]
    pub fn on_cpu_ns(&self) -> i64 {
        (self.dur_ns - self.off_cpu_ns).max(0)
    }

    /// The function (its handle, or its address on the host), or the executable graph, that it launches.
    #[must_use]
    pub fn function(&self) -> Option<u64> {
        match self.op {
            ops::CU_LAUNCH_KERNEL
            | ops::CU_LAUNCH_KERNEL_EX
            | ops::CU_LAUNCH_COOPERATIVE_KERNEL
            | ops::CU_LAUNCH
            | ops::CU_LAUNCH_GRID
            | ops::CU_LAUNCH_GRID_ASYNC
            | ops::CU_GRAPH_LAUNCH
            | ops::CUDA_LAUNCH_KERNEL
            | ops::CUDA_LAUNCH_KERNEL_EXC
            | ops::CUDA_LAUNCH_COOPERATIVE_KERNEL
            | ops::CUDA_GRAPH_LAUNCH => Some(self.arg0),
            _ => None,
        }
    }

    /// True if the call waits for the device: synchronisation, and copies that return when done.
    #[must_use]
    pub fn waits_for_gpu(&self) -> bool {
        self.group() == Group::Sync
            || matches!(
                self.op,
                ops::CU_MEMCPY
                    | ops::CU_MEMCPY_HTOD
                    | ops::CU_MEMCPY_DTOH
                    | ops::CU_MEMCPY_2D
                    | ops::CU_MEMCPY_2D_UNALIGNED
                    | ops::CU_MEMCPY_3D
                    | ops::CUDA_MEMCPY
            )
    }
}

/// An interval in which a thread did not run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct OffCpu {
    /// Start, Unix ns.
    pub ts_ns: i64,
    /// Duration, ns; "so far" if it had not ended.
    pub dur_ns: i64,
    /// The last part of it, ns, in which the thread could have run, or [`NOT_RECORDED`].
    pub runqueue_ns: i64,
    /// Thread, an index of tasks.
    pub task: u32,
    /// Who woke it, an index of tasks, or [`super::NONE`].
    pub waker: u32,
    /// Who ran while it could have, an index of tasks, or [`super::NONE`].
    pub preemptor: u32,
    /// Kernel stack at switch-out, an index of stacks, or [`super::NONE`].
    pub stack: u32,
    /// Task state at switch-out, the kernel's bits ([`TaskState`]), or [`STATE_UNKNOWN`].
    pub state: i32,
    /// CPU on which it ran again, or [`CPU_UNKNOWN`].
    pub cpu: u16,
    /// Bits of [`ingero_format::row::flags`].
    pub flags: u16,
}

impl OffCpu {
    /// End, Unix ns.
    #[must_use]
    pub fn end_ns(&self) -> i64 {
        self.ts_ns + self.dur_ns
    }

    /// When it became able to run, Unix ns.
    #[must_use]
    pub fn runnable_from_ns(&self) -> i64 {
        self.end_ns() - self.runqueue_ns.clamp(0, self.dur_ns)
    }

    /// True if it was switched out while it wanted to run.
    #[must_use]
    pub fn preempted(&self) -> bool {
        self.state == 0 || self.flags & ingero_format::row::flags::PREEMPTED != 0
    }

    /// The name of the state bits alone.
    #[must_use]
    pub fn state_bits_name(&self) -> &'static str {
        if self.state == STATE_UNKNOWN { "unknown" } else { TaskState::of(self.state).name() }
    }
}

/// An event of the host: the life of a process, memory, disks, signals, the network.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HostEvent {
    /// Start, Unix ns.
    pub ts_ns: i64,
    /// Duration, ns; 0 for a moment.
    pub dur_ns: i64,
    /// First value of the operation.
    pub arg0: u64,
    /// Second value of the operation.
    pub arg1: u64,
    /// Thread, an index of tasks.
    pub task: u32,
    /// Operation number, of [`ingero_format::ops`].
    pub op: u16,
    /// CPU on which it ended, or [`CPU_UNKNOWN`].
    pub cpu: u16,
}

/// Source number of a loss that may hold events of every source.
pub const ANY_SOURCE: u8 = u8::MAX;

/// Events that are known to be missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// The earliest they can have happened, Unix ns.
    pub from_ns: i64,
    /// The latest they can have happened, Unix ns.
    pub to_ns: i64,
    /// How many events; 0 if not known.
    pub count: i64,
    /// A [`ingero_format::ops::LossCause`] as a number.
    pub cause: i32,
    /// CPU; [`CPU_UNKNOWN`] if not known.
    pub cpu: u16,
    /// A source's number, or [`ANY_SOURCE`].
    pub source: u8,
}

impl Loss {
    /// Name of the source.
    #[must_use]
    pub fn source_name(&self) -> &'static str {
        ops::Source::from_number(self.source).map_or("any", ops::Source::name)
    }

    /// Name of the cause.
    #[must_use]
    pub fn cause_name(&self) -> &'static str {
        ops::LossCause::from_number(self.cause).map_or("unknown", ops::LossCause::name)
    }

    /// True if events of a source may be among those missing.
    #[must_use]
    pub fn concerns(&self, source: ops::Source) -> bool {
        self.source == source as u8 || self.source == ANY_SOURCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_in_the_group_of_the_table() {
        for op in ops::OPS {
            assert_eq!(Call { op: op.number, ..Call::default() }.group(), op.group, "{}", op.name);
        }
        for unknown in [0, 1, 0x07ff, u16::MAX] {
            assert_eq!(Call { op: unknown, ..Call::default() }.group(), Group::Host);
        }
    }
}
