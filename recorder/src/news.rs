//! What threads tell each other of what they found: most of it becomes META rows, all of it goes to the drain or comes
//! from it. Plain values, which know nobody.

use ingero_ebpf_abi::{Lane, Mode};
use ingero_format::ops::{LossCause, Source};

/// Events that did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// CPU that numbered them; [`ingero_format::row::META_CPU`] if not known.
    pub cpu: u16,
    /// Their source.
    pub source: Source,
    /// First missing number.
    pub first_seq: u64,
    /// How many events; 0 if not known.
    pub count: u64,
    /// They lie after this time, boottime ns.
    pub from_ns: u64,
    /// They lie before this time, boottime ns.
    pub to_ns: u64,
    /// Why.
    pub cause: LossCause,
}

/// A launch came from a host function that nobody registered while we looked: who can name it?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unnamed {
    /// Process.
    pub pid: u32,
    /// What the driver calls it: a `CUfunction` (cuda.h) or the like.
    pub handle: u64,
    /// Address of the host function in the process.
    pub host_function: u64,
    /// Address of its kernel's name in the process, or 0.
    pub name_at: u64,
}

/// A step of the overhead budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetChange {
    /// Since when, boottime ns.
    pub at_ns: u64,
    /// Which calls.
    pub lane: Lane,
    /// How they were recorded.
    pub from: Mode,
    /// How they are recorded from then on.
    pub to: Mode,
    /// Process of the thread that paid most.
    pub pid: u32,
    /// That thread.
    pub tid: u32,
    /// Its calls that met a probe, a second.
    pub calls_per_second: u64,
    /// Its cost in millionths of its time.
    pub cost_ppm: u64,
}

/// What other threads want written into the ring.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// A thread's name.
    Name {
        /// Process.
        pid: u32,
        /// Thread.
        tid: u32,
        /// Its name.
        comm: String,
    },
    /// From `since_ns` on, calls of a process into one library are recorded.
    Covered {
        /// Process.
        pid: u32,
        /// When it started, boottime ns.
        start_ns: u64,
        /// Since when it is covered, boottime ns.
        since_ns: u64,
        /// The library's inode.
        inode: u64,
    },
    /// A handle is called this.
    HandleName {
        /// Process.
        pid: u32,
        /// The handle, as the CUDA library gives it.
        handle: u64,
        /// Its name.
        name: String,
    },
    /// The overhead budget changed what is recorded.
    Budget(BudgetChange),
    /// A number that was read.
    Sample {
        /// When, boottime ns.
        at_ns: u64,
        /// Process it concerns; 0 for the host.
        pid: u32,
        /// What it is, as `name{label="value"}`; see [`crate::sample::series`].
        name: String,
        /// The number.
        value: f64,
    },
    /// A program said something of a time.
    Annotation {
        /// When it was told, boottime ns.
        told_ns: u64,
        /// Begin of what it is about, boottime ns.
        begin_ns: u64,
        /// How long that lasted, ns; 0 for a moment.
        dur_ns: u64,
        /// Process it concerns; 0 for the host.
        pid: u32,
        /// Process that said it; 0 if it is not seen from here.
        sender_pid: u32,
        /// User that said it.
        sender_uid: u32,
        /// What is said: an object of JSON in which every value is a string.
        labels: String,
    },
    /// Events were lost after the drain had them, or in a time without a recorder.
    Lost(Gap),
    /// Meta rows could not be written: what names they told must be told again, and so must these losses.
    MetaLost(Vec<Gap>),
}
