//! Makes an incident happen under a recorder, and asks `ingeroctl explain` what it was.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use nix::unistd::Pid;
use serde_json::{Value, json};

use super::plan::{Incident, WARM_US};
use crate::{
    Lab, Program,
    harm::compile,
    incident::rival::{self, Claim},
    lab::programs,
    standin,
};

/// Time that a finding above LOW takes at least: two percent of five seconds.
const LOUD_NS: i64 = 100_000_000;

/// What the program says was done to it. Times are BOOTTIME ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Label {
    /// Begin.
    pub from_ns: i64,
    /// End.
    pub to_ns: i64,
    /// Time taken away.
    pub injected_ns: i64,
    /// Who did it; 0 for nobody.
    pub actor_pid: u32,
    /// The thread of it.
    pub actor_tid: u32,
    /// How long the program waited for a CPU from begin to end, whoever had it.
    pub run_delay_ns: i64,
}

/// What came of one incident.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// A cause of the contract, or `quiet`.
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
        lab.configure("[samples]\ninterval = \"250ms\"\n");
        let mut stage = Self { program: lab.path("victim"), lab, made: 0 };
        let folder = standin().libcuda.parent().expect("a folder").display().to_string();
        let (search, rpath) = (format!("-L{folder}"), format!("-Wl,-rpath,{folder}"));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/incident/victim.c");
        compile("gcc", &[source, &search, &rpath, "-l:libcuda.so.1"], &stage.program);
        stage.lab.start();
        stage
    }

    /// Makes an incident and explains it; bundle and answer stay in `keep`, if given.
    pub fn make(&mut self, incident: &Incident, keep: Option<&Path>) -> Outcome {
        self.made += 1;
        let mut program = self.start(incident);
        // Its own number, and that of a process beside it, or 0.
        let ready = program.line_with("READY");
        let pids = ready.split(' ').skip(1).filter_map(|word| word.parse().ok());
        pids.filter(|pid| *pid != 0).for_each(|pid| self.lab.until_covered(pid));
        let group = (incident.cause == "cpu_throttled").then(|| Group::around(program.pid()));
        // Sampled once with its group before anything happens.
        std::thread::sleep(Duration::from_millis(if group.is_some() { 600 } else { 100 }));
        let begun = Instant::now();
        program.say("go");
        if let Some(group) = &group {
            program.line_with("limit");
            group.limit(incident.kind);
        }
        let mut label = parse(&program.line_with("label"));
        if let Some(group) = &group {
            label.injected_ns = group.throttled_ns();
            std::thread::sleep(Duration::from_millis(600));
        }
        if incident.cause == "process_exit" {
            std::thread::sleep(Duration::from_millis(500));
        }
        let pid = program.pid();
        let name = format!("incident-{}", self.made);
        // Nothing of what happened to the one before.
        let last = begun.elapsed() + Duration::from_millis(50);
        let db = self.lab.window(&name, &format!("{}ms", last.as_millis()));
        // It ends by itself: an end by a signal is an incident.
        program.finish();
        drop(program);
        drop(group);
        let bundle = self.lab.path(&format!("{name}.ingero"));
        let answer = self.lab.json(&["explain", bundle.to_str().expect("text")]);
        let offset_ns = offset_ns(&db);
        let claims = rival::claims(&db, pid);
        if let Some(folder) = keep {
            let base = folder.join(format!(
                "{:03}-{}-{}",
                self.made,
                incident.cause,
                incident.kind.replace(' ', "-")
            ));
            fs::copy(&bundle, base.with_extension("ingero")).expect("a bundle is kept");
            let text = label.to_json(incident, pid).to_string();
            fs::write(base.with_extension("label"), text).expect("a label is kept");
        }
        let (cause, kind) = (incident.cause.to_owned(), incident.kind.to_owned());
        Outcome { cause, kind, label, pid, answer, offset_ns, claims }
    }

    fn start(&self, incident: &Incident) -> Program {
        let args = [
            incident.cause.to_owned(),
            incident.kind.to_owned(),
            incident.count.to_string(),
            incident.each_us.to_string(),
            incident.apart_us.to_string(),
            WARM_US.to_string(),
        ];
        // `env` sets what the stand-in reads and where the program leaves its file, then becomes the program.
        let mut all = vec![
            "--chdir".to_owned(),
            self.lab.path("").display().to_string(),
            "STANDIN_ALLOC_US_PER_MIB=1000".to_owned(),
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
    /// True if nothing was made to happen.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.cause == "quiet"
    }

    /// True if other work on the machine took the program's CPU, by its own account, for at least half of what was made
    /// to happen, or from a quiet program for as long as a finding above LOW takes: then
    /// two things happened, and which of them is told first is no matter of right or wrong.
    #[must_use]
    pub fn is_disturbed(&self) -> bool {
        // The kernel counts throttled time as waiting for a CPU too.
        let own = if self.cause == "cpu_throttled" { self.label.injected_ns } else { 0 };
        if self.is_quiet() {
            return self.label.run_delay_ns >= LOUD_NS;
        }
        let made = !matches!(self.cause.as_str(), "cpu_contention" | "process_exit");
        made && (self.label.run_delay_ns - own) * 2 >= self.label.injected_ns
    }

    /// Explains a recording that was kept once more.
    pub fn again(bundle: &Path) -> Self {
        let text = fs::read_to_string(bundle.with_extension("label")).expect("a label beside the bundle");
        let kept: Value = serde_json::from_str(&text).expect("a label");
        let number = |key: &str| kept[key].as_i64().expect("a number");
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
        let id = |key: &str| u32::try_from(number(key)).expect("an id");
        Self {
            cause: kept["cause"].as_str().expect("a cause").to_owned(),
            kind: kept["kind"].as_str().expect("a kind").to_owned(),
            label: Label {
                from_ns: number("from_ns"),
                to_ns: number("to_ns"),
                injected_ns: number("injected_ns"),
                actor_pid: id("actor_pid"),
                actor_tid: id("actor_tid"),
                run_delay_ns: kept["run_delay_ns"].as_i64().unwrap_or(0),
            },
            pid: id("pid"),
            answer: serde_json::from_slice(&answer).expect("JSON"),
            offset_ns: offset_ns(&db),
            claims: rival::claims(&db, id("pid")),
        }
    }
}

