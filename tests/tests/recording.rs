//! What is recorded, on the real kernel.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use ingero_tests::{Lab, Program, calls, live, standin, switcher};
use nix::sys::signal::Signal;

#[test]
fn every_call_of_eight_threads_is_exactly_one_row_and_nothing_is_lost() {
    if !live() {
        return;
    }
    let lab = Lab::recording();
    for run in 0..2 {
        let counted = calls::count(&lab, 8, 6_250, 50_000);
        assert_eq!(counted.recorded, counted.made, "run {run}");
        assert_eq!(counted.lost, 0, "run {run}");
    }
}

#[test]
fn off_cpu_time_beside_a_hog_agrees_with_the_kernels_account_within_one_percent() {
    if !live() {
        return;
    }
    let seen = switcher::measure(&Lab::recording(), 4);
    assert!(seen.error() < 0.01, "{seen:?}");
    assert!(seen.intervals > 500, "{seen:?}");
    // Others may take the CPU too on a machine that is shared.
    assert!(seen.hog_named > 0.5, "{seen:?}");
}

/// Copies program and library elsewhere; the program finds the library beside itself.
fn elsewhere(folder: &Path, library: &str) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    fs::copy(&standin().libcuda, folder.join(library)).unwrap();
    let program = folder.join("program");
    fs::copy(&standin().calls, &program).unwrap();
    program
}

fn counts_of(lab: &Lab, program: &mut Program) -> i64 {
    let pid = program.pid();
    program.line_with("READY");
    lab.until_covered(pid);
    program.say("go");
    program.line_with("{");
    let db = lab.window("found", "20s");
    db.query_row("SELECT count(*) FROM cuda_calls WHERE pid = ?1 AND op = 'cuLaunchKernel'", [pid], |r| {
        r.get(0)
    })
    .unwrap()
}

const FEW: [&str; 7] = ["--threads", "2", "--per-thread", "500", "--rate", "20000", "--start-on-stdin"];

#[test]
fn a_library_at_a_path_nobody_expects_is_found_in_a_program_that_ran_before() {
    if !live() {
        return;
    }
    let mut lab = Lab::new();
    let program = elsewhere(&lab.path("a folder (odd)"), "libcuda.so.1");
    let mut program = Program::start(&program, FEW);
    lab.start();
    assert_eq!(counts_of(&lab, &mut program), 600);
}

#[test]
fn a_library_whose_file_has_another_name_is_found_by_what_it_calls_itself() {
    if !live() {
        return;
    }
    let lab = Lab::recording();
    let folder = lab.path("renamed");
    let program = elsewhere(&folder, "vendor-driver.bin");
    std::os::unix::fs::symlink("vendor-driver.bin", folder.join("libcuda.so.1")).unwrap();
    assert_eq!(counts_of(&lab, &mut Program::start(&program, FEW)), 600);
}

#[test]
fn a_library_whose_file_was_deleted_is_still_recorded() {
    if !live() {
        return;
    }
    let mut lab = Lab::new();
    let folder = lab.path("gone");
    let mut program = Program::start(&elsewhere(&folder, "libcuda.so.1"), FEW);
    program.line_with("READY");
    fs::remove_dir_all(folder).unwrap();
    lab.start();
    lab.until_covered(program.pid());
    program.say("go");
    program.line_with("{");
    let db = lab.window("deleted", "20s");
    let sql = "SELECT count(*) FROM cuda_calls WHERE op = 'cuLaunchKernel'";
    assert_eq!(db.query_row(sql, [], |r| r.get::<_, i64>(0)).unwrap(), 600);
}

