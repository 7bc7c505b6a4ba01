//! Maps, and the two questions asked of them everywhere.

use aya_ebpf::{
    bindings::BPF_F_NO_PREALLOC,
    macros::map,
    maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf, StackTrace},
};
use ingero_ebpf_abi::{CpuCounters, LANES, ProcessRole, Request, Term, ThreadState};

use crate::globals;

/// Events on their way to the drain. The recorder resizes it before loading.
#[map]
pub static EVENTS: RingBuf = RingBuf::with_byte_size(16 << 20, 0);

/// Hints for the discovery.
#[map]
pub static NOTICES: RingBuf = RingBuf::with_byte_size(64 << 10, 0);

/// Recorded threads by tid.
#[map]
pub static THREADS: HashMap<u32, ThreadState> = HashMap::with_max_entries(32_768, BPF_F_NO_PREALLOC);

/// Recorded processes by pid; the value is a [`ProcessRole`].
#[map]
pub static PROCESSES: HashMap<u32, u32> = HashMap::with_max_entries(16_384, BPF_F_NO_PREALLOC);

/// Kernel stacks by id.
#[map]
pub static STACKS: StackTrace = StackTrace::with_max_entries(8_192, 0);

/// Sequences and losses.
#[map]
pub static COUNTERS: PerCpuArray<CpuCounters> = PerCpuArray::with_max_entries(1, 0);

/// How each lane of calls is recorded, an [`ingero_ebpf_abi::Mode`] each, and behind them 1 if stacks are not to
/// be taken; set by the recorder.
#[map]
static MODES: Array<u32> = Array::with_max_entries(LANES as u32 + 1, 0);

/// What the recorder tells, by [`Term`].
#[map]
static TERM: Array<u64> = Array::with_max_entries(Term::PLACES, 0);

/// Disk requests under way, by the address of the kernel's `request`.
#[map]
pub static REQUESTS: HashMap<u64, Request> = HashMap::with_max_entries(16_384, BPF_F_NO_PREALLOC);

/// Process and handle of launches whose host function was told already.
#[map]
pub static LAUNCHED: LruHashMap<[u64; 2], u64> = LruHashMap::with_max_entries(16_384, 0);

/// A zeroed state to insert from: a `ThreadState` is too large for the BPF stack. Never written: a program
/// may be preempted by another one.
#[map]
static BLANK: Array<ThreadState> = Array::with_max_entries(1, 0);

/// The state of a recorded thread.
#[inline(always)]
pub fn thread(tid: u32) -> Option<&'static mut ThreadState> {
    THREADS.get_ptr_mut(tid).map(|state| unsafe { &mut *state })
}

/// Begins to record a thread. `None` if the table is full.
#[inline(always)]
pub fn enrol(pid: u32, tid: u32) -> Option<&'static mut ThreadState> {
    THREADS.insert(tid, BLANK.get(0)?, 0).ok()?;
    let state = thread(tid)?;
    state.pid = pid;
    Some(state)
}

/// True if the overhead budget has no room for stacks.
#[inline(always)]
pub fn stacks_shed() -> bool {
    MODES.get(LANES as u32).copied().unwrap_or(0) != 0
}

/// How a lane's calls are recorded, an [`ingero_ebpf_abi::Mode`] as a number.
#[inline(always)]
pub fn mode(lane: u8) -> u32 {
    MODES.get(u32::from(lane)).copied().unwrap_or(0)
}

/// True if programs of this generation are the ones that record.
#[inline(always)]
pub fn in_force() -> bool {
    TERM.get(Term::Generation as u32).copied().unwrap_or(0) == globals::generation()
}

/// The recorder's own process, never recorded.
#[inline(always)]
pub fn recorder() -> u32 {
    TERM.get(Term::Recorder as u32).copied().unwrap_or(0) as u32
}

/// The role of a process, if it is known at all.
#[inline(always)]
pub fn role(pid: u32) -> Option<u32> {
    PROCESSES.get_ptr(pid).map(|role| unsafe { *role })
}

/// True if the threads of a process are recorded.
#[inline(always)]
pub fn is_gpu(pid: u32) -> bool {
    role(pid) == Some(ProcessRole::Gpu as u32)
}
