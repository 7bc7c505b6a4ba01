//! CUDA calls: entry is remembered per thread, return makes the event. Where time is short, entry alone does.

use aya_ebpf::{
    EbpfContext,
    helpers::generated::{bpf_get_attach_cookie, bpf_get_stackid, bpf_ktime_get_boot_ns},
    programs::{ProbeContext, RetProbeContext},
};
use ingero_ebpf_abi::{
    Cookie, Event, LANES, MAX_NESTED_CALLS, Mode, NoticeKind, OpenCall, ProcessRole, RecordKind, Source,
    ThreadState, flags,
};

use crate::{
    arguments::{read_u64, stack_pointer, value},
    emit, globals, ids, maps, names,
};

/// Entry probe of a pair.
#[inline(always)]
pub fn enter(ctx: &ProbeContext) {
    let Some((tid, cookie, state)) = begin(ctx, Mode::Whole, Mode::Whole) else { return };
    let stack_pointer = stack_pointer(ctx.as_ptr());
    let depth = still_open(state, stack_pointer);
    state.depth = depth as u32;
    if depth >= MAX_NESTED_CALLS {
        emit::miss(Source::Cuda);
        return;
    }
    let call = &mut state.calls[depth & (MAX_NESTED_CALLS - 1)];
    call.stack_pointer = stack_pointer;
    call.cookie = cookie.0;
    call.arg0 = value(ctx, cookie.arg0(), cookie.scale());
    call.arg1 = value(ctx, cookie.arg1(), 0);
    call.out_ptr = value(ctx, cookie.out(), 0);
    call.name_ptr = value(ctx, cookie.name(), 0);
    let handle = call.arg0;
    state.depth = depth as u32 + 1;
    names::launched(state, tid, cookie, handle);
    // Last, so that the probe's own work is not counted as the call's.
    state.calls[depth & (MAX_NESTED_CALLS - 1)].start_ns = unsafe { bpf_ktime_get_boot_ns() };
}

/// Entry probe alone: the event says when the call was made and with what.
#[inline(always)]
pub fn mark(ctx: &ProbeContext) {
    let end_ns = unsafe { bpf_ktime_get_boot_ns() };
    let Some((tid, cookie, state)) = begin(ctx, Mode::Entry, Mode::Duty) else { return };
    let (arg0, arg1) = (value(ctx, cookie.arg0(), cookie.scale()), value(ctx, cookie.arg1(), 0));
    names::launched(state, tid, cookie, arg0);
    let nested = if state.depth > 0 { flags::NESTED } else { 0 };
    let event = Event {
        end_ns,
        pid: state.pid,
        tid,
        arg0,
        arg1,
        op: cookie.op(),
        flags: nested | flags::ENTRY_ONLY,
        tail: RecordKind::Plain as u32,
        ..zero()
    };
    submit(&event);
}

// What both have in common: the caller's state, and whether this program is the one to record the lane's
// calls. While one kind of probe is replaced by the other both fire, and the lane's mode says which counts.
#[inline(always)]
fn begin(ctx: &ProbeContext, from: Mode, to: Mode) -> Option<(u32, Cookie, &'static mut ThreadState)> {
    let (pid, tid) = ids::current();
    if pid == maps::recorder() {
        return None;
    }
    let cookie = Cookie(unsafe { bpf_get_attach_cookie(ctx.as_ptr()) });
    let mode = maps::mode(cookie.lane());
    if mode < from as u32 || mode > to as u32 {
        return None;
    }
    let Some(state) = maps::thread(tid).or_else(|| first_call(pid, tid, cookie)) else {
        emit::miss(Source::Cuda);
        return None;
    };
    let seen = &mut state.calls_seen[cookie.lane() as usize & (LANES - 1)];
    *seen = seen.wrapping_add(1);
    Some((tid, cookie, state))
}

// Operation 0 is the recorder measuring what its probes cost: everything is done, nothing is kept.
#[inline(always)]
fn submit(event: &Event) {
    if event.op == 0 {
        emit::discard(|slot: *mut Event| unsafe { *slot = *event });
        return;
    }
    emit::event(Source::Cuda, |slot: *mut Event, origin| unsafe { *slot = Event { origin, ..*event } });
}

// How many of the open calls can still return. A frame at or below the present stack pointer is gone: its
// call was left by a longjmp or a C++ exception and will never return. It is counted, once.
#[inline(always)]
fn still_open(state: &ThreadState, stack_pointer: u64) -> usize {
    let open = state.depth as usize;
    let mut alive = 0;
    for i in 0..MAX_NESTED_CALLS {
        if i < open && i == alive && state.calls[i].stack_pointer > stack_pointer {
            alive = i + 1;
        }
    }
    for i in 0..MAX_NESTED_CALLS {
        if i >= alive && i < open {
            emit::miss(Source::Cuda);
        }
    }
    alive
}

