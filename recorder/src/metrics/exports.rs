//! Starts, changes and stops the two ways out as the configuration says.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{Builder, JoinHandle},
};

use super::{collect::Collector, push::Push, serve::Pages, tap::Shared};
use crate::{
    config::{Metrics, Otlp},
    http::{self, Bound, Server, Serving},
    journal,
    lock::lock,
    status::StatusParts,
};

/// Where the page is configured and listens.
const SERVER: Server = Server { section: "[metrics]", socket: "metrics.sock" };
const OTLP: &str = "[metrics.otlp]";

/// A thread that may wait for a collector: told to stop, never joined.
struct Pushing {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Running {
    serving: Serving,
    pushing: Option<Pushing>,
}

/// What a new configuration needs: made before the old one goes.
#[derive(Default)]
pub struct Prepared {
    bound: Bound,
    push: Option<Push>,
}

/// See the module.
pub struct Exports {
    collector: Collector,
    tap: Shared,
    run_dir: PathBuf,
    running: Mutex<Running>,
}

impl Exports {
    /// Nothing runs until [`Exports::start`].
    #[must_use]
    pub fn new(parts: Arc<StatusParts>, tap: Shared, run_dir: PathBuf) -> Self {
        Self { collector: Collector::new(parts, tap.clone()), tap, run_dir, running: Mutex::default() }
    }

    /// Starts what the configuration names. What cannot be had is told and left out: a recorder without its metrics
    /// still records.
    pub fn start(&self, config: &Metrics) {
        let prepared = self.prepare(config);
        let trouble = prepared.as_ref().err().cloned();
        trouble.iter().for_each(|e| journal::error(e));
        self.apply(config, prepared.unwrap_or_default());
        self.collector.set_trouble(trouble);
    }

    /// Gets what a new configuration needs, so that it can be refused while the old one still runs.
    ///
    /// # Errors
    /// One line: what cannot be had, and what to do.
    pub fn prepare(&self, new: &Metrics) -> Result<Prepared, String> {
        let push = push(&new.otlp)?;
        let running = lock(&self.running);
        let bound = running.serving.prepare(&SERVER, new.listen.as_ref(), new.token(), &self.run_dir)?;
        Ok(Prepared { bound, push })
    }

    /// Puts a configuration to work.
    pub fn apply(&self, config: &Metrics, prepared: Prepared) {
        self.tap.switch(config.is_on());
        self.collector.set_trouble(None);
        let mut running = lock(&self.running);
        let pages = |token| Pages::new(self.collector.clone(), token);
        let started = running.serving.apply(config.listen.as_ref(), prepared.bound, pages, |_| ());
        let _ = spawned(started);
        // It may have a new token: begun anew at every reload.
        running.pushing.take().into_iter().for_each(Pushing::end);
        running.pushing = prepared.push.and_then(|push| self.push(push));
    }

    /// Ends everything.
    pub fn stop(&self) {
        let mut running = lock(&self.running);
        running.serving.end();
        running.pushing.take().into_iter().for_each(Pushing::end);
    }

    fn push(&self, push: Push) -> Option<Pushing> {
        let stop = Arc::new(AtomicBool::new(false));
        let (collector, flag) = (self.collector.clone(), Arc::clone(&stop));
        let run = move || push.run(&collector, &flag);
        let thread = spawned(Builder::new().name("otlp".into()).spawn(run))?;
        Some(Pushing { stop, thread })
    }
}

fn push(otlp: &Otlp) -> Result<Option<Push>, String> {
    let Some(endpoint) = otlp.endpoint.clone() else { return Ok(None) };
    let token = http::token(OTLP, otlp.token())?;
    Ok(Some(Push { endpoint, interval: otlp.interval, token }))
}

fn spawned<T>(thread: std::io::Result<T>) -> Option<T> {
    thread.inspect_err(|e| journal::error(&format!("metrics: cannot start a thread: {e}"))).ok()
}

impl Pushing {
    fn end(self) {
        self.stop.store(true, Relaxed);
        self.thread.thread().unpark();
    }
}

#[cfg(test)]
mod tests;
