//! When a statement ends before its last row.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rusqlite::{Connection, Result};

/// Virtual machine steps between two looks at the clock.
const STEPS: i32 = 10_000;

/// Ends statements when their time is over, or when whoever asked has gone. Shared by both sides.
#[derive(Debug)]
pub struct Stop {
    begun: Instant,
    time: Duration,
    cancelled: AtomicBool,
}

impl Stop {
    /// The time runs from now.
    #[must_use]
    pub fn after(time: Duration) -> Arc<Self> {
        Arc::new(Self { begun: Instant::now(), time, cancelled: AtomicBool::new(false) })
    }

    /// Nobody waits for the answer any more.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Why statements end now, as a sentence; `None` while they may go on.
    #[must_use]
    pub fn why(&self) -> Option<String> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Some("cancelled by whoever asked".to_owned());
        }
        (self.begun.elapsed() >= self.time).then(|| {
            format!("stopped after {:?}; ask for less: a shorter time, fewer joins, a LIMIT", self.time)
        })
    }

    /// Has a connection's statements ask.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn watch(self: &Arc<Self>, connection: &mut Connection) -> Result<()> {
        let stop = Arc::clone(self);
        connection.progress_handler(STEPS, Some(move || stop.why().is_some()))
    }
}
