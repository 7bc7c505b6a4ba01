//! When launches at the runtime are followed to the driver, so that handles get their kernels' names.
//!
//! Following costs every launch one more probe, so it is done for two seconds at a time: at once when a runtime
//! is first mapped, then less and less often, since kernels that run all the time are soon known.

use std::time::{Duration, Instant};

use crate::attach::Prober;

/// How long launches are followed.
const OPEN: Duration = Duration::from_secs(2);
/// Pauses after each window; the last one repeats.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(3),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(600),
];

/// Opens and closes the window.
#[derive(Debug, Default)]
pub(super) struct NameWindow {
    open: bool,
    due: Option<Instant>,
    rounds: usize,
}

impl NameWindow {
    /// A runtime was seen in a process: there may be new kernels.
    pub(super) fn begin_again(&mut self) {
        self.rounds = 0;
        if !self.open {
            self.due = Some(Instant::now());
        }
    }

    /// When there is something to do; far away if no runtime was seen.
    pub(super) fn due(&self) -> Instant {
        self.due.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600))
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, prober: &mut Prober) {
        let now = Instant::now();
        if self.due.is_none_or(|due| due > now) {
            return;
        }
        self.open = !self.open;
        prober.name_launches(self.open);
        let pause = PAUSES.get(self.rounds).or(PAUSES.last()).copied().unwrap_or(OPEN);
        self.due = Some(now + if self.open { OPEN } else { pause });
        self.rounds += usize::from(!self.open);
    }
}
