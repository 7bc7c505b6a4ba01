//! Memory, disks, signals and the network, as far as they touch recorded threads.

use aya_ebpf::{helpers::generated::bpf_ktime_get_boot_ns, programs::RawTracePointContext};
use ingero_ebpf_abi::{Event, PeerRecord, RecordKind, Request, Source, ThreadState, host_op};

use crate::{
    calls::zero,
    emit, globals, ids, maps,
    sched::{current, read_kernel, task},
};

/// Page allocations and faults are told at most this often for each thread, ns.
const TOTALS_NS: u64 = 1_000_000_000;
/// Allocations after which the clock is looked at, for threads that never leave the CPU.
const TOTALS_EVERY: u32 = 1024;
/// Signals that stop, continue or end a process unless it handles them, but for those of job timers
/// (asm-generic/signal.h): HUP INT QUIT ILL TRAP ABRT BUS FPE KILL SEGV PIPE TERM STKFLT CONT STOP TSTP TTIN
/// TTOU XCPU XFSZ SYS.
const SIGNALS: u64 = 1 << 1
    | 1 << 2
    | 1 << 3
    | 1 << 4
    | 1 << 5
    | 1 << 6
    | 1 << 7
    | 1 << 8
    | 1 << 9
    | 1 << 11
    | 1 << 13
    | 1 << 15
    | 1 << 16
    | 1 << 18
    | 1 << 19
    | 1 << 20
    | 1 << 21
    | 1 << 22
    | 1 << 24
    | 1 << 25
    | 1 << 31;
/// `REQ_OP_MASK` (include/linux/blk_types.h).
const REQ_OP_MASK: u32 = 0xff;
/// `AF_INET`.
const AF_INET: u16 = 2;

#[inline(always)]
fn now() -> u64 {
    unsafe { bpf_ktime_get_boot_ns() }
}

/// The running thread, if it is recorded.
#[inline(always)]
fn recorded() -> Option<(u32, &'static mut ThreadState)> {
    let tid = ids::current_tid();
    Some((tid, maps::thread(tid)?))
}

#[inline(always)]
fn event(event: Event) {
    emit::event(Source::Host, |slot: *mut Event, origin| unsafe {
        *slot = Event { origin, tail: RecordKind::Plain as u32, ..event };
    });
}

/// `signal_generate(int sig, kernel_siginfo *info, task *task, int group, int result)`; `current` sends.
#[inline(always)]
pub fn signal(ctx: &RawTracePointContext) {
    let number: u64 = ctx.arg(0);
    let target: u64 = ctx.arg(2);
    if number > 31 || SIGNALS >> number & 1 == 0 || maps::thread(ids::tid(target)).is_none() {
        return;
    }
    let (target, peer, end_ns) = (task(target), current(), now());
    emit::event(Source::Host, |slot: *mut PeerRecord, origin| unsafe {
        (*slot).event = Event {
            end_ns,
            pid: target.pid,
            tid: target.tid,
            arg0: number,
            arg1: u64::from(peer.pid) << 32 | u64::from(peer.tid),
            ret: ctx.arg::<u64>(4) as i32,
            op: host_op::SIGNAL,
            origin,
            tail: RecordKind::Peer as u32,
            ..zero()
        };
        (*slot).peer = peer;
    });
}

/// `mm_vmscan_direct_reclaim_begin(int order, gfp_t flags)`, and the same for a memory cgroup.
#[inline(always)]
pub fn reclaim_begin(ctx: &RawTracePointContext) {
    if let Some((_, state)) = recorded() {
        state.reclaim_order = ctx.arg::<u64>(0) as u32;
        state.reclaim_ns = now();
    }
}

/// `mm_vmscan_direct_reclaim_end(unsigned long reclaimed)`.
#[inline(always)]
pub fn reclaim_end(ctx: &RawTracePointContext) {
    let Some((tid, state)) = recorded() else { return };
    let (start_ns, end_ns) = (state.reclaim_ns, now());
    if start_ns == 0 {
        return;
    }
    state.reclaim_ns = 0;
    event(Event {
        end_ns,
        dur_ns: end_ns.saturating_sub(start_ns),
        pid: state.pid,
        tid,
        arg0: ctx.arg(0),
        arg1: u64::from(state.reclaim_order),
        op: host_op::DIRECT_RECLAIM,
        ..zero()
    });
}

/// `mm_page_alloc(page *page, unsigned int order, gfp_t flags, int type)`.
#[inline(always)]
pub fn page_alloc(ctx: &RawTracePointContext) {
    let Some((tid, state)) = recorded() else { return };
    // Pages are 4 KiB on x86-64; larger ones elsewhere count as 4 KiB.
    state.page_bytes += 4096u64 << (ctx.arg::<u64>(1) & 15);
    state.page_allocs = state.page_allocs.wrapping_add(1);
    if state.page_allocs.is_multiple_of(TOTALS_EVERY) {
        totals(state, tid, now(), false);
    }
}

/// `page_fault_user(unsigned long address, pt_regs *regs, unsigned long code)`.
#[inline(always)]
pub fn page_fault(_: &RawTracePointContext) {
    if let Some((_, state)) = recorded() {
        state.faults = state.faults.wrapping_add(1);
    }
}

