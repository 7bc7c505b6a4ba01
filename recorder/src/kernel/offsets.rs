//! Where the kernel keeps the few fields that the programs read.

use super::btf::{Btf, BtfError};

/// Byte offsets in `task_struct` (include/linux/sched.h), and the shape of `sched_switch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskOffsets {
    /// `pid`.
    pub pid: u32,
    /// `tgid`.
    pub tgid: u32,
    /// Where ids of other PID namespaces than the first are found; `None` if this kernel does not say.
    pub namespace: Option<NamespaceOffsets>,
    /// `comm`.
    pub comm: u32,
    /// `__state`, or `state` before 5.14.
    pub state: u32,
    /// `exit_code`.
    pub exit_code: u32,
    /// `signal`.
    pub signal: u32,
    /// `signal_struct.live` (include/linux/sched/signal.h).
    pub signal_live: u32,
    /// `sched_switch` passes the previous task's state itself (5.18 and later).
    pub switch_has_state: bool,
}

/// Byte offsets on the way from a task to its ids in each PID namespace (include/linux/pid.h).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NamespaceOffsets {
    /// `task_struct.thread_pid`.
    pub thread_pid: u32,
    /// `task_struct.group_leader`.
    pub leader: u32,
    /// `pid.level`.
    pub level: u32,
    /// `pid.numbers`.
    pub numbers: u32,
    /// `pid_namespace.ns.inum`.
    pub inode: u32,
}

fn namespace(btf: &Btf) -> Result<NamespaceOffsets, BtfError> {
    Ok(NamespaceOffsets {
        thread_pid: btf.field_offset("task_struct", "thread_pid")?,
        leader: btf.field_offset("task_struct", "group_leader")?,
        level: btf.field_offset("pid", "level")?,
        numbers: btf.field_offset("pid", "numbers")?,
        inode: btf.field_offset("pid_namespace", "ns")? + btf.field_offset("ns_common", "inum")?,
    })
}

/// Finds them in type information.
///
/// # Errors
/// [`BtfError`] if the bytes are not BTF or a field is missing.
pub fn task_offsets(btf: &[u8]) -> Result<TaskOffsets, BtfError> {
    let btf = Btf::parse(btf)?;
    let field = |name| btf.field_offset("task_struct", name);
    Ok(TaskOffsets {
        pid: field("pid")?,
        tgid: field("tgid")?,
        namespace: namespace(&btf).ok(),
        comm: field("comm")?,
        state: field("__state").or_else(|_| field("state"))?,
        exit_code: field("exit_code")?,
        signal: field("signal")?,
        signal_live: btf.field_offset("signal_struct", "live")?,
        switch_has_state: btf.tracepoint_arguments("sched_switch").is_some_and(|n| n >= 4),
    })
}

/// Byte offsets that the programs of source `host` need. A kernel that names a field otherwise loses that kind of
/// event, and says so; nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostOffsets {
    /// `request.cmd_flags`, `request.__data_len`, `request.part`, `block_device.bd_dev`.
    pub request: Option<[u32; 4]>,
    /// `sock_common.skc_daddr`, `skc_dport`, `skc_num`, `skc_family` (include/net/sock.h).
    pub sock: Option<[u32; 4]>,
    /// `task_struct.thread_info.cpu`; `task_struct.cpu` before 5.16.
    pub task_cpu: Option<u32>,
    /// `mark_victim` passes the victim itself (6.8 and later) and not its pid.
    pub victim_is_task: bool,
}

fn task_cpu(btf: &Btf) -> Result<u32, BtfError> {
    let inside = btf.field_offset("thread_info", "cpu");
    inside
        .and_then(|cpu| Ok(btf.field_offset("task_struct", "thread_info")? + cpu))
        .or_else(|_| btf.field_offset("task_struct", "cpu"))
}

/// Finds what there is of them.
///
/// # Errors
/// [`BtfError`] if the bytes are not BTF.
pub fn host_offsets(btf: &[u8]) -> Result<HostOffsets, BtfError> {
    let btf = Btf::parse(btf)?;
    let fields = |names: [(&str, &str); 4]| -> Option<[u32; 4]> {
        let mut found = [0; 4];
        for (to, (of, name)) in found.iter_mut().zip(names) {
            *to = btf.field_offset(of, name).ok()?;
        }
        Some(found)
    };
    Ok(HostOffsets {
        request: fields([
            ("request", "cmd_flags"),
            ("request", "__data_len"),
            ("request", "part"),
            ("block_device", "bd_dev"),
        ]),
        sock: fields([
            ("sock_common", "skc_daddr"),
            ("sock_common", "skc_dport"),
            ("sock_common", "skc_num"),
            ("sock_common", "skc_family"),
        ]),
        task_cpu: task_cpu(&btf).ok(),
        victim_is_task: btf.tracepoint_arguments("mark_victim").is_some_and(|n| n >= 2),
    })
}
