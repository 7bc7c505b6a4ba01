//! What handles and host functions are called.

use aya_ebpf::{
    EbpfContext,
    helpers::generated::{bpf_get_attach_cookie, bpf_ktime_get_boot_ns, bpf_probe_read_user_str},
    programs::ProbeContext,
};
use ingero_ebpf_abi::{Cookie, Event, Lane, RecordKind, TEXT_LEN, ThreadState};

use crate::{arguments::value, calls::zero, emit, ids, maps};

/// `cudaLaunchKernel`, `cudaLaunchKernelExC`, `cudaLaunchCooperativeKernel` in the table of operations.
macro_rules! runtime_launches {
    () => {
        0x0800 | 0x0801 | 0x0803
    };
}

/// A text record of the size that the name needs, so that 20,000 names do not fill the buffer.
#[repr(C)]
struct Text<const N: usize> {
    event: Event,
    text: [u8; N],
}

/// Names up to this length are read once.
const SHORT: usize = 128;
/// Most names are no longer.
const MIDDLE: usize = 256;

/// Writes a text record with the string at `from`. False if it cannot be read here: its page is not in memory,
/// and a program like this one may not wait for it.
#[inline(always)]
pub fn text(event: &Event, from: u64) -> bool {
    let mut name = [0u8; SHORT];
    let len = unsafe { bpf_probe_read_user_str(name.as_mut_ptr().cast(), SHORT as u32, from as *const _) };
    let kept = if len <= 0 {
        return false;
    } else if (len as usize) < SHORT {
        emit::record(|slot: *mut Text<SHORT>| unsafe { *slot = Text { event: *event, text: name } })
    } else {
        long::<MIDDLE>(event, from) || long::<TEXT_LEN>(event, from)
    };
    if !kept {
        emit::lose_name();
    }
    true
}

// False if the buffer is full; a name that is cut is not kept if a longer record can hold it.
#[inline(always)]
fn long<const N: usize>(event: &Event, from: u64) -> bool {
    emit::record_if(|slot: *mut Text<N>| unsafe {
        (*slot).event = *event;
        let text = (&raw mut (*slot).text).cast();
        let len = bpf_probe_read_user_str(text, N as u32, from as *const _);
        len > 0 && (N == TEXT_LEN || (len as usize) < N)
    })
}

/// `__cudaRegisterFunction(void **handle, const char *host, char *device, const char *name, …)`: runs for each
/// kernel when a library with CUDA code is loaded.
#[inline(always)]
pub fn register(ctx: &ProbeContext) {
    let (pid, tid) = ids::current();
    if pid == maps::recorder() {
        return;
    }
    let end_ns = unsafe { bpf_ktime_get_boot_ns() };
    let host: u64 = ctx.arg(1).unwrap_or(0);
    let name: u64 = ctx.arg(3).unwrap_or(0);
    let tail = RecordKind::HostFunction as u32;
    let event = Event { end_ns, pid, tid, arg0: host, arg1: name, tail, ..zero() };
    // Without its text the record says where the name lies: user space can wait for the page.
    if !text(&event, name) && !emit::record(|slot: *mut Event| unsafe { *slot = event }) {
        emit::lose_name();
    }
}

/// Entry of a runtime launch: the next launch that this thread makes at the driver is of this host function.
#[inline(always)]
pub fn runtime_launch(ctx: &ProbeContext) {
    let Some(state) = maps::thread(ids::current_tid()) else { return };
    let cookie = Cookie(unsafe { bpf_get_attach_cookie(ctx.as_ptr()) });
    state.host_function = value(ctx, cookie.arg0(), 0);
}

/// Tells, once for each handle, which host function it was launched for.
#[inline(always)]
pub fn launched(state: &mut ThreadState, tid: u32, cookie: Cookie, handle: u64) {
    if cookie.lane() != Lane::Launch as u8 {
        return;
    }
    // A launch at the runtime names its host function itself.
    let host = if matches!(cookie.op(), runtime_launches!()) { handle } else { state.host_function };
    if host == 0 {
        return;
    }
    if cookie.op() < 0x0800 {
        state.host_function = 0;
    }
    let key = [u64::from(state.pid), handle];
    if maps::LAUNCHED.get_ptr(key).is_some_and(|known| unsafe { *known } == host) {
        return;
    }
    let end_ns = unsafe { bpf_ktime_get_boot_ns() };
    let tail = RecordKind::Launched as u32;
    let event = Event { end_ns, pid: state.pid, tid, arg0: handle, arg1: host, tail, ..zero() };
    if emit::record(|slot: *mut Event| unsafe { *slot = event }) {
        let _ = maps::LAUNCHED.insert(key, host, 0);
    }
}
