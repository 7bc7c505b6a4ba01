//! The cgroups of recorded processes: CPU bandwidth, and how often it ran out; memory events.
//!
//! A limit may stand at a cgroup above the process's own (a pod above its containers, a slice above its units),
//! so every ancestor that has one is read too. Version 2 is preferred; on hosts where the cpu and memory
//! controllers are of version 1, their files are read and told under the same names.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::{Readings, Roots, text};

/// Most cgroups read in one turn.
const MAX_CGROUPS: usize = 128;
/// Deepest nesting looked at.
const MAX_DEPTH: usize = 32;

/// One cgroup of one hierarchy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cgroup {
    /// Where its hierarchy is mounted.
    mount: PathBuf,
    /// Its path below that, beginning with `/`.
    path: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Unified,
    Cpu,
    Memory,
}

pub(super) fn read(roots: Roots<'_>, pids: &[u32], readings: &mut Readings) {
    let lines = |pid: &u32| text(roots.proc.join(pid.to_string()).join("cgroup"));
    let own: BTreeSet<Cgroup> = pids.iter().flat_map(|pid| cgroups(&lines(pid), roots.cgroup)).collect();
    let above: BTreeSet<Cgroup> = own.iter().flat_map(|cgroup| cgroup.ancestors().take(MAX_DEPTH)).collect();
    let mut found = own;
    found.extend(above.into_iter().take(MAX_CGROUPS).filter(Cgroup::is_limited));
    found.iter().take(MAX_CGROUPS).for_each(|cgroup| cgroup.read(readings));
}

// `hierarchy:controllers:path`, one line for each hierarchy; version 2 has number 0 and no controllers.
fn cgroups(lines: &str, root: &Path) -> Vec<Cgroup> {
    let unified =
        if root.join("cgroup.controllers").exists() { root.to_owned() } else { root.join("unified") };
    let mut found = Vec::new();
    for line in lines.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(number), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        // A process of another cgroup namespace may be above ours; nothing of it can be read.
        if !path.starts_with('/') || path.split('/').any(|part| part == "..") {
            continue;
        }
        let controls = |name: &str| controllers.split(',').any(|c| c == name);
        let (mount, kind) = match number {
            "0" => (unified.clone(), Kind::Unified),
            _ if controls("cpu") => (root.join(controllers), Kind::Cpu),
            _ if controls("memory") => (root.join(controllers), Kind::Memory),
            _ => continue,
        };
        found.push(Cgroup { mount, path: path.to_owned(), kind });
    }
    found
}

impl Cgroup {
    fn file(&self, name: &str) -> String {
        text(self.mount.join(self.path.trim_start_matches('/')).join(name))
    }

    // All but itself and the root, which has no limits.
    fn ancestors(&self) -> impl Iterator<Item = Self> + '_ {
        let above = Path::new(&self.path).ancestors().skip(1).filter_map(Path::to_str);
        above.filter(|path| path.len() > 1).map(|path| Self { path: path.to_owned(), ..self.clone() })
    }

    fn is_limited(&self) -> bool {
        self.cpu_limit().is_some()
    }

    /// CPUs that it may use at a time; `None` if as many as there are.
    fn cpu_limit(&self) -> Option<f64> {
        match self.kind {
            Kind::Unified => cpu_max(&self.file("cpu.max")),
            Kind::Cpu => {
                let number = |name: &str| self.file(name).trim().parse::<f64>().ok();
                cores(number("cpu.cfs_quota_us")?, number("cpu.cfs_period_us")?)
            }
            Kind::Memory => None,
        }
    }

    fn read(&self, readings: &mut Readings) {
        let labels = [("cgroup", self.path.as_str())];
        readings.maybe("cgroup_cpu_limit_cores", &labels, self.cpu_limit());
        match self.kind {
            Kind::Unified => {
                cpu_stat(&self.file("cpu.stat"), &self.path, readings);
                memory_events(&self.file("memory.events"), &self.path, readings);
            }
            Kind::Cpu => cpu_stat(&self.file("cpu.stat"), &self.path, readings),
            // Version 1 counts kills only; how often a limit was met stands alone in its file.
            Kind::Memory => {
                memory_events(&self.file("memory.oom_control"), &self.path, readings);
                let met = self.file("memory.failcnt").trim().parse::<u64>().ok().map(|n| n as f64);
                readings.maybe("cgroup_memory_events_total", &[labels[0], ("event", "max")], met);
            }
        }
    }
}

