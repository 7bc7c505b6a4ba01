//! The BPF programs of ingero-recorder.
//!
//! | program | attached to | produces |
//! |---|---|---|
//! | `call_enter`, `call_return` | uprobe pair on each CUDA entry point | one event per call, at return |
//! | `sched_switch`, `sched_waking` | raw tracepoints | one event per off-CPU interval, at switch-in |
//! | `process_fork`, `process_exec`, `process_exit`, `task_rename` | raw tracepoints | process life, names |
//!
//! Only threads in `THREADS` produce events. Raw tracepoints hand over `task_struct` pointers; the
//! offsets of the few fields read from them come from the kernel's BTF and arrive as globals, so no
//! offset is compiled in and tracefs is not needed.
#![no_std]
#![no_main]
#![feature(core_intrinsics)]
#![expect(internal_features, reason = "atomic add: see emit::add")]

mod calls;
mod emit;
mod globals;
mod maps;
mod process;
mod sched;

use aya_ebpf::{
    macros::{raw_tracepoint, uprobe, uretprobe},
    programs::{ProbeContext, RawTracePointContext, RetProbeContext},
};

#[uprobe]
pub fn call_enter(ctx: ProbeContext) -> u32 {
    calls::enter(&ctx);
    0
}

#[uretprobe]
pub fn call_return(ctx: RetProbeContext) -> u32 {
    calls::leave(&ctx);
    0
}

#[raw_tracepoint(tracepoint = "sched_switch")]
pub fn sched_switch(ctx: RawTracePointContext) -> i32 {
    sched::switch(&ctx);
    0
}

#[raw_tracepoint(tracepoint = "sched_waking")]
pub fn sched_waking(ctx: RawTracePointContext) -> i32 {
    sched::waking(&ctx);
    0
}

#[raw_tracepoint(tracepoint = "sched_process_fork")]
pub fn process_fork(ctx: RawTracePointContext) -> i32 {
    process::fork(&ctx);
    0
}

#[raw_tracepoint(tracepoint = "sched_process_exec")]
pub fn process_exec(ctx: RawTracePointContext) -> i32 {
    process::exec(&ctx);
    0
}

#[raw_tracepoint(tracepoint = "sched_process_exit")]
pub fn process_exit(ctx: RawTracePointContext) -> i32 {
    process::exit(&ctx);
    0
}

#[raw_tracepoint(tracepoint = "task_rename")]
pub fn task_rename(ctx: RawTracePointContext) -> i32 {
    process::rename(&ctx);
    0
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