impl Label {
    fn to_json(self, incident: &Incident, pid: u32) -> Value {
        json!({
            "cause": incident.cause,
            "kind": incident.kind,
            "count": incident.count,
            "each_us": incident.each_us,
            "pid": pid,
            "from_ns": self.from_ns,
            "to_ns": self.to_ns,
            "injected_ns": self.injected_ns,
            "actor_pid": self.actor_pid,
            "actor_tid": self.actor_tid,
            "run_delay_ns": self.run_delay_ns,
        })
    }
}

fn offset_ns(db: &rusqlite::Connection) -> i64 {
    let sql = "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'clock_offset_ns'";
    db.query_row(sql, [], |r| r.get(0)).expect("an offset")
}

fn parse(line: &str) -> Label {
    let n: Vec<i64> = line.split(' ').skip(1).map(|word| word.parse().expect("a number")).collect();
    Label {
        from_ns: n[0],
        to_ns: n[1],
        injected_ns: n[2],
        actor_pid: u32::try_from(n[3]).unwrap_or(0),
        actor_tid: u32::try_from(n[4]).unwrap_or(0),
        run_delay_ns: n[5],
    }
}

/// A CPU cgroup of version 1 or 2 with one process in it.
struct Group {
    path: PathBuf,
    unified: bool,
}

impl Group {
    fn around(pid: u32) -> Self {
        let unified = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
        let root = if unified { "/sys/fs/cgroup" } else { "/sys/fs/cgroup/cpu" };
        let path = Path::new(root).join(format!("ingero-incident-{}", Pid::this()));
        fs::create_dir_all(&path).expect("a cgroup can be made");
        fs::write(path.join("cgroup.procs"), pid.to_string()).expect("a process can be moved");
        Self { path, unified }
    }

    fn limit(&self, kind: &str) {
        let quota = if kind == "half" { 50_000 } else { 25_000 };
        if self.unified {
            fs::write(self.path.join("cpu.max"), format!("{quota} 100000")).expect("a limit");
        } else {
            fs::write(self.path.join("cpu.cfs_quota_us"), quota.to_string()).expect("a limit");
        }
    }

    fn throttled_ns(&self) -> i64 {
        let stat = fs::read_to_string(self.path.join("cpu.stat")).unwrap_or_default();
        let find = |key: &str| {
            let line = stat.lines().find_map(|l| l.strip_prefix(key))?;
            line.trim().parse::<i64>().ok()
        };
        find("throttled_time ").or_else(|| Some(find("throttled_usec ")? * 1000)).unwrap_or(0)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Processes that ended leave the group a little later.
        for _ in 0..100 {
            if fs::remove_dir(&self.path).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// True if CPU groups can be limited here.
#[must_use]
pub fn can_limit() -> bool {
    let controllers = fs::read_to_string("/sys/fs/cgroup/cgroup.subtree_control").unwrap_or_default();
    controllers.split_whitespace().any(|c| c == "cpu")
        || Path::new("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").exists()
}
