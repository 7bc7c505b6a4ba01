//! Questions asked of the host before anything is loaded, each with its remedy.
//!
//! A wrong sandbox directive fails silently (an empty `/proc/kallsyms` reads as a file without lines), so
//! nothing here is taken from configuration: every answer comes from trying.

use std::{fs, path::Path};

use nix::unistd::geteuid;

use super::field::field;

/// One question and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was asked.
    pub name: &'static str,
    /// What was found.
    pub found: String,
    /// Fit for recording?
    pub ok: bool,
    /// Recording cannot go on without it.
    pub required: bool,
    /// What to do if it is not.
    pub remedy: &'static str,
}

const CAP_SYS_ADMIN: u32 = 21;
const CAP_SYSLOG: u32 = 34;

/// Asks everything.
#[must_use]
pub fn preflight() -> Vec<Check> {
    vec![kernel(), root(), capability(), btf(), uprobes(), processes(), kernel_symbols()]
}

/// Oldest kernel with everything that is needed: attach cookies of uprobes came last, in 5.15.
const OLDEST: (u32, u32) = (5, 15);

fn kernel() -> Check {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    Check {
        name: "kernel",
        found: format!("Linux {release}"),
        // A version that cannot be read is no reason to refuse: what is missing will be named.
        ok: version(release).is_none_or(|version| version >= OLDEST),
        required: true,
        remedy: "use Linux 5.15 or later: earlier ones do not tell a uprobe which function it sits on",
    }
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn root() -> Check {
    let uid = geteuid();
    Check {
        name: "root",
        found: format!("running as uid {uid}"),
        ok: uid.is_root() || effective(CAP_SYS_ADMIN),
        required: true,
        remedy: "run as root (sudo), or start the ingero-recorder service",
    }
}

fn capability() -> Check {
    let ok = effective(CAP_SYS_ADMIN);
    let remedy = to_have_it(geteuid().is_root());
    Check {
        name: "capability",
        found: if ok { "CAP_SYS_ADMIN is there" } else { "CAP_SYS_ADMIN is missing" }.into(),
        ok,
        required: true,
        remedy,
    }
}

// Root without it is in a container or below a unit that took it away: being root is no remedy then.
fn to_have_it(is_root: bool) -> &'static str {
    if is_root {
        "uprobes need CAP_SYS_ADMIN, which was taken from this root: give it to the container (--cap-add SYS_ADMIN), or add \
         it to the unit's CapabilityBoundingSet="
    } else {
        "uprobes need CAP_SYS_ADMIN: run as root (sudo), or add it to the unit's AmbientCapabilities="
    }
}

fn btf() -> Check {
    let path = Path::new("/sys/kernel/btf/vmlinux");
    let found = fs::read(path).map_err(|e| e.to_string());
    let offsets = found.and_then(|data| super::task_offsets(&data).map_err(|e| e.to_string()));
    Check {
        name: "btf",
        ok: offsets.is_ok(),
        found: match offsets {
            Ok(_) => format!("{} describes task_struct", path.display()),
            Err(e) => format!("{}: {e}", path.display()),
        },
        required: true,
        remedy: "use a kernel built with CONFIG_DEBUG_INFO_BTF=y (all current distribution kernels)",
    }
}

fn uprobes() -> Check {
    let path = "/sys/bus/event_source/devices/uprobe/type";
    let ok = Path::new(path).exists();
    Check {
        name: "uprobes",
        found: format!("{path} {}", if ok { "is there" } else { "is missing" }),
        ok,
        required: true,
        remedy: "use a kernel built with CONFIG_UPROBE_EVENTS=y, and mount sysfs at /sys",
    }
}

fn processes() -> Check {
    let part = super::sees_part_of_the_host();
    let whose = if part { "processes of one PID namespace are seen" } else { "all processes are seen" };
    Check {
        name: "processes",
        found: whose.into(),
        ok: !part,
        required: false,
        remedy: "to record the whole host, run in its PID namespace (containers: hostPID, --pid=host); who wakes or \
                 preempts a thread from outside stays without a name",
    }
}

fn kernel_symbols() -> Check {
    let text = fs::read_to_string("/proc/kallsyms").unwrap_or_default();
    let start = text.lines().find(|line| line.ends_with(" _stext"));
    let ok = start.is_some_and(|line| !line.starts_with("0000000000000000"));
    let found = match (start, ok) {
        (None, _) => "/proc/kallsyms is empty",
        (Some(_), false) => "/proc/kallsyms hides addresses",
        (Some(_), true) => "/proc/kallsyms names kernel functions",
    };
    // 2 hides them from everybody, whatever the capabilities.
    let restrict = fs::read_to_string("/proc/sys/kernel/kptr_restrict").unwrap_or_default();
    let remedy = to_see_symbols(start.is_some() && restrict.trim() == "2", effective(CAP_SYSLOG));
    Check { name: "kernel symbols", found: found.into(), ok, required: false, remedy }
}

fn to_see_symbols(hidden_from_all: bool, has_syslog: bool) -> &'static str {
    match (hidden_from_all, has_syslog) {
        (true, _) => {
            "set kernel.kptr_restrict to 1 (sysctl); without symbols, causes that need a kernel stack stay unknown"
        }
        (false, true) => {
            "remove ProtectKernelTunables= and ProtectKernelLogs= from the unit; without symbols, causes that need a kernel \
             stack stay unknown"
        }
        (false, false) => "add CAP_SYSLOG; without symbols, causes that need a kernel stack stay unknown",
    }
}

fn effective(capability: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    field(&status, "CapEff")
        .and_then(|hex| u64::from_str_radix(hex, 16).ok())
        .is_some_and(|bits| bits >> capability & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_root_is_not_told_to_become_root() {
        assert!(to_have_it(false).contains("run as root"));
        assert!(!to_have_it(true).contains("run as root") && to_have_it(true).contains("--cap-add"));
    }

    #[test]
    fn symbols_that_are_hidden_from_everybody_need_no_capability() {
        assert!(
            to_see_symbols(true, true).contains("kptr_restrict")
                && to_see_symbols(true, false).contains("kptr_restrict")
        );
        assert!(to_see_symbols(false, true).contains("ProtectKernelTunables="));
        assert!(to_see_symbols(false, false).contains("CAP_SYSLOG"));
    }

    #[test]
    fn releases_are_read_whatever_a_distribution_appends() {
        for (release, expected) in [
            ("5.10.0-46-cloud-amd64", Some((5, 10))),
            ("6.12.117+deb12-cloud-amd64", Some((6, 12))),
            ("7.0-rc1", Some((7, 0))),
            ("6", None),
            ("", None),
        ] {
            assert_eq!(version(release), expected, "{release}");
        }
        assert!(version("5.14.9") < Some(OLDEST) && version("5.15.0") >= Some(OLDEST));
    }
}
