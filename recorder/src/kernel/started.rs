//! When a process was started: with its id, what tells it from a later one of the same id.

use std::fs;

/// When a process was started, clock ticks since boot (proc_pid_stat(5)). `None` if it is gone.
#[must_use]
pub fn start_ticks(pid: u32) -> Option<u64> {
    ticks(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

// Field 22 of /proc/PID/stat: start since boot, in clock ticks. The name in field 2 may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// The same in boottime ns, from the text of `/proc/PID/stat`.
#[must_use]
pub fn start_ns(stat: &str) -> Option<u64> {
    let ticks = ticks(stat)?;
    let hertz = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok()??;
    Some(ticks * (1_000_000_000 / hertz.cast_unsigned().max(1)))
}
