//! Starting every part in order, minding signals and the service manager, stopping in order.

mod handover;
mod host_check;
mod running;
mod signals;
mod start;
mod told;

pub use handover::release;
pub use host_check::host_report;

use std::path::PathBuf;

use sd_notify::NotifyState;

use crate::{
    Error, Result,
    config::{self, Config},
    journal, kernel, storage,
};

/// What the command line decides.
#[derive(Clone, Debug)]
pub struct Paths {
    /// Where the configuration is read again on reload.
    pub config: config::ConfigFile,
    /// State directory.
    pub state_dir: PathBuf,
    /// Directory of the control socket.
    pub run_dir: PathBuf,
}

/// Records until a signal says stop.
///
/// # Errors
/// What keeps the recorder from starting, in one line.
pub fn run(config: Config, paths: &Paths) -> Result<()> {
    let signals = signals::Signals::install()?;
    storage::install_sigbus_handler().map_err(|e| Error::Other(format!("cannot handle SIGBUS: {e}")))?;
    let warnings = preflight()?;
    let running = start::start(config, paths, warnings)?;
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    journal::info(&format!("recording into {}; ready", paths.state_dir.display()));
    running.mind(&signals);
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
    running.stop();
    Ok(())
}

// Hard failures end the start; soft ones are shown in status.
fn preflight() -> Result<Vec<String>> {
    use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
    // Harmless if refused: since 5.11 maps count against the cgroup, not against this limit.
    let _ = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY);
    let mut warnings = Vec::new();
    for check in kernel::preflight().into_iter().filter(|c| !c.ok) {
        if check.required {
            return Err(Error::Kernel {
                what: format!("{}: {}", check.name, check.found),
                remedy: check.remedy,
            });
        }
        let text = format!("{}; {}", check.found, check.remedy);
        journal::warning(&text);
        warnings.push(text);
    }
    Ok(warnings)
}
