//! Watches an inference engine's own time to first token: reads its `/metrics` page at an interval, keeps the histogram
//! over a sliding window, and asks for a snapshot when the threshold is passed.
//!
//! It fires at the crossing and is ready again when a window with enough requests lies under the threshold.

mod histogram;
mod page;

pub use histogram::{Histogram, Reading, Window};
pub use page::{BadPage, read};

use std::{
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::Duration,
};

use ingero_format::units::{exact_time, show_ns};

use super::{Ask, Kind, Triggers};
use crate::{
    clock,
    config::{Config, TtftTrigger},
    journal::{self, Failing},
    lock::lock,
    pulse::Rhythm,
    sample::engine::{agent, fetch, instance},
};

/// Reads at every interval until told to stop or until the configuration names other pages.
pub(super) fn run(pages: &[String], config: &Arc<Mutex<Config>>, triggers: &Triggers, stop: &AtomicBool) {
    let agent = agent();
    let mut watches: Vec<Watch> = pages.iter().map(|page| Watch::new(page)).collect();
    let (mut rhythm, mut failing) = (Rhythm::begin(), Failing::of("trigger ttft: "));
    journal::info(&format!("trigger ttft: watches {}", pages.join(", ")));
    while rhythm.wait(stop) {
        let settings = lock(config).trigger.ttft.clone();
        rhythm.advance(Duration::from_nanos(settings.interval.0));
        for watch in &mut watches {
            let page = fetch(&agent, &watch.page).map_err(|e| e.to_string());
            match page.and_then(|text| read(&text).map_err(|e| e.to_string())) {
                Ok(histogram) => {
                    failing.works(&watch.page, "can be read again");
                    if let Some(reason) = watch.see(clock::boot_ns(), histogram, &settings) {
                        triggers.ask(Kind::Ttft, Ask { reason, ..Ask::default() });
                    }
                }
                Err(e) => {
                    failing.fails(&watch.page, &cannot(&e, settings.interval.0));
                }
            }
        }
        let unread = failing.names().map(|names| format!("cannot be read: {names}"));
        triggers.set_warning(Kind::Ttft, unread);
    }
    triggers.set_warning(Kind::Ttft, None);
}

fn cannot(why: &str, interval_ns: u64) -> String {
    format!(
        "cannot be read: {why}; start the engine, or check [trigger.ttft] pages; tried again every {}",
        exact_time(interval_ns)
    )
}

/// The watch over one engine's page.
#[derive(Debug)]
pub struct Watch {
    page: String,
    window: Window,
    /// The threshold is passed and has been told.
    passed: bool,
}

impl Watch {
    /// Of a page nothing is known of.
    #[must_use]
    pub fn new(page: &str) -> Self {
        Self { page: page.to_owned(), window: Window::default(), passed: false }
    }

    /// Takes what the page said at boottime `now_ns`; gives a reason when the threshold has just been passed.
    pub fn see(&mut self, now_ns: u64, histogram: Histogram, settings: &TtftTrigger) -> Option<String> {
        self.window.add(now_ns, histogram, settings.window.0);
        let found = self
            .window
            .reading(settings.statistic)
            .filter(|r| r.requests >= u64::from(settings.min_requests))?;
        let was = std::mem::replace(&mut self.passed, found.seconds * 1e9 > settings.threshold.0 as f64);
        if was || !self.passed {
            return None;
        }
        let span = show_ns(found.span_ns);
        Some(format!(
            "time to first token of {}: {} {} over {} requests in {span} (threshold {})",
            instance(&self.page),
            settings.statistic.name(),
            show_ns((found.seconds * 1e9) as u64),
            found.requests,
            show_ns(settings.threshold.0),
        ))
    }
}

#[cfg(test)]
mod tests;
