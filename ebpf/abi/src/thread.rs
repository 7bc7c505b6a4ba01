//! State that the kernel side keeps per recorded thread, and what user space reads at freeze.

use crate::{LANES, TaskId};

/// Calls of one thread that may be open at once: a runtime call holding a driver call holding a
/// callback's call, and one to spare.
pub const MAX_NESTED_CALLS: usize = 4;

/// A call that was entered and has not returned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct OpenCall {
    /// Entry time, CLOCK_BOOTTIME ns.
    pub start_ns: u64,
    /// The probe's cookie ([`crate::Cookie`]).
    pub cookie: u64,
    /// First value, as [`crate::Event::arg0`] will have it.
    pub arg0: u64,
    /// Second value; at return what lies at `out_ptr` takes its place, if that is not 0.
    pub arg1: u64,
    /// Address in the process where the call will write its result, or 0.
    pub out_ptr: u64,
    /// Address in the process of a C string that names the result, or 0.
    pub name_ptr: u64,
    /// Stack pointer at entry, 0 if not known. A call made later on this thread while this one is open lies below it.
    pub stack_pointer: u64,
}

/// Everything known of a thread between events. Value of the map `THREADS`, keyed by tid.
///
/// Only the thread itself (its own uprobes) and the scheduler (switch, wake-up) touch an entry, and
/// a thread is never switched while its own probe writes, so no lock is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ThreadState {
    /// Process id.
    pub pid: u32,
    /// How many of `calls` are in use.
    pub depth: u32,
    /// Open calls, outermost first, in the first `depth` places.
    pub calls: [OpenCall; MAX_NESTED_CALLS],
    /// When the thread left the CPU, boottime ns, or 0 while it runs.
    pub out_ns: u64,
    /// When it was woken since, boottime ns, or 0.
    pub wake_ns: u64,
    /// When its last kernel stack was taken, boottime ns.
    pub stack_ns: u64,
    /// Task state at switch-out, as the kernel encodes it (include/linux/sched.h).
    pub state: u32,
    /// [`crate::flags`] of the interval so far.
    pub flags: u32,
    /// Place of its kernel stack in the map `STACKS` + 1, or 0.
    pub stack: u32,
    /// CPU it left.
    pub cpu: u32,
    /// Who woke it.
    pub waker: TaskId,
    /// Who took its CPU.
    pub preemptor: TaskId,
    /// Calls that cost it a probe, by [`crate::Lane`], ever; they wrap.
    pub calls_seen: [u32; LANES],
    /// How often it left the CPU, ever.
    pub switches: u32,
    /// Stacks taken of it, ever.
    pub stacks: u32,
    /// Address of the host function of a runtime launch that has not reached the driver, or 0.
    pub host_function: u64,
    /// When its last user stack was taken, boottime ns.
    pub user_stack_ns: u64,
    /// When the reclaim it is in began, boottime ns, or 0.
    pub reclaim_ns: u64,
    /// Bytes of pages it got since `totals_ns`.
    pub page_bytes: u64,
    /// Since when pages and faults are counted, boottime ns; 0 before it is known.
    pub totals_ns: u64,
    /// Allocations of pages since.
    pub page_allocs: u32,
    /// Page faults in user code since.
    pub faults: u32,
    /// Order of the allocation that the reclaim is for: 2 to this power pages.
    pub reclaim_order: u32,
    /// Zero.
    pub padding: u32,
}

/// A disk request under way. Value of the map `REQUESTS`, keyed by the address of the kernel's `request`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Request {
    /// When it went to the device, boottime ns.
    pub start_ns: u64,
    /// Process that sent it.
    pub pid: u32,
    /// Thread that sent it.
    pub tid: u32,
    /// Its bytes (the kernel's `request.__data_len`).
    pub bytes: u32,
    /// Kind of request, `REQ_OP_*` (include/linux/blk_types.h).
    pub kind: u32,
    /// Device number, the kernel's `dev_t` (include/linux/kdev_t.h); 0 if not known.
    pub device: u32,
    /// Zero.
    pub padding: u32,
}

/// Value of the map `PROCESSES`, keyed by pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ProcessRole {
    /// Uses CUDA: its threads are recorded.
    Gpu = 1,
    /// Started by such a process (a compiler, a helper): only its life is recorded.
    Child = 2,
}

const _: () = assert!(size_of::<OpenCall>() == 56);
const _: () = assert!(size_of::<ThreadState>() == 8 + 56 * MAX_NESTED_CALLS + 24 + 16 + 48 + 4 * LANES + 64);
const _: () = assert!(size_of::<Request>() == 32);
