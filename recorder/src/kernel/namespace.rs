//! The PID namespace whose ids the programs tell: that of the recorder's `/proc`.

use std::os::linux::fs::MetadataExt;

use super::NamespaceOffsets;
use crate::{Error, Result};

/// Inode of the kernel's first PID namespace (`PROC_PID_INIT_INO`, include/linux/proc_ns.h).
const FIRST: u64 = 0xEFFF_FFFC;

/// Inode of the recorder's PID namespace (pid_namespaces(7)) and the way to ids in it; `None` if it is the kernel's
/// first, whose ids need no search. A `/proc` without `ns` is taken for the first as well.
///
/// # Errors
/// [`Error::Kernel`] if it is another one, and this kernel's types do not say where its ids are.
pub fn namespace(offsets: Option<NamespaceOffsets>) -> Result<Option<(u32, NamespaceOffsets)>> {
    let Ok(inode) = std::fs::metadata("/proc/self/ns/pid").map(|about| about.st_ino()) else {
        return Ok(None);
    };
    if inode == FIRST {
        return Ok(None);
    }
    // The kernel allocates these numbers as u32 (`ns_common.inum`).
    match (u32::try_from(inode), offsets) {
        (Ok(inode), Some(offsets)) => Ok(Some((inode, offsets))),
        _ => Err(Error::Kernel {
            what: "process ids of the recorder's PID namespace: not described by /sys/kernel/btf/vmlinux"
                .into(),
            remedy: "start the recorder in the host's PID namespace (containers: hostPID, --pid=host)",
        }),
    }
}

/// True if the recorder sees the processes of one container only.
#[must_use]
pub fn sees_part_of_the_host() -> bool {
    std::fs::metadata("/proc/self/ns/pid").is_ok_and(|about| about.st_ino() != FIRST)
}
