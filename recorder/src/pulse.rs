//! Signs of life of threads that may hang: the watchdog is fed only while all of them give some. And when those that
//! work at intervals do so.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

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

    /// True if the work under way was begun too long before `now_ns`, boottime.
    #[must_use]
    pub fn hangs(&self, now_ns: u64) -> bool {
        let begun = self.0.load(Relaxed);
        begun != 0 && now_ns.saturating_sub(begun) > PATIENCE_NS
    }
}

/// The turns of a thread that works at intervals. It does not drift, and turns that were missed are not made up for.
#[derive(Debug)]
pub struct Rhythm(Instant);

impl Rhythm {
    /// The first turn is now.
    #[must_use]
    pub fn begin() -> Self {
        Self(Instant::now())
    }

    /// Waits for the turn; false if told to stop. Who sets `stop` unparks the thread.
    #[must_use]
    pub fn wait(&self, stop: &AtomicBool) -> bool {
        while !stop.load(Relaxed) {
            let left = self.0.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            thread::park_timeout(left);
        }
        false
    }

    /// The turn has come, and the next one comes after `interval`.
    pub fn advance(&mut self, interval: Duration) {
        self.0 = following(self.0, interval, Instant::now());
    }
}

fn following(last: Instant, interval: Duration, now: Instant) -> Instant {
    let next = last + interval;
    if next > now { next } else { now + interval }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_that_came_late_is_not_made_up_for() {
        let (begin, second) = (Instant::now(), Duration::from_secs(1));
        assert_eq!(following(begin, second, begin + second / 10), begin + second);
        assert_eq!(following(begin, second, begin + 5 * second), begin + 6 * second);
    }

    #[test]
    fn a_turn_comes_at_once_and_none_when_told_to_stop() {
        let (mut rhythm, stop) = (Rhythm::begin(), AtomicBool::new(false));
        assert!(rhythm.wait(&stop));
        rhythm.advance(Duration::from_secs(3_600));
        stop.store(true, Relaxed);
        assert!(!rhythm.wait(&stop));
    }

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
