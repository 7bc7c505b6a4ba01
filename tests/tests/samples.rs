//! Numbers read at intervals, from their sources to the database, on the real kernel.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::Path,
    time::{Duration, Instant},
};

use ingero_tests::{Lab, Program, calls, live, standin};
use rusqlite::Connection;

/// A page as an inference engine serves it; one more request runs at each look.
fn engine() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for (turn, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|l| !l.is_empty())) {}
            let page = format!(
                "# TYPE vllm:num_requests_running gauge\n\
                 vllm:num_requests_running{{engine=\"0\",model_name=\"a/b\"}} {turn}\n\
                 vllm:time_to_first_token_seconds_bucket{{engine=\"0\",le=\"0.5\"}} 41\n\
                 vllm:time_to_first_token_seconds_sum{{engine=\"0\"}} 12.5\n\
                 process_virtual_memory_bytes 1\n"
            );
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
                page.len()
            );
        }
    });
    host
}

/// Values of one series, by time. `labels` is a part of its labels.
fn values(db: &Connection, name: &str, labels: &str) -> Vec<f64> {
    let sql = "SELECT value FROM samples WHERE name = ?1 AND labels LIKE '%' || ?2 || '%' ORDER BY ts_ns";
    let mut query = db.prepare(sql).unwrap();
    let rows = query.query_map([name, labels], |r| r.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn start_with(lab: &mut Lab, samples: &str) {
    lab.configure(&format!("[samples]\ninterval = \"200ms\"\n{samples}"));
    lab.start();
}

#[test]
fn a_window_holds_what_host_gpus_engine_and_recorder_said_at_each_interval() {
    if !live() {
        return;
    }
    let (mut lab, host) = (Lab::new(), engine());
    let library = standin().libnvml.display().to_string();
    start_with(&mut lab, &format!("nvml_library = {library:?}\nmetrics = [\"http://{host}/metrics\"]\n"));
    std::thread::sleep(Duration::from_secs(4));
    let db = lab.window("samples", "3s");

    for (name, gpu0) in [
        ("gpu_utilization_percent", 87.0),
        ("gpu_memory_utilization_percent", 42.0),
        ("gpu_sm_clock_mhz", 1980.0),
        ("gpu_memory_clock_mhz", 2619.0),
        ("gpu_throttle_reasons", 4.0),
        ("gpu_power_watts", 412.345),
        ("gpu_temperature_celsius", 66.0),
        ("gpu_memory_used_bytes", 40e9),
        ("gpu_memory_total_bytes", 80e9),
    ] {
        let found = values(&db, name, "\"gpu\":\"0\",\"uuid\":\"GPU-5ca1ab1e-0000-4000-8000-000000000000\"");
        assert!(found.len() > 3 && found.iter().all(|v| *v == gpu0), "{name}: {found:?}");
    }
    assert!(values(&db, "gpu_temperature_celsius", "\"gpu\":\"1\"").iter().all(|v| *v == 31.0));
    // What a GPU does not support is absent, not zero.
    assert!(values(&db, "gpu_power_watts", "\"gpu\":\"1\"").is_empty());

    let running = values(&db, "vllm:num_requests_running", "\"model_name\":\"a/b\"");
    assert!(running.len() > 3 && running.windows(2).all(|v| v[1] == v[0] + 1.0), "{running:?}");
    assert!(values(&db, "vllm:time_to_first_token_seconds_bucket", "\"le\":\"0.5\"").contains(&41.0));
    assert!(values(&db, "vllm:time_to_first_token_seconds_sum", &host).contains(&12.5));
    assert!(values(&db, "up", &host).iter().all(|v| *v == 1.0));
    assert!(values(&db, "process_virtual_memory_bytes", "").is_empty());

    let load: f64 = fs::read_to_string("/proc/loadavg").unwrap().split(' ').next().unwrap().parse().unwrap();
    let loads = values(&db, "load1", "");
    assert!(loads.len() > 3 && loads.iter().any(|v| (v - load).abs() < 2.0), "{load} {loads:?}");
    let idle = values(&db, "cpu_seconds_total", "\"mode\":\"idle\"");
    assert!(idle.len() > 3 && idle.windows(2).all(|v| v[0] <= v[1]), "{idle:?}");
    if let Ok(text) = fs::read_to_string("/proc/pressure/cpu") {
        let now: f64 =
            text.split("total=").nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap();
        let totals = values(&db, "psi_some_total_us", "\"resource\":\"cpu\"");
        assert!(totals.len() > 3 && totals.windows(2).all(|v| v[0] <= v[1]), "{totals:?}");
        assert!(totals.iter().all(|v| *v <= now && now - *v < 60e6), "{now} {totals:?}");
    }
    let own = values(&db, "ingero_recorder_cpu_seconds_total", "");
    assert!(own.len() > 3 && own.windows(2).all(|v| v[0] <= v[1]) && own[0] > 0.0, "{own:?}");

    let at = |sql: &str| db.query_row(sql, [], |r| r.get::<_, i64>(0)).unwrap();
    let mut names = db.prepare("SELECT DISTINCT name FROM samples").unwrap();
    let names: Vec<String> = names.query_map([], |r| r.get(0)).unwrap().map(Result::unwrap).collect();
    let unknown: Vec<&String> = names.iter().filter(|name| !ingero_format::names::is_sampled(name)).collect();
    assert!(names.len() > 20 && unknown.is_empty(), "{} names; unknown: {unknown:?}", names.len());
    let (from, to) = ("SELECT from_ns FROM node", "SELECT to_ns FROM node");
    assert!(
        at("SELECT min(ts_ns) FROM samples") >= at(from) && at("SELECT max(ts_ns) FROM samples") <= at(to)
    );
    assert_eq!(at("SELECT count(*) FROM host_events WHERE op = 'sample'"), 0);
    assert_eq!(at("SELECT count(*) FROM losses"), 0);
}

#[test]
fn a_name_that_was_told_long_before_the_window_is_known_in_it() {
    if !live() {
        return;
    }
    let mut lab = Lab::new();
    start_with(&mut lab, "nvml = false\n");
    // The rows that tell the names are older than the window; a restart begins another epoch, with its own.
    calls::count(&lab, 1, 500, 20_000);
    std::thread::sleep(Duration::from_secs(7));
    let first = values(&lab.window("late", "500ms"), "load1", "");
    assert!((1..8).contains(&first.len()), "{first:?}");
    lab.kill();
    lab.start();
    std::thread::sleep(Duration::from_secs(1));
    let all = values(&lab.window("both", "1h"), "load1", "");
    assert!(all.len() > first.len() + 20, "{} after {}", all.len(), first.len());
}

#[test]
fn a_driver_library_that_hangs_stops_neither_other_samples_nor_the_recorder() {
    if !live() {
        return;
    }
    let mut lab = Lab::new();
    let folder = lab.path("hanging");
    fs::create_dir(&folder).unwrap();
    fs::copy(&standin().libnvml, folder.join("libnvidia-ml.so.1")).unwrap();
    fs::write(folder.join("nvml-hangs"), "").unwrap();
    let library = folder.join("libnvidia-ml.so.1").display().to_string();
    start_with(&mut lab, &format!("nvml_library = {library:?}\n"));
    std::thread::sleep(Duration::from_secs(2));
    let db = lab.window("hanging", "1s");
    assert!(values(&db, "gpu_utilization_percent", "").is_empty());
    assert!(values(&db, "load1", "").len() > 2);
    let begun = Instant::now();
    lab.stop();
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

/// A cgroup that may use a fifth of a CPU, if this host lets us make one.
struct Throttled(std::path::PathBuf, &'static str);

impl Throttled {
    fn new() -> Option<Self> {
        let name = format!("ingero-test-{}", std::process::id());
        for (mount, file, limit, key) in [
            ("/sys/fs/cgroup", "cpu.max", "20000 100000", "throttled_usec"),
            ("/sys/fs/cgroup/cpu,cpuacct", "cpu.cfs_quota_us", "20000", "throttled_time"),
            ("/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", "20000", "throttled_time"),
        ] {
            let folder = Path::new(mount).join(&name);
            if !Path::new(mount).join("cgroup.procs").exists() || fs::create_dir(&folder).is_err() {
                continue;
            }
            let made = Self(folder, key);
            if fs::write(made.0.join(file), limit).is_ok() {
                return Some(made);
            }
        }
        None
    }

    fn throttled_us(&self) -> f64 {
        let text = fs::read_to_string(self.0.join("cpu.stat")).unwrap();
        let line = text.lines().find_map(|l| l.strip_prefix(self.1)).unwrap();
        let value: f64 = line.trim().parse().unwrap();
        if self.1 == "throttled_time" { value / 1000.0 } else { value }
    }
}

impl Drop for Throttled {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn how_long_a_cgroup_was_throttled_agrees_with_the_kernels_own_account() {
    if !live() {
        return;
    }
    let Some(cgroup) = Throttled::new() else {
        eprintln!("*** NOT RUN: no cgroup with a CPU limit can be made here ***");
        return;
    };
    let mut lab = Lab::new();
    start_with(&mut lab, "nvml = false\n");
    let mut program = Program::start(&standin().switcher, ["--cuda", "--seconds", "2", "--start-on-stdin"]);
    program.line_with("READY");
    lab.until_covered(program.pid());
    fs::write(cgroup.0.join("cgroup.procs"), program.pid().to_string()).unwrap();
    // A second of it alone in the cgroup: a loop that wants a whole CPU and may have a fifth.
    let mut burner =
        std::process::Command::new("/bin/sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
    fs::write(cgroup.0.join("cgroup.procs"), burner.id().to_string()).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    burner.kill().unwrap();
    burner.wait().unwrap();
    std::thread::sleep(Duration::from_secs(1));
    let truth = cgroup.throttled_us();
    let db = lab.window("throttled", "20s");
    let name = cgroup.0.file_name().unwrap().to_str().unwrap();
    let told = values(&db, "cgroup_cpu_throttled_us_total", name);
    let limit = values(&db, "cgroup_cpu_limit_cores", name);
    drop(program);
    assert!(truth > 500_000.0, "{truth}");
    assert_eq!(told.last(), Some(&truth), "{told:?}");
    assert!(limit.contains(&0.2), "{limit:?}");
}
