//! Bad input: one line that names the thing and the remedy, the right exit code, no trace of a panic.
#![expect(clippy::indexing_slicing, reason = "a failed step is a failed test")]

use std::{
    fs,
    os::unix::process::CommandExt,
    process::{Command, Output, Stdio},
};

use ingero_tests::{Lab, calls, lab::programs, live};

/// Checks exit code and the one line; gives the line.
fn refused(output: &Output, code: i32, parts: &[&str]) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert_eq!(text.trim_end().lines().count(), 1, "more than one line:\n{text}");
    assert!(!text.contains("panicked") && !text.contains("backtrace"), "{text}");
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    text
}

#[test]
fn an_unknown_configuration_key_is_named_with_its_line() {
    let lab = Lab::new();
    lab.configure("[probes]\nlayer = \"driver\"\n");
    let output = lab.recorder_command().arg("--check-config").output().unwrap();
    refused(&output, 1, &["recorder.toml", "line 10", "layer", "layers"]);
}

#[test]
fn a_configuration_file_that_was_named_must_be_there() {
    let output = Command::new(programs().join("ingero-recorder"))
        .args(["--config", "/nonexistent.toml"])
        .output()
        .unwrap();
    refused(&output, 1, &["/nonexistent.toml", "check --config"]);
}

#[test]
fn a_state_directory_that_is_a_file_is_refused_by_name() {
    if !live() {
        return;
    }
    let lab = Lab::new();
    fs::write(lab.path("state"), "in the way").unwrap();
    refused(&lab.recorder_command().output().unwrap(), 1, &["state", "choose another --state-dir"]);
}

#[test]
fn a_second_recorder_on_the_same_ring_names_the_first() {
    if !live() {
        return;
    }
    let lab = Lab::recording();
    let first = format!("process {}", lab.recorder_pid());
    refused(&lab.recorder_command().output().unwrap(), 1, &["in use by", &first, "--state-dir"]);
    lab.ok(&["status"]);
}

#[test]
fn a_user_who_is_not_root_is_told_so() {
    if !live() {
        return;
    }
    // Where nobody may not execute the build's output, a copy stands in.
    let folder = tempfile::Builder::new().prefix("ingero-any-").tempdir().unwrap();
    Command::new("chmod").args(["755", folder.path().to_str().unwrap()]).status().unwrap();
    for (name, args) in
        [("ingero-recorder", vec!["--state-dir", "s", "--run-dir", "r"]), ("ingeroctl", vec!["demo"])]
    {
        let program = folder.path().join(name);
        fs::copy(programs().join(name), &program).unwrap();
        let output =
            Command::new(program).args(args).current_dir("/tmp").uid(65534).gid(65534).output().unwrap();
        refused(&output, 1, &["root", "sudo"]);
    }
}

/// Runs the recorder inside a shell line, with `$@` for its command line.
fn within(lab: &Lab, before: &[&str], script: &str) -> Command {
    let recorder = lab.recorder_command();
    let (program, mut args) = (recorder.get_program().to_owned(), Vec::new());
    args.extend(recorder.get_args().map(ToOwned::to_owned));
    let mut command = Command::new(before[0]);
    command.args(&before[1..]).args(["sh", "-c", script, "sh"]).arg(program).args(args).stdin(Stdio::null());
    command
}

#[test]
fn a_missing_capability_is_named() {
    if !live() {
        return;
    }
    let lab = Lab::new();
    let output = within(&lab, &["setpriv", "--bounding-set", "-sys_admin"], "exec \"$@\"").output().unwrap();
    refused(&output, 1, &["CAP_SYS_ADMIN", "CapabilityBoundingSet"]);
}

#[test]
fn a_kernel_without_btf_is_refused_and_one_without_tracefs_is_not() {
    if !live() {
        return;
    }
    let lab = Lab::new();
    let namespace = ["unshare", "-m", "--propagation", "private"];
    let script = "mount -t tmpfs none /sys/kernel/btf && exec \"$@\"";
    refused(
        &within(&lab, &namespace, script).output().unwrap(),
        1,
        &["/sys/kernel/btf/vmlinux", "CONFIG_DEBUG_INFO_BTF"],
    );

    let script = "mkdir -p /sys/kernel/tracing; mount -t tmpfs none /sys/kernel/tracing; \
                  mount -t tmpfs none /sys/kernel/debug 2>/dev/null; exec timeout --signal TERM 4 \"$@\"";
    let output = within(&lab, &namespace, script).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("ready") && text.contains("stopped cleanly"), "{text}");
}

