//! CUDA calls: entry is remembered per thread, return makes the event.

use aya_ebpf::{
    EbpfContext,
    helpers::{
        bpf_get_current_pid_tgid, bpf_probe_read_user, bpf_probe_read_user_str_bytes,
        generated::{bpf_get_attach_cookie, bpf_ktime_get_boot_ns},
    },
    programs::{ProbeContext, RetProbeContext},
};
use ingero_ebpf_abi::{
    Arg, Cookie, Event, MAX_NESTED_CALLS, NoticeKind, OpenCall, ProcessRole, RecordKind, Source,
    TextRecord, ThreadState, flags,
};

use crate::{emit, globals, maps};

/// `offsetof(CUlaunchConfig, hStream)` (cuda.h): seven 32-bit sizes, then padding to 8.
const CONFIG_STREAM: u64 = 32;

/// Entry probe.
#[inline(always)]
pub fn enter(ctx: &ProbeContext) {
    let id = bpf_get_current_pid_tgid();
    let (pid, tid) = ((id >> 32) as u32, id as u32);
    if pid == globals::self_pid() {
        return;
    }
    let Some(state) = maps::thread(tid).or_else(|| first_call(pid, tid)) else {
        emit::miss(Source::Cuda);
        return;
    };
    let cookie = Cookie(unsafe { bpf_get_attach_cookie(ctx.as_ptr()) });
    let stack_pointer = stack_pointer(ctx);
    let depth = still_open(state, stack_pointer);
    state.depth = depth as u32;
    if depth >= MAX_NESTED_CALLS {
        emit::miss(Source::Cuda);
        return;
    }
    let call = &mut state.calls[depth & (MAX_NESTED_CALLS - 1)];
    call.stack_pointer = stack_pointer;
    call.cookie = cookie.0;
    call.arg0 = value(ctx, cookie.arg0());
    call.arg1 = value(ctx, cookie.arg1());
    call.out_ptr = value(ctx, cookie.out());
    call.name_ptr = value(ctx, cookie.name());
    state.depth = depth as u32 + 1;
    // Last, so that the probe's own work is not counted as the call's.
    call.start_ns = unsafe { bpf_ktime_get_boot_ns() };
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

#[cfg(bpf_target_arch = "x86_64")]
#[inline(always)]
fn stack_pointer(ctx: &ProbeContext) -> u64 {
    unsafe { (*ctx.as_ptr().cast::<aya_ebpf::bindings::pt_regs>()).rsp }
}

// Not known here: every open call stays open until its return.
#[cfg(not(bpf_target_arch = "x86_64"))]
#[inline(always)]
fn stack_pointer(_: &ProbeContext) -> u64 {
    0
}

#[inline(never)]
fn first_call(pid: u32, tid: u32) -> Option<&'static mut ThreadState> {
    if !maps::is_gpu(pid) {
        let role = ProcessRole::Gpu as u32;
        let _ = maps::PROCESSES.insert(pid, role, 0);
        emit::notice(NoticeKind::FirstCall, pid);
    }
    maps::enrol(pid, tid)
}

#[inline(always)]
fn value(ctx: &ProbeContext, from: u8) -> u64 {
    if from == Arg::None as u8 {
        return 0;
    }
    if from == Arg::ConfigStream as u8 {
        let config: u64 = ctx.arg(0).unwrap_or(0);
        return read_u64(config + CONFIG_STREAM);
    }
    match from {
        1 => ctx.arg(0).unwrap_or(0),
        2 => ctx.arg(1).unwrap_or(0),
        3 => ctx.arg(2).unwrap_or(0),
        4 => ctx.arg(3).unwrap_or(0),
        5 => ctx.arg(4).unwrap_or(0),
        6 => ctx.arg(5).unwrap_or(0),
        7..=9 => stack_value(ctx, from - Arg::S0 as u8),
        _ => 0,
    }
}

// System V AMD64 ABI 3.2.3: at entry the return address is on top, stack arguments follow.
#[cfg(bpf_target_arch = "x86_64")]
#[inline(always)]
fn stack_value(ctx: &ProbeContext, index: u8) -> u64 {
    read_u64(stack_pointer(ctx) + 8 + 8 * u64::from(index))
}

// AAPCS64 passes eight integer arguments in registers: only later ones are on the stack.
#[cfg(not(bpf_target_arch = "x86_64"))]
#[inline(always)]
fn stack_value(_: &ProbeContext, _: u8) -> u64 {
    0
}

#[inline(always)]
fn read_u64(address: u64) -> u64 {
    unsafe { bpf_probe_read_user(address as *const u64) }.unwrap_or(0)
}

/// Return probe.
#[inline(always)]
pub fn leave(ctx: &RetProbeContext) {
    let end_ns = unsafe { bpf_ktime_get_boot_ns() };
    let id = bpf_get_current_pid_tgid();
    let (pid, tid) = ((id >> 32) as u32, id as u32);
    let Some(state) = maps::thread(tid) else { return };
    let cookie = unsafe { bpf_get_attach_cookie(ctx.as_ptr()) };
    let Some(depth) = matching(state, cookie) else {
        // Entered before the probes were attached, or already counted when the entry did not fit.
        return;
    };
    let call = state.calls[depth & (MAX_NESTED_CALLS - 1)];
    state.depth = depth as u32;
    let ret: i32 = ctx.ret();
    let op = Cookie(cookie).op();
    let arg1 = if call.out_ptr == 0 { call.arg1 } else { read_u64(call.out_ptr) };
    let nested = if depth > 0 { flags::NESTED } else { 0 };

    emit::event(Source::Cuda, |slot: *mut Event, origin| unsafe {
        *slot = Event {
            end_ns,
            dur_ns: end_ns.saturating_sub(call.start_ns),
            pid,
            tid,
            arg0: call.arg0,
            arg1,
            origin,
            op,
            flags: nested,
            ret,
            stack: 0,
            tail: RecordKind::Plain as u32,
        };
    });
    if call.name_ptr != 0 && ret == 0 {
        name(pid, tid, end_ns, op, arg1, call.name_ptr);
    }
}

// Finds the entry that this return belongs to. Entries above it never returned (longjmp, a C++
// exception): they are dropped and counted.
#[inline(always)]
fn matching(state: &mut ThreadState, cookie: u64) -> Option<usize> {
    let open = state.depth as usize;
    let mut found = None;
    for i in 0..MAX_NESTED_CALLS {
        if i < open && state.calls[i].cookie == cookie {
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

#[inline(always)]
fn name(pid: u32, tid: u32, end_ns: u64, op: u16, handle: u64, from: u64) {
    emit::record(|slot: *mut TextRecord| unsafe {
        (*slot).event = Event { end_ns, pid, tid, arg0: handle, op, tail: RecordKind::Text as u32, ..zero() };
        (*slot).text = [0; ingero_ebpf_abi::TEXT_LEN];
        let _ = bpf_probe_read_user_str_bytes(from as *const u8, &mut (*slot).text);
    });
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
