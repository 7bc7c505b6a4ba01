//! Signals as flags: nothing is done inside a handler.

use std::{
    io::Read,
    os::{fd::AsFd, unix::net::UnixStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1},
    flag,
    low_level::pipe,
};

use crate::{Error, Result};

/// What has been asked for by signal.
#[derive(Debug)]
pub(super) struct Signals {
    /// Readable after a signal: whoever minds the recorder sleeps on it.
    wake: UnixStream,
    stop: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
    snapshot: Arc<AtomicBool>,
}

impl Signals {
    /// Takes the signals over.
    ///
    /// # Errors
    /// If the system refuses.
    pub(super) fn install() -> Result<Self> {
        let refused = |e: std::io::Error| Error::Other(format!("signals: {e}"));
        let (wake, sender) = UnixStream::pair().map_err(refused)?;
        wake.set_nonblocking(true).map_err(refused)?;
        let signals = Self { wake, stop: Arc::default(), reload: Arc::default(), snapshot: Arc::default() };
        let (stop, reload, snapshot) = (&signals.stop, &signals.reload, &signals.snapshot);
        for (signal, flag) in [(SIGTERM, stop), (SIGINT, stop), (SIGHUP, reload), (SIGUSR1, snapshot)] {
            // The flag first: whoever is woken must find it set.
            flag::register(signal, Arc::clone(flag)).map_err(refused)?;
            pipe::register(signal, sender.try_clone().map_err(refused)?).map_err(refused)?;
        }
        Ok(signals)
    }

    /// Sleeps until a signal comes or the time has passed.
    pub(super) fn wait(&self, at_most: Duration) {
        let timeout = PollTimeout::try_from(at_most).unwrap_or(PollTimeout::ZERO);
        let _ = poll(&mut [PollFd::new(self.wake.as_fd(), PollFlags::POLLIN)], timeout);
        while matches!((&self.wake).read(&mut [0; 64]), Ok(1..)) {}
    }

    /// SIGTERM or SIGINT has come.
    pub(super) fn stop(&self) -> bool {
        self.stop.load(Relaxed)
    }

    /// SIGHUP has come since the last question.
    pub(super) fn take_reload(&self) -> bool {
        self.reload.swap(false, Relaxed)
    }

    /// SIGUSR1 has come since the last question.
    pub(super) fn take_snapshot(&self) -> bool {
        self.snapshot.swap(false, Relaxed)
    }
}
