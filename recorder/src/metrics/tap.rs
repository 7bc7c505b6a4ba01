//! How meters get from the drain to whoever asks for them.
//!
//! The drain owns its meters. Who wants them says so; at the end of its next turn, at most 50 ms later, the drain leaves
//! a copy in a shared place, if nobody is reading there at that moment. It never waits.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use ingero_format::Row;

use super::meters::{Meters, Process};
use crate::lock::lock;

/// Longest wait for the drain's next turn; after that what it left before is told.
const PATIENCE: Duration = Duration::from_millis(500);
/// Time between two looks whether it has left something.
const POLL: Duration = Duration::from_millis(5);

/// The drain's side.
#[derive(Debug, Default)]
pub struct Tap {
    shared: Shared,
    meters: Option<Box<Meters>>,
}

/// The side of those who ask.
#[derive(Clone, Debug, Default)]
pub struct Shared(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    on: AtomicBool,
    /// Questions so far, and how many of them are answered.
    asked: AtomicU64,
    answered: AtomicU64,
    left: Mutex<Option<Left>>,
}

/// What the drain left.
#[derive(Clone, Debug, Default)]
pub struct Left {
    /// Processes with a place of their own.
    pub processes: Vec<Process>,
    /// What all others share.
    pub other: Process,
}

impl Shared {
    /// Switches counting on or off; takes effect at the drain's next turn.
    pub fn switch(&self, on: bool) {
        self.0.on.store(on, Relaxed);
    }

    /// What the drain has counted; waits for its next turn. `None` before it counts.
    #[must_use]
    pub fn ask(&self) -> Option<Left> {
        let question = self.0.asked.fetch_add(1, SeqCst) + 1;
        let begun = Instant::now();
        while self.0.answered.load(SeqCst) < question && begun.elapsed() < PATIENCE {
            thread::sleep(POLL);
        }
        lock(&self.0.left).clone()
    }
}

impl Tap {
    /// Leaves what it counts at `shared`.
    #[must_use]
    pub fn new(shared: Shared) -> Self {
        Self { shared, meters: None }
    }

    /// Counts a row. `comm_of` names a process that is seen for the first time.
    #[inline]
    pub fn see(&mut self, row: &Row, comm_of: impl Fn(u32) -> String) {
        if let Some(meters) = &mut self.meters {
            meters.see(row, comm_of);
        }
    }

    /// Notes what a process is called from now on.
    pub fn named(&mut self, pid: u32, comm: &[u8]) {
        if let Some(meters) = &mut self.meters {
            meters.named(pid, &String::from_utf8_lossy(comm));
        }
    }

    /// Once a turn; `now_ns` is boottime.
    pub fn turn(&mut self, now_ns: u64) {
        if self.shared.0.on.load(Relaxed) != self.meters.is_some() {
            self.meters = if self.meters.is_none() { Some(Box::new(Meters::new(now_ns))) } else { None };
        }
        let asked = self.shared.0.asked.load(SeqCst);
        if asked == self.shared.0.answered.load(SeqCst) {
            return;
        }
        if let Some(meters) = &mut self.meters {
            meters.tidy(now_ns);
        }
        let Ok(mut left) = self.shared.0.left.try_lock() else { return };
        *left = self.meters.as_deref().map(|meters| {
            let (processes, other) = meters.parts();
            Left { processes: processes.to_vec(), other: other.clone() }
        });
        drop(left);
        self.shared.0.answered.store(asked, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use ingero_format::ops;

    use super::*;

    fn launch() -> Row {
        Row { pid: 7, op: ops::CU_LAUNCH_KERNEL, end_ns: 10, dur_ns: 1, ..Row::default() }
    }

    #[test]
    fn nothing_is_counted_until_it_is_switched_on_and_after_it_is_switched_off() {
        let shared = Shared::default();
        let mut tap = Tap::new(shared.clone());
        let see = |tap: &mut Tap| {
            tap.see(&launch(), |_| String::new());
            tap.turn(100);
            shared.0.left.lock().unwrap().clone()
        };
        shared.0.asked.fetch_add(1, SeqCst);
        assert!(see(&mut tap).is_none());
        shared.switch(true);
        shared.0.asked.fetch_add(1, SeqCst);
        assert!(see(&mut tap).is_some_and(|left| left.processes.is_empty()));
        shared.0.asked.fetch_add(1, SeqCst);
        assert!(see(&mut tap).is_some_and(|left| left.processes[0].launches == 1));
        shared.switch(false);
        shared.0.asked.fetch_add(1, SeqCst);
        assert!(see(&mut tap).is_none());
    }

    #[test]
    fn who_asks_gets_what_was_counted_when_it_asked_and_waits_for_no_drain_that_hangs() {
        let shared = Shared::default();
        shared.switch(true);
        let mut tap = Tap::new(shared.clone());
        tap.turn(1);
        tap.see(&launch(), |_| String::new());
        let asking = thread::spawn({
            let shared = shared.clone();
            move || shared.ask()
        });
        while !asking.is_finished() {
            tap.turn(2);
        }
        assert_eq!(asking.join().unwrap().unwrap().processes[0].launches, 1);
        tap.see(&launch(), |_| String::new());
        assert_eq!(shared.ask().unwrap().processes[0].launches, 1, "what was left before");
    }

    #[test]
    fn the_drain_does_not_wait_for_one_who_reads() {
        let shared = Shared::default();
        shared.switch(true);
        let mut tap = Tap::new(shared.clone());
        shared.0.asked.fetch_add(1, SeqCst);
        let reading = shared.0.left.lock().unwrap();
        tap.turn(1);
        assert!(reading.is_none());
        drop(reading);
        tap.turn(2);
        assert!(shared.0.left.lock().unwrap().is_some(), "at its next turn");
    }
}