/// Tells what a thread allocated and faulted since it was last told, if that is long enough ago or `last`.
#[inline(always)]
pub fn totals(state: &mut ThreadState, tid: u32, end_ns: u64, last: bool) {
    if state.page_allocs | state.faults == 0 {
        return;
    }
    let since = state.totals_ns;
    if since == 0 && !last {
        state.totals_ns = end_ns;
        return;
    }
    let dur_ns = if since == 0 { 0 } else { end_ns.saturating_sub(since) };
    if dur_ns < TOTALS_NS && !last {
        return;
    }
    state.totals_ns = end_ns;
    let (bytes, allocs, faults, pid) = (state.page_bytes, state.page_allocs, state.faults, state.pid);
    state.page_bytes = 0;
    state.page_allocs = 0;
    state.faults = 0;
    if allocs > 0 {
        let (arg0, arg1, op) = (bytes, u64::from(allocs), host_op::PAGE_ALLOC);
        event(Event { end_ns, dur_ns, pid, tid, arg0, arg1, op, ..zero() });
    }
    if faults > 0 {
        let (arg0, op) = (u64::from(faults), host_op::PAGE_FAULTS);
        event(Event { end_ns, dur_ns, pid, tid, arg0, op, ..zero() });
    }
}

/// `mark_victim(task *task, uid_t uid)`; before 6.8 `mark_victim(int pid)`. Any process counts: who dies tells
/// how short memory was.
#[inline(always)]
pub fn oom_kill(ctx: &RawTracePointContext) {
    let victim: u64 = ctx.arg(0);
    let (pid, tid) = if globals::victim_is_task() == 1 {
        let victim = task(victim);
        (victim.pid, victim.tid)
    } else {
        (victim as u32, victim as u32)
    };
    event(Event { end_ns: now(), pid, tid, op: host_op::OOM_KILL, ..zero() });
}

/// `block_rq_issue(request *rq)`: the request goes to the device, most often by the thread that waits for it.
#[inline(always)]
pub fn block_issue(ctx: &RawTracePointContext) {
    let Some((tid, state)) = recorded() else { return };
    let request: u64 = ctx.arg(0);
    let part: u64 = read_kernel(request + u64::from(globals::request_part_offset()));
    let flags: u32 = read_kernel(request + u64::from(globals::request_flags_offset()));
    let device = if part == 0 { 0 } else { read_kernel(part + u64::from(globals::part_device_offset())) };
    let value = Request {
        start_ns: now(),
        pid: state.pid,
        tid,
        bytes: read_kernel(request + u64::from(globals::request_bytes_offset())),
        kind: flags & REQ_OP_MASK,
        device,
        padding: 0,
    };
    if maps::REQUESTS.insert(request, value, 0).is_err() {
        emit::miss(Source::Host);
    }
}

/// `block_rq_complete(request *rq, blk_status_t error, unsigned int bytes)`: may run anywhere. A request that
/// ends in parts is recorded with its first.
#[inline(always)]
pub fn block_complete(ctx: &RawTracePointContext) {
    let request: u64 = ctx.arg(0);
    let Some(value) = maps::REQUESTS.get_ptr(request).map(|value| unsafe { *value }) else { return };
    let _ = maps::REQUESTS.remove(request);
    let end_ns = now();
    event(Event {
        end_ns,
        dur_ns: end_ns.saturating_sub(value.start_ns),
        pid: value.pid,
        tid: value.tid,
        arg0: u64::from(value.bytes),
        arg1: u64::from(value.device) << 32 | u64::from(value.kind),
        ret: ctx.arg::<u64>(1) as i32,
        op: host_op::BLOCK_IO,
        ..zero()
    });
}

/// `tcp_retransmit_skb(sock *sk, sk_buff *skb)`: most often from a timer, of nobody's thread.
#[inline(always)]
pub fn tcp_retransmit(ctx: &RawTracePointContext) {
    let sock: u64 = ctx.arg(0);
    let at = |offset: u32| sock + u64::from(offset);
    let family: u16 = read_kernel(at(globals::sock_family_offset()));
    let peer: u32 = if family == AF_INET { read_kernel(at(globals::sock_peer_offset())) } else { 0 };
    let peer_port: u16 = read_kernel(at(globals::sock_peer_port_offset()));
    let port: u16 = read_kernel(at(globals::sock_port_offset()));
    event(Event {
        end_ns: now(),
        arg0: u64::from(peer),
        arg1: u64::from(peer_port.swap_bytes()) << 16 | u64::from(port),
        op: host_op::TCP_RETRANSMIT,
        ..zero()
    });
}

/// `sched_migrate_task(task *p, int dest_cpu)`: `p` still has the CPU it leaves (kernel/sched/core.c, `set_task_cpu`).
#[inline(always)]
pub fn migrate(ctx: &RawTracePointContext) {
    let moved: u64 = ctx.arg(0);
    let tid = ids::tid(moved);
    let Some(state) = maps::thread(tid) else { return };
    let from: u32 = read_kernel(moved + u64::from(globals::task_cpu_offset()));
    event(Event {
        end_ns: now(),
        pid: state.pid,
        tid,
        arg0: u64::from(from),
        arg1: u64::from(ctx.arg::<u64>(1) as u32),
        op: host_op::MIGRATE,
        ..zero()
    });
}
