//! A temporary recorder and the programs it records.

use std::{
    cell::RefCell,
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use ingero_format::control::{Reply, Request, Status};
use ingero_standin::Unpacked;

use super::{HOG, PHASE, STORM, STORM_AT, Scenario, child::Running};
use crate::{client, error::Error, readiness::recorder_program};

/// How long the recorder or the engine may take to be ready.
const PATIENCE: Duration = Duration::from_secs(120);
const CONFIG: &str =
    "[ring]\nmax_bytes = \"512MiB\"\nkeep_free = \"64MiB\"\n[snapshot]\nmax_bytes = \"256MiB\"\n";

/// Everything in place.
pub(super) struct Stage {
    folder: tempfile::TempDir,
    programs: Unpacked,
    recorder: RefCell<Running>,
    log: PathBuf,
}

impl Stage {
    /// Unpacks the stand-in and starts a recorder of its own.
    pub(super) fn set() -> Result<Self, Error> {
        let folder = tempfile::Builder::new()
            .prefix("ingero-demo-")
            .tempdir()
            .map_err(|e| Error::Refused(format!("demo: no temporary folder: {e}; set TMPDIR")))?;
        let programs = ingero_standin::unpack(&folder.path().join("standin"))
            .map_err(|e| Error::Refused(format!("demo: the stand-in cannot be unpacked: {e}; set TMPDIR")))?;
        let (config, log) = (folder.path().join("recorder.toml"), folder.path().join("recorder.log"));
        fs::write(&config, CONFIG).map_err(Error::writing(&config))?;
        let log_file = fs::File::create(&log).map_err(Error::writing(&log))?;
        let mut command = Command::new(recorder_program());
        command.arg("--config").arg(&config);
        command
            .arg("--state-dir")
            .arg(folder.path().join("state"))
            .arg("--run-dir")
            .arg(folder.path().join("run"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log_file);
        let recorder = RefCell::new(Running::start("ingero-recorder", &mut command)?);
        let stage = Self { folder, programs, recorder, log };
        stage.wait_for("the recorder", |_| true)?;
        Ok(stage)
    }

    /// The recorder's socket.
    pub(super) fn socket(&self) -> PathBuf {
        self.folder.path().join("run/control.sock")
    }

    /// The recorder's state directory.
    pub(super) fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The CPU that the engine is pinned to: the last, since the first has most interrupts.
    pub(super) fn cpu(&self) -> usize {
        std::thread::available_parallelism().map_or(0, |n| n.get() - 1)
    }

    // Asks the recorder until it says what is waited for; its own words explain a failure.
    fn wait_for(&self, what: &str, ready: impl Fn(&Status) -> bool) -> Result<(), Error> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if self.recorder.borrow_mut().has_ended() {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                let last = log.lines().last().unwrap_or("no word").to_owned();
                return Err(Error::Refused(format!("demo: the recorder ended: {last}")));
            }
            if let Ok((Reply::Status(status), _)) = client::ask(&self.socket(), &Request::Status)
                && ready(&status)
            {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        Err(Error::Refused(format!(
            "demo: {what} was not ready within {PATIENCE:?}; the recorder said: {log}"
        )))
    }

    /// Starts the engine and lets it go once it is recorded.
    pub(super) fn start_engine(&self, scenario: Scenario, duration: Duration) -> Result<Running, Error> {
        let mut command = Command::new(&self.programs.engine);
        command.args(["--start-on-stdin", "--cpu", &self.cpu().to_string()]);
        command.args(["--duration", &duration.as_secs().to_string()]);
        if scenario.storm() {
            let (kernels, us) = STORM;
            command.args(["--storm-at", &STORM_AT.as_secs().to_string()]);
            command.args(["--storm-kernels", &kernels.to_string(), "--storm-load-us", &us.to_string()]);
        }
        if let Some(phase) = scenario.phase() {
            let (at, length) = PHASE;
            command.args(["--phase", phase.name, "--phase-at", &at.as_secs().to_string()]);
            command.args(["--phase-for", &length.as_secs().to_string()]);
        }
        let mut engine = Running::start_ready("engine", command.current_dir(self.folder.path()))?;
        let pid = engine.pid();
        self.wait_for("the engine's recording", |s| {
            s.processes.iter().any(|p| p.pid == pid && p.probes > 0)
        })?;
        engine.go()?;
        Ok(engine)
    }

    /// Starts the hog on the engine's CPU.
    pub(super) fn start_hog(&self, duration: Duration) -> Result<Running, Error> {
        let mut command = Command::new(&self.programs.hog);
        command.args(["--cpu", &self.cpu().to_string(), "--name", HOG]);
        command.args(["--seconds", &duration.as_secs_f64().to_string()]).stdout(Stdio::null());
        Running::start("hog", &mut command)
    }

    /// Stops the recorder as the service manager would.
    pub(super) fn strike(self) -> Result<(), Error> {
        self.recorder.borrow_mut().stop()
    }
}
