//! What a host may confront a recorder with: libraries that are none, names that are weapons, processes that are
//! gone, tables that are full. Each is recorded, told as not recorded, or counted as lost; none stops it.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use ingero_tests::{
    Lab, Program, calls,
    harm::{Kept, Library, Subject, compile},
    live, standin,
};
use nix::sys::signal::Signal;
use serde_json::Value;

fn source(name: &str) -> String {
    format!("../bad/{name}")
}

/// The recorder still does its work, exactly.
fn works(lab: &Lab) {
    let counted = calls::count(lab, 2, 500, 20_000);
    assert_eq!((&counted.recorded, counted.lost), (&counted.made, 0));
}

/// The stand-in's bytes made unfit in a certain way.
fn unfit(lab: &Lab, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> PathBuf {
    let mut bytes = fs::read(&standin().libcuda).unwrap();
    change(&mut bytes);
    let folder = lab.path(name);
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("libcuda.so.1");
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn libraries_that_are_damaged_foreign_or_empty_are_named_and_others_recorded() {
    if !live() {
        return;
    }
    let lab = Lab::recording();
    let mapper = lab.path("mapper");
    compile("gcc", &[&format!("{}/src/bad/mapper.c", env!("CARGO_MANIFEST_DIR"))], &mapper);
    let silent = lab.path("silent.c");
    fs::write(&silent, "static int nothing;\nint *unknown(void) { return &nothing; }\n").unwrap();
    fs::create_dir_all(lab.path("symbols")).unwrap();
    compile("gcc", &["-shared", "-fPIC", silent.to_str().unwrap()], &lab.path("symbols/libcuda.so.1"));

    let told = [
        unfit(&lab, "cut", |bytes| bytes.truncate(5000)),
        unfit(&lab, "foreign", |bytes| bytes[18] = 183),
        unfit(&lab, "narrow", |bytes| bytes[4] = 1),
        unfit(&lab, "empty", Vec::clear),
        unfit(&lab, "noise", |bytes| bytes.fill(0xa5)),
        // Section headers far outside the file.
        unfit(&lab, "outside", |bytes| bytes[40..48].fill(0x7f)),
        lab.path("symbols/libcuda.so.1"),
    ];
    let mut mappers: Vec<Program> = told.iter().map(|path| Program::start(&mapper, [path])).collect();
    for (program, path) in mappers.iter_mut().zip(&told) {
        assert_eq!(program.line(), "MAPPED", "{}", path.display());
    }
    for path in &told {
        let path = path.to_str().unwrap();
        lab.until(&format!("{path} is told"), |lab| {
            lab.log().lines().any(|l| l.contains(path) && l.contains("not recorded"))
        });
    }
    // These cannot be mapped; a recorder that opened the second would wait for ever.
    fs::create_dir_all(lab.path("folder/libcuda.so.1")).unwrap();
    nix::unistd::mkfifo(&lab.path("libcuda.so.fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for path in [lab.path("folder/libcuda.so.1"), lab.path("libcuda.so.fifo")] {
        assert_eq!(Program::start(&mapper, [&path]).line(), "NOT MAPPED", "{}", path.display());
    }
    works(&lab);
    assert!(mappers.iter_mut().all(|m| m.finish().success()));
}

#[test]
fn a_stripped_library_is_recorded_by_its_dynamic_symbols() {
    if !live() {
        return;
    }
    let lab = Lab::recording();
    let path = unfit(&lab, "stripped", |_| ());
    assert!(Command::new("strip").arg("--strip-all").arg(&path).status().unwrap().success());
    let program = path.with_file_name("program");
    fs::copy(&standin().calls, &program).unwrap();
    let mut program = Program::start(&program, ["--threads", "1", "--per-thread", "500", "--start-on-stdin"]);
    program.line_with("READY");
    lab.until_covered(program.pid());
    program.say("go");
    program.line_with("{");
    let db = lab.window("stripped", "60s");
    let sql = "SELECT count(*) FROM cuda_calls WHERE op = 'cuLaunchKernel' AND pid = ?1";
    assert_eq!(db.query_row(sql, [program.pid()], |r| r.get::<_, i64>(0)).unwrap(), 300);
}

#[test]
fn names_with_control_characters_and_paths_of_any_length_do_not_reach_log_or_terminal_as_they_are() {
    if !live() {
        return;
    }
    let lab = Lab::recording();
    let subject = Subject::compile(&lab, &source("names.c"), Library::Callback);
    let mut deep = lab.path("\u{1b}[31m\n<0>odd\t\u{7}");
    // As long as a path can be for those who open it by its name.
    while deep.as_os_str().len() < 3_700 {
        deep.push("d".repeat(200));
    }
    fs::create_dir_all(&deep).unwrap();
    fs::copy(lab.path("libcuda.so.1"), deep.join("libcuda.so.1")).unwrap();
    let mut command = subject.command(&[]);
    command.env("LD_LIBRARY_PATH", &deep).stdin(Stdio::piped()).stdout(Stdio::piped());
    // A search path of the program itself would win.
    command.env("LD_PRELOAD", deep.join("libcuda.so.1"));
    let mut child = command.spawn().unwrap();
    lab.until_covered(child.id());
    let status = lab.ok(&["status"]);
    let check = String::from_utf8(lab.ctl(&["check"]).stdout).unwrap();
    for (what, text) in [("log", lab.log()), ("status", status), ("check", check)] {
        let bad: Vec<char> = text.chars().filter(|c| c.is_control() && *c != '\n').collect();
        assert!(bad.is_empty(), "{what} has {bad:?}:\n{text:?}");
    }
    for line in lab.log().lines() {
        assert!(line.starts_with("ingero-recorder: "), "a line of somebody else: {line:?}");
    }
    drop(child.stdin.take());
    child.wait().unwrap();
    let db = lab.window("names", "60s");
    let pid = child.id();
    let n: i64 = db.query_row("SELECT count(*) FROM cuda_calls WHERE pid = ?1", [pid], |r| r.get(0)).unwrap();
    assert!(n <= 100);
    works(&lab);
}

#[test]
fn programs_that_end_while_their_fresh_libraries_are_probed_stop_nothing_and_leave_no_descriptors() {
    if !live() {
        return;
    }
    let lab = Lab::recording();
    works(&lab);
    let descriptors = || fs::read_dir(format!("/proc/{}/fd", lab.recorder_pid())).unwrap().count();
    let before = descriptors();
    let mut running: Vec<Child> = Vec::new();
    for i in 0..80 {
        let path = unfit(&lab, &format!("fresh{i}"), |_| ());
        let mut command = Command::new(&standin().calls);
        command.env("LD_PRELOAD", &path).args(["--threads", "1", "--per-thread", "20"]);
        // Some find their library gone before they begin.
        running.push(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        // Some are killed in the middle of it, all lose their file at some time.
        if i % 3 == 0 {
            std::thread::sleep(Duration::from_millis(i % 7));
            running.last_mut().unwrap().kill().unwrap();
        }
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }
    for mut child in running {
        child.wait().unwrap();
    }
    works(&lab);
    lab.until("the libraries that are gone are let go", |_| descriptors() <= before + 20);
    assert_eq!(lab.json(&["verify", lab.path("state").to_str().unwrap()])["ok"], true);
}

#[test]
fn processes_with_the_same_id_one_after_the_other_are_each_recorded() {
    if !live() {
        return;
    }
    let mut lab = Lab::new();
    let subject = Subject::compile(&lab, &source("reuse.c"), Library::Callback);
    lab.start();
    let mapper = subject.probed(&lab);
    let ran = subject.run(&["40"]);
    if ran.status.code() == Some(77) {
        eprintln!("\n*** NOT RUN: this kernel gives no process an id of one's choice ***\n");
        return;
    }
    let kept = Kept::of(&lab, &subject, &ran);
    assert_eq!((&kept.recorded, kept.lost), (&ran.made, 0));
    let pid: u32 = ran.output.lines().find_map(|l| l.strip_prefix("process ")).unwrap().parse().unwrap();
    // Those between, which slept, were no CUDA processes.
    let db = lab.window("reuse", "60s");
    let sleeps = "SELECT count(*) FROM off_cpu WHERE pid = ?1 AND dur_ns > 15000000";
    assert_eq!(db.query_row(sleeps, [pid], |r| r.get::<_, i64>(0)).unwrap(), 0);
    drop(mapper);
}

#[test]
fn a_proc_that_hides_other_users_processes_hides_none_from_root() {
    if !live() {
        return;
    }
    let mut lab = Lab::new();
    let recorder = lab.recorder_command();
    let line = std::iter::once(recorder.get_program()).chain(recorder.get_args());
    let line: Vec<&str> = line.map(|word| word.to_str().unwrap()).collect();
    let script = format!("mount -t proc -o hidepid=2 proc /proc && exec {}", line.join(" "));
    lab.start_as(Command::new("unshare").args(["-m", "--propagation", "private", "sh", "-c", &script]));
    works(&lab);
}

#[test]
fn two_thousand_processes_are_covered_and_one_more_is_recorded_exactly() {
    if !live() {
        return;
    }
    let lab = Lab::recording();
    let sleepers = (0..2_000)
        .map(|_| Command::new("sleep").arg("600").env("LD_PRELOAD", &standin().libcuda).spawn().unwrap());
    let mut sleepers: Vec<Child> = sleepers.collect();
    lab.until("all are covered", |lab| {
        lab.json(&["status"])["processes"].as_array().unwrap().len() >= sleepers.len()
    });
    works(&lab);
    sleepers.iter_mut().for_each(|child| child.kill().unwrap());
    sleepers.iter_mut().for_each(|child| {
        child.wait().unwrap();
    });
    lab.until("all are forgotten", |lab| lab.json(&["status"])["processes"].as_array().unwrap().len() < 10);
}

#[test]
fn calls_of_threads_for_which_the_table_has_no_room_are_counted_as_lost() {
    if !live() {
        return;
    }
    let mut lab = Lab::new();
    let subject = Subject::compile(&lab, &source("threads.c"), Library::Callback);
    lab.start_with(&[("INGERO_TEST_THREADS", "64")]);
    let mapper = subject.probed(&lab);
    let ran = subject.run(&["300"]);
    assert!(ran.status.success());
    let kept = Kept::of(&lab, &subject, &ran);
    assert_eq!(kept.calls() + kept.lost, 300 * 20, "{kept:?}");
    assert!(kept.lost > 4_000 && kept.causes == ["probe_missed"], "{kept:?}");
    drop(mapper);
}

#[test]
fn a_recorder_that_stands_still_for_a_second_tells_exactly_what_it_lost() {
    if !live() {
        return;
    }
    let mut lab = Lab::new();
    lab.start_with(&[("INGERO_TEST_EVENTS_BYTES", "1048576")]);
    let load =
        ["--threads", "2", "--per-thread", "100000", "--rate", "80000", "--start-on-stdin", "--linger"];
    let mut program = Program::start(&standin().calls, load);
    program.line_with("READY");
    lab.until_covered(program.pid());
    let before = calls_in(&lab, program.pid(), "before");
    program.say("go");
    std::thread::sleep(Duration::from_millis(300));
    lab.signal(Signal::SIGSTOP);
    std::thread::sleep(Duration::from_secs(1));
    lab.signal(Signal::SIGCONT);
    let truth: Value = serde_json::from_str(&program.line_with("{")).unwrap();
    let made: i64 = calls::recorded_ones(&truth).values().map(|n| n.cast_signed()).sum();
    // A gap is settled half a second after its place was passed.
    std::thread::sleep(Duration::from_secs(1));
    let after = calls_in(&lab, program.pid(), "after");
    let lost = after.1;
    assert!(lost > 1_000, "nothing was lost: {after:?}");
    assert_eq!(after.0 - before.0 + lost, made, "{before:?} {after:?}");
    let report = lab.json(&["verify", lab.path("after.ingero").to_str().unwrap()]);
    assert_eq!((&report["ok"], &report["conservation"]["holds"]), (&true.into(), &true.into()), "{report}");
    program.finish();
}

/// Rows of a process, and CUDA calls that were lost.
fn calls_in(lab: &Lab, pid: u32, name: &str) -> (i64, i64) {
    let db = lab.window(name, "10m");
    let lost = "SELECT ifnull(sum(count), 0) FROM losses WHERE source = 'cuda'";
    (
        db.query_row("SELECT count(*) FROM cuda_calls WHERE pid = ?1", [pid], |r| r.get(0)).unwrap(),
        db.query_row(lost, [], |r| r.get(0)).unwrap(),
    )
}
