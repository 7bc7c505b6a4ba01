//! Which incidents are made. Sizes are drawn from a seed, so that thresholds are not tuned to them.

/// One thing to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// A cause of the contract, `several` for two of them, or `quiet`.
    pub cause: &'static str,
    /// Which way of it.
    pub kind: &'static str,
    /// How often.
    pub count: u32,
    /// How long each time, us; of `oom`, KiB that there are.
    pub each_us: u64,
    /// How long each time the second of two, us.
    pub second_us: u64,
    /// Steady work between, us.
    pub apart_us: u64,
    /// Threads of the program that launch.
    pub threads: u32,
    /// Work of another program on the other CPU, percent of that.
    pub load_percent: u32,
}

/// Steady work before, us.
pub const WARM_US: u64 = 2_500_000;

/// Ways of a cause: kind, how often, and the range from which the length of each is drawn, us.
type Way = (&'static str, &'static str, u32, (u64, u64));

/// Each happens in all at least 20 ms.
const WAYS: [Way; 78] = [
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
    ("memory_pressure", "swap", 4, (20_000, 40_000)),
    ("memory_pressure", "swap", 1, (150_000, 300_000)),
    ("memory_pressure", "dirty", 4, (20_000, 40_000)),
    ("memory_pressure", "dirty", 1, (150_000, 300_000)),
    ("memory_pressure", "fresh", 4, (20_000, 40_000)),
    ("first_use", "lazy", 12, (5_000, 12_000)),
    ("first_use", "lazy", 2, (60_000, 150_000)),
    ("first_use", "module", 12, (5_000, 12_000)),
    ("first_use", "module", 30, (2_000, 4_000)),
    ("gpu_wait", "kernel", 20, (4_000, 12_000)),
    ("gpu_wait", "kernel", 3, (60_000, 150_000)),
    ("gpu_wait", "copy", 20, (4_000, 12_000)),
    ("gpu_wait", "copy", 5, (60_000, 120_000)),
    ("collective_wait", "work spin", 6, (8_000, 30_000)),
    ("collective_wait", "sleep spin", 2, (80_000, 200_000)),
    ("collective_wait", "work futex", 6, (8_000, 30_000)),
    ("collective_wait", "disk futex", 3, (30_000, 90_000)),
    ("collective_wait", "work socket", 6, (8_000, 30_000)),
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
    ("oom", "at-once", 1, (48_000, 96_000)),
    ("oom", "at-once", 1, (128_000, 256_000)),
    ("oom", "slow", 1, (48_000, 96_000)),
    ("oom", "thread", 1, (48_000, 96_000)),
    ("several", "disjoint lock+kernel", 4, (8_000, 30_000)),
    ("several", "disjoint read+alloc", 4, (8_000, 30_000)),
    ("several", "disjoint load+stop", 4, (12_000, 40_000)),
    ("several", "disjoint kernel+load", 4, (8_000, 30_000)),
    ("several", "by-turns read+lock", 5, (8_000, 30_000)),
    ("several", "by-turns load+kernel", 5, (8_000, 30_000)),
    ("several", "by-turns alloc+read", 5, (8_000, 30_000)),
    ("several", "by-turns lock+stop", 4, (12_000, 40_000)),
    ("several", "nested read-in-load", 5, (8_000, 30_000)),
    ("several", "nested read-in-load", 3, (30_000, 80_000)),
    ("several", "nested hog-in-kernel", 5, (30_000, 60_000)),
    ("several", "nested hog-in-kernel", 3, (60_000, 120_000)),
    ("several", "nested stop-in-kernel", 4, (15_000, 40_000)),
    ("several", "nested stop-in-kernel", 2, (40_000, 90_000)),
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

/// Ways in which the recorder is made to work hard beside a program: at most itself is to be found.
const NOISE: [&str; 4] = ["freeze", "flood", "freeze crowded", "flood crowded"];

/// Draws numbers; the same seed draws the same.
pub(super) struct Draw(u64);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    // splitmix64
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn between(&mut self, (from, to): (u64, u64)) -> u64 {
        from + self.next() % (to - from).max(1)
    }
}

impl Incident {
    fn of((cause, kind, count, each): Way, draw: &mut Draw) -> Self {
        let (each_us, mut second_us) = (draw.between(each), draw.between(each));
        if kind.ends_with("stop-in-kernel") {
            // The kernel is longer than what lies in it.
            second_us += 2 * each_us;
        }
        let apart_us = draw.between((2_000, 20_000));
        let incident = Self { cause, kind, count, each_us, second_us, apart_us, threads: 1, load_percent: 0 };
        incident.surrounded(draw)
    }

    fn control(cause: &'static str, kind: &'static str, draw: &mut Draw) -> Self {
        let each_us = draw.between((1_500_000, 2_500_000));
        let incident =
            Self { cause, kind, count: 1, each_us, second_us: 0, apart_us: 0, threads: 1, load_percent: 0 };
        incident.surrounded(draw)
    }

    fn surrounded(mut self, draw: &mut Draw) -> Self {
        self.threads = 1 + draw.between((0, 3)) as u32;
        let load = [0, 0, 30, 60, 100][draw.between((0, 5)) as usize];
        // Of a program that does not come first on its CPU, work elsewhere may drive other tasks there.
        self.load_percent = if self.comes_first() { load } else { 0 };
        self
    }

    /// False if the program is an ordinary one, which others may keep from its CPU.
    #[must_use]
    pub fn comes_first(&self) -> bool {
        self.cause != "cpu_throttled" && self.kind != "yield" && !self.kind.contains("crowded")
    }

    /// True if nothing happens that should be found, but for what the recorder does itself.
    #[must_use]
    pub fn is_control(&self) -> bool {
        matches!(self.cause, "quiet" | "recorder_self")
    }
}

/// At least 60 incidents of 12 causes, and 26 programs with which nothing is wrong.
#[must_use]
pub fn full(seed: u64) -> Vec<Incident> {
    let mut draw = Draw::new(seed);
    let mut all: Vec<Incident> = WAYS.iter().map(|way| Incident::of(*way, &mut draw)).collect();
    for _ in 0..2 {
        all.extend(QUIET.iter().map(|kind| Incident::control("quiet", kind, &mut draw)));
    }
    all.extend(NOISE.iter().map(|kind| Incident::control("recorder_self", kind, &mut draw)));
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
        let loud: Vec<_> = all.iter().filter(|i| !i.is_control()).collect();
        let causes: std::collections::BTreeSet<_> = loud.iter().map(|i| i.cause).collect();
        assert!(loud.len() >= 60 && causes.len() >= 12, "{} {causes:?}", loud.len());
        assert!(all.len() - loud.len() >= 20);
        assert_eq!(all, full(7));
        assert_ne!(all, full(8));
        assert!(causes.iter().all(|c| loud.iter().filter(|i| i.cause == *c).count() >= 4));
        assert_eq!(quick(7).len(), 8);
    }
}
