//! Makes an incident happen under a recorder, and asks `ingeroctl explain` what it was.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use nix::time::{ClockId, clock_gettime};
use serde_json::Value;

use super::{
    group::{Controller, Group, Swap},
    label::Label,
    noise::{Surroundings, freeze_until, place_recorder, recorder_ns},
    plan::{Incident, WARM_US},
};
use crate::{
    Lab, Program,
    harm::compile,
    incident::rival::{self, Claim},
    lab::programs,
    standin,
};

/// Memory that a program is left with which uses more, bytes.
const SQUEEZED_BYTES: u64 = 32 << 20;

/// What came of one incident.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// A cause of the contract, `several`, or `quiet`.
    pub cause: String,
    /// Which way of it.
    pub kind: String,
    /// What the program says.
    pub label: Label,
    /// Its process.
    pub pid: u32,
    /// What `ingeroctl explain` says.
    pub answer: Value,
    /// Unix time minus boottime in the window.
    pub offset_ns: i64,
    /// What a rule of co-occurrence says of the same window.
    pub claims: Vec<Claim>,
}

/// Everything in place: a recorder, and the compiled program.
pub struct Stage {
    lab: Lab,
    program: PathBuf,
    made: u32,
}

impl Stage {
    /// Starts a recorder and compiles the program.
    pub fn set() -> Self {
        let lab = Lab::new();
        lab.configure(
            "[samples]\ninterval = \"250ms\"\n\
             [probes]\nsources = [\"cuda\", \"sched\", \"process\", \"memory\", \"block\", \"signal\", \"nccl\"]\n",
        );
        // A bundle holds whole segments: with small ones little beside what its window needs.
        let file = lab.path("recorder.toml");
        let text = fs::read_to_string(&file).expect("a configuration");
        fs::write(&file, text.replacen("[ring]\n", "[ring]\nsegment_bytes = \"1MiB\"\n", 1))
            .expect("a configuration");
        let mut stage = Self { program: lab.path("victim"), lab, made: 0 };
        let folder = standin().libcuda.parent().expect("a folder").display().to_string();
        let (search, rpath) = (format!("-L{folder}"), format!("-Wl,-rpath,{folder}"));
        let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/src/incident");
        let part = |name: &str| format!("{sources}/victim/{name}.c");
        let parts = ["main", "calls", "delays", "feeder", "memory", "several", "quiet"].map(part);
        let mut args: Vec<&str> = parts.iter().map(String::as_str).collect();
        args.extend([search.as_str(), rpath.as_str(), "-l:libcuda.so.1", "-ldl"]);
        compile("gcc", &args, &stage.program);
        let nccl = ["-shared", "-fPIC", "-Wl,-soname,libnccl.so.2", &format!("{sources}/nccl.c")];
        compile("gcc", &nccl, &stage.lab.path("libnccl.so.2"));
        stage.lab.start();
        stage
    }

    /// Makes an incident and explains it; bundle and answer stay in `keep`, if given.
    pub fn make(&mut self, incident: &Incident, keep: Option<&Path>) -> Outcome {
        self.made += 1;
        let swap = (incident.kind == "swap").then(|| Swap::on(self.lab.path("swap")).expect("swap"));
        let mut around = Surroundings::default();
        around.load(incident.load_percent);
        let mut program = self.start(incident);
        // Its own number, and that of a process beside it, or 0.
        let ready = program.line_with("READY");
        let pids = ready.split(' ').skip(1).filter_map(|word| word.parse().ok());
        pids.filter(|pid| *pid != 0).for_each(|pid| self.lab.until_covered(pid));
        let group = self.group(incident, program.pid());
        let begun = Instant::now();
        let label = self.happen(incident, &mut program, &mut around, group.as_ref());
        let pid = program.pid();
        let name = format!("incident-{}", self.made);
        // Nothing of what happened to the one before.
        let last = begun.elapsed() + Duration::from_millis(50);
        let db = self.lab.window(&name, &format!("{}ms", last.as_millis()));
        // It ends by itself: an end by a signal is an incident.
        program.finish();
        drop((program, around, group, swap));
        let bundle = self.lab.path(&format!("{name}.ingero"));
        let answer = self.lab.json(&["explain", bundle.to_str().expect("text")]);
        let offset_ns = offset_ns(&db);
        let claims = rival::claims(&db, pid);
        if let Some(folder) = keep {
            self.keep(folder, &bundle, incident, &label.to_json(incident, pid));
        }
        let (cause, kind) = (incident.cause.to_owned(), incident.kind.to_owned());
        Outcome { cause, kind, label, pid, answer, offset_ns, claims }
    }

    fn group(&self, incident: &Incident, pid: u32) -> Option<Group> {
        let controller = match incident.cause {
            "cpu_throttled" => Controller::Cpu,
            "memory_pressure" | "oom" => Controller::Memory,
            _ => {
                std::thread::sleep(Duration::from_millis(100));
                return None;
            }
        };
        let group = Group::around(pid, controller);
        if incident.cause == "oom" {
            group.without_swap();
            group.limit_memory(incident.each_us << 10);
        }
        // Sampled once with its group before anything happens.
        std::thread::sleep(Duration::from_millis(600));
        Some(group)
    }

