//! Values that the recorder sets before loading; constants to the verifier.

use core::ptr::read_volatile;

macro_rules! globals {
    ($($(#[$doc:meta])* $name:ident, $reader:ident : $type:ty = $default:expr;)*) => {$(
        #[unsafe(no_mangle)]
        static $name: $type = $default;

        $(#[$doc])*
        #[inline(always)]
        pub fn $reader() -> $type {
            // Volatile: the value is patched in the object after compilation.
            unsafe { read_volatile(&raw const $name) }
        }
    )*};
}

globals! {
    /// Byte offset of `task_struct.pid` (the thread id).
    TASK_PID_OFFSET, task_pid_offset: u32 = 0;
    /// Byte offset of `task_struct.tgid` (the process id).
    TASK_TGID_OFFSET, task_tgid_offset: u32 = 0;
    /// Inode of the PID namespace whose ids are told; 0 if it is the kernel's first one.
    PID_NAMESPACE, pid_namespace: u32 = 0;
    /// Byte offset of `task_struct.thread_pid`, used in other namespaces only, as the next four are.
    TASK_THREAD_PID_OFFSET, task_thread_pid_offset: u32 = 0;
    /// Byte offset of `task_struct.group_leader`.
    TASK_LEADER_OFFSET, task_leader_offset: u32 = 0;
    /// Byte offset of `pid.level`.
    PID_LEVEL_OFFSET, pid_level_offset: u32 = 0;
    /// Byte offset of `pid.numbers`.
    PID_NUMBERS_OFFSET, pid_numbers_offset: u32 = 0;
    /// Byte offset of `pid_namespace.ns.inum`.
    NAMESPACE_INODE_OFFSET, namespace_inode_offset: u32 = 0;
    /// Byte offset of `task_struct.comm`.
    TASK_COMM_OFFSET, task_comm_offset: u32 = 0;
    /// Byte offset of `task_struct.__state` (`state` before 5.14).
    TASK_STATE_OFFSET, task_state_offset: u32 = 0;
    /// Byte offset of `task_struct.exit_code`.
    TASK_EXIT_CODE_OFFSET, task_exit_code_offset: u32 = 0;
    /// Byte offset of `task_struct.signal`.
    TASK_SIGNAL_OFFSET, task_signal_offset: u32 = 0;
    /// Byte offset of `signal_struct.live`: threads of the process that have not begun to exit.
    SIGNAL_LIVE_OFFSET, signal_live_offset: u32 = 0;
    /// 1 if `sched_switch` passes prev_state as its fourth argument (5.18 and later).
    SWITCH_HAS_STATE, switch_has_state: u32 = 0;
    /// The generation that these programs belong to.
    GENERATION, generation: u64 = 0;
    /// 1 if kernel stacks are wanted.
    KERNEL_STACKS, kernel_stacks: u32 = 1;
    /// Least time between two kernel stacks of one thread, ns.
    STACK_GAP_NS, stack_gap_ns: u64 = 200_000;
    /// 1 if user stacks of slow calls are wanted, 2 of every call.
    USER_STACKS, user_stacks: u32 = 0;
    /// Duration from which on a call is slow, ns.
    SLOW_NS, slow_ns: u64 = 1_000_000;
    /// Least time between two user stacks of one thread, ns.
    USER_STACK_GAP_NS, user_stack_gap_ns: u64 = 10_000_000;
    /// 1 if `mark_victim` passes the victim's `task_struct` (6.8 and later), 0 if its pid.
    VICTIM_IS_TASK, victim_is_task: u32 = 0;
    /// Byte offset of `request.cmd_flags`.
    REQUEST_FLAGS_OFFSET, request_flags_offset: u32 = 0;
    /// Byte offset of `request.__data_len`.
    REQUEST_BYTES_OFFSET, request_bytes_offset: u32 = 0;
    /// Byte offset of `request.part`.
    REQUEST_PART_OFFSET, request_part_offset: u32 = 0;
    /// Byte offset of `block_device.bd_dev`.
    PART_DEVICE_OFFSET, part_device_offset: u32 = 0;
    /// Byte offset of `sock_common.skc_daddr`; `skc_dport`, `skc_num` and `skc_family` likewise.
    SOCK_PEER_OFFSET, sock_peer_offset: u32 = 0;
    /// See [`sock_peer_offset`].
    SOCK_PEER_PORT_OFFSET, sock_peer_port_offset: u32 = 0;
    /// See [`sock_peer_offset`].
    SOCK_PORT_OFFSET, sock_port_offset: u32 = 0;
    /// See [`sock_peer_offset`].
    SOCK_FAMILY_OFFSET, sock_family_offset: u32 = 0;
    /// Byte offset of the CPU in a `task_struct` (`thread_info.cpu`; `cpu` before 5.16).
    TASK_CPU_OFFSET, task_cpu_offset: u32 = 0;
    /// Bytes waiting in `EVENTS` at which the recorder is woken before its next turn.
    WAKE_BYTES, wake_bytes: u64 = 4 << 20;
}
