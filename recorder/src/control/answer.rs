//! What each request leads to.

use std::{
    fs::File,
    sync::{Arc, Mutex},
};

use ingero_format::control::{Reply, Request};

use crate::{
    Error,
    config::{Config, ConfigFile},
    journal,
    limits::{MAX_AFTER_NS, MAX_WINDOW_NS},
    lock::lock,
    metrics::Exports,
    status::StatusParts,
    trigger::watchers::Watchers,
};

/// The reply to send, and a file to send after it.
pub type Answer = (Reply, Option<File>);

/// Answers requests.
pub struct Answers {
    /// For status and snapshots.
    pub parts: Arc<StatusParts>,
    /// What to read again on reload.
    pub config_file: ConfigFile,
    /// Configuration in force.
    pub config: Arc<Mutex<Config>>,
    /// What must follow a reload.
    pub watchers: Watchers,
    /// The same, for monitoring systems.
    pub exports: Exports,
}

fn failed(message: impl Into<String>) -> Answer {
    (Reply::Failed { message: message.into() }, None)
}

impl Answers {
    /// Answers one request; may block as long as the snapshot asked for takes.
    #[must_use]
    pub fn answer(&self, request: Request) -> Answer {
        match request {
            Request::Status => (Reply::Status(Box::new(self.parts.status())), None),
            Request::Snapshot { last_ns, after_ns, reason, unit } => {
                self.snapshot(last_ns, after_ns, reason, unit)
            }
            Request::Snapshots => (Reply::Snapshots(self.parts.snapshots.list()), None),
            Request::Fetch { id } => self.fetch(&id),
            Request::Remove { id } => match self.parts.snapshots.remove(&id) {
                Ok(true) => (Reply::Done, None),
                Ok(false) => failed(format!("no snapshot {id}; `ingeroctl snapshots` lists them")),
                Err(e) => failed(format!("snapshot {id}: cannot remove: {e}")),
            },
            Request::Pin { id, pinned } => match self.parts.snapshots.pin(&id, pinned) {
                Ok(true) => (Reply::Done, None),
                Ok(false) => failed(format!("no snapshot {id}; `ingeroctl snapshots` lists them")),
                Err(e) => failed(format!("snapshot {id}: cannot pin: {e}")),
            },
            Request::Reload => self.reload(),
        }
    }

    fn snapshot(&self, last_ns: u64, after_ns: u64, reason: String, unit: bool) -> Answer {
        if last_ns > MAX_WINDOW_NS || after_ns > MAX_AFTER_NS {
            return failed("the window is too long; --last may be up to 24h, --after up to 10m");
        }
        let triggers = &self.parts.triggers;
        let outcome = if unit {
            triggers.unit(last_ns, after_ns, reason)
        } else {
            triggers.command(last_ns, after_ns, reason)
        };
        match outcome.recv() {
            Ok(Ok(snapshot)) => (Reply::Snapshot(snapshot), None),
            Ok(Err(message)) => failed(message),
            Err(_) => failed("the recorder is stopping; ask again when it is up"),
        }
    }

    fn fetch(&self, id: &str) -> Answer {
        let missing = || failed(format!("no snapshot {id}; `ingeroctl snapshots` lists them"));
        let Some(path) = self.parts.snapshots.path(id) else { return missing() };
        match File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file))) {
            Ok((bytes, file)) => (Reply::File { bytes }, Some(file)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => missing(),
            Err(e) => failed(format!("{}: cannot read: {e}", path.display())),
        }
    }

    /// Reads the configuration again; a bad one leaves the old in force.
    pub fn reload(&self) -> Answer {
        let read = Config::from_file(&self.config_file).and_then(|new| {
            // What takes effect must fit what stays in force.
            let ring = lock(&self.config).ring.clone();
            Config { ring, ..new.clone() }.check().map_err(Error::Config)?;
            let prepared = self.watchers.prepare(&new.trigger).map_err(Error::Config)?;
            let exports = self.exports.prepare(&new.metrics).map_err(Error::Config)?;
            Ok((new, prepared, exports))
        });
        match read {
            Ok((mut new, prepared, exports)) => {
                let mut config = lock(&self.config);
                let restart = new.ring != config.ring
                    || new.probes != config.probes
                    || new.samples != config.samples
                    || new.annotations != config.annotations;
                if restart {
                    journal::warning(
                        "configuration: changes in [ring], [probes], [samples] and [annotations] take effect at the \
                         next start",
                    );
                }
                // What is not in force must not be told or acted upon.
                new.ring = config.ring.clone();
                new.probes = config.probes.clone();
                new.samples = config.samples.clone();
                new.annotations = config.annotations.clone();
                let metrics = new.metrics.clone();
                *config = new;
                drop(config);
                self.watchers.apply(prepared);
                self.exports.apply(&metrics, exports);
                *lock(&self.parts.reload_error) = None;
                journal::info("configuration reloaded");
                self.parts.expire_snapshots();
                (Reply::Done, None)
            }
            Err(e) => {
                let text = format!("configuration not reloaded, the old one stays in force: {e}");
                journal::error(&text);
                *lock(&self.parts.reload_error) = Some(text);
                failed(e.to_string())
            }
        }
    }
}
