//! What recording takes of one core, without what a snapshot takes for a moment.
//!
//! A bundle costs a second of CPU or more. To record less because of it would spoil just the time after an incident, and save
//! nothing of what the bundle costs: so seconds in which a window is written out are left out.

use std::collections::VecDeque;

/// Looks over which it is judged: the recorder works in bursts.
const LOOKS: usize = 9;

/// Time, ns: of the wall and of the recorder's threads together.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    wall_ns: u64,
    cpu_ns: u64,
}

/// The last looks.
#[derive(Debug, Default)]
pub(super) struct OwnShare {
    looks: VecDeque<Taken>,
    before: Option<Taken>,
    begun: u64,
}

impl OwnShare {
    /// The share, 0 to the number of CPUs, over the last looks that were no snapshot's; 0 until there are enough of them,
    /// since starting is dear and passes. `begun` and `done` count windows whose writing out has begun and ended.
    pub(super) fn look(&mut self, wall_ns: u64, cpu_ns: u64, (begun, done): (u64, u64)) -> f64 {
        let now = Taken { wall_ns, cpu_ns };
        let before = self.before.replace(now);
        let undisturbed = begun == done && std::mem::replace(&mut self.begun, begun) == begun;
        if let Some(before) = before.filter(|_| undisturbed) {
            self.looks.push_back(Taken {
                wall_ns: wall_ns.saturating_sub(before.wall_ns),
                cpu_ns: cpu_ns.saturating_sub(before.cpu_ns),
            });
        }
        if self.looks.len() > LOOKS {
            self.looks.pop_front();
        }
        if self.looks.len() < LOOKS {
            return 0.0;
        }
        let sum = |of: fn(&Taken) -> u64| self.looks.iter().map(of).sum::<u64>() as f64;
        sum(|t| t.cpu_ns) / sum(|t| t.wall_ns).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    // Looks once a second, with that much CPU time and these windows begun and done.
    struct Run {
        share: OwnShare,
        wall_ns: u64,
        cpu_ns: u64,
    }

    impl Run {
        fn new() -> Self {
            Self { share: OwnShare::default(), wall_ns: 0, cpu_ns: 0 }
        }

        fn second(&mut self, percent: u64, windows: (u64, u64)) -> f64 {
            self.wall_ns += SECOND;
            self.cpu_ns += SECOND / 100 * percent;
            self.share.look(self.wall_ns, self.cpu_ns, windows)
        }
    }

    #[test]
    fn it_is_judged_over_nine_seconds_and_not_before() {
        let mut run = Run::new();
        let told: Vec<f64> = (0..12).map(|_| run.second(2, (0, 0))).collect();
        assert!(told[..9].iter().all(|share| *share == 0.0), "{told:?}");
        assert!(told[9..].iter().all(|share| (share - 0.02).abs() < 1e-9), "{told:?}");
    }

    // Seen at 11,000 events a second: while a bundle was written the recorder took 1.23 % of a core, and launches were recorded
    // at times from then on.
    #[test]
    fn what_a_snapshot_takes_is_not_held_against_recording() {
        let mut run = Run::new();
        (0..10).for_each(|_| {
            run.second(1, (0, 0));
        });
        for windows in [(1, 0), (1, 0), (1, 1)] {
            assert!((run.second(90, windows) - 0.01).abs() < 1e-9, "{windows:?}");
        }
        assert!((run.second(1, (1, 1)) - 0.01).abs() < 1e-9);
        assert!((run.second(90, (2, 2)) - 0.01).abs() < 1e-9, "one that began and ended between two looks");
        let last = (0..9).map(|_| run.second(5, (2, 2))).last();
        assert!(
            last.is_some_and(|share| (share - 0.05).abs() < 1e-9),
            "and what goes on afterwards is: {last:?}"
        );
    }
}
