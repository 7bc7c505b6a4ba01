//! What the machine was doing when a test waited in vain: a failure far away can then be understood.

use std::{fmt::Write, fs, path::Path};

/// Pressure, memory on its way to disk, and where every thread of a recorder stands in the kernel.
pub fn describe() -> String {
    let mut text = String::from("the scene:\n");
    for name in ["loadavg", "pressure/cpu", "pressure/io", "pressure/memory"] {
        let content = fs::read_to_string(Path::new("/proc").join(name)).unwrap_or_default();
        let _ = writeln!(text, "{name}: {}", content.trim().replace('\n', " | "));
    }
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    for line in memory.lines().filter(|l| ["MemAv", "Dirty", "Writeb"].iter().any(|w| l.starts_with(w))) {
        let _ = writeln!(text, "{line}");
    }
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let comm = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        if comm.starts_with("ingero-recorder") || comm.starts_with("standin") {
            threads(&process.path(), &mut text);
        }
    }
    text
}

fn threads(process: &Path, text: &mut String) {
    for thread in fs::read_dir(process.join("task")).into_iter().flatten().flatten() {
        let read = |name| fs::read_to_string(thread.path().join(name)).unwrap_or_default();
        let state = read("stat");
        let state = state.rsplit(") ").next().and_then(|rest| rest.chars().next()).unwrap_or('?');
        let stack: Vec<String> = read("stack").lines().take(8).map(str::to_owned).collect();
        let comm = read("comm");
        let _ = writeln!(
            text,
            "{} {} {state} {} schedstat {} {}",
            thread.file_name().display(),
            comm.trim(),
            read("syscall").split(' ').next().unwrap_or_default().trim(),
            read("schedstat").trim(),
            stack.join(" < ")
        );
    }
}
