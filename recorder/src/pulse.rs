//! Signs of life of threads that may hang: the watchdog is fed only while all of them give some.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::clock;

/// A thread that is at one piece of work for longer is taken to hang, ns. A disk may be slow for a while; the service
/// manager's own patience comes on top.
const PATIENCE_NS: u64 = 60_000_000_000;

/// When a thread began what it is at, boottime ns; 0 while it has nothing to do.
#[derive(Debug, Default)]
pub struct Pulse(AtomicU64);

impl Pulse {
    /// A piece of work begins.
    pub fn begin(&self) {
        self.0.store(clock::boot_ns(), Relaxed);
    }

    /// It is done, and nothing else waits.
    pub fn rest(&self) {
        self.0.store(0, Relaxed);
    }

    /// True if the work under way was begun too long before `now_ns`.
    #[must_use]
    pub fn hangs(&self, now_ns: u64) -> bool {
        let begun = self.0.load(Relaxed);
        begun != 0 && now_ns.saturating_sub(begun) > PATIENCE_NS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_hangs_when_it_is_at_one_piece_of_work_for_too_long_and_never_while_it_rests() {
        let pulse = Pulse::default();
        let later = clock::boot_ns() + PATIENCE_NS + 1_000_000_000;
        assert!(!pulse.hangs(later), "nothing has begun");
        pulse.begin();
        assert!(!pulse.hangs(clock::boot_ns()) && pulse.hangs(later));
        pulse.rest();
        assert!(!pulse.hangs(later));
    }
}
