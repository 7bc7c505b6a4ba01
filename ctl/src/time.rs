//! Moments as people write and read them. All are UTC.

use ingero_format::units::{parse_time_ns, show_ns};
use jiff::Timestamp;

use crate::error::Error;

/// A duration for people; negative ones keep their sign.
#[must_use]
pub fn duration(ns: i64) -> String {
    let text = show_ns(ns.unsigned_abs());
    if ns < 0 { format!("-{text}") } else { text }
}

/// `12:04:07.112`, UTC.
#[must_use]
pub fn clock(ts_ns: i64) -> String {
    timestamp(ts_ns).map_or_else(|| ts_ns.to_string(), |t| t.strftime("%H:%M:%S%.3f").to_string())
}

/// `2026-03-01 12:04:07.112 UTC`.
#[must_use]
pub fn date_and_clock(ts_ns: i64) -> String {
    timestamp(ts_ns)
        .map_or_else(|| ts_ns.to_string(), |t| t.strftime("%Y-%m-%d %H:%M:%S%.3f UTC").to_string())
}

/// `2026-03-01T12`, UTC, of an hour counted from 1970.
#[must_use]
pub fn hour(hour: i64) -> String {
    let begin = hour.checked_mul(3600).and_then(|s| Timestamp::from_second(s).ok());
    begin.map_or_else(|| hour.to_string(), |t| t.strftime("%Y-%m-%dT%H").to_string())
}

fn timestamp(ts_ns: i64) -> Option<Timestamp> {
    Timestamp::from_nanosecond(i128::from(ts_ns)).ok()
}

/// Reads `--from` or `--to`: RFC 3339, or a signed offset from the window's end such as `-30s`.
///
/// # Errors
/// [`Error::Usage`] naming both forms.
pub fn parse_moment(text: &str, window_end_ns: i64) -> Result<i64, Error> {
    let offset = |rest: &str, sign: i64| {
        let ns = parse_time_ns(rest).ok().and_then(|ns| i64::try_from(ns).ok())?;
        window_end_ns.checked_add(sign * ns)
    };
    let moment = if let Some(rest) = text.strip_prefix('-') {
        offset(rest, -1)
    } else if let Some(rest) = text.strip_prefix('+') {
        offset(rest, 1)
    } else {
        text.parse::<Timestamp>().ok().and_then(|t| i64::try_from(t.as_nanosecond()).ok())
    };
    moment.ok_or_else(|| {
        Error::Usage(format!(
            "`{text}` is not a moment; write RFC 3339 such as 2026-03-01T12:04:07Z, \
             or an offset from the window's end such as -30s"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_date_or_an_offset_from_the_end_of_the_window() {
        let end = 1_772_366_647_000_000_000;
        assert_eq!(parse_moment("-30s", end).unwrap(), end - 30_000_000_000);
        assert_eq!(parse_moment("+1ms", end).unwrap(), end + 1_000_000);
        assert_eq!(parse_moment("2026-03-01T12:04:07Z", end).unwrap(), end);
        assert_eq!(parse_moment("2026-03-01T13:04:07.5+01:00", end).unwrap(), end + 500_000_000);
        for bad in ["", "-", "30s", "yesterday", "-5 parsecs", "2026-03-01"] {
            assert!(parse_moment(bad, end).is_err(), "{bad}");
        }
        assert_eq!(clock(end + 112_000_000), "12:04:07.112");
    }
}
