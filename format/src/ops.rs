//! Numbers and names of operations: the one table behind probes, rows, SQL and text.
//!
//! A number, once given, keeps its meaning for ever. Driver calls lie in `0x0100..0x0800`, runtime calls
//! in `0x0800..0x1000`, collectives in `0x1000..0x2000`, scheduler events from `0x2001`, process events from
//! `0x4001`, other events of the host from `0x5001`, what the recorder adds itself from `0x6001`.

mod loss;
mod table;
mod task_state;

pub use loss::LossCause;
pub use table::*;
pub use task_state::TaskState;

/// Where an event comes from; the number is also the index of its sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Source {
    /// CUDA calls and collectives.
    Cuda = 0,
    /// Off-CPU intervals.
    Sched = 1,
    /// Process life.
    Process = 2,
    /// Names, stacks and losses, made in user space.
    Meta = 3,
    /// Memory, disks, signals and the network, as far as they touch recorded threads.
    Host = 4,
}

impl Source {
    /// All sources, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Cuda, Self::Sched, Self::Process, Self::Meta, Self::Host];

    /// The name used in configuration, SQL and text.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cuda => "cuda",
            Self::Sched => "sched",
            Self::Process => "process",
            Self::Meta => "meta",
            Self::Host => "host",
        }
    }

    /// The source with a number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// What kind of work an operation is; decides how its time is explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// Puts a kernel or graph on a stream.
    Launch,
    /// Copies memory.
    Copy,
    /// Fills memory.
    Set,
    /// Waits for the device.
    Sync,
    /// Allocates or frees.
    Memory,
    /// Loads or looks up code.
    Code,
    /// Builds graphs.
    Graph,
    /// Contexts and streams.
    Context,
    /// Exchanges data between ranks.
    Collective,
    /// Not a CUDA call.
    Host,
}

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op {
    /// Its number in rows.
    pub number: u16,
    /// Its name: the exported symbol without version and stream-mode suffix.
    pub name: &'static str,
    /// Its group.
    pub group: Group,
}

impl Op {
    /// `driver`, `runtime`, `nccl`, or `host`.
    #[must_use]
    pub fn layer(&self) -> &'static str {
        match self.number {
            0x0100..0x0800 => "driver",
            0x0800..0x1000 => "runtime",
            0x1000..0x2000 => "nccl",
            _ => "host",
        }
    }
}

/// Looks an operation up by number.
#[must_use]
pub fn by_number(number: u16) -> Option<&'static Op> {
    OPS.binary_search_by_key(&number, |op| op.number).ok().and_then(|i| OPS.get(i))
}

/// Looks an operation up by name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Op> {
    OPS.iter().find(|op| op.name == name)
}

/// The name in configuration and SQL of the kind of host event that an operation is.
#[must_use]
pub fn family(number: u16) -> &'static str {
    match number {
        0x5000..0x5010 => "memory",
        0x5010..0x5020 => "block",
        0x5020..0x5030 => "signal",
        0x5030..0x5040 => "tcp",
        0x5040..0x5050 => "faults",
        0x5050..0x5060 => "migrate",
        _ => source(number).name(),
    }
}

/// The source that an operation's events are counted under.
#[must_use]
pub fn source(number: u16) -> Source {
    match number {
        0x0000..0x2000 => Source::Cuda,
        0x2000..0x4000 => Source::Sched,
        0x4000..0x5000 => Source::Process,
        0x5000..0x6000 => Source::Host,
        _ => Source::Meta,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_rise_by_number_and_each_name_is_used_once() {
        assert!(OPS.windows(2).all(|w| w[0].number < w[1].number));
        let names: std::collections::HashSet<_> = OPS.iter().map(|op| op.name).collect();
        assert_eq!(names.len(), OPS.len());
        assert!(OPS.iter().all(|op| by_number(op.number) == Some(op) && by_name(op.name) == Some(op)));
    }

    #[test]
    fn every_kind_of_host_event_has_the_name_that_the_configuration_gives_it() {
        let of = |op: u16| family(op);
        assert_eq!(
            [DIRECT_RECLAIM, PAGE_ALLOC, OOM_KILL, BLOCK_IO, SIGNAL, TCP_RETRANSMIT, PAGE_FAULTS, MIGRATE]
                .map(of),
            ["memory", "memory", "memory", "block", "signal", "tcp", "faults", "migrate"]
        );
        assert_eq!([CU_LAUNCH_KERNEL, OFF_CPU, FORK, SAMPLE].map(of), ["cuda", "sched", "process", "meta"]);
    }
}
