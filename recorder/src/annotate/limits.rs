//! How much programs may say: token buckets, of each connection and of all together.

use std::time::Instant;

use super::Refusal;
use crate::config::AnnotationConfig;

/// What one annotation takes in the ring beside its text, bytes: its row.
const ROW_BYTES: f64 = 64.0;
/// Bytes that may come at once, in seconds of what may come for ever.
const BURST_SECONDS: f64 = 4.0;
/// Most annotations of one connection in a second, as clients of the protocol expect.
const CONNECTION_PER_SECOND: f64 = 1_000.0;
/// Bytes a second that are read of a connection beyond its share of what may be kept; one that sends more is closed:
/// reading costs too.
const READ_PER_SECOND: f64 = (1 << 20) as f64;
/// What one read costs at least, in bytes: many small ones cost as much as few large ones.
const READ_COST: f64 = 256.0;
/// Looks at processes other than the sender a second: each reads a file of `/proc`, or all processes.
const LOOKS_PER_SECOND: f64 = 20.0;

/// Fills at a rate, up to a brim; empty, it refuses. What it holds is the caller's: annotations, bytes, looks.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    per_second: f64,
    brim: f64,
    level: f64,
    at: Instant,
}

impl Bucket {
    /// A full one, of `brim`, into which `per_second` flow in a second.
    #[must_use]
    pub fn new(per_second: f64, brim: f64, now: Instant) -> Self {
        Self { per_second, brim, level: brim, at: now }
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.level = (self.level + passed * self.per_second).min(self.brim);
        self.at = self.at.max(now);
    }

    /// Takes `amount`; false, and takes nothing, if there is less.
    pub fn take(&mut self, amount: f64, now: Instant) -> bool {
        self.fill(now);
        let enough = self.level >= amount;
        if enough {
            self.level -= amount;
        }
        enough
    }
}

/// Annotations and bytes that may still come.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    annotations: Bucket,
    bytes: Bucket,
    read: Bucket,
}

impl Allowance {
    fn new(per_second: f64, bytes_per_second: f64, now: Instant) -> Self {
        let read = READ_PER_SECOND + bytes_per_second;
        Self {
            annotations: Bucket::new(per_second, per_second, now),
            bytes: Bucket::new(bytes_per_second, bytes_per_second * BURST_SECONDS, now),
            read: Bucket::new(read, read * BURST_SECONDS, now),
        }
    }

    /// Counts bytes that were read.
    ///
    /// # Errors
    /// [`Refusal::Flood`] if that was too much: whoever sent them is to be left.
    pub fn read(&mut self, bytes: usize, now: Instant) -> Result<(), Refusal> {
        if self.read.take((bytes as f64).max(READ_COST), now) { Ok(()) } else { Err(Refusal::Flood) }
    }

    fn has(&mut self, bytes: f64, now: Instant) -> bool {
        self.annotations.fill(now);
        self.bytes.fill(now);
        self.annotations.level >= 1.0 && self.bytes.level >= bytes
    }

    fn spend(&mut self, bytes: f64, now: Instant) {
        self.annotations.take(1.0, now);
        self.bytes.take(bytes, now);
    }
}

/// What all connections share.
#[derive(Debug)]
pub struct Limits {
    all: Allowance,
    each: Allowance,
    looks: Bucket,
}

impl Limits {
    /// As configured: annotations and bytes a second.
    #[must_use]
    pub fn new(config: &AnnotationConfig, now: Instant) -> Self {
        let (count, bytes) = (f64::from(config.max_per_second), config.max_bytes_per_second.0 as f64);
        Self {
            all: Allowance::new(count, bytes, now),
            // Half of the bytes: whoever floods leaves something to others.
            each: Allowance::new(count.min(CONNECTION_PER_SECOND), bytes / 2.0, now),
            looks: Bucket::new(LOOKS_PER_SECOND, LOOKS_PER_SECOND, now),
        }
    }

