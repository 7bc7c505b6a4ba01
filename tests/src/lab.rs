//! A recorder of one's own.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use ingero_standin::Unpacked;
use nix::{
    fcntl::{Flock, FlockArg},
    sys::signal::{Signal, kill},
    unistd::{Pid, geteuid},
};
use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take to become true: a machine that others share can be very slow.
const PATIENCE: Duration = Duration::from_secs(240);

/// Of live tests and all that they start: against a usual 0 the scheduler gives nine times the CPU (`sched_prio_to_weight`,
/// kernel/sched/core.c).
const NICE: i32 = -10;

/// True if live tests can run here; otherwise says why not, and fails if they are required.
pub fn live() -> bool {
    let why = if !geteuid().is_root() {
        "not root"
    } else if !Path::new("/sys/kernel/btf/vmlinux").exists() {
        "the kernel has no BTF"
    } else {
        return true;
    };
    assert!(
        std::env::var_os("INGERO_REQUIRE_LIVE").is_none(),
        "live tests are required but cannot run: {why}"
    );
    eprintln!("\n*** NOT RUN: this test needs real eBPF: {why} ***\n");
    false
}

/// The stand-in library and its programs, unpacked once.
pub fn standin() -> &'static Unpacked {
    static STANDIN: OnceLock<(TempDir, Unpacked)> = OnceLock::new();
    let (_, unpacked) = STANDIN.get_or_init(|| {
        let folder = tempfile::Builder::new().prefix("ingero-standin-").tempdir().unwrap();
        let unpacked = ingero_standin::unpack(folder.path()).unwrap();
        (folder, unpacked)
    });
    unpacked
}

/// The built programs' folder; builds them first, so that no test meets an old one. Into the folder that we lie in: a
/// build elsewhere takes minutes and is never looked at.
pub fn programs() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        // TARGET/debug/deps/<test> or TARGET/debug/<bin>
        let exe = std::env::current_exe().unwrap();
        let is_profile = |dir: &&Path| dir.ends_with("debug") || dir.ends_with("release");
        let folder = exe.ancestors().find(is_profile).expect("a target folder of cargo's").to_owned();
        let mut build = Command::new(option_env!("CARGO").unwrap_or("cargo"));
        build.args(["build", "--quiet", "-p", "ingero-recorder", "-p", "ingeroctl", "--target-dir"]);
        build.arg(folder.parent().unwrap()).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        if folder.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success(), "the programs do not build");
        folder
    })
}

/// Puts this thread, and so every program that it starts, before what else the machine does: a build that takes the CPU
/// from a test's own hog would rightly be named in its stead.
fn before_others() {
    // SAFETY: takes and gives plain numbers. 0 is the calling thread; a refusal leaves it as it was.
    unsafe { nix::libc::setpriority(nix::libc::PRIO_PROCESS, 0, NICE) };
}

/// A state directory, and a recorder on it while there is one.
pub struct Lab {
    folder: TempDir,
    recorder: Option<Child>,
    /// Live tests share the machine's CPUs and see each other's processes: one at a time.
    _turn: Flock<File>,
}