#[inline(never)]
fn first_call(pid: u32, tid: u32, cookie: Cookie) -> Option<&'static mut ThreadState> {
    if cookie.op() != 0 && !maps::is_gpu(pid) {
        let role = ProcessRole::Gpu as u32;
        let _ = maps::PROCESSES.insert(pid, role, 0);
        emit::notice(NoticeKind::FirstCall, pid);
    }
    maps::enrol(pid, tid)
}

/// Return probe.
#[inline(always)]
pub fn leave(ctx: &RetProbeContext) {
    let end_ns = unsafe { bpf_ktime_get_boot_ns() };
    let (pid, tid) = ids::current();
    let Some(state) = maps::thread(tid) else { return };
    let cookie = unsafe { bpf_get_attach_cookie(ctx.as_ptr()) };
    let Some(depth) = matching(state, cookie, stack_pointer(ctx.as_ptr())) else {
        // Entered before the probes were attached, or already counted when the entry did not fit.
        return;
    };
    let call = state.calls[depth & (MAX_NESTED_CALLS - 1)];
    state.depth = depth as u32;
    let ret: i32 = ctx.ret();
    let op = Cookie(cookie).op();
    let arg1 = if call.out_ptr == 0 { call.arg1 } else { read_u64(call.out_ptr) };
    let dur_ns = end_ns.saturating_sub(call.start_ns);
    let event = Event {
        end_ns,
        dur_ns,
        pid,
        tid,
        arg0: call.arg0,
        arg1,
        op,
        flags: if depth > 0 { flags::NESTED } else { 0 },
        ret,
        stack: user_stack(ctx, state, dur_ns, end_ns),
        tail: RecordKind::Plain as u32,
        ..zero()
    };
    submit(&event);
    if call.name_ptr != 0 && ret == 0 {
        let named = Event { end_ns, pid, tid, arg0: arg1, op, tail: RecordKind::Text as u32, ..zero() };
        if !names::text(&named, call.name_ptr) {
            emit::lose_name();
        }
    }
}

// The caller's stack, from the return address on. 0 if none is wanted.
#[inline(always)]
fn user_stack(ctx: &RetProbeContext, state: &mut ThreadState, dur_ns: u64, now: u64) -> u32 {
    let wanted = globals::user_stacks();
    if wanted == 0 || maps::stacks_shed() {
        return 0;
    }
    if wanted == 1
        && (dur_ns < globals::slow_ns()
            || now.saturating_sub(state.user_stack_ns) < globals::user_stack_gap_ns())
    {
        return 0;
    }
    state.user_stack_ns = now;
    state.stacks = state.stacks.wrapping_add(1);
    let user = u64::from(aya_ebpf::bindings::BPF_F_USER_STACK);
    let id = unsafe { bpf_get_stackid(ctx.as_ptr(), &raw const maps::STACKS as *mut _, user) };
    if id >= 0 {
        return id as u32 + 1;
    }
    emit::count_stack(false);
    0
}

// Finds the entry that this return belongs to, by its function and its frame. Entries above it never returned
// (longjmp, a C++ exception): they are dropped and counted.
#[inline(always)]
fn matching(state: &mut ThreadState, cookie: u64, stack_pointer: u64) -> Option<usize> {
    let open = state.depth as usize;
    let mut found = None;
    for i in 0..MAX_NESTED_CALLS {
        // At return the return address has been taken off the stack.
        let frame = stack_pointer == 0 || state.calls[i].stack_pointer + 8 == stack_pointer;
        if i < open && frame && state.calls[i].cookie == cookie {
            found = Some(i);
        }
    }
    let depth = found?;
    for i in 0..MAX_NESTED_CALLS {
        if i > depth && i < open {
            emit::miss(Source::Cuda);
        }
    }
    Some(depth)
}

/// An event with every field zero (`Default` is not const).
#[inline(always)]
pub const fn zero() -> Event {
    Event {
        end_ns: 0,
        dur_ns: 0,
        pid: 0,
        tid: 0,
        arg0: 0,
        arg1: 0,
        origin: 0,
        op: 0,
        flags: 0,
        ret: 0,
        stack: 0,
        tail: 0,
    }
}

/// Calls that a thread leaves open when it ends: recorded with what is known.
#[inline(always)]
pub fn close_open(state: &ThreadState, tid: u32, end_ns: u64) {
    for i in 0..MAX_NESTED_CALLS {
        if i < state.depth as usize {
            open_event(&state.calls[i], state.pid, tid, end_ns);
        }
    }
}

#[inline(always)]
fn open_event(call: &OpenCall, pid: u32, tid: u32, end_ns: u64) {
    emit::event(Source::Cuda, |slot: *mut Event, origin| unsafe {
        *slot = Event {
            end_ns,
            dur_ns: end_ns.saturating_sub(call.start_ns),
            pid,
            tid,
            arg0: call.arg0,
            arg1: call.arg1,
            origin,
            op: Cookie(call.cookie).op(),
            flags: flags::OPEN,
            tail: RecordKind::Plain as u32,
            ..zero()
        };
    });
}
