//! Off-CPU intervals: switch-out is remembered, wake-up is noted, switch-in makes the event.

use aya_ebpf::{
    EbpfContext,
    helpers::{
        bpf_get_current_comm, bpf_get_smp_processor_id, bpf_probe_read_kernel,
        generated::{bpf_get_stackid, bpf_ktime_get_boot_ns},
    },
    programs::RawTracePointContext,
};
use ingero_ebpf_abi::{
    COMM_LEN, Event, OffCpuRecord, RecordKind, Source, TaskId, ThreadState, flags, sched_op,
};

use crate::{emit, globals, host, ids, maps};

/// `sched_switch(bool preempt, task *prev, task *next[, unsigned int prev_state])`,
/// include/trace/events/sched.h. `current` is still prev.
#[inline(always)]
pub fn switch(ctx: &RawTracePointContext) {
    let prev_tid = ids::current_tid();
    let next: u64 = ctx.arg(2);
    let next_tid = ids::tid(next);
    let out = if prev_tid == 0 { None } else { maps::thread(prev_tid) };
    let back = if next_tid == 0 { None } else { maps::thread(next_tid) };
    if out.is_none() && back.is_none() {
        return;
    }
    let now = unsafe { bpf_ktime_get_boot_ns() };
    if let Some(state) = out {
        switch_out(ctx, state, prev_tid, next, now);
    }
    if let Some(state) = back {
        switch_in(state, next_tid, prev_tid, now);
    }
}

#[inline(always)]
fn switch_out(ctx: &RawTracePointContext, state: &mut ThreadState, prev_tid: u32, next: u64, now: u64) {
    let preempt: u64 = ctx.arg(0);
    let task_state = if globals::switch_has_state() == 1 {
        ctx.arg::<u64>(3) as u32
    } else {
        read_kernel(ctx.arg::<u64>(1) + u64::from(globals::task_state_offset()))
    };
    // A task that is still TASK_RUNNING (0) yielded or was preempted: it wants the CPU either way.
    let runnable = preempt & 1 == 1 || task_state == 0;
    state.wake_ns = 0;
    state.waker.tid = 0;
    state.preemptor.tid = 0;
    state.stack = 0;
    state.state = task_state;
    state.cpu = unsafe { bpf_get_smp_processor_id() };
    if runnable {
        state.flags = u32::from(flags::PREEMPTED);
        state.preemptor = task(next);
    } else {
        state.flags = 0;
        take_stack(ctx, state, now);
    }
    state.out_ns = now;
    state.switches = state.switches.wrapping_add(1);
    host::totals(state, prev_tid, now, false);
}

// A stack costs as much as ten events, so one thread gives at most one per gap.
#[inline(always)]
fn take_stack(ctx: &RawTracePointContext, state: &mut ThreadState, now: u64) {
    if globals::kernel_stacks() == 0 || maps::stacks_shed() {
        return;
    }
    if now.saturating_sub(state.stack_ns) < globals::stack_gap_ns() {
        state.flags |= u32::from(flags::STACK_SKIPPED);
        emit::count_stack(true);
        return;
    }
    state.stack_ns = now;
    state.stacks = state.stacks.wrapping_add(1);
    let id = unsafe { bpf_get_stackid(ctx.as_ptr(), &raw const maps::STACKS as *mut _, 0) };
    if id >= 0 {
        state.stack = id as u32 + 1;
    } else {
        state.flags |= u32::from(flags::STACK_LOST);
        emit::count_stack(false);
    }
}

#[inline(always)]
fn switch_in(state: &mut ThreadState, tid: u32, prev_tid: u32, now: u64) {
    let start = state.out_ns;
    if start == 0 {
        return;
    }
    state.out_ns = 0;
    let mut bits = state.flags as u16;
    let preempted = bits & flags::PREEMPTED != 0;
    let mut runqueue_ns = 0;
    if preempted {
        runqueue_ns = now.saturating_sub(start);
    } else if state.wake_ns != 0 {
        bits |= flags::WOKEN;
        // The wake-up may be stamped on another CPU: never let it lie outside the interval.
        let wake = if state.wake_ns < start { start } else { state.wake_ns };
        runqueue_ns = now.saturating_sub(wake);
        if prev_tid != 0 {
            state.preemptor = current();
        }
    }
    if state.cpu != unsafe { bpf_get_smp_processor_id() } {
        bits |= flags::MIGRATED;
    }
    let pid = state.pid;
    emit::event(Source::Sched, |slot: *mut OffCpuRecord, origin| unsafe {
        (*slot).event = Event {
            end_ns: now,
            dur_ns: now.saturating_sub(start),
            pid,
            tid,
            arg0: runqueue_ns,
            arg1: u64::from(state.waker.tid) << 32 | u64::from(state.preemptor.tid),
            origin,
            op: sched_op::OFF_CPU,
            flags: bits,
            ret: state.state as i32,
            stack: state.stack,
            tail: RecordKind::OffCpu as u32,
        };
        (*slot).waker = state.waker;
        (*slot).preemptor = state.preemptor;
    });
}

/// `sched_waking(task *p)`: runs in the context of the waker, before the target is queued.
/// `sched_wakeup` may run on the target's CPU instead, where `current` is a bystander.
#[inline(always)]
pub fn waking(ctx: &RawTracePointContext) {
    let tid = ids::tid(ctx.arg(0));
    let Some(state) = maps::thread(tid) else { return };
    if state.out_ns == 0 || state.wake_ns != 0 {
        return;
    }
    state.waker = current();
    state.wake_ns = unsafe { bpf_ktime_get_boot_ns() };
}

/// The running task.
#[inline(always)]
pub fn current() -> TaskId {
    let (pid, tid) = ids::current();
    TaskId { pid, tid, comm: bpf_get_current_comm().unwrap_or([0; COMM_LEN]) }
}

/// Identity of a `task_struct`.
#[inline(always)]
pub fn task(task: u64) -> TaskId {
    TaskId {
        pid: ids::pid(task),
        tid: ids::tid(task),
        comm: read_kernel(task + u64::from(globals::task_comm_offset())),
    }
}

/// Reads a plain value from kernel memory; zero if the kernel refuses.
#[inline(always)]
pub fn read_kernel<T: Zero>(address: u64) -> T {
    unsafe { bpf_probe_read_kernel(address as *const T) }.unwrap_or(T::ZERO)
}

/// Values that have an all-zero default usable in a BPF program.
pub trait Zero {
    /// All bytes zero.
    const ZERO: Self;
}

impl Zero for u32 {
    const ZERO: Self = 0;
}

impl Zero for u16 {
    const ZERO: Self = 0;
}

impl Zero for u64 {
    const ZERO: Self = 0;
}

impl Zero for [u8; COMM_LEN] {
    const ZERO: Self = [0; COMM_LEN];
}
