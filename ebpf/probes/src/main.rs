//! The BPF programs of ingero-recorder.
//!
//! | program | attached to | produces |
//! |---|---|---|
//! | `call_enter`, `call_return` | uprobe pair on each CUDA and NCCL entry point | one event per call, at return |
//! | `call_mark` | uprobe at the same places, instead | one event per call, at entry |
//! | `register_function`, `runtime_launch` | uprobes on the CUDA runtime | names of kernels |
//! | `sched_switch`, `sched_waking` | raw tracepoints | one event per off-CPU interval, at switch-in |
//! | `process_fork`, `process_exec`, `process_exit`, `task_rename` | raw tracepoints | process life, names |
//! | those in `host` | raw tracepoints | reclaim, page totals, OOM kills, disk requests, signals, TCP |
//!
//! Programs of two recorders can be in place while one takes over from the other: each first asks whether its
//! generation is in force. Only threads in `THREADS` produce events. Raw tracepoints hand over `task_struct` pointers; the
//! offsets of the few fields read from them come from the kernel's BTF and arrive as globals, so no
//! offset is compiled in and tracefs is not needed.
#![no_std]
#![no_main]
#![feature(core_intrinsics)]
#![expect(internal_features, reason = "atomic add: see emit::add")]

mod arguments;
mod calls;
mod emit;
mod globals;
mod host;
mod ids;
mod maps;
mod names;
mod process;
mod sched;

use aya_ebpf::{
    macros::{raw_tracepoint, uprobe, uretprobe},
    programs::{ProbeContext, RawTracePointContext, RetProbeContext},
};

#[uprobe]
pub fn call_enter(ctx: ProbeContext) -> u32 {
    if maps::in_force() {
        calls::enter(&ctx);
    }
    0
}

#[uretprobe]
pub fn call_return(ctx: RetProbeContext) -> u32 {
    if maps::in_force() {
        calls::leave(&ctx);
    }
    0
}

#[uprobe]
pub fn call_mark(ctx: ProbeContext) -> u32 {
    if maps::in_force() {
        calls::mark(&ctx);
    }
    0
}

#[uprobe]
pub fn register_function(ctx: ProbeContext) -> u32 {
    if maps::in_force() {
        names::register(&ctx);
    }
    0
}

#[uprobe]
pub fn runtime_launch(ctx: ProbeContext) -> u32 {
    if maps::in_force() {
        names::runtime_launch(&ctx);
    }
    0
}

macro_rules! tracepoints {
    ($($program:ident, $tracepoint:literal, $body:path;)*) => {$(
        #[raw_tracepoint(tracepoint = $tracepoint)]
        pub fn $program(ctx: RawTracePointContext) -> i32 {
            if maps::in_force() {
                $body(&ctx);
            }
            0
        }
    )*};
}

tracepoints! {
    sched_switch, "sched_switch", sched::switch;
    sched_waking, "sched_waking", sched::waking;
    process_fork, "sched_process_fork", process::fork;
    process_exec, "sched_process_exec", process::exec;
    process_exit, "sched_process_exit", process::exit;
    task_rename, "task_rename", process::rename;
    signal, "signal_generate", host::signal;
    reclaim_begin, "mm_vmscan_direct_reclaim_begin", host::reclaim_begin;
    reclaim_end, "mm_vmscan_direct_reclaim_end", host::reclaim_end;
    memcg_reclaim_begin, "mm_vmscan_memcg_reclaim_begin", host::reclaim_begin;
    memcg_reclaim_end, "mm_vmscan_memcg_reclaim_end", host::reclaim_end;
    page_alloc, "mm_page_alloc", host::page_alloc;
    oom_kill, "mark_victim", host::oom_kill;
    block_issue, "block_rq_issue", host::block_issue;
    block_complete, "block_rq_complete", host::block_complete;
    tcp_retransmit, "tcp_retransmit_skb", host::tcp_retransmit;
    page_fault, "page_fault_user", host::page_fault;
    migrate, "sched_migrate_task", host::migrate;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
