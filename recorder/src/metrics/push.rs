//! Sends all points at an interval to an OpenTelemetry collector. Nobody waits for this thread: a collector may take a
//! request and never answer.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use ureq::Agent;

use super::{
    collect::{Collector, Export},
    otlp,
};
use crate::{clock, config::Nanos, http::Token, journal::Failing, printable::shortened, pulse::Rhythm};

/// Longest time for one export; the next has the same numbers and more, so that nothing is lost by giving one up.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Largest answer read.
const MAX_ANSWER_BYTES: u64 = 64 << 10;
/// Most of a collector's words that are told.
const MAX_TEXT_BYTES: usize = 200;

/// Where to, how often, and with which token.
#[derive(Clone)]
pub(super) struct Push {
    pub(super) endpoint: String,
    pub(super) interval: Nanos,
    pub(super) token: Option<Token>,
}

impl Push {
    /// Sends until told to stop.
    pub(super) fn run(self, collector: &Collector, stop: &Arc<AtomicBool>) {
        let agent = agent();
        let host = nix::unistd::gethostname().unwrap_or_default().to_string_lossy().into_owned();
        let (mut rhythm, mut failing) = (Rhythm::begin(), Failing::default());
        let what = format!("otlp: {}", self.endpoint);
        while rhythm.wait(stop) {
            rhythm.advance(Duration::from_nanos(self.interval.0));
            let families = collector.families();
            let body = otlp::request(&families, &host, clock::anchor().real_ns);
            let (result, trouble) = match self.send(&agent, &body) {
                Ok(None) => (Export::Ok, None),
                Ok(Some((points, why))) => {
                    let why = shortened(&why, MAX_TEXT_BYTES);
                    (Export::Partial, Some(format!("it left out {points} points: {why}")))
                }
                Err(e) => (Export::Failed, Some(e)),
            };
            collector.exported(result);
            match trouble {
                Some(trouble) => failing.fails(&what, &trouble),
                None => failing.works(&what, "takes all points again"),
            };
        }
    }

    fn send(&self, agent: &Agent, body: &[u8]) -> Result<Option<(u64, String)>, String> {
        let mut request = agent.post(&self.endpoint).content_type(otlp::CONTENT_TYPE);
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {}", token.word()));
        }
        let mut response = request.send(body).map_err(|e| e.to_string())?;
        if response.status() != 200 {
            return Err(format!("HTTP status {}", response.status().as_u16()));
        }
        let body = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_vec();
        otlp::rejected(&body.map_err(|e| e.to_string())?)
            .map_err(|e| format!("no answer of a collector: {e}"))
    }
}

fn agent() -> Agent {
    Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .max_redirects(0)
        .http_status_as_error(false)
        .proxy(None)
        .user_agent(concat!("ingero-recorder/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent()
}