    /// The allowance of a new connection.
    #[must_use]
    pub fn connection(&self, now: Instant) -> Allowance {
        let Allowance { annotations, bytes, .. } = self.each;
        Allowance::new(annotations.per_second, bytes.per_second, now)
    }

    /// Takes one annotation with a text of so many bytes from both allowances, or from none.
    ///
    /// # Errors
    /// [`Refusal::Rate`] if one of the two is used up.
    pub fn spend(&mut self, of: &mut Allowance, text_bytes: usize, now: Instant) -> Result<(), Refusal> {
        let bytes = text_bytes as f64 + ROW_BYTES;
        if !of.has(bytes, now) || !self.all.has(bytes, now) {
            return Err(Refusal::Rate);
        }
        of.spend(bytes, now);
        self.all.spend(bytes, now);
        Ok(())
    }

    /// False if there is nothing left of it: not even worth reading.
    pub fn is_open(&mut self, of: &mut Allowance, now: Instant) -> bool {
        of.has(ROW_BYTES, now) && self.all.has(ROW_BYTES, now)
    }

    /// One look at another process.
    ///
    /// # Errors
    /// [`Refusal::Rate`] if there were too many.
    pub fn look(&mut self, now: Instant) -> Result<(), Refusal> {
        if self.looks.take(1.0, now) { Ok(()) } else { Err(Refusal::Rate) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Bytes;

    fn limits(count: u32, bytes: u64, now: Instant) -> Limits {
        let config = AnnotationConfig {
            max_per_second: count,
            max_bytes_per_second: Bytes(bytes),
            ..AnnotationConfig::default()
        };
        Limits::new(&config, now)
    }

    #[test]
    fn a_connection_may_send_a_thousand_a_second_and_gets_them_back_with_time() {
        let now = Instant::now();
        let mut limits = limits(100_000, 1 << 30, now);
        let mut connection = limits.connection(now);
        let sent = (0..5_000).filter(|_| limits.spend(&mut connection, 10, now).is_ok()).count();
        assert_eq!(sent, 1_000);
        let later = now + Duration::from_millis(100);
        let sent = (0..5_000).filter(|_| limits.spend(&mut connection, 10, later).is_ok()).count();
        assert!((99..=100).contains(&sent), "{sent}");
    }

    #[test]
    fn one_that_floods_leaves_something_to_others_and_all_together_keep_the_bound() {
        let now = Instant::now();
        let mut limits = limits(1_500, 1 << 30, now);
        let mut each = || {
            let mut connection = limits.connection(now);
            (0..5_000).filter(|_| limits.spend(&mut connection, 10, now).is_ok()).count()
        };
        assert_eq!([each(), each(), each()], [1_000, 500, 0]);
    }

    #[test]
    fn bytes_are_bounded_whatever_their_number() {
        let now = Instant::now();
        let mut limits = limits(100_000, 100_000, now);
        let mut connection = limits.connection(now);
        let sent = (0..100).filter(|_| limits.spend(&mut connection, 9_936, now).is_ok()).count();
        // Half of 100,000 a second, for four seconds.
        assert_eq!(sent, 20);
        assert!(limits.is_open(&mut limits.connection(now), now));
    }

    #[test]
    fn reads_and_looks_have_an_end_while_no_time_passes() {
        let now = Instant::now();
        let mut limits = limits(10, 2 << 20, now);
        let mut connection = limits.connection(now);
        assert!(connection.read(4 << 20, now).is_ok() && connection.read(4 << 20, now).is_ok());
        assert_eq!(connection.read(1, now), Err(Refusal::Flood));
        assert!(connection.read(1 << 20, now + Duration::from_secs(1)).is_ok());
        let small = (0..100_000).filter(|_| limits.connection(now).read(1, now).is_ok()).count();
        assert_eq!(small, 100_000, "each is new");
        let mut connection = limits.connection(now);
        assert_eq!((0..100_000).filter(|_| connection.read(1, now).is_ok()).count(), 8 << 12);
        assert!((0..20).all(|_| limits.look(now).is_ok()) && limits.look(now).is_err());
    }
}
