//! The whole host: pressure, load, CPU time by kind, memory that is left.

use std::path::Path;

use nix::unistd::{SysconfVar, sysconf};

use super::{Readings, text};

/// Kinds of CPU time in the order of `/proc/stat`. Guest time is in `user` and `nice` already.
const MODES: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];

pub(super) fn read(proc: &Path, readings: &mut Readings) {
    for resource in ["cpu", "memory", "io"] {
        pressure(&text(proc.join("pressure").join(resource)), resource, readings);
    }
    load(&text(proc.join("loadavg")), readings);
    let hertz = sysconf(SysconfVar::CLK_TCK).ok().flatten().filter(|hz| *hz > 0).unwrap_or(100);
    cpu_time(&text(proc.join("stat")), hertz as f64, readings);
    memory(&text(proc.join("meminfo")), readings);
}

// `some avg10=0.12 avg60=0.00 avg300=0.00 total=123`, and the same for `full`. Totals are microseconds.
fn pressure(text: &str, resource: &str, readings: &mut Readings) {
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (total, avg10) = match words.next() {
            Some("some") => ("psi_some_total_us", "psi_some_avg10_percent"),
            Some("full") => ("psi_full_total_us", "psi_full_avg10_percent"),
            _ => continue,
        };
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            let name = match key {
                "total" => total,
                "avg10" => avg10,
                _ => continue,
            };
            readings.maybe(name, &[("resource", resource)], value.parse().ok());
        }
    }
}

// `0.20 0.18 0.12 1/80 11206`: three averages, tasks that can run of all tasks, the last pid.
fn load(text: &str, readings: &mut Readings) {
    let mut words = text.split_whitespace();
    for name in ["load1", "load5", "load15"] {
        readings.maybe(name, &[], words.next().and_then(|word| word.parse().ok()));
    }
    let runnable = words.next().and_then(|word| word.split_once('/')?.0.parse().ok());
    readings.maybe("tasks_runnable", &[], runnable);
}

// `cpu  user nice system …` in clock ticks, all CPUs together.
fn cpu_time(text: &str, hertz: f64, readings: &mut Readings) {
    let Some(line) = text.lines().find(|line| line.starts_with("cpu ")) else { return };
    for (mode, ticks) in MODES.iter().zip(line.split_whitespace().skip(1)) {
        let seconds = ticks.parse::<u64>().ok().map(|ticks| ticks as f64 / hertz);
        readings.maybe("cpu_seconds_total", &[("mode", mode)], seconds);
    }
}

// `MemAvailable:   123456 kB`.
fn memory(text: &str, readings: &mut Readings) {
    for (key, name) in [("MemTotal:", "memory_total_bytes"), ("MemAvailable:", "memory_available_bytes")] {
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        readings.maybe(name, &[], kib.map(|kib| kib as f64 * 1024.0));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_by(read: impl Fn(&mut Readings)) -> Vec<(String, f64)> {
        let mut readings = Readings::default();
        read(&mut readings);
        readings.into_iter().collect()
    }

    #[test]
    fn pressure_gives_totals_and_ten_second_averages_of_both_kinds() {
        let text =
            "some avg10=1.25 avg60=0.00 avg300=0.00 total=77\nfull avg10=0.50 avg60=0.0 avg300=0.0 total=5\n";
        let expected = [
            ("psi_some_avg10_percent{resource=\"io\"}", 1.25),
            ("psi_some_total_us{resource=\"io\"}", 77.0),
            ("psi_full_avg10_percent{resource=\"io\"}", 0.5),
            ("psi_full_total_us{resource=\"io\"}", 5.0),
        ];
        let found = read_by(|r| pressure(text, "io", r));
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value)));
    }

    #[test]
    fn load_cpu_time_and_memory_are_read_in_their_units() {
        let found = read_by(|r| load("0.20 0.18 12.5 3/80 11206\n", r));
        assert_eq!(found.iter().map(|(_, v)| *v).collect::<Vec<_>>(), [0.2, 0.18, 12.5, 3.0]);
        let stat = "cpu  100 2 300 400 5 6 7 8 9 10\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        let found = read_by(|r| cpu_time(stat, 100.0, r));
        assert_eq!(found.len(), MODES.len());
        assert_eq!(found[2], ("cpu_seconds_total{mode=\"system\"}".to_owned(), 3.0));
        let found = read_by(|r| memory("MemTotal: 8 kB\nMemFree: 1 kB\nMemAvailable:   4 kB\n", r));
        assert_eq!(found[1], ("memory_available_bytes".to_owned(), 4096.0));
    }

    #[test]
    fn this_host_has_load_cpu_time_and_memory() {
        let found = read_by(|r| read(Path::new("/proc"), r));
        let has = |name: &str| found.iter().any(|(n, v)| n == name && *v >= 0.0);
        assert!(has("load1") && has("cpu_seconds_total{mode=\"idle\"}"), "{found:?}");
        assert!(has("memory_available_bytes"), "{found:?}");
    }

    #[test]
    fn a_host_without_any_of_the_files_gives_nothing() {
        assert!(read_by(|r| read(Path::new("/nowhere"), r)).is_empty());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_or_gives_a_number_that_is_not_finite(text in "(some|full|cpu |MemTotal:)?[ =/.0-9a-zA-Z\n-]{0,200}|.{0,200}") {
            let found = read_by(|r| {
                pressure(&text, "cpu", r);
                load(&text, r);
                cpu_time(&text, 100.0, r);
                memory(&text, r);
            });
            prop_assert!(found.iter().all(|(_, v)| v.is_finite()));
        }
    }
}
