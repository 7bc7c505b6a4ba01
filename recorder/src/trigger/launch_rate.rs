//! Launches a second of each process, and when they fall far below what they were.
//!
//! Once a second: the level is a mean that forgets (each new second counts a quarter). It can fall only after it has
//! held the least level for some seconds; while it falls it is not followed, so that a long drop is told once and the
//! level it fell from stays known until it is reached again.

/// Share of a new second in the level.
const SHARE: f64 = 0.25;
/// Most processes followed; launches of others are not looked at. A host has eight GPUs and some ranks on each.
const MAX_PROCESSES: usize = 256;

/// What is asked of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// Fires below this share of the level, 0 to 1; 0 never does.
    pub below: f64,
    /// Least level, launches a second.
    pub least: f64,
    /// Seconds that it must have held.
    pub hold: u32,
}

/// A process whose rate fell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drop {
    /// Process.
    pub pid: u32,
    /// Launches a second in the last span.
    pub rate: f64,
    /// What they were before, launches a second.
    pub level: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Process {
    pid: u32,
    launches: u64,
    level: f64,
    held: u32,
    fallen: bool,
}

/// All processes that launch.
#[derive(Debug, Default)]
pub struct LaunchRates {
    processes: Vec<Process>,
    last: usize,
}

impl LaunchRates {
    /// Counts a launch.
    #[inline]
    pub fn count(&mut self, pid: u32) {
        if let Some(process) = self.processes.get_mut(self.last)
            && process.pid == pid
        {
            process.launches += 1;
            return;
        }
        self.count_other(pid);
    }

    fn count_other(&mut self, pid: u32) {
        if let Some(at) = self.processes.iter().position(|p| p.pid == pid) {
            self.last = at;
        } else if self.processes.len() < MAX_PROCESSES {
            self.last = self.processes.len();
            self.processes.push(Process { pid, ..Process::default() });
        } else {
            return;
        }
        if let Some(process) = self.processes.get_mut(self.last) {
            process.launches += 1;
        }
    }

    /// Forgets a process that ended: to end is no drop.
    pub fn forget(&mut self, pid: u32) {
        self.processes.retain(|p| p.pid != pid);
    }

    /// Forgets all levels: what is counted is no longer what was counted before.
    pub fn disturb(&mut self) {
        self.processes.clear();
    }

    /// Ends a span of `seconds`; gives the process that fell deepest.
    pub fn second(&mut self, seconds: f64, limits: &Limits) -> Option<Drop> {
        let mut deepest: Option<Drop> = None;
        for process in &mut self.processes {
            let rate = process.launches as f64 / seconds;
            process.launches = 0;
            let held = process.held >= limits.hold && process.level >= limits.least;
            let below = rate < limits.below * process.level;
            if held && below {
                if !process.fallen {
                    let drop = Drop { pid: process.pid, rate, level: process.level };
                    let deeper = |d: &Drop| d.rate / d.level <= rate / process.level;
                    deepest = deepest.filter(deeper).or(Some(drop));
                }
                process.fallen = true;
                continue;
            }
            process.fallen = false;
            process.level =
                if process.level == 0.0 { rate } else { process.level + SHARE * (rate - process.level) };
            process.held = if rate >= limits.least { process.held.saturating_add(1) } else { 0 };
        }
        // Whoever launches nothing any more and had no level worth watching.
        self.processes.retain(|p| p.level >= 1.0 || p.fallen);
        deepest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { below: 0.3, least: 1_000.0, hold: 5 };

    fn second(rates: &mut LaunchRates, pid: u32, launches: u32) -> Option<Drop> {
        (0..launches).for_each(|_| rates.count(pid));
        rates.second(1.0, &LIMITS)
    }

    #[test]
    fn a_fall_after_a_level_that_held_is_told_once_until_it_recovers() {
        let mut rates = LaunchRates::default();
        for _ in 0..8 {
            assert_eq!(second(&mut rates, 7, 5_000), None);
        }
        let fell = second(&mut rates, 7, 1_000).unwrap();
        assert_eq!((fell.pid, fell.rate, fell.level), (7, 1_000.0, 5_000.0));
        for _ in 0..100 {
            assert_eq!(second(&mut rates, 7, 0), None, "told once");
        }
        assert_eq!(second(&mut rates, 7, 5_000), None);
        assert!(second(&mut rates, 7, 100).is_some(), "it had recovered");
    }

    #[test]
    fn a_level_that_is_low_or_new_or_only_wavers_does_not_fall() {
        let mut rates = LaunchRates::default();
        for _ in 0..20 {
            assert_eq!(second(&mut rates, 1, 900), None);
        }
        assert_eq!(second(&mut rates, 1, 0), None, "under the least level");
        for _ in 0..3 {
            second(&mut rates, 2, 5_000);
        }
        assert_eq!(second(&mut rates, 2, 0), None, "it had not held");
        for i in 0..100 {
            assert_eq!(second(&mut rates, 3, if i % 2 == 0 { 4_000 } else { 6_000 }), None);
        }
    }

    #[test]
    fn a_slow_decline_is_followed_and_is_no_fall() {
        let mut rates = LaunchRates::default();
        let mut launches = 20_000.0;
        while launches > 1_000.0 {
            assert_eq!(second(&mut rates, 1, launches as u32), None, "{launches}");
            launches *= 0.9;
        }
    }

    #[test]
    fn a_process_that_ends_and_a_change_of_what_is_recorded_are_no_fall() {
        let mut rates = LaunchRates::default();
        for _ in 0..8 {
            second(&mut rates, 7, 5_000);
        }
        rates.forget(7);
        assert_eq!(rates.second(1.0, &LIMITS), None);
        for _ in 0..8 {
            second(&mut rates, 8, 5_000);
        }
        rates.disturb();
        assert_eq!(second(&mut rates, 8, 10), None);
    }

    #[test]
    fn of_several_that_fall_the_deepest_is_named_and_their_number_is_bounded() {
        let mut rates = LaunchRates::default();
        for _ in 0..8 {
            (0..2_000).for_each(|i| rates.count(i % 2));
            (0..8_000).for_each(|i| rates.count(i % 2));
            assert_eq!(rates.second(1.0, &LIMITS), None);
        }
        (0..1_000).for_each(|_| rates.count(0));
        (0..100).for_each(|_| rates.count(1));
        assert_eq!(rates.second(1.0, &LIMITS).map(|d| d.pid), Some(1));
        (0..100_000).for_each(|pid| rates.count(pid));
        assert!(rates.processes.len() <= MAX_PROCESSES);
    }
}
