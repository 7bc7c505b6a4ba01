//! What changes between two looks at the status.

use std::time::Instant;

use ingero_format::control::Status;

/// The last status, and what happened since the one before.
#[derive(Debug)]
pub struct View {
    /// The status.
    pub status: Status,
    /// Events a second, by what became of them: produced, stored, lost. `None` before there are two looks.
    pub rates: Option<[f64; 3]>,
    /// Why the recorder did not answer the last time.
    pub silence: Option<String>,
    at: Instant,
}

impl View {
    /// After the first look.
    pub fn first(status: Status) -> Self {
        Self { status, rates: None, silence: None, at: Instant::now() }
    }

    /// After another.
    pub fn next(&mut self, status: Status) {
        let now = Instant::now();
        self.rates = rates(&self.status, &status, now.duration_since(self.at).as_secs_f64());
        (self.status, self.at, self.silence) = (status, now, None);
    }

    /// After one that brought nothing.
    pub fn silent(&mut self, why: String) {
        (self.silence, self.rates) = (Some(why), None);
    }
}

// A recorder that was started meanwhile counts from 0 again: its first rates come with the next look.
fn rates(before: &Status, now: &Status, seconds: f64) -> Option<[f64; 3]> {
    if before.pid != now.pid || seconds <= 0.0 {
        return None;
    }
    let (a, b) = (&before.events, &now.events);
    Some(
        [(a.produced, b.produced), (a.stored, b.stored), (a.lost, b.lost)]
            .map(|(a, b)| b.saturating_sub(a) as f64 / seconds),
    )
}

#[cfg(test)]
mod tests {
    use ingero_format::control::EventCounts;

    use super::*;

    fn status(pid: u32, produced: u64, stored: u64, lost: u64) -> Status {
        Status { pid, events: EventCounts { produced, stored, lost, evicted: 0 }, ..Status::default() }
    }

    #[test]
    fn rates_are_differences_over_time_and_begin_anew_with_another_recorder() {
        let before = status(7, 1_000, 900, 100);
        assert_eq!(rates(&before, &status(7, 3_000, 2_800, 200), 2.0), Some([1_000.0, 950.0, 50.0]));
        assert_eq!(rates(&before, &status(8, 10, 10, 0), 2.0), None);
        assert_eq!(rates(&before, &status(7, 3_000, 2_800, 200), 0.0), None);
    }
}
