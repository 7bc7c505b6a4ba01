//! The triggered freeze that later triggers may join, between the gate and the freezer.
//!
//! It is open from the moment it is asked for until its window ends. What comes later is about a time that its bundle
//! does not hold, so it is a new question.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
};

use super::FreezeRequest;
use crate::lock::lock;

/// Reasons kept of those that joined; further ones are only counted.
const MAX_REASONS: usize = 16;
/// Bundles whose size is remembered: as many as `max_per_hour` can make sensible.
const MAX_SIZES: usize = 4_096;

/// Shared between those who ask and the freezer.
#[derive(Clone, Debug, Default)]
pub struct Joint(Arc<Mutex<State>>);

/// What [`Joint::lock`] gives.
#[derive(Debug, Default)]
pub struct State {
    open: bool,
    joined: Joined,
    /// When triggered bundles were finished, boottime ns, and their bytes.
    sizes: VecDeque<(u64, u64)>,
}

/// Who joined a freeze.
#[derive(Debug, Default)]
pub struct Joined {
    /// The first of them.
    pub requests: Vec<FreezeRequest>,
    /// How many more there were.
    pub unlisted: u64,
    /// The latest end of a post-window among all, boottime ns.
    pub to_ns: u64,
}

impl Joined {
    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.requests.len() as u64 + self.unlisted
    }
}

impl Joint {
    /// Locks it; nothing may be taken while it is held.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// Ends the time of joining and gives who joined.
    #[must_use]
    pub fn close(&self) -> Joined {
        let mut state = self.lock();
        state.open = false;
        std::mem::take(&mut state.joined)
    }

    /// The latest end of a post-window among those who joined so far, boottime ns.
    #[must_use]
    pub fn to_ns(&self) -> u64 {
        self.lock().joined.to_ns
    }

    /// Notes the size of a triggered bundle that was finished at boottime `at_ns`.
    pub fn took(&self, at_ns: u64, bytes: u64) {
        let mut state = self.lock();
        state.sizes.push_back((at_ns, bytes));
        if state.sizes.len() > MAX_SIZES {
            state.sizes.pop_front();
        }
    }
}

impl State {
    /// True if a freeze can be joined.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// A freeze is asked for that others may join.
    pub fn open(&mut self) {
        self.open = true;
    }

    /// Adds a request to the freeze under way.
    pub fn join(&mut self, request: FreezeRequest) {
        let joined = &mut self.joined;
        joined.to_ns = joined.to_ns.max(request.trigger.at_ns.saturating_add(request.after_ns));
        // Whoever waits for an answer gets it: clients are few.
        if joined.requests.len() < MAX_REASONS || request.reply.is_some() {
            joined.requests.push(request);
        } else {
            joined.unlisted += 1;
        }
    }

    /// Bytes of triggered bundles within `span_ns` before boottime `now_ns`, and of the last one.
    #[must_use]
    pub fn bytes_within(&self, now_ns: u64, span_ns: u64) -> (u64, u64) {
        let within = self.sizes.iter().filter(|(at, _)| now_ns.saturating_sub(*at) < span_ns);
        let last = self.sizes.back().map_or(0, |(_, bytes)| *bytes);
        (within.map(|(_, bytes)| bytes).sum(), last)
    }
}
