//! What converting and asking cost: made-up bundles of several sizes, the real `ingeroctl`.
//!
//! ```text
//! cargo bench -p ingeroctl --bench convert -- --events 1000000,10000000
//! ```
//! Prints for each command: wall time, CPU time of the process, events per second of CPU, its largest resident memory
//! (anonymous pages and mapped files together), and its largest anonymous memory, looked at each 10 ms. Making the
//! bundle is not in the times.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a bench may stop")]

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use made::bundle;

#[path = "support/made.rs"]
mod made;

fn events() -> Vec<usize> {
    let args: Vec<String> = std::env::args().collect();
    let given = args.iter().position(|a| a == "--events").and_then(|i| args.get(i + 1));
    given.map_or("1000000", String::as_str).split(',').map(|n| n.parse().expect("a number")).collect()
}

/// Runs `ingeroctl` and prints what it took.
#[expect(clippy::zombie_processes, reason = "waited for by wait4, which also tells what it used")]
fn measure(what: &str, events: usize, args: &[&std::ffi::OsStr]) {
    let begun = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ingeroctl"));
    let child = command.args(args).stdout(Stdio::null()).spawn().unwrap();
    let (mut status, mut usage) = (0, no_usage());
    let (pid, mut anonymous, mut waited) = (child.id(), 0, 0);
    while waited == 0 {
        anonymous = anonymous.max(anonymous_kib(pid));
        std::thread::sleep(Duration::from_millis(10));
        // SAFETY: both pointers are to locals of the right types; the child is ours and waited for once.
        waited = unsafe { libc::wait4(pid.cast_signed(), &mut status, libc::WNOHANG, &mut usage) };
    }
    let wall = begun.elapsed().as_secs_f64();
    assert!(waited > 0 && status == 0, "{what}: status {status}");
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    let cpu = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    println!(
        "  {what:<16} wall {wall:>7.3} s  cpu {cpu:>7.3} s  {:>6.2} M events/s of cpu  peak {:>6} MiB  anonymous {:>5} MiB",
        events as f64 / cpu / 1e6,
        usage.ru_maxrss / 1024,
        anonymous / 1024,
    );
}

/// Anonymous memory that a process has now, KiB; 0 if it has ended.
fn anonymous_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")).map_or(0, |kib| kib.parse().unwrap())
}

fn bytes_below(folder: &Path) -> u64 {
    let below = |e: fs::DirEntry| {
        let about = e.metadata().unwrap();
        if about.is_dir() { bytes_below(&e.path()) } else { about.len() }
    };
    fs::read_dir(folder).unwrap().map(|e| below(e.unwrap())).sum()
}

fn no_usage() -> libc::rusage {
    // SAFETY: a plain struct of integers, for which zeros are a value.
    unsafe { std::mem::zeroed() }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, flag, n, path] = args.as_slice()
        && flag == "--make"
    {
        return bundle(n.parse().unwrap(), Path::new(path));
    }
    let folder = tempfile::tempdir().unwrap();
    for events in events() {
        let (input, db) = (folder.path().join("bench.ingero"), folder.path().join("bench.db"));
        // By another process: what this one holds would count as its children's.
        let mut maker = Command::new(std::env::current_exe().unwrap());
        assert!(maker.arg("--make").arg(events.to_string()).arg(&input).status().unwrap().success());
        let size = |path: &Path| fs::metadata(path).unwrap().len() as f64 / events as f64;
        println!("{events} events, bundle of {:.2} bytes/event", size(&input));
        measure(
            "convert",
            events,
            &["convert".as_ref(), input.as_os_str(), "-o".as_ref(), db.as_os_str(), "--force".as_ref()],
        );
        println!("  database of {:.2} bytes/event", size(&db));
        for (what, path) in [("bundle", &input), ("database", &db)] {
            measure(&format!("stats {what}"), events, &["stats".as_ref(), path.as_os_str()]);
            measure(&format!("explain {what}"), events, &["explain".as_ref(), path.as_os_str()]);
        }
        let trace = folder.path().join("bench.pftrace");
        let perfetto = ["export".as_ref(), db.as_os_str(), "--format".as_ref(), "perfetto".as_ref()];
        measure(
            "export perfetto",
            events,
            &[&perfetto[..], &["-o".as_ref(), trace.as_os_str(), "--force".as_ref()]].concat(),
        );
        println!("  trace of {:.2} bytes/event", size(&trace));
        fs::remove_file(&trace).unwrap();
        let views = folder.path().join("views");
        let parquet = ["export".as_ref(), db.as_os_str(), "--format".as_ref(), "parquet".as_ref()];
        let args = [&parquet[..], &["-o".as_ref(), views.as_os_str(), "--force".as_ref()]].concat();
        measure("export parquet", events, &args);
        println!("  files of {:.2} bytes/event", bytes_below(&views) as f64 / events as f64);
        let html = folder.path().join("bench.html");
        let args = ["report".as_ref(), db.as_os_str(), "-o".as_ref(), html.as_os_str(), "--force".as_ref()];
        measure("report database", events, &args);
        println!("  page of {:.2} MiB", size(&html) * events as f64 / f64::from(1 << 20));
    }
}
