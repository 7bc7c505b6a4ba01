//! What columns hold at least, if their values were drawn one by one: an estimate that prediction can beat.

use std::{collections::HashMap, hash::Hash};

use ingero_format::Row;

fn bits<T: Hash + Eq>(values: impl Iterator<Item = T>) -> f64 {
    let mut counts: HashMap<T, u64> = HashMap::new();
    let mut all = 0;
    for value in values {
        *counts.entry(value).or_default() += 1;
        all += 1;
    }
    counts.values().map(|n| *n as f64 * (all as f64 / *n as f64).log2()).sum()
}

// Class and raw bits apart, as the split encoding has them.
fn split(values: impl Iterator<Item = u64> + Clone) -> f64 {
    let length = |v: u64| 64 - v.leading_zeros();
    let raw: u64 = values.clone().map(|v| u64::from(length(v).saturating_sub(3))).sum();
    bits(values.map(|v| (length(v), v >> length(v).saturating_sub(3)))) + raw as f64
}

fn zigzag(value: u64) -> u64 {
    let value = value.cast_signed();
    (value << 1 ^ value >> 63).cast_unsigned()
}

// As they are, or as distances from their middle.
fn numbers(values: impl Iterator<Item = u64> + Clone) -> f64 {
    let mut all: Vec<u64> = values.clone().collect();
    all.sort_unstable();
    let middle = all[all.len() / 2];
    split(values.clone()).min(split(values.map(|v| zigzag(v.wrapping_sub(middle)))))
}

// How far from the end before on its CPU each row starts.
fn distances(rows: &[Row]) -> Vec<u64> {
    let mut last = HashMap::new();
    let distance = |r: &Row| {
        let before = last.insert(r.cpu(), r.end_ns).unwrap_or(0);
        zigzag(r.end_ns.wrapping_sub(r.dur_ns).wrapping_sub(before))
    };
    rows.iter().map(distance).collect()
}

/// Bytes for each row: of the times, and of all.
pub fn estimate(rows: &[Row]) -> (f64, f64) {
    let steps = rows.iter().zip(rows.iter().skip(1)).map(|(a, b)| b.end_ns - a.end_ns);
    let chained = split(distances(rows).into_iter());
    let times = numbers(steps) + numbers(rows.iter().map(|r| r.dur_ns)).min(chained);
    let rest = bits(rows.iter().map(Row::cpu)) + bits(rows.iter().map(|r| (r.pid, r.tid)));
    let call = |r: &Row| (r.op, r.flags, r.ret, r.stack);
    let whole = bits(rows.iter().map(|r| (call(r), r.arg0, r.arg1)));
    let apart = bits(rows.iter().map(call))
        + numbers(rows.iter().map(|r| r.arg0))
        + bits(rows.iter().map(|r| r.arg1));
    let per_row = |bits: f64| bits / 8.0 / rows.len() as f64;
    (per_row(times), per_row(times + rest + whole.min(apart)))
}