#[test]
fn a_library_without_the_functions_is_told_and_harms_nothing() {
    if !live() {
        return;
    }
    let lab = Lab::recording();
    let fake = lab.path("libcuda.so.77");
    let output = Command::new("sh")
        .args(["-c", "ls /lib/*/libm.so.6 /lib64/libm.so.6 2>/dev/null | head -1"])
        .output()
        .unwrap();
    fs::copy(String::from_utf8(output.stdout).unwrap().trim(), &fake).unwrap();
    let mut mapper = Command::new("sleep").arg("20").env("LD_PRELOAD", &fake).spawn().unwrap();
    lab.until("the library is looked at", |lab| lab.log().contains("libcuda.so.77"));
    mapper.kill().unwrap();
    mapper.wait().unwrap();
    assert!(lab.log().contains("nothing probed: it exports none of the known functions"), "{}", lab.log());
    lab.ok(&["status"]);
}

#[test]
fn a_recorder_that_does_not_answer_is_exit_4() {
    let lab = Lab::new();
    refused(&lab.ctl(&["status"]), 4, &["control.sock", "does not answer", "systemctl start"]);
    refused(&lab.ctl(&["snapshot"]), 4, &["control.sock"]);
}

#[test]
fn damaged_and_foreign_files_are_exit_3_and_a_cut_bundle_is_read_as_far_as_it_goes() {
    if !live() {
        return;
    }
    let lab = Lab::recording();
    calls::count(&lab, 2, 2_000, 20_000);
    drop(lab.window("whole", "20s"));
    let (bundle, database) = (lab.path("whole.ingero"), lab.path("whole.db"));
    let text = |p: &std::path::Path| p.to_str().unwrap().to_owned();

    let out = text(&lab.path("out.db"));
    refused(&lab.ctl(&["convert", &text(&database), "-o", &out]), 3, &["whole.db", "database"]);
    refused(&lab.ctl(&["verify", &text(&database)]), 3, &["whole.db"]);
    let noise = lab.path("noise.ingero");
    fs::write(&noise, [7; 5000]).unwrap();
    refused(&lab.ctl(&["explain", &text(&noise)]), 3, &["noise.ingero"]);
    refused(&lab.ctl(&["explain", &text(&lab.path("missing"))]), 1, &["missing"]);

    let whole = fs::read(&bundle).unwrap();
    for share in [1, 5, 9] {
        let cut = lab.path("cut.ingero");
        fs::write(&cut, &whole[..whole.len() * share / 10]).unwrap();
        let converted = lab.ctl(&["convert", &text(&cut), "-o", &out, "--force"]);
        assert!(matches!(converted.status.code(), Some(0 | 3)), "{converted:?}");
        let strict = lab.ctl(&["--strict", "convert", &text(&cut), "-o", &out, "--force"]);
        assert!(matches!(strict.status.code(), Some(5 | 3)), "{strict:?}");
        refused(&lab.ctl(&["verify", &text(&cut)]), 3, &["cut.ingero", "damaged"]);
    }
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    let bad = lab.path("flipped.ingero");
    fs::write(&bad, flipped).unwrap();
    refused(&lab.ctl(&["verify", &text(&bad)]), 3, &["flipped.ingero", "damaged"]);
}

#[test]
fn a_bad_reload_is_refused_and_the_old_configuration_stays() {
    if !live() {
        return;
    }
    let lab = Lab::recording();
    lab.configure("[snapshot.oops]\n");
    refused(&lab.ctl(&["reload"]), 1, &["recorder.toml", "line"]);
    lab.configure("");
    lab.ok(&["reload"]);
    refused(
        &lab.ctl(&["fetch", "../../etc/passwd", "-o", lab.path("x").to_str().unwrap()]),
        1,
        &["no snapshot"],
    );
}
