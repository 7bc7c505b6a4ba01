//! A recording that tells in every place, and what is left of it.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use ingero_format::{
    Row,
    bundle::{Module, UserFrame, UserSymbols},
    manifest::{LibraryProbes, Trigger},
    ops,
    row::{META_CPU, origin},
    state::{self, Handle, Text},
};
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::{
    commands::tests::{incident, run, said},
    investigate::investigate,
    load::tests::{BEGIN, Draft, launch, meta, preempted, said as annotation},
    model::{Sample, Task},
    sqlite,
};

mod everywhere;

/// In every text that tells.
pub(crate) const TELLS: &str = "Zork";
/// The address of a peer, first byte lowest.
const PEER: u64 = 0x4d71_00cb;

fn manifest(draft: &mut Draft) {
    let manifest = &mut draft.manifest;
    manifest.id = "Zork-snapshot".into();
    manifest.triggers = vec![
        Trigger { kind: "webhook".into(), reason: "Zork is down: Zork".into(), at_ns: BEGIN },
        Trigger { kind: "Zorked".into(), reason: "x".into(), at_ns: BEGIN },
    ];
    let host = &mut manifest.host;
    (host.name, host.kernel) = ("gpu7.Zork.example".into(), "6.8.0-1013-Zork".into());
    (host.machine, host.driver) = ("Zork64".into(), "570.Zork".into());
    host.gpus = vec!["NVIDIA H100 80GB HBM3".into(), "Zork GPU".into()];
    host.boot_id = *b"Zork-boot-Zork-b";
    manifest.recorder_version = "0.1.0-Zork".into();
    manifest.config_digest = "Zork".into();
    manifest.notes = vec!["older snapshot Zork-1 was removed to make room".into()];
    let failed = vec!["cuMemAlloc_v2: Zork".into()];
    manifest.probes =
        vec![LibraryProbes { path: "/opt/Zork/libcuda.so.1".into(), failed, ..Default::default() }];
    let id = "5a".repeat(32);
    let process = state::Process {
        pid: 100,
        start_ns: 1,
        covered_ns: 2,
        comm: "Zork-engine".into(),
        exe: "/home/Zork/bin/Zork-serve".into(),
        cgroup: format!("/Zork.slice/docker-{id}.scope/Zork"),
        libraries: vec!["/opt/Zork/libcuda.so.1".into(), "/opt/Zork/libZork.so".into()],
    };
    let other = state::Process {
        pid: 500,
        cgroup: "/system.slice/Zork.service".into(),
        comm: "Zork-batch".into(),
        ..process.clone()
    };
    manifest.processes = vec![process, other];
    draft.state.processes = manifest.processes.clone();
}

fn stacks(draft: &mut Draft) {
    let frame = |address, module, symbol: &str| UserFrame {
        pid: 100,
        address,
        module,
        file_offset: 1,
        symbol: symbol.into(),
        offset: 2,
        file: "/home/Zork/src/Zork.cc".into(),
        line: 7,
    };
    let module = |path: &str| Module { path: path.into(), build_id: b"Zork".to_vec() };
    draft.user_symbols = UserSymbols {
        modules: vec![module("/home/Zork/libZork.so"), module("/opt/Zork/libtorch_cpu.so")],
        frames: vec![frame(0x10, 0, "Zork::step"), frame(0x20, 1, "at::native::add")],
    };
    let part = Row { ret: 0, flags: 1, stack: 9, arg0: 0x10, arg1: 0x20, ..meta(ops::STACK_PART, BEGIN) };
    draft.frames.push((vec![part], 0));
    draft.frames.push((vec![Row { stack: 9, ..launch(20_000, 9_995_000_000, 500, 0xf1) }], 0));
    draft.symbols.kernel = vec![(0xa1, "futex_wait".into(), 5), (0xa2, "bpf_prog_6_Zork".into(), 9)];
    let waits = Row { stack: 4, flags: 0, ret: 1, ..preempted(900, 9_996_000_000, 500_000, 500) };
    draft.frames.push((vec![waits], 0));
}

fn samples(draft: &mut Draft) {
    let texts = [
        "Zork_queue_depth{instance=\"Zork:9000\"}",
        "vllm:num_requests_running{engine=\"0\",model_name=\"Zork-70b\",Zork=\"x\"}",
        "cgroup_memory_events_total{cgroup=\"/Zork.slice\",event=\"oom\"}",
        "Zork{broken",
    ];
    let sample = |i: usize| Row {
        end_ns: BEGIN + 5_000_000_000 - i as u64,
        arg0: 1.0_f64.to_bits(),
        stack: 10 + i as u32,
        origin: origin(META_CPU, 100 + i as u64),
        op: ops::SAMPLE,
        ..Row::default()
    };
    draft.state.texts.extend((10..).zip(texts).map(|(id, text)| Text { id, text: text.into() }));
    draft.frames.push(((0..texts.len()).map(sample).collect(), 0));
}