    fn happen(
        &self,
        incident: &Incident,
        program: &mut Program,
        around: &mut Surroundings,
        group: Option<&Group>,
    ) -> Label {
        let crowded = incident.kind.contains("crowded");
        if crowded {
            place_recorder(&self.lab, "1");
        }
        if incident.kind.contains("flood") {
            around.flood();
        }
        let before_ns = recorder_ns(&self.lab);
        program.say("go");
        if let Some(group) = group.filter(|_| incident.cause != "oom") {
            program.line_with("limit");
            match incident.kind {
                "half" => group.limit_cpu(50),
                "quarter" => group.limit_cpu(25),
                "fresh" => {}
                _ => group.limit_memory(SQUEEZED_BYTES),
            }
            program.say("limited");
        }
        let first = if incident.cause == "several" { "part" } else { "label" };
        let mut lines = vec![freeze_until(&self.lab, program, first, incident.kind.contains("freeze"))];
        while !lines.last().is_some_and(|line| line.starts_with("label")) {
            lines.push(program.line());
        }
        let line = lines.pop().unwrap_or_default();
        let mut label = Label::parse(incident.cause, &lines, &line);
        if crowded {
            label.recorder_ns = recorder_ns(&self.lab) - before_ns;
            place_recorder(&self.lab, "0-1");
        }
        if let (Some(group), "cpu_throttled", [part]) = (group, incident.cause, &mut *label.parts) {
            part.injected_ns = group.throttled_ns();
            std::thread::sleep(Duration::from_millis(600));
        }
        if matches!(incident.cause, "process_exit" | "oom") {
            program.wait();
            if let [part] = &mut *label.parts {
                part.to_ns = boot_ns();
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        label
    }

    fn keep(&self, folder: &Path, bundle: &Path, incident: &Incident, label: &Value) {
        let kind = incident.kind.replace([' ', '+'], "-");
        let base = folder.join(format!("{:03}-{}-{kind}", self.made, incident.cause));
        fs::copy(bundle, base.with_extension("ingero")).expect("a bundle is kept");
        fs::write(base.with_extension("label"), label.to_string()).expect("a label is kept");
    }

    fn start(&self, incident: &Incident) -> Program {
        // What is made to be noticed is the recorder's doing; the program itself runs as a quiet one does.
        let cause = if incident.cause == "recorder_self" { "quiet" } else { incident.cause };
        let args = [
            cause.to_owned(),
            incident.kind.to_owned(),
            incident.count.to_string(),
            incident.each_us.to_string(),
            incident.apart_us.to_string(),
            WARM_US.to_string(),
            incident.threads.to_string(),
            incident.second_us.to_string(),
        ];
        // `env` sets what the stand-in reads and where the program leaves its file, then becomes the program.
        let lab = self.lab.path("").display().to_string();
        let mut all = vec![
            "--chdir".to_owned(),
            lab.clone(),
            "STANDIN_ALLOC_US_PER_MIB=1000".to_owned(),
            format!("LD_LIBRARY_PATH={lab}"),
        ];
        if incident.kind == "block" {
            all.push("STANDIN_SYNC=block".to_owned());
        }
        all.push(self.program.display().to_string());
        all.extend(args);
        Program::start(Path::new("/usr/bin/env"), all)
    }
}

impl Outcome {
    /// True if nothing was made to happen that should be found, but for what the recorder did itself.
    #[must_use]
    pub fn is_control(&self) -> bool {
        matches!(self.cause.as_str(), "quiet" | "recorder_self")
    }

    /// Explains a recording that was kept once more.
    pub fn again(bundle: &Path) -> Self {
        Self::of(bundle, bundle)
    }

    /// Explains a recording by the label of another one, of which it is a part.
    pub fn of(bundle: &Path, labelled: &Path) -> Self {
        let text = fs::read_to_string(labelled.with_extension("label")).expect("a label beside the bundle");
        let kept: Value = serde_json::from_str(&text).expect("a label");
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("again.db");
        let run = |args: &[&std::ffi::OsStr]| {
            let output = Command::new(programs().join("ingeroctl")).args(args).output().expect("it runs");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            output.stdout
        };
        run(&["convert".as_ref(), bundle.as_os_str(), "-o".as_ref(), database.as_os_str()]);
        let answer = run(&["explain".as_ref(), "--json".as_ref(), database.as_os_str()]);
        let db = rusqlite::Connection::open(&database).expect("a database");
        let pid = u32::try_from(kept["pid"].as_i64().expect("a pid")).expect("a pid");
        Self {
            cause: kept["cause"].as_str().expect("a cause").to_owned(),
            kind: kept["kind"].as_str().expect("a kind").to_owned(),
            label: Label::from_json(&kept),
            pid,
            answer: serde_json::from_slice(&answer).expect("JSON"),
            offset_ns: offset_ns(&db),
            claims: rival::claims(&db, pid),
        }
    }
}

fn boot_ns() -> i64 {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("a clock");
    now.tv_sec() * 1_000_000_000 + now.tv_nsec()
}

fn offset_ns(db: &rusqlite::Connection) -> i64 {
    let sql = "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'clock_offset_ns'";
    db.query_row(sql, [], |r| r.get(0)).expect("an offset")
}
