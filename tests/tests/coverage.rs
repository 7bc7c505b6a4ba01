//! Which calls and host events are recorded, with which values, on the real kernel.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{collections::BTreeMap, fs, process::Command};

use ingero_tests::{Lab, Program, every_symbol, live, named};
use nix::sys::signal::Signal;
use rusqlite::Connection;

fn recorded(db: &Connection, pid: u32) -> every_symbol::Counts {
    let sql = "SELECT layer, op, count(*) FROM cuda_calls WHERE pid = ?1 GROUP BY 1, 2";
    let mut query = db.prepare(sql).unwrap();
    let rows = query
        .query_map([pid], |r| {
            Ok(((r.get::<_, String>(0)?, r.get::<_, String>(1)?), r.get::<_, i64>(2)?.cast_unsigned()))
        })
        .unwrap();
    rows.map(Result::unwrap).collect()
}

/// The two values of the last call of an operation.
fn values(db: &Connection, op: &str) -> (i64, i64) {
    let sql = "SELECT arg0, arg1 FROM cuda_calls WHERE op = ?1 ORDER BY ts_ns DESC LIMIT 1";
    db.query_row(sql, [op], |r| Ok((r.get(0)?, r.get(1)?))).unwrap_or_else(|e| panic!("{op}: {e}"))
}

#[test]
fn every_symbol_of_driver_runtime_and_nccl_is_counted_exactly_nested_and_recursive_calls_included() {
    if !live() {
        return;
    }
    let mut lab = Lab::new();
    lab.configure("[probes]\nlayers = \"both\"\nsources = [\"cuda\", \"sched\", \"nccl\"]\n");
    lab.start();
    let mut program = Program::start(&every_symbol::build(&lab.path("every")), [""; 0]);
    let pid = program.pid();
    program.line_with("READY");
    lab.until("three libraries are covered", |lab| {
        let status = lab.json(&["status"]);
        let found = status["processes"].as_array().unwrap().iter().find(|p| p["pid"] == pid);
        found.is_some_and(|p| p["libraries"].as_array().is_some_and(|l| l.len() == 3))
    });
    let truth = every_symbol::call(&mut program);
    let db = lab.window("every", "60s");
    assert_eq!(program.finish().code(), Some(0));
    assert!(truth.len() >= 160, "{} operations", truth.len());
    let recorded = recorded(&db, pid);
    let different: BTreeMap<_, _> = truth
        .iter()
        .filter(|(op, count)| recorded.get(op) != Some(count))
        .map(|(op, count)| (op, (count, recorded.get(op))))
        .collect();
    assert!(different.is_empty(), "made and recorded: {different:?}");
    assert_eq!(recorded.len(), truth.len());

    for (op, expected) in [
        ("cuMemcpyHtoD", (300, 0)),
        ("cuMemcpyDtoHAsync", (301, 77)),
        ("cuMemsetD32", (40, 0)),
        ("cuMemsetD2D16Async", (60, 78)),
        ("cuMemcpy2D", (132, 0)),
        ("cuMemcpy3DAsync", (210, 79)),
        ("cuLaunchKernelEx", (0xdef, 66)),
        ("cuMemAlloc", (4096, 0x5eed)),
        ("cudaLaunchKernel", (0x123, 89)),
        ("cudaLaunchKernelExC", (0x456, 66)),
        ("ncclAllReduce", (4000, 55)),
        ("ncclReduce", (20, 56)),
        ("ncclSend", (80, 57)),
        ("ncclCommInitRank", (8 << 32 | 3, 0x5eed)),
    ] {
        assert_eq!(values(&db, op), expected, "{op}");
    }
    let launched: i64 = db
        .query_row(
            "SELECT count(*) FROM cuda_calls WHERE op = 'cuLaunchKernel' AND arg0 = 2748 AND arg1 = 88",
            [],
            |r| r.get(0),
        )
        .unwrap();
    assert_eq!(launched, 1);
}