// `max 100000`, or quota and period in microseconds.
fn cpu_max(text: &str) -> Option<f64> {
    let mut words = text.split_whitespace().map(str::parse::<f64>);
    cores(words.next()?.ok()?, words.next()?.ok()?)
}

fn cores(quota: f64, period: f64) -> Option<f64> {
    (quota > 0.0 && period > 0.0).then_some(quota / period)
}

// Version 2 counts microseconds, version 1 nanoseconds under another name.
fn cpu_stat(text: &str, cgroup: &str, readings: &mut Readings) {
    let labels = [("cgroup", cgroup)];
    for (key, value) in pairs(text) {
        let (name, value) = match key {
            "nr_periods" => ("cgroup_cpu_periods_total", value),
            "nr_throttled" => ("cgroup_cpu_throttled_periods_total", value),
            "throttled_usec" => ("cgroup_cpu_throttled_us_total", value),
            "throttled_time" => ("cgroup_cpu_throttled_us_total", value / 1000.0),
            "usage_usec" => ("cgroup_cpu_usage_us_total", value),
            _ => continue,
        };
        readings.add(name, &labels, value);
    }
}

fn memory_events(text: &str, cgroup: &str, readings: &mut Readings) {
    for (event, count) in pairs(text) {
        if ["high", "max", "oom", "oom_kill"].contains(&event) {
            readings.add("cgroup_memory_events_total", &[("cgroup", cgroup), ("event", event)], count);
        }
    }
}

