//! Random numbers as times have them.

use super::random::Random;

/// Distributions that need no function whose last digits differ between machines.
pub trait Noise {
    /// Mean 0, deviation 1: a sum of twelve.
    fn normal(&mut self) -> f64;

    /// Around `median`, wider above than below: `2^(width * normal)`.
    fn around(&mut self, median: f64, width: f64) -> u64 {
        (median * exp2(width * self.normal())) as u64
    }
}

impl Noise for Random {
    fn normal(&mut self) -> f64 {
        let unit = |v: u64| (v >> 11) as f64 / (1u64 << 53) as f64;
        (0..12).map(|_| unit(self.next())).sum::<f64>() - 6.0
    }
}

// Whole part by the exponent, the rest by its series.
fn exp2(x: f64) -> f64 {
    let whole = x.floor();
    let y = (x - whole) * std::f64::consts::LN_2;
    let series = (1..14).rev().fold(1.0, |sum, n| 1.0 + sum * y / f64::from(n));
    series * f64::powi(2.0, whole as i32)
}
