//! What MANIFEST says of the machine.

use std::fs;

use ingero_format::manifest::Host;

use crate::kernel::field;

/// Asks the system. What it does not tell stays empty.
pub(super) fn describe() -> Host {
    let uname = nix::sys::utsname::uname().ok();
    let text = |f: fn(&nix::sys::utsname::UtsName) -> &std::ffi::OsStr| {
        uname.as_ref().map(|u| f(u).to_string_lossy().into_owned()).unwrap_or_default()
    };
    Host {
        name: text(|u| u.nodename()),
        kernel: text(|u| u.release()),
        machine: text(|u| u.machine()),
        cpus: std::thread::available_parallelism().map_or(0, |n| n.get() as u32),
        boot_id: crate::clock::boot_id(),
        gpus: gpus(),
        driver: driver(),
    }
}

// /proc/driver/nvidia/gpus/<bus id>/information has a line `Model: …`.
fn gpus() -> Vec<String> {
    let entries = fs::read_dir("/proc/driver/nvidia/gpus").into_iter().flatten().flatten();
    let mut found: Vec<String> = entries
        .filter_map(|entry| {
            let text = fs::read_to_string(entry.path().join("information")).ok()?;
            field(&text, "Model").map(str::to_owned)
        })
        .collect();
    found.sort_unstable();
    found
}

// `NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build …`: the first word
// that is digits and dots.
fn driver() -> String {
    let text = fs::read_to_string("/proc/driver/nvidia/version").unwrap_or_default();
    let first = text.lines().next().unwrap_or_default();
    let version = |w: &&str| w.contains('.') && w.chars().all(|c| c.is_ascii_digit() || c == '.');
    first.split_whitespace().find(version).unwrap_or_default().to_owned()
}
