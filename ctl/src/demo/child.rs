//! Processes that end with us.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::error::Error;

/// A started program; ended when dropped.
pub(super) struct Running {
    name: &'static str,
    child: Child,
    started: Instant,
}

fn failed(name: &str, what: &str) -> Error {
    Error::Refused(format!("demo: {name}: {what}"))
}

impl Running {
    /// Starts a program. Its standard output is kept from the terminal.
    pub(super) fn start(name: &'static str, command: &mut Command) -> Result<Self, Error> {
        let child = command.spawn().map_err(|e| failed(name, &format!("cannot be started: {e}")))?;
        Ok(Self { name, child, started: Instant::now() })
    }

    /// Starts a program that prints READY and then waits for a line on its standard input.
    pub(super) fn start_ready(name: &'static str, command: &mut Command) -> Result<Self, Error> {
        let mut running = Self::start(name, command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let out = running.child.stdout.take().ok_or_else(|| failed(name, "has no output"))?;
        let mut line = String::new();
        let _ = BufReader::new(out).read_line(&mut line);
        if line.starts_with("READY") { Ok(running) } else { Err(failed(name, "did not become ready")) }
    }

    /// Lets a program that waits on its standard input go on.
    pub(super) fn go(&mut self) -> Result<(), Error> {
        let went = self.child.stdin.as_mut().map(|stdin| stdin.write_all(b"go\n"));
        self.started = Instant::now();
        went.transpose().map(|_| ()).map_err(|e| failed(self.name, &e.to_string()))
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `after` has passed since it was started or let go.
    pub(super) fn sleep_until(&mut self, after: Duration) {
        std::thread::sleep(after.saturating_sub(self.started.elapsed()));
    }

    /// True if it has ended by itself.
    pub(super) fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// Waits for its end.
    pub(super) fn wait(&mut self) -> Result<(), Error> {
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(failed(self.name, &format!("ended with {status}"))),
            Err(e) => Err(failed(self.name, &e.to_string())),
        }
    }

    /// Asks it to end, and waits.
    pub(super) fn stop(&mut self) -> Result<(), Error> {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        kill(pid, Signal::SIGTERM).map_err(|e| failed(self.name, &e.to_string()))?;
        self.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.has_ended() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
