//! Times and sizes as people write them: `250ms`, `5s`, `2m`, `1h`, `24h`; `512MiB`, `4GiB`.

/// Why a time or size was refused; the text names what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not a time.
    #[error("`{0}` is not a time; write a number and a unit, e.g. 250ms, 5s, 2m, 1h")]
    Time(String),
    /// Not a size.
    #[error("`{0}` is not a size; write a number and a unit, e.g. 512MiB, 4GiB")]
    Size(String),
}

const TIME_UNITS: [(&str, u64); 6] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

const SIZE_UNITS: [(&str, u64); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// Reads a time in nanoseconds.
///
/// # Errors
/// [`UnitError::Time`] without a number and a known unit, or if it exceeds 64 bits.
pub fn parse_time_ns(text: &str) -> Result<u64, UnitError> {
    scaled(text, &TIME_UNITS).ok_or_else(|| UnitError::Time(text.to_owned()))
}

/// Reads a size in bytes.
///
/// # Errors
/// [`UnitError::Size`] without a number and a known unit, or if it exceeds 64 bits.
pub fn parse_size_bytes(text: &str) -> Result<u64, UnitError> {
    scaled(text, &SIZE_UNITS).ok_or_else(|| UnitError::Size(text.to_owned()))
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// A time as [`parse_time_ns`] reads it, exactly: `60s`, `24h`. Not in minutes, as times are written in the documents.
#[must_use]
pub fn exact_time(ns: u64) -> String {
    if ns == 0 { "0s".to_owned() } else { exact(ns, TIME_UNITS.iter().filter(|(unit, _)| *unit != "m")) }
}

/// A size as [`parse_size_bytes`] reads it: `4GiB`, `1536KiB`; rounded down to KiB, since no text means less.
#[must_use]
pub fn exact_size(bytes: u64) -> String {
    exact(bytes >> 10 << 10, SIZE_UNITS.iter())
}

// In the largest unit that leaves nothing over.
fn exact<'a>(value: u64, units: impl DoubleEndedIterator<Item = &'a (&'static str, u64)> + Clone) -> String {
    let whole = units.clone().rev().find(|(_, factor)| value != 0 && value.is_multiple_of(*factor));
    let (unit, factor) = whole.or_else(|| units.clone().next()).unwrap_or(&("", 1));
    format!("{}{unit}", value / factor)
}

/// A duration for people, three significant digits: `71.0 us`, `2.90 ms`, `1.31 s`.
#[must_use]
pub fn show_ns(ns: u64) -> String {
    let (value, unit) = match ns {
        0..1_000 => return format!("{ns} ns"),
        1_000..1_000_000 => (ns as f64 / 1e3, "us"),
        1_000_000..1_000_000_000 => (ns as f64 / 1e6, "ms"),
        _ => (ns as f64 / 1e9, "s"),
    };
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}

/// A size for people: `512 B`, `16.0 MiB`.
#[must_use]
pub fn show_bytes(bytes: u64) -> String {
    match SIZE_UNITS.iter().rev().find(|(_, size)| bytes >= *size) {
        Some((unit, size)) => format!("{:.1} {unit}", bytes as f64 / *size as f64),
        None => format!("{bytes} B"),
    }
}

/// A count with thousands separated: `1,234,567`.
#[must_use]
pub fn show_count(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes in lower-case hexadecimal, two digits each.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        out.extend([byte >> 4, byte & 15].map(|half| char::from_digit(u32::from(half), 16).unwrap_or('0')));
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_need_their_unit() {
        assert_eq!(parse_time_ns("250ms"), Ok(250_000_000));
        assert_eq!(parse_time_ns("2m"), Ok(120_000_000_000));
        assert_eq!(parse_size_bytes("4GiB"), Ok(4 << 30));
        for bad in ["", "5", "s", "-5s", "5 parsecs", "99999999999999h", "1.5s"] {
            assert!(parse_time_ns(bad).is_err(), "{bad}");
        }
        assert!(parse_size_bytes("4GB").is_err());
    }

    #[test]
    fn what_is_written_exactly_is_read_as_it_was() {
        for (ns, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_500_000, "1500us"),
            (60_000_000_000, "60s"),
            (24 * 3_600_000_000_000, "24h"),
            (u64::MAX, "18446744073709551615ns"),
        ] {
            assert_eq!((exact_time(ns).as_str(), parse_time_ns(text)), (text, Ok(ns)));
        }
        for (bytes, text) in
            [(0, "0KiB"), (1 << 10, "1KiB"), (4 << 30, "4GiB"), (3 << 29, "1536MiB"), (5 << 50, "5120TiB")]
        {
            assert_eq!((exact_size(bytes).as_str(), parse_size_bytes(text)), (text, Ok(bytes)));
        }
    }

    #[test]
    fn numbers_are_shown_for_people() {
        assert_eq!(show_ns(999), "999 ns");
        assert_eq!(show_ns(71_040), "71.0 us");
        assert_eq!(show_ns(2_900_000), "2.90 ms");
        assert_eq!(show_ns(131_000_000_000), "131 s");
        assert_eq!(show_bytes(16 << 20), "16.0 MiB");
        assert_eq!(show_count(1_234_567), "1,234,567");
        assert_eq!(show_count(123), "123");
    }

    #[test]
    fn every_byte_is_two_lower_case_digits() {
        assert_eq!(hex(&[0x00, 0x0a, 0x7f, 0xff]), "000a7fff");
        assert_eq!(hex(&[]), "");
    }
}
