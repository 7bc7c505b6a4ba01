//! Process life: who joins, who leaves, and what threads are called.

use aya_ebpf::{
    helpers::{bpf_probe_read_kernel_str_bytes, generated::bpf_ktime_get_boot_ns},
    programs::RawTracePointContext,
};
use ingero_ebpf_abi::{
    COMM_LEN, Event, NameRecord, NoticeKind, ProcessRole, RecordKind, Source, TaskId, process_op,
};

use crate::{calls, calls::zero, emit, globals, host, ids, maps, sched};

/// `sched_process_fork(task *parent, task *child)`. Threads of a recorded process are recorded from
/// birth; a forked process inherits the mapped library, so it is too.
#[inline(always)]
pub fn fork(ctx: &RawTracePointContext) {
    let (parent_pid, _) = ids::current();
    let Some(role) = maps::role(parent_pid) else { return };
    let child = sched::task(ctx.arg(1));
    if child.pid != parent_pid {
        let _ = maps::PROCESSES.insert(child.pid, role, 0);
        process_event(process_op::FORK, child.pid, child.tid, u64::from(parent_pid), 0);
    }
    if role == ProcessRole::Gpu as u32 {
        if maps::enrol(child.pid, child.tid).is_none() {
            emit::miss(Source::Sched);
        }
        name(&child);
    }
}

/// `sched_process_exec(task *p, pid_t old_pid, linux_binprm *bprm)`. The new program has none of the
/// old mappings: it is no longer a GPU process unless it maps the library again.
#[inline(always)]
pub fn exec(ctx: &RawTracePointContext) {
    let task = sched::task(ctx.arg(0));
    if task.pid == maps::recorder() {
        return;
    }
    if maps::role(task.pid).is_some() {
        process_event(process_op::EXEC, task.pid, task.tid, 0, 0);
        name(&task);
        let _ = maps::PROCESSES.insert(task.pid, ProcessRole::Child as u32, 0);
        // The thread that execs takes the leader's id; the table knows it by the old one.
        let _ = maps::THREADS.remove(task.tid);
        let _ = maps::THREADS.remove(ctx.arg::<u32>(1));
    }
    emit::notice(NoticeKind::Exec, task.pid);
}

/// `sched_process_exit(task *p, ...)`; `current` is the thread that ends.
#[inline(always)]
pub fn exit(ctx: &RawTracePointContext) {
    let (pid, tid) = ids::current();
    if let Some(state) = maps::thread(tid) {
        let now = unsafe { bpf_ktime_get_boot_ns() };
        calls::close_open(state, tid, now);
        host::totals(state, tid, now, true);
        let _ = maps::THREADS.remove(tid);
    }
    // The process ends with its last thread, which need not be its first.
    let task: u64 = ctx.arg(0);
    if maps::role(pid).is_some() && threads_left(task) == 0 {
        let code: u32 = sched::read_kernel(task + u64::from(globals::task_exit_code_offset()));
        process_event(process_op::EXIT, pid, tid, u64::from(code), 0);
        let _ = maps::PROCESSES.remove(pid);
    }
}

// `do_exit` lowers the count before the tracepoint (kernel/exit.c).
#[inline(always)]
fn threads_left(task: u64) -> u32 {
    let signal: u64 = sched::read_kernel(task + u64::from(globals::task_signal_offset()));
    sched::read_kernel(signal + u64::from(globals::signal_live_offset()))
}

/// `task_rename(task *task, const char *comm)`.
#[inline(always)]
pub fn rename(ctx: &RawTracePointContext) {
    let task: u64 = ctx.arg(0);
    let tid = ids::tid(task);
    if maps::thread(tid).is_none() {
        return;
    }
    let mut id = sched::task(task);
    id.comm = [0; COMM_LEN];
    let comm: u64 = ctx.arg(1);
    let _ = unsafe { bpf_probe_read_kernel_str_bytes(comm as *const u8, &mut id.comm) };
    name(&id);
}

#[inline(always)]
fn process_event(op: u16, pid: u32, tid: u32, arg0: u64, arg1: u64) {
    let end_ns = unsafe { bpf_ktime_get_boot_ns() };
    emit::event(Source::Process, |slot: *mut Event, origin| unsafe {
        *slot = Event { end_ns, pid, tid, arg0, arg1, origin, op, tail: RecordKind::Plain as u32, ..zero() };
    });
}

#[inline(always)]
fn name(task: &TaskId) {
    let end_ns = unsafe { bpf_ktime_get_boot_ns() };
    emit::record(|slot: *mut NameRecord| unsafe {
        (*slot).event =
            Event { end_ns, pid: task.pid, tid: task.tid, tail: RecordKind::Name as u32, ..zero() };
        (*slot).comm = task.comm;
    });
}
