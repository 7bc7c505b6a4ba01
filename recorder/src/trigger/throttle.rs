//! When a GPU begins to throttle, seen in what the driver's management library says at each interval.

use std::collections::BTreeMap;

use super::{Ask, Kind, Triggers};
use crate::sample::Readings;

/// Reasons that mean heat or power supply, with their names: `nvmlClocksEventReason…` in `nvml.h`. A clock that software
/// caps for power is normal on a busy GPU and is none of them.
const REASONS: [(u64, &str); 4] = [
    (0x08, "hardware slowdown"),
    (0x20, "software thermal slowdown"),
    (0x40, "hardware thermal slowdown"),
    (0x80, "power brake"),
];

/// What each GPU said last.
#[derive(Debug, Default)]
pub struct Throttle(BTreeMap<String, u64>);

impl Throttle {
    /// Takes one reading of all GPUs; gives a reason for each that has begun to throttle since the one before. The first
    /// reading of a GPU is no beginning.
    pub fn see(&mut self, readings: &Readings) -> Vec<String> {
        let mut begun = Vec::new();
        for (name, value) in readings.iter().filter(|(name, _)| name.starts_with("gpu_throttle_reasons{")) {
            let bits = *value as u64;
            let before = self.0.insert(name.clone(), bits).unwrap_or(bits);
            let new = REASONS.iter().filter(|(bit, _)| bits & bit != 0 && before & bit == 0);
            let words: Vec<&str> = new.map(|(_, word)| *word).collect();
            if !words.is_empty() {
                let gpu = name.split('"').nth(1).unwrap_or("?");
                begun.push(format!("GPU {gpu} began to throttle: {}", words.join(", ")));
            }
        }
        begun
    }
}

/// Asks at the beginning of each throttling. What is asked while `gpu_throttle` is off is counted as refused, so that status
/// tells that it happens.
pub fn watch(triggers: Triggers) -> impl FnMut(&Readings) + Send {
    let mut throttle = Throttle::default();
    move |readings| {
        for reason in throttle.see(readings) {
            triggers.ask(Kind::GpuThrottle, Ask { reason, ..Ask::default() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(bits: u64) -> Readings {
        let mut readings = Readings::default();
        readings.add("gpu_throttle_reasons", &[("gpu", "3"), ("uuid", "GPU-1")], bits as f64);
        readings.add("gpu_power_watts", &[("gpu", "3")], 8.0);
        readings
    }

    #[test]
    fn the_beginning_of_a_hot_gpus_throttling_is_told_once_each_time() {
        let mut throttle = Throttle::default();
        assert!(throttle.see(&reading(0x40)).is_empty(), "it may have throttled for hours");
        assert!(throttle.see(&reading(0x1)).is_empty());
        assert_eq!(
            throttle.see(&reading(0x61)),
            ["GPU 3 began to throttle: software thermal slowdown, hardware thermal slowdown"]
        );
        assert!(throttle.see(&reading(0x61)).is_empty());
        assert_eq!(throttle.see(&reading(0xe1)).len(), 1);
    }

    #[test]
    fn an_idle_gpu_and_a_power_cap_by_software_are_no_throttling() {
        let mut throttle = Throttle::default();
        for bits in [0, 1, 2, 4, 0x10, 0x100, 0] {
            assert!(throttle.see(&reading(bits)).is_empty(), "{bits}");
        }
    }
}
