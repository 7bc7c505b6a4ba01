//! A child of this very program, started to have its own functions probed: the recorder itself never is.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::fd::AsFd,
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    time::Duration,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::kernel::Mapping;

/// How long it may take for one line.
const PATIENCE: Duration = Duration::from_secs(2);

/// Runs until [`OwnChild::end`], or until this is dropped.
pub(crate) struct OwnChild {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl OwnChild {
    /// Starts this program with one option.
    ///
    /// # Errors
    /// As the system says.
    pub fn start(option: &str) -> io::Result<Self> {
        let mut command = Command::new("/proc/self/exe");
        command.arg(option).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn()?;
        match (process.stdin.take(), process.stdout.take()) {
            (Some(input), Some(output)) => Ok(Self { process, input, output: BufReader::new(output) }),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The file that is probed.
    pub fn exe(&self) -> PathBuf {
        format!("/proc/{}/exe", self.pid()).into()
    }

    /// Sends an empty line: go on.
    ///
    /// # Errors
    /// If it does not listen any more.
    pub fn go_on(&mut self) -> io::Result<()> {
        self.input.write_all(b"\n")
    }

    /// The next line that it says, without the line's end; `None` if it says none in time.
    pub fn line(&mut self) -> Option<String> {
        let timeout = PollTimeout::try_from(PATIENCE).unwrap_or(PollTimeout::ZERO);
        let fd = PollFd::new(self.output.get_ref().as_fd(), PollFlags::POLLIN);
        let ready = poll(&mut [fd], timeout).is_ok_and(|n| n > 0);
        let mut text = String::new();
        let said = ready && self.output.read_line(&mut text).is_ok_and(|n| n > 0);
        said.then(|| text.trim_end().to_owned())
    }

    /// The next line as two numbers: where its functions lie in its file, or what they cost.
    pub fn pair(&mut self) -> Option<[u64; 2]> {
        let line = self.line()?;
        let (first, second) = line.split_once(' ')?;
        Some([first.parse().ok()?, second.parse().ok()?])
    }

    /// Ends it, if it has not ended by itself.
    ///
    /// # Errors
    /// If it was lost.
    pub fn end(mut self) -> io::Result<ExitStatus> {
        let _ = self.process.kill();
        self.process.wait()
    }
}

impl Drop for OwnChild {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where an address of this program lies in its file; 0 if that cannot be told. For the child.
pub(crate) fn file_offset(address: u64) -> u64 {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    maps.lines().filter_map(Mapping::parse).find_map(|mapping| mapping.offset_of(address)).unwrap_or(0)
}