/// The incident of an engine, with a name that tells in every place that can have one.
pub(crate) fn telltale() -> Draft {
    let mut draft = incident();
    manifest(&mut draft);
    for (task, comm) in draft.state.tasks.iter_mut().zip(["Zork-engine", "Zork-loader", "Zork-batch"]) {
        task.comm = comm.into();
    }
    draft.state.handles = vec![Handle { pid: 100, handle: 0xf1, name: "_Z4ZorkPf".into() }];
    stacks(&mut draft);
    samples(&mut draft);
    let second = 1_000_000_000;
    let labels = "{\"Zork\":\"Zork\",\"phase\":\"ttft\",\"request_id\":\"Zork-17\"}";
    draft.frames.push((annotation(30, 9 * second, [6 * second, 2 * second], labels), 0));
    let retransmit =
        Row { op: ops::TCP_RETRANSMIT, arg0: PEER, arg1: 443 << 16 | 5000, ..launch(1, 90, 0, 0) };
    draft.frames.push((vec![Row { origin: origin(3, 1), ..retransmit }], 0));
    draft
}

/// A folder with the recording, and databases of it with and without names.
struct Made {
    folder: TempDir,
    bundle: PathBuf,
    plain: PathBuf,
    redacted: PathBuf,
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

impl Made {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let bundle = telltale().write(&folder, "Zork.ingero");
        let [plain, redacted] = ["plain.db", "out.db"].map(|name| folder.path().join(name));
        said(&["convert", text(&bundle), "-o", text(&plain)]);
        let made = Self { folder, bundle, plain, redacted };
        made.redact(&made.redacted, &["--redact-map", text(&made.at("map.json"))]);
        made
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn redact(&self, to: &Path, more: &[&str]) {
        said(&[&["convert", text(&self.bundle), "-o", text(to), "--redact"], more].concat());
    }

    /// Every pseudonym with its value.
    fn map(&self) -> BTreeMap<String, String> {
        let map: BTreeMap<String, BTreeMap<String, String>> =
            serde_json::from_slice(&fs::read(self.at("map.json")).unwrap()).unwrap();
        map.into_values().flatten().collect()
    }
}

fn tells(bytes: &[u8]) -> usize {
    let word = TELLS.to_lowercase();
    bytes.windows(word.len()).filter(|part| part.eq_ignore_ascii_case(word.as_bytes())).count()
}

#[test]
fn nothing_that_tells_is_in_the_database_or_in_anything_made_of_it() {
    let made = Made::new();
    assert!(tells(&fs::read(&made.plain).unwrap()) > 40, "the recording tells");
    assert_eq!(tells(&fs::read(&made.redacted).unwrap()), 0);
    let boot = ingero_format::units::hex(b"Zork-boot");
    let holds = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap()).contains(&boot);
    assert_eq!((holds(&made.plain), holds(&made.redacted)), (true, false));
    let [html, trace] = ["page.html", "trace.pftrace"].map(|name| made.at(name));
    said(&["report", text(&made.redacted), "-o", text(&html)]);
    said(&["export", text(&made.redacted), "--format", "perfetto", "-o", text(&trace)]);
    for file in [&html, &trace] {
        let bytes = fs::read(file).unwrap();
        let holds = |word: &[u8]| bytes.windows(word.len()).any(|part| part == word);
        assert!(holds(b"process-1"), "{}", file.display());
        assert!(file != &html || holds(b"\"redacted\":true"), "the page says so");
        assert_eq!(tells(&bytes), 0, "{}", file.display());
    }
    for args in
        [["explain", "--json"], ["explain", "--per-process"], ["stats", "--json"], ["requests", "--json"]]
    {
        let answer = said(&[args[0], text(&made.redacted), args[1]]);
        assert_eq!(tells(answer.as_bytes()), 0, "{args:?}: {answer}");
    }
    let sql = "SELECT arg0 FROM host_events WHERE op = 'tcp_retransmit'";
    let address = said(&["query", text(&made.redacted), sql, "--format", "csv"]);
    assert!(address.contains(&0x0100_0000.to_string()), "0.0.0.1: {address}");
}