// `key number` lines.
fn pairs(text: &str) -> impl Iterator<Item = (&str, f64)> {
    text.lines().filter_map(|line| {
        let (key, value) = line.split_once(' ')?;
        Some((key, value.trim().parse::<u64>().ok()? as f64))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    struct Host(tempfile::TempDir);

    impl Host {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn put(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn read(&self, pids: &[u32]) -> Vec<(String, f64)> {
            let (proc, cgroup) = (self.0.path().join("proc"), self.0.path().join("cg"));
            let mut readings = Readings::default();
            read(Roots { proc: &proc, cgroup: &cgroup }, pids, &mut readings);
            readings.into_iter().collect()
        }
    }

    fn value(found: &[(String, f64)], name: &str) -> Option<f64> {
        found.iter().find(|(n, _)| n == name).map(|(_, v)| *v)
    }

    #[test]
    fn a_throttled_container_and_the_limited_pod_above_it_are_read() {
        let host = Host::new();
        host.put("cg/cgroup.controllers", "cpu memory");
        host.put("proc/7/cgroup", "0::/pods/pod1/box\n");
        host.put("cg/pods/cpu.max", "max 100000\n");
        host.put("cg/pods/cpu.stat", "usage_usec 9\nnr_throttled 0\n");
        host.put("cg/pods/pod1/cpu.max", "150000 100000\n");
        host.put("cg/pods/pod1/cpu.stat", "usage_usec 9\nnr_periods 4\nnr_throttled 2\nthrottled_usec 77\n");
        host.put("cg/pods/pod1/box/cpu.stat", "usage_usec 5\nuser_usec 4\nnr_periods 0\n");
        host.put("cg/pods/pod1/box/memory.events", "low 0\nhigh 3\nmax 0\noom 1\noom_kill 1\n");
        let found = host.read(&[7, 8]);
        assert_eq!(value(&found, "cgroup_cpu_limit_cores{cgroup=\"/pods/pod1\"}"), Some(1.5));
        assert_eq!(value(&found, "cgroup_cpu_throttled_us_total{cgroup=\"/pods/pod1\"}"), Some(77.0));
        assert_eq!(value(&found, "cgroup_cpu_throttled_periods_total{cgroup=\"/pods/pod1\"}"), Some(2.0));
        assert_eq!(value(&found, "cgroup_cpu_usage_us_total{cgroup=\"/pods/pod1/box\"}"), Some(5.0));
        let killed = "cgroup_memory_events_total{cgroup=\"/pods/pod1/box\",event=\"oom_kill\"}";
        assert_eq!(value(&found, killed), Some(1.0));
        assert!(!found.iter().any(|(n, _)| n.contains("\"/pods\"") || n.contains("low")), "{found:?}");
    }

    #[test]
    fn where_the_controllers_are_of_version_one_the_names_are_the_same() {
        let host = Host::new();
        host.put("proc/7/cgroup", "4:memory:/docker/ab\n2:cpu,cpuacct:/docker/ab\n1:name=systemd:/x\n0::/\n");
        host.put(
            "cg/cpu,cpuacct/docker/ab/cpu.stat",
            "nr_periods 10\nnr_throttled 4\nthrottled_time 5000000\n",
        );
        host.put("cg/cpu,cpuacct/docker/ab/cpu.cfs_quota_us", "50000\n");
        host.put("cg/cpu,cpuacct/docker/ab/cpu.cfs_period_us", "100000\n");
        host.put("cg/memory/docker/ab/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
        host.put("cg/memory/docker/ab/memory.failcnt", "6\n");
        let found = host.read(&[7]);
        let at = |name: &str| value(&found, &format!("{name}{{cgroup=\"/docker/ab\"}}"));
        assert_eq!(at("cgroup_cpu_limit_cores"), Some(0.5));
        assert_eq!(at("cgroup_cpu_throttled_us_total"), Some(5000.0));
        let event = |e: &str| {
            value(&found, &format!("cgroup_memory_events_total{{cgroup=\"/docker/ab\",event=\"{e}\"}}"))
        };
        assert_eq!((event("oom_kill"), event("max")), (Some(2.0), Some(6.0)));
    }

    #[test]
    fn a_path_that_leads_out_of_the_hierarchy_is_not_followed() {
        let host = Host::new();
        host.put("cg/cgroup.controllers", "");
        host.put("cg/cpu.stat", "usage_usec 1\n");
        host.put("cpu.stat", "usage_usec 666\n");
        host.put("proc/7/cgroup", "0::/../..\n0::relative\n0\n\n0::/a/../../../..\n");
        assert!(host.read(&[7]).is_empty());
    }

    #[test]
    fn two_processes_of_one_cgroup_are_read_once_and_a_limit_of_none_is_none() {
        let host = Host::new();
        host.put("cg/cgroup.controllers", "");
        host.put("proc/7/cgroup", "0::/a\n");
        host.put("proc/8/cgroup", "0::/a\n");
        host.put("cg/a/cpu.stat", "usage_usec 1\n");
        assert_eq!(host.read(&[7, 8]).len(), 1);
        assert_eq!(cpu_max("max 100000"), None);
        assert_eq!(cpu_max("-1 100000"), None);
        assert_eq!(cpu_max("5 0"), None);
        assert_eq!(cpu_max(""), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-z_ 0-9:/,.\n-]{0,300}|.{0,100}") {
            let mut readings = Readings::default();
            cpu_stat(&text, "/a", &mut readings);
            memory_events(&text, "/a", &mut readings);
            let _ = cpu_max(&text);
            for cgroup in cgroups(&text, Path::new("/nowhere")) {
                let _ = cgroup.ancestors().count();
            }
            prop_assert!(readings.into_iter().all(|(_, v)| v.is_finite()));
        }
    }
}
