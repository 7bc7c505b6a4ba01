//! Signals as flags: nothing is done inside a handler.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1},
    flag,
};

use crate::{Error, Result};

/// What has been asked for by signal.
#[derive(Clone, Debug, Default)]
pub(super) struct Signals {
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
        let signals = Self::default();
        let (stop, reload, snapshot) = (&signals.stop, &signals.reload, &signals.snapshot);
        for (signal, flag) in [(SIGTERM, stop), (SIGINT, stop), (SIGHUP, reload), (SIGUSR1, snapshot)] {
            flag::register(signal, Arc::clone(flag))
                .map_err(|e| Error::Other(format!("signal {signal}: {e}")))?;
        }
        Ok(signals)
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