#[test]
fn the_same_is_found_under_other_names() {
    let made = Made::new();
    let explained =
        |db: &Path| -> Value { serde_json::from_str(&said(&["explain", text(db), "--json"])).unwrap() };
    let (plain, redacted) = (explained(&made.plain), explained(&made.redacted));
    assert!(!plain["findings"].as_array().unwrap().is_empty());
    let found = |answer: &Value| -> Vec<Value> {
        let keys = [
            "rank",
            "cause",
            "severity",
            "pid",
            "tid",
            "from_ns",
            "to_ns",
            "attributed_ns",
            "calls_affected",
        ];
        let list = answer["findings"].as_array().unwrap().iter();
        list.map(|f| keys.iter().map(|key| f[key].clone()).collect()).collect()
    };
    assert_eq!(found(&plain), found(&redacted));
    assert_eq!(redacted["coverage"]["redacted"], true);
    assert!(plain["coverage"].get("redacted").is_none());
    let sentence = redacted["findings"][0]["summary"].as_str().unwrap();
    assert!(sentence.contains("process-2/500"), "{sentence}");
    let told = said(&["explain", text(&made.redacted)]);
    assert!(told.starts_with("process-1/100 tid 100 wanted to run"), "{told}");
    assert!(told.contains("\nredacted  names are pseudonyms"), "{told}");
    let requests = said(&["requests", text(&made.redacted), "--json"]);
    assert!(requests.contains("ttft") && requests.contains("label-"), "{requests}");
    let meta = said(&[
        "query",
        text(&made.redacted),
        "SELECT value FROM meta WHERE key = 'redacted'",
        "--format",
        "csv",
    ]);
    assert!(meta.contains("yes"), "{meta}");
}

#[test]
fn a_redacted_database_is_read_back_as_it_was_written_and_made_again_byte_for_byte() {
    let made = Made::new();
    let again = made.at("again.db");
    made.redact(&again, &[]);
    assert_eq!(fs::read(&made.redacted).unwrap(), fs::read(&again).unwrap());
    let progress = crate::progress::Progress::none();
    let mut traces = vec![crate::recording::read(&made.bundle, &progress).unwrap().remove(0)];
    redact(&mut traces);
    assert_eq!(traces, sqlite::read(&made.redacted).unwrap());
    assert!(!investigate(&traces, None).is_empty());
}

