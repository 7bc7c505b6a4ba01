//! The few kinds of calls and waits that the page draws in colours of their own.

use ingero_format::ops::{self, Group};

use crate::{investigate::waits_for, model::Stack};

/// Kinds of calls, in the order of the page's legend.
pub const CALLS: [&str; 6] = ["launch", "copy", "sync", "allocate", "load code", "other"];
/// Kinds of time off the CPU, in the order of the page's legend.
pub const WAITS: [&str; 8] =
    ["runnable", "lock", "storage", "memory", "other task", "sleep", "stopped", "unknown"];
/// Place of [`WAITS`] that is time in which a thread could have run.
pub const RUNNABLE: usize = 0;
/// Place of [`CALLS`] for launches.
pub const LAUNCH: usize = 0;
const STOPPED: usize = 6;
const UNKNOWN: usize = 7;

/// Place in [`CALLS`] of an operation; names that this version does not know are told by their parts.
#[must_use]
pub fn of_call(op: &str) -> usize {
    match ops::by_name(op).map(|op| op.group) {
        Some(Group::Launch) => LAUNCH,
        Some(Group::Copy | Group::Set) => 1,
        Some(Group::Sync) => 2,
        Some(Group::Memory) => 3,
        Some(Group::Code) => 4,
        Some(_) => 5,
        None => by_parts(op),
    }
}

fn by_parts(op: &str) -> usize {
    let has = |parts: &[&str]| parts.iter().any(|part| op.contains(part));
    if has(&["Launch"]) {
        LAUNCH
    } else if has(&["Memcpy", "Memset"]) {
        1
    } else if has(&["Sync"]) {
        2
    } else if has(&["Malloc", "Free", "Alloc"]) {
        3
    } else if has(&["Module", "Library", "GetFunction"]) {
        4
    } else {
        5
    }
}

/// Place in [`WAITS`] of an interval's part in which the thread could not run.
#[must_use]
pub fn of_wait(state: &str, stack: Option<usize>) -> usize {
    match state {
        "runnable" => RUNNABLE,
        "stopped" | "traced" => STOPPED,
        _ => stack.unwrap_or(UNKNOWN),
    }
}

/// Place in [`WAITS`] that a kernel stack tells.
#[must_use]
pub fn of_stack(stack: &Stack) -> usize {
    let name = match waits_for(stack) {
        "product" => "other task",
        name => name,
    };
    WAITS.iter().position(|known| *known == name).unwrap_or(UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_have_the_kind_of_their_group_also_if_spelled_otherwise() {
        for (op, kind) in [
            ("cuLaunchKernelEx", "launch"),
            ("cuMemcpyHtoDAsync", "copy"),
            ("cuStreamSynchronize", "sync"),
            ("cudaStreamSync", "sync"),
            ("cudaMallocManaged", "allocate"),
            ("cuLibraryLoadData", "load code"),
            ("cuInit", "other"),
            ("<img src=x>", "other"),
        ] {
            assert_eq!(CALLS[of_call(op)], kind, "{op}");
        }
    }

    #[test]
    fn a_wait_is_told_by_its_state_else_by_its_stack() {
        assert_eq!(WAITS[of_wait("runnable", Some(1))], "runnable");
        assert_eq!(WAITS[of_wait("traced", None)], "stopped");
        assert_eq!(WAITS[of_wait("sleeping", Some(2))], "storage");
        assert_eq!(WAITS[of_wait("sleeping", None)], "unknown");
    }
}
