//! What people read fits a screen of 80 columns; what is piped is whole.

use ingero_format::control::{
    Cost, LossCount, ProcessStatus, RefusalCount, Snapshot, SnapshotCounts, Status, TriggerStatus,
};
use tempfile::TempDir;

use super::{incident, said, text};
use crate::{
    commands::{check, snapshots},
    load::tests::said as annotation,
    screen::tests::on_80_columns,
    status,
};

fn fits(output: &str, of: &str) {
    assert!(!output.is_empty(), "{of}");
    for line in output.lines() {
        assert!(line.chars().count() <= 80, "{of}: {} columns: {line}", line.chars().count());
    }
}

#[test]
fn every_answer_fits_80_columns_and_is_whole_in_a_pipe() {
    let folder = TempDir::new().unwrap();
    let mut draft = incident();
    draft.manifest.processes[0].comm = "python3.12-server".into();
    draft.state.handles[0].name = "void_gemm_kernel_with_a_name_of_its_own_".repeat(5);
    let labels = "{\"request_id\":\"chatcmpl-7b9e5c1f0a2d4e6f8a9b\",\"phase\":\"ttft\"}";
    draft.frames.push((annotation(1, 9_000_000_000, [6_500_000_000, 900_000_000], labels), 0));
    let bundle = draft.write(&folder, "one.ingero");
    let db = folder.path().join("one.db");
    fits(&on_80_columns(|| said(&["convert", text(&bundle), "-o", text(&db)])), "convert");
    let every = "SELECT * FROM cuda_calls LIMIT 5";
    let summary = "SELECT rank, cause, summary FROM findings";
    for args in [
        vec!["stats"],
        vec!["explain"],
        vec!["explain", "--per-process"],
        vec!["requests"],
        vec!["query", "SELECT op, count, p50_ns, p99_ns, max_ns FROM op_stats"],
        vec!["query", every],
        vec!["query", summary],
        vec!["query", "SELECT evidence FROM findings"],
    ] {
        let file = if args[0] == "query" { &db } else { &bundle };
        let mut args = args.clone();
        args.insert(1, text(file));
        let narrow = on_80_columns(|| said(&args));
        fits(&narrow, &args.join(" "));
        let piped = said(&args);
        if args.contains(&every) {
            assert!(piped.contains(&draft.state.handles[0].name), "a pipe gets the whole name: {piped}");
            assert!(narrow.contains('\u{2026}'), "{narrow}");
        } else if args[0] == "explain" {
            let words = |t: &str| t.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(words(&narrow).concat(), words(&piped).concat(), "no letter goes");
        }
    }
}

#[test]
fn a_table_wider_than_the_screen_is_written_in_parts_that_say_what_each_row_is_of() {
    let folder = TempDir::new().unwrap();
    let bundle = incident().write(&folder, "one.ingero");
    let narrow = on_80_columns(|| said(&["stats", text(&bundle)]));
    let heads: Vec<&str> = narrow.lines().filter(|l| l.starts_with("process ")).collect();
    assert!(heads.len() > 1, "{narrow}");
    let rows = narrow.lines().filter(|l| l.starts_with("engine/100") && l.contains("cuLaunchKernel")).count();
    assert_eq!(rows, heads.len(), "{narrow}");
    for column in ["p50", "p99/p50", "total", "off-CPU calls"] {
        assert_eq!(heads.iter().filter(|h| h.contains(&format!(" {column}"))).count().min(1), 1, "{narrow}");
    }
}

#[test]
fn status_snapshots_and_check_fit_80_columns() {
    let libraries = vec!["/usr/lib/x86_64-linux-gnu/libcuda.so.570.86.15".to_owned(); 2];
    let process = ProcessStatus {
        pid: 4_194_303,
        comm: "python3.12".into(),
        libraries,
        probes: 300,
        ..ProcessStatus::default()
    };
    let reason = "p99 of the checkout's model doubled after the deployment of Tuesday".to_owned();
    let snapshot =
        Snapshot { id: "20261122T101500-0001".into(), reason, pinned: true, ..Snapshot::default() };
    let refused = vec![RefusalCount { reason: "max_per_hour".into(), count: 1_234_567 }; 2];
    let trigger = TriggerStatus {
        name: "alertmanager".into(),
        armed: true,
        refused,
        last_fired_ts_ns: Some(5),
        ..TriggerStatus::default()
    };
    let off =
        ["ttft", "sync_longer", "launch_rate", "oom", "throttle", "unit", "signal", "process", "predicate"];
    let off = off.map(|name| TriggerStatus { name: name.into(), ..TriggerStatus::default() });
    let status = Status {
        state: "recording".into(),
        version: "0.1.0".into(),
        losses: vec![LossCount { source: "sched".into(), cause: "ringbuf_full".into(), count: u64::MAX }],
        processes: vec![process],
        cost: Cost { daemon_limit_percent: 1.0, thread_limit_percent: 2.0, ..Cost::default() },
        snapshots: SnapshotCounts { last: vec![snapshot.clone()], ..SnapshotCounts::default() },
        triggers: [trigger].into_iter().chain(off).collect(),
        warnings: vec![
            "the disk is nearly full: less of the past is held than [ring] max_bytes allows".into(),
        ],
        ..Status::default()
    };
    let checks = serde_json::json!({
        "checks": [{"name": "tracepoints", "found": "all of 12, below /sys/kernel/tracing, which is mounted as it should",
            "ok": false, "remedy": "mount it: `mount -t tracefs nodev /sys/kernel/tracing`, or run as root"}],
        "libraries": [{"path": "/usr/lib/x86_64-linux-gnu/libcuda.so.570.86.15", "functions": 312}],
        "processes": [{"pid": 5, "comm": "python3.12"}],
    });
    let output = on_80_columns(|| {
        let mut out = Vec::new();
        status::text(&status, &mut out).unwrap();
        snapshots::rows(&[snapshot], &mut out).unwrap();
        check::text(&checks, check::Running::Yes, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    });
    fits(&output, "status, snapshots, check");
}

#[test]
fn the_help_of_every_command_fits_80_columns() {
    let mut command = crate::cli::command();
    fits(&command.render_long_help().to_string(), "ingeroctl");
    let names: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
    for name in names {
        let refused = command.try_get_matches_from_mut(["ingeroctl", &name, "--help"]).unwrap_err();
        fits(&refused.to_string(), &name);
    }
}