const HOST_PROGRAM: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
int cuInit(unsigned);
int main(int argc, char **argv)
{
	char line[16];
	void *buffer;
	cuInit(0);
	puts("READY"); fflush(stdout);
	if (!fgets(line, sizeof(line), stdin)) return 1;
	/* 64 requests of 64 KiB past the page cache. */
	int fd = open(argv[1], O_RDWR | O_CREAT | O_DIRECT, 0600);
	if (fd < 0 || posix_memalign(&buffer, 4096, 65536)) return 2;
	memset(buffer, 7, 65536);
	for (int i = 0; i < 64; i++) if (pwrite(fd, buffer, 65536, 65536L * i) != 65536) return 3;
	fsync(fd);
	for (int i = 0; i < 64; i++) if (pread(fd, buffer, 65536, 65536L * i) != 65536) return 4;
	/* 32 MiB of pages, touched. */
	char *pages = mmap(NULL, 32 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(pages, 32 << 20, MADV_NOHUGEPAGE);
	for (long i = 0; i < 32 << 20; i += 4096) pages[i] = 1;
	puts("DONE"); fflush(stdout);
	if (!fgets(line, sizeof(line), stdin)) return 0;
	raise(SIGSTOP);
	puts("WENT ON"); fflush(stdout);
	if (!fgets(line, sizeof(line), stdin)) return 0;
	return 0;
}
"#;

fn host_program(lab: &Lab, text: &str) -> Program {
    let (source, program) = (lab.path("host.c"), lab.path("host"));
    fs::write(&source, text).unwrap();
    let library = ingero_tests::standin().libcuda.clone();
    let folder = library.parent().unwrap();
    let mut cc = Command::new("cc");
    cc.arg("-O1").arg("-o").arg(&program).arg(&source).arg("-L").arg(folder).arg("-l:libcuda.so.1");
    cc.arg(format!("-Wl,-rpath,{}", folder.display()));
    assert!(cc.status().unwrap().success());
    // On the disk of the state directory, not in memory.
    Program::start(&program, [lab.path("data").to_str().unwrap()])
}

#[test]
fn disk_requests_page_totals_faults_and_signals_of_a_gpu_process_are_recorded() {
    if !live() {
        return;
    }
    let mut lab = Lab::new();
    lab.configure(
        "[probes]\nsources = [\"cuda\", \"sched\", \"memory\", \"block\", \"signal\", \"faults\"]\n",
    );
    lab.start();
    let mut program = host_program(&lab, HOST_PROGRAM);
    let pid = program.pid();
    program.line_with("READY");
    lab.until_covered(pid);
    program.say("go");
    program.line_with("DONE");
    program.say("stop");
    lab.until("it has stopped", |_| {
        fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().contains(") T ")
    });
    program.signal(Signal::SIGCONT);
    program.line_with("WENT ON");
    program.signal(Signal::SIGTERM);
    program.finish();
    let db = lab.window("host", "60s");
    let sum = |what: &str, op: &str, more: &str| -> i64 {
        let sql = format!("SELECT ifnull({what}, 0) FROM host_events WHERE pid = ?1 AND op = ?2 {more}");
        db.query_row(&sql, (pid, op), |r| r.get(0)).unwrap()
    };
    // REQ_OP_READ is 0, REQ_OP_WRITE 1. Others of the file system may come on top.
    let read = sum("sum(arg0)", "block_io", "AND arg1 & 255 = 0 AND source = 'block'");
    let written = sum("sum(arg0)", "block_io", "AND arg1 & 255 = 1");
    assert!(read >= 4 << 20 && written >= 4 << 20, "read {read}, written {written}");
    assert!(sum("min(dur_ns)", "block_io", "") > 0);
    let pages = sum("sum(arg0)", "page_alloc", "AND source = 'memory'");
    assert!(((32 << 20)..(64 << 20)).contains(&pages), "{pages} bytes of pages");
    let faults = sum("sum(arg0)", "page_faults", "");
    assert!((8_192..20_000).contains(&faults), "{faults} faults");
    for signal in [Signal::SIGSTOP, Signal::SIGCONT, Signal::SIGTERM] {
        let count = sum("count(*)", "signal", &format!("AND arg0 = {}", signal as i32));
        assert_eq!(count, 1, "{signal}");
    }
    let sender = sum("max(arg1 >> 32)", "signal", "AND arg0 = 15");
    assert_eq!(sender, i64::from(std::process::id()));
    let losses: i64 = db.query_row("SELECT count(*) FROM losses", [], |r| r.get(0)).unwrap();
    assert_eq!(losses, 0);
}

const MOVING_PROGRAM: &str = r#"
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>

extern int cuInit(unsigned int flags);

static int only_on(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

int main(void)
{
	char line[16];
	cuInit(0);
	if (only_on(0)) return 1;
	puts("READY"); fflush(stdout);
	if (!fgets(line, sizeof(line), stdin)) return 0;
	for (int i = 0; i < 50; i++) if (only_on(1) || only_on(0)) return 2;
	/* One more, or a row with its CPUs swapped would not show. */
	if (only_on(1)) return 3;
	puts("DONE"); fflush(stdout);
	return fgets(line, sizeof(line), stdin) == NULL;
}
"#;

#[test]
fn every_move_of_a_thread_to_another_cpu_is_one_row_with_both_cpus() {
    if !live() {
        return;
    }
    let mut lab = Lab::new();
    lab.configure("[probes]\nsources = [\"cuda\", \"migrate\"]\n");
    lab.start();
    let mut program = host_program(&lab, MOVING_PROGRAM);
    let pid = program.pid();
    program.line_with("READY");
    lab.until_covered(pid);
    program.say("go");
    program.line_with("DONE");
    let db = lab.window("moves", "60s");
    program.finish();
    let moves = |from: u32, to: u32| -> i64 {
        let sql = "SELECT count(*) FROM host_events
                   WHERE tid = ?1 AND op = 'migrate' AND source = 'migrate' AND arg0 = ?2 AND arg1 = ?3";
        db.query_row(sql, (pid, from, to), |r| r.get(0)).unwrap()
    };
    assert_eq!((moves(0, 1), moves(1, 0)), (51, 50));
    let all: i64 = db
        .query_row("SELECT count(*) FROM host_events WHERE tid = ?1 AND op = 'migrate'", [pid], |r| r.get(0))
        .unwrap();
    assert_eq!(all, 101, "the thread was allowed on one CPU at a time");
}

#[test]
fn a_library_is_covered_within_100_ms_of_its_first_mapping() {
    if !live() {
        return;
    }
    let lab = Lab::recording();
    let mut delays = Vec::new();
    for i in 0..5 {
        // A copy that nobody has mapped before, under a name that tells nothing.
        let folder = lab.path(&format!("fresh-{i}"));
        fs::create_dir_all(&folder).unwrap();
        fs::copy(&ingero_tests::standin().libcuda, folder.join("driver.bin")).unwrap();
        std::os::unix::fs::symlink("driver.bin", folder.join("libcuda.so.1")).unwrap();
        fs::copy(&ingero_tests::standin().calls, folder.join("program")).unwrap();
        let args = ["--threads", "1", "--per-thread", "5", "--rate", "100", "--start-on-stdin"];
        let mut program = Program::start(&folder.join("program"), args);
        let pid = program.pid();
        program.line_with("READY");
        lab.until_covered(pid);
        let db = lab.window(&format!("fresh-{i}"), "20s");
        let sql = "SELECT covered_ns - start_ns FROM processes WHERE pid = ?1";
        delays.push(db.query_row(sql, [pid], |r| r.get::<_, i64>(0)).unwrap() / 1_000_000);
        program.say("go");
        program.line_with("{");
    }
    delays.sort_unstable();
    println!("ms from a process's start to its coverage, five fresh libraries: {delays:?}");
    // The median: the machine is shared, and one delay may be anybody's.
    assert!(delays[2] <= 100, "{delays:?}");
}

/// Kernels by how often they were launched.
fn kernels(lab: &Lab, program: &mut Program) -> BTreeMap<String, i64> {
    let pid = program.pid();
    lab.until_covered(pid);
    program.say("go");
    program.line_with("DONE");
    let db = lab.window("named", "60s");
    let sql = "SELECT ifnull(kernel, '-'), count(*) FROM cuda_calls WHERE pid = ?1 AND op = 'cuLaunchKernel' GROUP BY 1";
    let mut query = db.prepare(sql).unwrap();
    let rows = query.query_map([pid], |r| Ok((r.get(0)?, r.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn kernels_have_the_names_under_which_they_were_registered() {
    if !live() {
        return;
    }
    for static_runtime in [false, true] {
        let lab = Lab::recording();
        let path = named::build(&lab.path("named"), static_runtime);
        // A runtime that was never mapped before is probed while its first program registers its kernels: from
        // the second program on nothing is missed.
        let mut first = Program::start(&path, [""; 0]);
        first.line_with("READY");
        lab.until_covered(first.pid());
        let mut program = Program::start(&path, [""; 0]);
        program.line_with("READY");
        let kernels = kernels(&lab, &mut program);
        let registered = format!("decode_gemm{}", "n".repeat(288));
        assert_eq!(kernels.get(&registered), Some(&600), "{static_runtime} {kernels:?}");
        assert_eq!(kernels.get("prefill_attention"), Some(&600), "{static_runtime} {kernels:?}");
    }
}

#[test]
fn kernels_of_a_program_that_ran_before_the_recorder_have_the_names_of_their_host_functions() {
    if !live() {
        return;
    }
    let mut lab = Lab::new();
    let mut program = Program::start(&named::build(&lab.path("named"), false), [""; 0]);
    program.line_with("READY");
    lab.start();
    let kernels = kernels(&lab, &mut program);
    assert_eq!(kernels.get("decode_stub"), Some(&600), "{kernels:?}");
    assert_eq!(kernels.get("prefill_stub"), Some(&600), "{kernels:?}");
}

#[test]
fn the_overhead_budget_sheds_and_comes_back_and_every_step_is_told() {
    if !live() {
        return;
    }
    let mut lab = Lab::new();
    fs::write(lab.path("recorder.toml"), "[ring]\nmax_bytes = \"256MiB\"\nkeep_free = \"16MiB\"\n[snapshot]\nmax_bytes = \"128MiB\"\n[budget]\nthread_percent = 2.0\ndaemon_percent = 100\nrecover_after = \"3s\"\n").unwrap();
    lab.start();
    // 60,000 calls a second on one thread: some 8 % with pairs.
    let args =
        ["--threads", "1", "--per-thread", "1200000", "--rate", "60000", "--start-on-stdin", "--linger"];
    let mut program = Program::start(&ingero_tests::standin().calls, args);
    program.line_with("READY");
    lab.until_covered(program.pid());
    program.say("go");
    let shed = |lab: &Lab| {
        let status = lab.json(&["status"]);
        let warnings: Vec<String> =
            status["warnings"].as_array().unwrap().iter().map(|w| w.as_str().unwrap().to_owned()).collect();
        (
            status["cost"]["thread_percent"].as_f64().unwrap_or(f64::MAX),
            warnings.iter().any(|w| w.contains("overhead budget")),
        )
    };
    lab.until("something is shed", |lab| shed(lab).1);
    lab.until("the thread pays no more than the budget", |lab| shed(lab).0 <= 2.0);
    program.line_with("{");
    let db = lab.window("shed", "60s");
    let marked: i64 = db
        .query_row(
            "SELECT count(*) FROM call c JOIN detail d ON d.id = c.detail WHERE d.flags & 128",
            [],
            |r| r.get(0),
        )
        .unwrap();
    assert!(marked > 1000, "{marked} calls recorded at entry only");
    let notes: String = db.query_row("SELECT facts FROM node", [], |r| r.get(0)).unwrap();
    assert!(notes.contains("overhead budget"), "{notes}");
    let timed: (i64, i64) = db
        .query_row("SELECT sum(count), sum(timed) FROM op_stats", [], |r| Ok((r.get(0)?, r.get(1)?)))
        .unwrap();
    assert!(timed.1 < timed.0, "{timed:?}");
    // Nothing is called any more: after three seconds of room for each step everything is recorded again.
    lab.until("everything is recorded again", |lab| !shed(lab).1);
    program.finish();
}