#[test]
fn forty_processes_of_four_copies_one_of_them_upgraded_in_between_are_all_recorded() {
    if !live() {
        return;
    }
    let lab = Lab::recording();
    let args = ["--threads", "2", "--per-thread", "200", "--rate", "20000", "--start-on-stdin", "--linger"];
    let mut programs: Vec<Program> = Vec::new();
    for i in 0..40 {
        let folder = lab.path(&format!("copy-{}", i % 4));
        if i == 20 {
            // As a package manager does: a new file under the old name, while the old one is mapped.
            fs::copy(&standin().libcuda, folder.join("new")).unwrap();
            fs::rename(folder.join("new"), folder.join("libcuda.so.1")).unwrap();
        } else if i < 4 {
            elsewhere(&folder, "libcuda.so.1");
        }
        programs.push(Program::start(&folder.join("program"), args));
    }
    for program in &mut programs {
        program.line_with("READY");
        lab.until_covered(program.pid());
    }
    programs.iter_mut().for_each(|p| p.say("go"));
    programs.iter_mut().for_each(|p| drop(p.line_with("{")));
    let db = lab.window("many", "120s");
    let sql = "SELECT pid, count(*) FROM cuda_calls WHERE op = 'cuLaunchKernel' GROUP BY pid";
    let mut query = db.prepare(sql).unwrap();
    let rows = query.query_map([], |r| Ok((r.get(0)?, r.get(1)?))).unwrap();
    let counted: std::collections::BTreeMap<u32, i64> = rows.map(Result::unwrap).collect();
    for program in &programs {
        assert_eq!(counted.get(&program.pid()), Some(&240), "{counted:?}");
    }
    // Who mapped the replaced file is seen with it before or after it was deleted.
    let sql = "SELECT count(DISTINCT replace(libraries, ' (deleted)', '')) FROM processes";
    assert_eq!(db.query_row(sql, [], |r| r.get::<_, i64>(0)).unwrap(), 4);
}

#[test]
fn a_library_in_another_mount_namespace_is_found() {
    if !live() {
        return;
    }
    let lab = Lab::recording();
    let (folder, hidden) = (lab.path("outside"), lab.path("hidden"));
    elsewhere(&folder, "libcuda.so.1");
    fs::create_dir_all(&hidden).unwrap();
    // What is mounted in the new namespace cannot be seen, by this path, from outside.
    let script = format!(
        "mount -t tmpfs none {0} && cp {1}/* {0}/ && exec {0}/program \"$@\"",
        hidden.display(),
        folder.display()
    );
    let args = ["-m", "--propagation", "private", "sh", "-c", script.as_str(), "sh"].into_iter().chain(FEW);
    let mut program = Program::start(Path::new("/usr/bin/unshare"), args);
    assert!(!hidden.join("libcuda.so.1").exists());
    assert_eq!(counts_of(&lab, &mut program), 600);
}

#[test]
fn a_snapshot_verifies_and_accounts_for_every_event_while_recording_goes_on() {
    if !live() {
        return;
    }
    let lab = Lab::recording();
    let mut load = Program::start(&standin().engine, ["--duration", "6", "--start-on-stdin"]);
    load.line_with("READY");
    lab.until_covered(load.pid());
    load.say("go");
    std::thread::sleep(std::time::Duration::from_secs(2));
    let bundle = lab.path("while.ingero");
    let taken = lab.json(&["snapshot", "--last", "60s", "--after", "500ms", "-o", bundle.to_str().unwrap()]);
    assert!(taken["frozen_after_ns"].as_u64().unwrap() > 0);
    for path in [bundle.to_str().unwrap(), lab.path("state").to_str().unwrap()] {
        let report = lab.json(&["verify", path]);
        assert_eq!(
            (&report["ok"], &report["conservation"]["holds"]),
            (&true.into(), &true.into()),
            "{report}"
        );
        assert!(report["events"].as_u64().unwrap() > 1000, "{report}");
    }
    load.line_with("{");
    let later = lab.json(&["status"])["events"]["stored"].as_u64().unwrap();
    let frozen = lab.json(&["verify", bundle.to_str().unwrap()])["events"].as_u64().unwrap();
    assert!(later > frozen, "{later} stored, {frozen} frozen");
}