impl Lab {
    /// An empty lab.
    pub fn new() -> Self {
        before_others();
        let path = std::env::temp_dir().join("ingero-live-tests.lock");
        let file = File::options().create(true).write(true).truncate(false).open(path).unwrap();
        let turn = Flock::lock(file, FlockArg::LockExclusiveNonblock).unwrap_or_else(|(file, _)| {
            eprintln!("waiting for another live test on this machine to end");
            Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, e)| e).unwrap()
        });
        let folder = tempfile::Builder::new().prefix("ingero-lab-").tempdir().unwrap();
        let lab = Self { folder, recorder: None, _turn: turn };
        lab.configure("");
        lab
    }

    /// A lab whose recorder runs.
    pub fn recording() -> Self {
        let mut lab = Self::new();
        lab.start();
        lab
    }

    /// A path below the lab.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the configuration: a small ring, no limit on overhead (tests count), and `more`.
    pub fn configure(&self, more: &str) {
        let small = "[ring]\nmax_bytes = \"256MiB\"\nkeep_free = \"16MiB\"\n[snapshot]\nmax_bytes = \"128MiB\"\n\
             [budget]\nthread_percent = 100\ndaemon_percent = 100\n";
        fs::write(self.path("recorder.toml"), format!("{small}{more}")).unwrap();
    }

    /// Command line of the recorder.
    pub fn recorder_command(&self) -> Command {
        let mut command = Command::new(programs().join("ingero-recorder"));
        command.arg("--config").arg(self.path("recorder.toml"));
        command.arg("--state-dir").arg(self.path("state")).arg("--run-dir").arg(self.path("run"));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Starts the recorder and waits until it is ready.
    pub fn start(&mut self) {
        self.start_with(&[]);
    }

    /// The same with more in its environment.
    pub fn start_with(&mut self, environment: &[(&str, &str)]) {
        let mut command = self.recorder_command();
        self.start_as(command.envs(environment.iter().copied()));
    }

    /// Starts the recorder and kills it again after a while, ready or not.
    pub fn start_and_kill(&mut self, after: Duration) {
        let log = File::options().create(true).append(true).open(self.path("log")).unwrap();
        let mut recorder = self.recorder_command().stderr(log).spawn().unwrap();
        std::thread::sleep(after);
        recorder.kill().unwrap();
        recorder.wait().unwrap();
    }

    /// The same by a command of one's own, which ends as the recorder.
    pub fn start_as(&mut self, command: &mut Command) {
        let log = File::options().create(true).append(true).open(self.path("log")).unwrap();
        let before = self.log().matches("; ready").count();
        let mut recorder = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let begun = Instant::now();
        while self.log().matches("; ready").count() <= before {
            let ended = recorder.try_wait().unwrap();
            assert!(ended.is_none(), "the recorder ended: {ended:?}\n{}", self.log());
            assert!(begun.elapsed() < PATIENCE, "waited in vain until the recorder is ready\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        self.recorder = Some(recorder);
    }

    /// What the recorder has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Waits until something is true.
    pub fn until(&self, what: &str, is: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !is(self) {
            assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}\n{}", crate::scene::describe());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Process id of the recorder.
    pub fn recorder_pid(&self) -> u32 {
        self.recorder.as_ref().expect("it runs").id()
    }

    /// Sends a signal to the recorder.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.recorder_pid().cast_signed()), signal).unwrap();
    }

    /// Stops the recorder as a service manager would.
    pub fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        let status = self.recorder.take().unwrap().wait().unwrap();
        assert!(status.success(), "{status}; log:\n{}", self.log());
    }

    /// Kills the recorder: it gets no chance to do anything.
    pub fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        self.recorder.take().unwrap().wait().unwrap();
    }

    /// Runs `ingeroctl` against this lab's recorder.
    pub fn ctl<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Output {
        let mut command = Command::new(programs().join("ingeroctl"));
        command.arg("--socket").arg(self.path("run/control.sock")).args(args);
        command.output().unwrap()
    }

    /// Runs `ingeroctl`, which must succeed, and gives its output.
    pub fn ok<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> String {
        let output = self.ctl(args);
        let (out, err) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(output.status.success(), "{}\n{out}{err}\n{}", output.status, crate::scene::describe());
        out
    }

    /// Runs `ingeroctl … --json`.
    pub fn json<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Value {
        let mut args: Vec<&std::ffi::OsStr> = args.iter().map(AsRef::as_ref).collect();
        args.push("--json".as_ref());
        serde_json::from_str(&self.ok(&args)).unwrap()
    }

    /// Waits until calls of a process are recorded.
    pub fn until_covered(&self, pid: u32) {
        self.until("the process is covered", |lab| {
            let status = lab.json(&["status"]);
            let processes = status["processes"].as_array().unwrap();
            processes.iter().any(|p| p["pid"] == pid && p["probes"].as_u64() > Some(0))
        });
    }

    /// Freezes a window into `NAME.ingero` and converts it into `NAME.db`.
    pub fn window(&self, name: &str, last: &str) -> rusqlite::Connection {
        let (bundle, database) = (self.path(&format!("{name}.ingero")), self.path(&format!("{name}.db")));
        let bundle = bundle.to_str().unwrap();
        self.ok(&["snapshot", "--last", last, "--after", "250ms", "-o", bundle]);
        self.ok(&["convert", bundle, "-o", database.to_str().unwrap(), "--force"]);
        rusqlite::Connection::open_with_flags(&database, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
    }
}

impl Default for Lab {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Some(recorder) = &mut self.recorder {
            let _ = kill(Pid::from_raw(recorder.id().cast_signed()), Signal::SIGTERM);
            let _ = recorder.wait();
        }
        // One that was killed leaves its probes to the next, who will not come.
        let _ = self.recorder_command().arg("--release").output();
        if std::thread::panicking() {
            eprintln!("the recorder's log:\n{}", self.log());
        }
    }
}
