//! Which incidents are made. Sizes are drawn from a seed, so that thresholds are not tuned to them.

/// One thing to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// A cause of the contract, or `quiet`.
    pub cause: &'static str,
    /// Which way of it.
    pub kind: &'static str,
    /// How often.
    pub count: u32,
    /// How long each time, us.
    pub each_us: u64,
    /// Steady work between, us.
    pub apart_us: u64,
}

/// Steady work before, us.
pub const WARM_US: u64 = 2_500_000;

/// Ways of a cause: kind, how often, and the range from which the length of each is drawn, us.
type Way = (&'static str, &'static str, u32, (u64, u64));

/// Each happens in all at least 20 ms.
const WAYS: [Way; 50] = [
    ("cpu_contention", "one", 1, (300_000, 900_000)),
    ("cpu_contention", "one", 1, (800_000, 1_400_000)),
    ("cpu_contention", "two", 1, (300_000, 900_000)),
    ("cpu_contention", "long", 1, (500_000, 1_200_000)),
    ("cpu_throttled", "quarter", 1, (500_000, 900_000)),
    ("cpu_throttled", "half", 1, (500_000, 900_000)),
    ("cpu_throttled", "quarter", 1, (1_000_000, 1_400_000)),
    ("cpu_throttled", "half", 1, (1_000_000, 1_400_000)),
    ("blocked_lock", "busy", 10, (8_000, 20_000)),
    ("blocked_lock", "busy", 3, (50_000, 120_000)),
    ("blocked_lock", "asleep", 10, (8_000, 20_000)),
    ("blocked_lock", "asleep", 2, (200_000, 400_000)),
    ("blocked_io", "read", 8, (10_000, 25_000)),
    ("blocked_io", "read", 2, (100_000, 300_000)),
    ("blocked_io", "write", 8, (10_000, 25_000)),
    ("blocked_io", "write", 2, (100_000, 300_000)),
    ("first_use", "lazy", 12, (5_000, 12_000)),
    ("first_use", "lazy", 2, (60_000, 150_000)),
    ("first_use", "module", 12, (5_000, 12_000)),
    ("first_use", "module", 30, (2_000, 4_000)),
    ("gpu_wait", "kernel", 20, (4_000, 12_000)),
    ("gpu_wait", "kernel", 3, (60_000, 150_000)),
    ("gpu_wait", "copy", 20, (4_000, 12_000)),
    ("gpu_wait", "copy", 5, (60_000, 120_000)),
    ("sync_storm", "spin", 1, (500_000, 800_000)),
    ("sync_storm", "spin", 1, (900_000, 1_300_000)),
    ("sync_storm", "block", 1, (500_000, 800_000)),
    ("sync_storm", "block", 1, (900_000, 1_300_000)),
    ("allocator", "device", 12, (4_000, 10_000)),
    ("allocator", "device", 3, (40_000, 100_000)),
    ("allocator", "host", 12, (4_000, 10_000)),
    ("allocator", "host", 3, (40_000, 100_000)),
    ("launch_rate_drop", "slower", 1, (600_000, 1_000_000)),
    ("launch_rate_drop", "slower", 1, (1_000_000, 1_400_000)),
    ("launch_rate_drop", "much", 1, (500_000, 900_000)),
    ("launch_rate_drop", "much", 1, (1_000_000, 1_400_000)),
    ("signal_stop", "once", 1, (100_000, 300_000)),
    ("signal_stop", "once", 1, (500_000, 900_000)),
    ("signal_stop", "often", 5, (20_000, 60_000)),
    ("signal_stop", "often", 3, (80_000, 150_000)),
    ("data_starvation", "work", 8, (10_000, 30_000)),
    ("data_starvation", "work", 2, (150_000, 300_000)),
    ("data_starvation", "sleep", 8, (20_000, 40_000)),
    ("data_starvation", "sleep", 2, (150_000, 300_000)),
    ("data_starvation", "disk", 8, (20_000, 40_000)),
    ("process_exit", "kill", 1, (0, 1)),
    ("process_exit", "abort", 1, (0, 1)),
    ("process_exit", "status", 1, (0, 1)),
    ("process_exit", "segfault", 1, (0, 1)),
    ("process_exit", "term", 1, (0, 1)),
];

/// Programs with which nothing is wrong.
const QUIET: [&str; 11] = [
    "idle",
    "steady",
    "bursty",
    "beside-sleeper",
    "beside-busy",
    "beside-switches",
    "yield",
    "nap",
    "phase",
    "bursty beside-busy",
    "nap beside-switches",
];

/// Draws numbers; the same seed draws the same.
struct Draw(u64);

impl Draw {
    // splitmix64
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn between(&mut self, (from, to): (u64, u64)) -> u64 {
        from + self.next() % (to - from).max(1)
    }
}

impl Incident {
    fn of((cause, kind, count, each): Way, draw: &mut Draw) -> Self {
        Self { cause, kind, count, each_us: draw.between(each), apart_us: draw.between((2_000, 20_000)) }
    }

    fn quiet(kind: &'static str, draw: &mut Draw) -> Self {
        let each_us = draw.between((1_500_000, 2_500_000));
        Self { cause: "quiet", kind, count: 1, each_us, apart_us: 0 }
    }

    /// True if nothing happens.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.cause == "quiet"
    }
}

/// At least 60 incidents over 12 causes, and 22 quiet programs.
#[must_use]
pub fn full(seed: u64) -> Vec<Incident> {
    let mut draw = Draw(seed);
    let mut all: Vec<Incident> = WAYS.iter().map(|way| Incident::of(*way, &mut draw)).collect();
    // The first way of each cause once more, with another size.
    let mut again: Vec<Way> = Vec::new();
    for way in WAYS {
        if again.iter().all(|known| known.0 != way.0) {
            again.push(way);
        }
    }
    all.extend(again.into_iter().map(|way| Incident::of(way, &mut draw)));
    for _ in 0..2 {
        all.extend(QUIET.iter().map(|kind| Incident::quiet(kind, &mut draw)));
    }
    all
}

/// A few of them, for every change.
#[must_use]
pub fn quick(seed: u64) -> Vec<Incident> {
    let wanted = [
        ("cpu_contention", "one"),
        ("blocked_lock", "busy"),
        ("first_use", "lazy"),
        ("signal_stop", "once"),
        ("data_starvation", "work"),
        ("launch_rate_drop", "much"),
        ("quiet", "steady"),
        ("quiet", "beside-sleeper"),
    ];
    let all = full(seed);
    let find = |(cause, kind): &(&str, &str)| all.iter().find(|i| i.cause == *cause && i.kind == *kind);
    wanted.iter().filter_map(find).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_sixty_incidents_of_twelve_causes_and_twenty_quiet_ones_and_a_seed_draws_the_same() {
        let all = full(7);
        let loud: Vec<_> = all.iter().filter(|i| !i.is_quiet()).collect();
        let causes: std::collections::BTreeSet<_> = loud.iter().map(|i| i.cause).collect();
        assert!(loud.len() >= 60 && causes.len() >= 12, "{} {causes:?}", loud.len());
        assert!(all.len() - loud.len() >= 20);
        assert_eq!(all, full(7));
        assert_ne!(all, full(8));
        assert!(causes.iter().all(|c| loud.iter().filter(|i| i.cause == *c).count() >= 4));
        assert_eq!(quick(7).len(), 8);
    }
}