#[test]
fn sigusr1_freezes_the_configured_window() {
    if !live() {
        return;
    }
    let lab = Lab::recording();
    calls::count(&lab, 1, 500, 20_000);
    lab.signal(Signal::SIGUSR1);
    lab.until("the snapshot is there", |lab| {
        lab.json(&["snapshots"])["snapshots"].as_array().unwrap().iter().any(|s| s["reason"] == "SIGUSR1")
    });
    let list = lab.json(&["snapshots"]);
    let id = list["snapshots"].as_array().unwrap().iter().find(|s| s["reason"] == "SIGUSR1").unwrap()["id"]
        .clone();
    let copy = lab.path("signal.ingero");
    lab.ok(&["fetch", id.as_str().unwrap(), "-o", copy.to_str().unwrap()]);
    assert_eq!(lab.json(&["verify", copy.to_str().unwrap()])["ok"], true);
    lab.ok(&["rm", id.as_str().unwrap()]);
    assert!(!lab.json(&["snapshots"]).to_string().contains(id.as_str().unwrap()));
}

// Found by the test below: the window of a snapshot that reaches past the oldest row began at that row's end,
// and so left it out: 23,999 of 24,000 launches.
#[test]
fn kill_9_loses_nothing() {
    if !live() {
        return;
    }
    let mut lab = Lab::recording();
    for _ in 0..2 {
        calls::count(&lab, 4, 5_000, 40_000);
        let before = lab.json(&["status"])["events"]["stored"].as_u64().unwrap();
        lab.kill();
        let state = lab.path("state");
        let report = lab.json(&["verify", state.to_str().unwrap()]);
        assert_eq!(report["ok"], true, "{report}");
        assert!(report["events"].as_u64().unwrap() >= before, "{before} stored, {report}");
        lab.start();
    }
    let db = lab.window("after", "10m");
    let lost: i64 = db.query_row("SELECT count(*) FROM losses", [], |r| r.get(0)).unwrap();
    assert_eq!(lost, 0, "the probes outlived the recorder");
    let launches: i64 = db
        .query_row("SELECT count(*) FROM cuda_calls WHERE op = 'cuLaunchKernel'", [], |r| r.get(0))
        .unwrap();
    assert_eq!(launches, 2 * 4 * 5_000 * 6 / 10);
}

#[test]
fn a_stop_seals_everything_and_a_child_that_is_no_gpu_process_is_only_seen_to_live_and_die() {
    if !live() {
        return;
    }
    let mut lab = Lab::recording();
    calls::count(&lab, 2, 1_000, 20_000);
    let stored = lab.json(&["status"])["events"]["stored"].as_u64().unwrap();
    lab.stop();
    assert!(lab.log().contains("stopped cleanly"));
    let report = lab.json(&["verify", lab.path("state").to_str().unwrap()]);
    assert_eq!(report["ok"], true, "{report}");
    assert!(report["events"].as_u64().unwrap() >= stored);
}

#[test]
fn a_process_without_cuda_leaves_no_event() {
    if !live() {
        return;
    }
    let lab = Lab::recording();
    let mut command = Command::new("/bin/sh");
    let other =
        command.args(["-c", "i=0; while [ $i -lt 200 ]; do sleep 0.005; i=$((i+1)); done"]).arg0("other");
    let mut other = other.spawn().unwrap();
    let pid = other.id();
    other.wait().unwrap();
    let mut switcher = Program::start(&standin().switcher, ["--cuda", "--seconds", "1", "--start-on-stdin"]);
    switcher.line_with("READY");
    lab.until_covered(switcher.pid());
    switcher.say("go");
    switcher.line_with("wall");
    let db = lab.window("other", "10s");
    let of = |sql: &str| db.query_row(sql, [pid], |r| r.get::<_, i64>(0)).unwrap();
    assert_eq!(of("SELECT count(*) FROM off_cpu WHERE pid = ?1"), 0);
    assert_eq!(of("SELECT count(*) FROM host_events WHERE pid = ?1"), 0);
    assert!(db.query_row("SELECT count(*) FROM off_cpu", [], |r| r.get::<_, i64>(0)).unwrap() > 100);
}
