//! Limits of CPU and memory around a program, by cgroups of version 1 or 2; and swap to go with them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use nix::unistd::Pid;

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Controller {
    /// CPU time.
    Cpu,
    /// Memory.
    Memory,
}

/// Where groups of version 1 lie for a controller, and of version 2 for all.
const UNIFIED: &str = "/sys/fs/cgroup";

impl Controller {
    fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
        }
    }

    /// True if groups can be limited by it here.
    #[must_use]
    pub fn is_here(self) -> bool {
        let enabled = fs::read_to_string(format!("{UNIFIED}/cgroup.subtree_control")).unwrap_or_default();
        enabled.split_whitespace().any(|c| c == self.name())
            || Path::new(&format!("{UNIFIED}/{}/cgroup.procs", self.name())).exists()
    }
}

/// A group with one process in it.
#[derive(Debug)]
pub struct Group {
    path: PathBuf,
    unified: bool,
}

impl Group {
    /// Makes a group and moves a process into it.
    pub fn around(pid: u32, controller: Controller) -> Self {
        let unified = Path::new(UNIFIED).join("cgroup.controllers").exists();
        let root = if unified { UNIFIED.to_owned() } else { format!("{UNIFIED}/{}", controller.name()) };
        let path = Path::new(&root).join(format!("ingero-incident-{}", Pid::this()));
        fs::create_dir_all(&path).expect("a cgroup can be made");
        fs::write(path.join("cgroup.procs"), pid.to_string()).expect("a process can be moved");
        Self { path, unified }
    }

    fn set(&self, unified: &str, version_1: &str, value: &str) {
        let file = self.path.join(if self.unified { unified } else { version_1 });
        // What is in use beyond a limit must be given back first, which may take more than one attempt.
        let set = (0..50).any(|_| {
            let done = fs::write(&file, value).is_ok();
            if !done {
                std::thread::sleep(Duration::from_millis(20));
            }
            done
        });
        assert!(set, "{} cannot be set to {value}", file.display());
    }

    /// Leaves a part of one CPU, percent.
    pub fn limit_cpu(&self, percent: u32) {
        let quota = percent * 1_000;
        self.set(
            "cpu.max",
            "cpu.cfs_quota_us",
            &if self.unified { format!("{quota} 100000") } else { quota.to_string() },
        );
    }

    /// Leaves so much memory.
    pub fn limit_memory(&self, bytes: u64) {
        self.set("memory.max", "memory.limit_in_bytes", &bytes.to_string());
    }

    /// Nothing of the group goes to swap.
    pub fn without_swap(&self) {
        self.set("memory.swap.max", "memory.swappiness", "0");
    }

    /// How long the group was kept from running by its limit.
    pub fn throttled_ns(&self) -> i64 {
        let stat = fs::read_to_string(self.path.join("cpu.stat")).unwrap_or_default();
        let find = |key: &str| {
            let line = stat.lines().find_map(|l| l.strip_prefix(key))?;
            line.trim().parse::<i64>().ok()
        };
        find("throttled_time ").or_else(|| Some(find("throttled_usec ")? * 1000)).unwrap_or(0)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Processes that ended leave the group a little later.
        for _ in 0..100 {
            if fs::remove_dir(&self.path).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A file that the machine swaps to while this lives. Only who is kept short of memory uses it.
#[derive(Debug)]
pub struct Swap(PathBuf);

/// Bytes of the swap file.
const SWAP_BYTES: usize = 512 << 20;

impl Swap {
    /// Makes a file and swaps to it; `None` if the machine cannot.
    pub fn on(path: PathBuf) -> Option<Self> {
        use std::os::unix::fs::PermissionsExt;
        // A swap file has no holes.
        fs::write(&path, vec![0; SWAP_BYTES]).ok()?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).ok()?;
        let done = |program: &str| {
            let output = Command::new(program).arg(&path).output();
            output.is_ok_and(|o| o.status.success())
        };
        if done("mkswap") && done("swapon") {
            return Some(Self(path));
        }
        let _ = fs::remove_file(&path);
        None
    }
}

impl Drop for Swap {
    fn drop(&mut self) {
        let _ = Command::new("swapoff").arg(&self.0).output();
        let _ = fs::remove_file(&self.0);
    }
}
