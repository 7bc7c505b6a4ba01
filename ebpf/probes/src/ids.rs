//! Process and thread ids as the recorder's `/proc` shows them.
//!
//! In the kernel's first PID namespace these are `task_struct.tgid` and `pid`, which a helper hands over. A recorder
//! in another namespace (a container without the host's processes) looks into `struct pid` instead; tasks that have
//! no id there are told as 0, as the idle task is: nobody who is recorded.

use aya_ebpf::{bindings::task_struct, helpers::bpf_get_current_pid_tgid, helpers::bpf_get_current_task};

use crate::{globals, sched::read_kernel};

/// Namespaces nest this deep at most as far as they are searched; the kernel allows 32 (`MAX_PID_NS_LEVEL`).
const DEEPEST: u32 = 8;
/// Bytes of `struct upid` (include/linux/pid.h): the id, padding, a pointer to its namespace.
const UPID_BYTES: u64 = 16;
/// Where the pointer lies in it.
const UPID_NAMESPACE: u64 = 8;

/// Process and thread id of the running task.
#[inline(always)]
pub fn current() -> (u32, u32) {
    if globals::pid_namespace() == 0 {
        let id = bpf_get_current_pid_tgid();
        return ((id >> 32) as u32, id as u32);
    }
    let task: *const task_struct = unsafe { bpf_get_current_task() } as *const _;
    (pid(task as u64), tid(task as u64))
}

/// Thread id of the running task.
#[inline(always)]
pub fn current_tid() -> u32 {
    if globals::pid_namespace() == 0 {
        return bpf_get_current_pid_tgid() as u32;
    }
    tid(unsafe { bpf_get_current_task() })
}

/// Thread id of a `task_struct`.
#[inline(always)]
pub fn tid(task: u64) -> u32 {
    if globals::pid_namespace() == 0 {
        return read_kernel(task + u64::from(globals::task_pid_offset()));
    }
    inside(task)
}

/// Process id of a `task_struct`.
#[inline(always)]
pub fn pid(task: u64) -> u32 {
    if globals::pid_namespace() == 0 {
        return read_kernel(task + u64::from(globals::task_tgid_offset()));
    }
    inside(read_kernel(task + u64::from(globals::task_leader_offset())))
}

// Not inlined: it is asked for up to four tasks in one program.
#[inline(never)]
fn inside(task: u64) -> u32 {
    let pid: u64 = read_kernel(task + u64::from(globals::task_thread_pid_offset()));
    if pid == 0 {
        return 0;
    }
    let deepest: u32 = read_kernel(pid + u64::from(globals::pid_level_offset()));
    let numbers = pid + u64::from(globals::pid_numbers_offset());
    // Level 0 is the first namespace, which the recorder is not in.
    for level in 1..DEEPEST {
        if level > deepest {
            return 0;
        }
        let upid = numbers + UPID_BYTES * u64::from(level);
        let namespace: u64 = read_kernel(upid + UPID_NAMESPACE);
        let inode: u32 = read_kernel(namespace + u64::from(globals::namespace_inode_offset()));
        if inode == globals::pid_namespace() {
            return read_kernel(upid);
        }
    }
    0
}
