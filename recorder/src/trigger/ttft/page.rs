//! The histogram on a page. The page is another program's: what is odd is refused, not guessed.

use std::collections::BTreeMap;

use ingero_format::names::TTFT_HISTOGRAMS;

use super::Histogram;
use crate::sample::parse;

/// Most bounds of a histogram: vLLM has 22, Prometheus's own default 12.
const MAX_BOUNDS: usize = 128;
/// Most series that are added up: 128 bounds of each of 64 models.
const MAX_SERIES: usize = 8_192;

/// Why a page cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPage {
    /// None of the names.
    #[error("holds no histogram of time to first token that is known (vLLM, SGLang or TGI)")]
    NoHistogram,
    /// More than anybody has.
    #[error("holds more series of time to first token than {MAX_SERIES}, or more bounds than {MAX_BOUNDS}")]
    TooMany,
    /// A count that is none.
    #[error("holds a count of time to first token that is no number of requests")]
    BadNumber,
    /// Buckets count everything up to their bound, so they rise.
    #[error("holds a histogram of time to first token whose buckets do not rise")]
    NotRising,
}

// The key orders as the bound does: none is negative or NaN.
fn key(le: &str) -> Option<u64> {
    let bound: f64 = le.parse().ok()?;
    (bound >= 0.0).then(|| bound.to_bits())
}

/// Adds up the histograms of all models and engines on a page.
///
/// # Errors
/// [`BadPage`]: nothing of such a page is used.
pub fn read(page: &str) -> Result<Histogram, BadPage> {
    let (mut buckets, mut sum, mut count, mut series) = (BTreeMap::<u64, f64>::new(), 0.0, 0.0, 0usize);
    for metric in parse(page) {
        let Some(part) = TTFT_HISTOGRAMS.iter().find_map(|name| metric.name.strip_prefix(name)) else {
            continue;
        };
        if !matches!(part, "_bucket" | "_sum" | "_count") {
            continue;
        }
        series += 1;
        if series > MAX_SERIES {
            return Err(BadPage::TooMany);
        }
        if !(metric.value.is_finite() && metric.value >= 0.0) {
            return Err(BadPage::BadNumber);
        }
        match part {
            "_sum" => sum += metric.value,
            "_count" => count += metric.value,
            _ => {
                let le =
                    metric.labels.iter().find(|(name, _)| *name == "le").map(|(_, value)| value.as_str());
                let bound = le.and_then(key).ok_or(BadPage::BadNumber)?;
                *buckets.entry(bound).or_default() += metric.value;
                if buckets.len() > MAX_BOUNDS {
                    return Err(BadPage::TooMany);
                }
            }
        }
    }
    if buckets.is_empty() {
        return Err(BadPage::NoHistogram);
    }
    let buckets: Vec<(f64, f64)> =
        buckets.into_iter().map(|(bound, count)| (f64::from_bits(bound), count)).collect();
    let rises = buckets.windows(2).all(|pair| matches!(pair, [(_, low), (_, high)] if low <= high));
    if !rises {
        return Err(BadPage::NotRising);
    }
    Ok(Histogram { buckets, sum, count })
}
