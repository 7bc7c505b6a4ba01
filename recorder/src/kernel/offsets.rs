//! Where the kernel keeps the few fields of a task that the programs read.

use super::btf::{Btf, BtfError};

/// Byte offsets in `task_struct`, and the shape of `sched_switch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskOffsets {
    /// `pid`.
    pub pid: u32,
    /// `tgid`.
    pub tgid: u32,
    /// `comm`.
    pub comm: u32,
    /// `__state`, or `state` before 5.14.
    pub state: u32,
    /// `exit_code`.
    pub exit_code: u32,
    /// `signal`.
    pub signal: u32,
    /// `signal_struct.live`.
    pub signal_live: u32,
    /// `sched_switch` passes the previous task's state itself (5.18 and later).
    pub switch_has_state: bool,
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
        comm: field("comm")?,
        state: field("__state").or_else(|_| field("state"))?,
        exit_code: field("exit_code")?,
        signal: field("signal")?,
        signal_live: btf.field_offset("signal_struct", "live")?,
        switch_has_state: btf.tracepoint_arguments("sched_switch").is_some_and(|n| n >= 4),
    })
}
