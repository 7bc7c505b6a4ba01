//! The threads that watch what lies outside the recorder: started, changed and stopped as the configuration says.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{Builder, JoinHandle},
};

use super::{
    Kind, Triggers,
    predicate::{Conditions, Shared},
    ttft,
    webhook::{self, Hook},
    xid,
};
use crate::{
    config::{Config, TriggerConfig, WebhookTrigger},
    http::{Bound, Serving},
    journal,
    lock::lock,
};

/// A thread that may hang in a driver: told to stop, never joined.
struct Xid {
    library: String,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

struct Ttft {
    pages: Vec<String>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Running {
    webhook: Serving,
    ttft: Option<Ttft>,
    xid: Option<Xid>,
}

/// What a new configuration needs and does not have yet: made before the old one goes.
#[derive(Default)]
pub struct Prepared(Bound);

/// See the module.
pub struct Watchers {
    triggers: Triggers,
    config: Arc<Mutex<Config>>,
    conditions: Shared,
    run_dir: PathBuf,
    running: Mutex<Running>,
}

impl Watchers {
    /// Nothing runs until [`Watchers::start`].
    #[must_use]
    pub fn new(triggers: Triggers, config: Arc<Mutex<Config>>, conditions: Shared, run_dir: PathBuf) -> Self {
        Self { triggers, config, conditions, run_dir, running: Mutex::default() }
    }

    /// Starts what the configuration in force names. What cannot be had is told and left out: a recorder without its
    /// webhook still records.
    pub fn start(&self) {
        let trigger = self.trigger();
        let prepared = self.prepare(&trigger).unwrap_or_else(|e| {
            journal::error(&e);
            self.triggers.set_broken(Kind::Webhook, Some(e));
            Prepared::default()
        });
        self.apply(prepared);
    }

    /// Gets what a new configuration needs, so that it can be refused while the old one still runs.
    ///
    /// # Errors
    /// One line: what cannot be had, and what to do.
    pub fn prepare(&self, new: &TriggerConfig) -> Result<Prepared, String> {
        let WebhookTrigger { listen, .. } = &new.webhook;
        let running = lock(&self.running);
        let webhook = &running.webhook;
        webhook.prepare(&webhook::SERVER, listen.as_ref(), new.webhook.token(), &self.run_dir).map(Prepared)
    }

    /// Puts the configuration now in force to work.
    pub fn apply(&self, prepared: Prepared) {
        let trigger = self.trigger();
        self.conditions.set(Conditions::of(&trigger));
        let mut running = lock(&self.running);
        self.webhook(&mut running.webhook, &trigger.webhook, prepared);
        let pages = trigger.ttft.pages;
        if running.ttft.as_ref().is_none_or(|t| t.pages != pages || t.thread.is_finished()) {
            if let Some(old) = running.ttft.take() {
                old.end();
            }
            running.ttft = (!pages.is_empty()).then(|| self.ttft(pages)).flatten();
        }
        let wanted = trigger.predicate.gpu_xid.then(|| self.nvml_library());
        if running.xid.as_ref().map(|x| &x.library) != wanted.as_ref() {
            if let Some(old) = running.xid.take() {
                old.end();
            }
            running.xid = wanted.and_then(|library| self.xid(library));
        }
    }

    /// Ends everything.
    pub fn stop(&self) {
        let mut running = lock(&self.running);
        running.webhook.end();
        if let Some(ttft) = running.ttft.take() {
            ttft.end();
        }
        if let Some(xid) = running.xid.take() {
            xid.end();
        }
    }

    fn nvml_library(&self) -> String {
        lock(&self.config).samples.nvml_library.clone()
    }

    fn trigger(&self) -> TriggerConfig {
        lock(&self.config).trigger.clone()
    }

    fn webhook(&self, serving: &mut Serving, config: &WebhookTrigger, prepared: Prepared) {
        let (asked, told) = (self.triggers.clone(), self.triggers.clone());
        let handler = |token| Hook::new(asked, token);
        let failed = move |e: io::Error| told.set_broken(Kind::Webhook, Some(e.to_string()));
        match serving.apply(config.listen.as_ref(), prepared.0, handler, failed) {
            Ok(started) if started || config.listen.is_none() => {
                self.triggers.set_broken(Kind::Webhook, None);
            }
            Ok(_) => {}
            Err(e) => {
                self.triggers.set_broken(Kind::Webhook, Some(format!("cannot start its thread: {e}")));
            }
        }
    }

    fn xid(&self, library: String) -> Option<Xid> {
        let stop = Arc::new(AtomicBool::new(false));
        let (opened, triggers, flag) = (library.clone(), self.triggers.clone(), Arc::clone(&stop));
        let run = move || xid::run(&opened, &triggers, &flag);
        match Builder::new().name("xid".into()).spawn(run) {
            Ok(thread) => Some(Xid { library, stop, thread }),
            Err(e) => {
                self.triggers.set_broken(Kind::GpuXid, Some(format!("cannot start its thread: {e}")));
                None
            }
        }
    }

    fn ttft(&self, pages: Vec<String>) -> Option<Ttft> {
        let stop = Arc::new(AtomicBool::new(false));
        let (watched, config, triggers, flag) =
            (pages.clone(), Arc::clone(&self.config), self.triggers.clone(), Arc::clone(&stop));
        let run = move || ttft::run(&watched, &config, &triggers, &flag);
        match Builder::new().name("ttft".into()).spawn(run) {
            Ok(thread) => Some(Ttft { pages, stop, thread }),
            Err(e) => {
                self.triggers.set_broken(Kind::Ttft, Some(format!("cannot start its thread: {e}")));
                None
            }
        }
    }
}

impl Xid {
    fn end(self) {
        self.stop.store(true, Relaxed);
        self.thread.thread().unpark();
    }
}

impl Ttft {
    // It may be reading a page, which takes at most half a second each.
    fn end(self) {
        self.stop.store(true, Relaxed);
        self.thread.thread().unpark();
        let _ = self.thread.join();
    }
}
