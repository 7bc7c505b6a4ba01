//! Who may ask for a freeze. Every trigger takes the one path: a [`FreezeRequest`] on the freezer's channel.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
};

use ingero_format::{
    control::{Snapshot, TriggerCount},
    manifest::Trigger,
};

use crate::{clock, config::Config, freeze::FreezeRequest, journal};

const HOUR_NS: u64 = 3_600_000_000_000;

/// Answer to a request: the snapshot, or why there is none.
pub type Outcome = std::result::Result<Snapshot, String>;

/// Sends requests and counts them.
#[derive(Clone)]
pub struct Triggers {
    requests: Sender<FreezeRequest>,
    config: Arc<Mutex<Config>>,
    fired: Arc<Mutex<BTreeMap<&'static str, u64>>>,
    recent: Arc<Mutex<VecDeque<u64>>>,
}

impl Triggers {
    /// Triggers that reach the freezer through `requests`.
    #[must_use]
    pub fn new(requests: Sender<FreezeRequest>, config: Arc<Mutex<Config>>) -> Self {
        Self { requests, config, fired: Arc::default(), recent: Arc::default() }
    }

    /// A person asks; never refused. The outcome comes through the receiver.
    #[must_use]
    pub fn command(&self, last_ns: u64, after_ns: u64, reason: String) -> Receiver<Outcome> {
        let (sender, receiver) = channel();
        self.fire("command", last_ns, after_ns, reason, Some(sender));
        receiver
    }

    /// SIGUSR1, with the configured window.
    pub fn signal(&self) {
        let snapshot = self.config.lock().unwrap_or_else(PoisonError::into_inner).snapshot.clone();
        let now = clock::boot_ns();
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|at| now.saturating_sub(*at) < HOUR_NS);
        if recent.len() >= snapshot.max_per_hour as usize {
            journal::warning("SIGUSR1: no snapshot, [snapshot] max_per_hour is reached");
            return;
        }
        recent.push_back(now);
        drop(recent);
        journal::warning("SIGUSR1: freezing a snapshot");
        self.fire("signal", snapshot.last.0, snapshot.after.0, "SIGUSR1".into(), None);
    }

    fn fire(
        &self,
        kind: &'static str,
        last_ns: u64,
        after_ns: u64,
        reason: String,
        reply: Option<Sender<Outcome>>,
    ) {
        *self.fired.lock().unwrap_or_else(PoisonError::into_inner).entry(kind).or_default() += 1;
        let trigger = Trigger { kind: kind.into(), reason, at_ns: clock::boot_ns() };
        // If the freezer is gone the reply's sender is dropped with the request, which its receiver sees.
        let _ = self.requests.send(FreezeRequest { trigger, last_ns, after_ns, reply });
    }

    /// How often each has fired.
    #[must_use]
    pub fn counts(&self) -> Vec<TriggerCount> {
        let fired = self.fired.lock().unwrap_or_else(PoisonError::into_inner);
        ["command", "signal"]
            .into_iter()
            .map(|kind| TriggerCount { kind: kind.into(), fired: fired.get(kind).copied().unwrap_or(0) })
            .collect()
    }
}
