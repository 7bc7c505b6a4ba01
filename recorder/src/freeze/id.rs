//! What a snapshot is called.

use ingero_format::segment::Anchor;

/// True for names this recorder gives: nothing else from a client reaches the file system.
#[must_use]
pub fn valid_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// The id of a window frozen at `anchor`: it sorts by time, is unique within a run, and two runs cannot meet in one second
/// and serial.
pub(super) fn snapshot_id(anchor: &Anchor, serial: u32) -> String {
    let seconds = (anchor.real_ns / 1_000_000_000).cast_signed();
    let (date, time) = civil(seconds);
    format!("{:04}{:02}{:02}T{:02}{:02}{:02}-{:04}", date.0, date.1, date.2, time.0, time.1, time.2, serial)
}

// Days to civil date, proleptic Gregorian: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
fn civil(seconds: i64) -> ((i64, i64, i64), (i64, i64, i64)) {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    ((year, month, day), (rest / 3_600, rest / 60 % 60, rest % 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_utc_time_and_a_serial() {
        let anchor = Anchor { real_ns: 1_795_342_420_500_000_000, ..Anchor::default() };
        assert_eq!(snapshot_id(&anchor, 3), "20261122T101340-0003");
        assert!(valid_id(&snapshot_id(&anchor, 3)));
    }
}