#[test]
fn the_map_leads_back_to_every_name_and_is_for_its_owner() {
    let made = Made::new();
    let map = made.map();
    let back = |name: &str| map.get(name).cloned().unwrap_or_else(|| name.to_owned());
    let path = |path: &str| {
        path.split_inclusive('/')
            .map(|part| match part.strip_suffix('/') {
                Some(folder) => back(folder) + "/",
                None => back(part),
            })
            .collect::<String>()
    };
    let [plain, redacted] = [&made.plain, &made.redacted].map(|db| sqlite::read(db).unwrap().remove(0));
    assert_eq!(back(&redacted.node), plain.node);
    let comms = |trace: &Trace, back: &dyn Fn(&str) -> String| -> Vec<String> {
        trace.tasks.iter().map(|t| back(&t.comm)).chain(trace.kernels.iter().map(|k| back(k))).collect()
    };
    assert_eq!(comms(&redacted, &back), comms(&plain, &str::to_owned));
    for (hidden, told) in redacted.processes.iter().zip(&plain.processes) {
        assert_eq!((back(&hidden.comm), path(&hidden.exe)), (told.comm.clone(), told.exe.clone()));
    }
    for (hidden, told) in redacted.stacks.iter().zip(&plain.stacks) {
        for (hidden, told) in hidden.frames.iter().zip(&told.frames) {
            assert_eq!(hidden.symbol.as_deref().map(back), told.symbol);
            assert_eq!(hidden.module.as_deref().map(path), told.module);
            assert_eq!(hidden.file.as_deref().map(back), told.file);
        }
    }
    let labels = |text: &str| -> Vec<String> {
        let labels: BTreeMap<String, String> = serde_json::from_str(text).unwrap();
        let mut words: Vec<String> =
            labels.iter().flat_map(|(key, value)| [back(key), back(value)]).collect();
        words.sort();
        words
    };
    assert_eq!(labels(&redacted.annotations[0].labels), labels(&plain.annotations[0].labels));
    assert_eq!(map["0.0.0.1"], "203.0.113.77");
    assert_eq!(fs::metadata(made.at("map.json")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_map_is_never_written_over_a_file_nor_left_where_nothing_was_converted() {
    let made = Made::new();
    let before = fs::read(made.at("map.json")).unwrap();
    let convert = |bundle: &Path, db: &str, map: &str| {
        let (db, map) = (made.at(db), made.at(map));
        run(&["convert", text(bundle), "-o", text(&db), "--redact", "--redact-map", text(&map)]).map(|_| ())
    };
    let refused = convert(&made.bundle, "new.db", "map.json").unwrap_err();
    assert!(refused.to_string().contains("never written over"), "{refused}");
    assert_eq!(fs::read(made.at("map.json")).unwrap(), before);
    assert!(!made.at("new.db").exists());
    assert!(convert(&made.bundle, "out.db", "second.json").is_err(), "the database is there already");
    assert!(convert(&made.at("none.ingero"), "new.db", "second.json").is_err());
    assert_eq!(convert(&made.bundle, "same", "same").unwrap_err().exit_code(), 2);
    assert!(!made.at("second.json").exists() && !made.at("same").exists() && !made.at("new.db").exists());
    let alone = ["ingeroctl", "convert", "a", "-o", "b", "--redact-map", "c"];
    assert!(crate::cli::command().try_get_matches_from(alone).is_err(), "a map of what?");
}

#[test]
fn what_was_imported_is_redacted_alike() {
    let folder = TempDir::new().unwrap();
    let fixtures = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/ingero"));
    let agents = [1, 2, 3].map(|n| fixtures.join(format!("sample-gpu-node-{n:02}.db")));
    let [plain, redacted] = ["plain.db", "redacted.db"].map(|name| folder.path().join(name));
    let import = |to: &Path, more: &[&str]| {
        let agents = agents.each_ref().map(|path| text(path));
        said(&[&["import"], &agents[..], &["-o", text(to)], more].concat());
    };
    import(&plain, &[]);
    import(&redacted, &["--redact"]);
    let (told, hidden) = (sqlite::read(&plain).unwrap(), fs::read(&redacted).unwrap());
    let comms = told.iter().flat_map(|t| t.tasks.iter().map(|task| &task.comm));
    let names: Vec<&String> =
        comms.filter(|c| c.len() > 5 && !has_role(c) && !kept::is_of_linux(c)).collect();
    assert!(names.len() > 5, "{names:?}");
    for name in told.iter().map(|t| &t.node).chain(names).filter(|name| !kept::is_public(name)) {
        assert!(!hidden.windows(name.len()).any(|part| part == name.as_bytes()), "{name}");
    }
    let found = |traces: &[Trace]| {
        let mut found: Vec<_> =
            investigate(traces, None).iter().map(|f| (f.rank, f.cause, f.pid, f.attributed_ns)).collect();
        found.sort();
        found
    };
    assert_eq!(found(&told), found(&sqlite::read(&redacted).unwrap()));
}

#[test]
fn machines_are_numbered_by_their_windows_and_one_name_is_one_pseudonym_on_all() {
    let trace = |node: &str, from_ns, comm: &str| {
        let tasks = vec![Task { pid: 1, tid: 1, comm: comm.into() }];
        Trace { node: node.into(), from_ns, tasks, ..Trace::default() }
    };
    let mut traces = [trace("a", 9, "x"), trace("b", 5, "y"), trace("c", 7, "x")];
    redact(&mut traces);
    let told: Vec<_> = traces.iter().map(|t| (t.node.as_str(), t.tasks[0].comm.as_str())).collect();
    assert_eq!(told, [("node-1", "process-1"), ("node-2", "process-2"), ("node-3", "process-2")]);
}

#[test]
fn series_come_in_the_order_of_their_first_values_not_of_their_names() {
    let series = |name: &str| Series { pid: 0, name: name.into(), labels: "{}".into() };
    let sample = |ts_ns, series, value| Sample { ts_ns, series, value };
    let mut traces = [Trace {
        series: vec![series("a"), series("b"), series("load1")],
        samples: vec![sample(1, 2, 2.0), sample(3, 1, 1.0), sample(5, 0, 0.0), sample(5, 1, 1.0)],
        ..Trace::default()
    }];
    let names = redact(&mut traces);
    let trace = &traces[0];
    let told = trace.samples.iter().map(|s| (trace.series[s.series as usize].name.as_str(), s.value));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [("load1", 2.0), ("metric-1", 1.0), ("metric-1", 1.0), ("metric-2", 0.0)]
    );
    let (_, metrics) = names.kinds().find(|(kind, _)| *kind == "metric").unwrap();
    assert_eq!(metrics[0], ("metric-1".to_owned(), "b".to_owned()));
}

#[test]
fn names_that_the_engine_reads_a_meaning_in_stay() {
    let mut names = Names::default();
    for comm in ["ptxas", "ingero-recorder", "drain", "ksoftirqd/3", ""] {
        assert_eq!(super::comm(&mut names, comm), comm);
    }
    assert_eq!(super::comm(&mut names, "ptxas-Zork"), "process-1");
}
