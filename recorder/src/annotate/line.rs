//! One line: what it says, and whether it may.

use std::collections::BTreeMap;

use ingero_format::segment::Anchor;
use serde::Deserialize;

use super::Refusal;

/// Longest line with its end, bytes.
pub const MAX_LINE_BYTES: usize = 16 << 10;
/// Most labels.
const MAX_LABELS: usize = 32;
/// Longest name of a label, bytes.
const MAX_KEY_BYTES: usize = 64;
/// Longest value of a label, bytes.
const MAX_VALUE_BYTES: usize = 256;
/// How far ahead of the recorder's clock a time may be, ns: one host has one clock, but time is read before it is sent.
const MAX_AHEAD_NS: i128 = 1_000_000_000;
/// How long ago what is told may have ended, ns.
const MAX_AGE_NS: i128 = 3_600_000_000_000;
/// Longest span, ns.
const MAX_SPAN_NS: i128 = 24 * 3_600_000_000_000;

/// A line as it is written. Fields that are not known are left alone, as `v` and `start_time`, which others send.
#[derive(Deserialize)]
struct Written {
    labels: BTreeMap<String, String>,
    #[serde(default)]
    pid: Option<u32>,
    #[serde(default)]
    ts: Option<i64>,
    #[serde(default)]
    span_start: Option<i64>,
    #[serde(default)]
    span_end: Option<i64>,
}

/// What time is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The moment at which it arrives.
    Now,
    /// A moment, Unix ns.
    At(i64),
    /// From one moment to another, Unix ns.
    Span(i64, i64),
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// An object of JSON in which every value is a string; names in order.
    pub labels: String,
    /// The process it concerns: `Some(0)` the host, `None` whoever says it.
    pub pid: Option<u32>,
    /// Of which time it is said.
    pub when: When,
}

/// A time in the recorder's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Begin, boottime ns.
    pub begin_ns: u64,
    /// Duration, ns; 0 for a moment.
    pub dur_ns: u64,
}

/// Reads a line without its end. Whatever is kept fits [`MAX_LINE_BYTES`].
///
/// # Errors
/// Why it is not taken.
pub fn parse(line: &[u8]) -> Result<Said, Refusal> {
    let written: Written = serde_json::from_slice(line).map_err(|_| Refusal::Malformed)?;
    if !(1..=MAX_LABELS).contains(&written.labels.len()) {
        return Err(Refusal::Labels);
    }
    if !written.labels.keys().all(|key| is_key(key)) {
        return Err(Refusal::Key);
    }
    if !written.labels.values().all(|value| is_value(value)) {
        return Err(Refusal::Value);
    }
    // Clients that have no such time leave it out, or send 0.
    let given = |time: Option<i64>| time.filter(|ns| *ns != 0);
    let when = match (given(written.span_start), given(written.span_end), given(written.ts)) {
        (Some(begin), Some(end), _) if begin <= end => When::Span(begin, end),
        (None, None, Some(at)) => When::At(at),
        (None, None, None) => When::Now,
        _ => return Err(Refusal::Span),
    };
    let labels = serde_json::to_string(&written.labels).map_err(|_| Refusal::Malformed)?;
    Ok(Said { labels, pid: written.pid, when })
}

fn is_key(key: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    (1..=MAX_KEY_BYTES).contains(&key.len()) && key.bytes().all(allowed)
}

fn is_value(value: &str) -> bool {
    value.len() <= MAX_VALUE_BYTES && !value.bytes().any(|b| b.is_ascii_control())
}

impl When {
    /// The same in the recorder's clock, which `now` ties to Unix time.
    ///
    /// # Errors
    /// [`Refusal::Time`] if it is further ahead, longer ago or longer than is taken.
    pub fn placed(self, now: &Anchor) -> Result<Placed, Refusal> {
        let (begin, end) = match self {
            Self::Now => return Ok(Placed { begin_ns: now.boot_ns, dur_ns: 0 }),
            Self::At(at) => (at, at),
            Self::Span(begin, end) => (begin, end),
        };
        let boot = |unix: i64| i128::from(unix) - i128::from(now.real_ns) + i128::from(now.boot_ns);
        let (begin, end, now) = (boot(begin), boot(end), i128::from(now.boot_ns));
        if end > now + MAX_AHEAD_NS || end < now - MAX_AGE_NS || end - begin > MAX_SPAN_NS {
            return Err(Refusal::Time);
        }
        // What lies ahead by no more than clocks may differ ends now.
        let (begin, end) = (begin.min(now), end.min(now));
        let begin_ns = u64::try_from(begin).map_err(|_| Refusal::Time)?;
        let dur_ns = u64::try_from(end - begin).map_err(|_| Refusal::Time)?;
        Ok(Placed { begin_ns, dur_ns })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(line: &str) -> Result<Said, Refusal> {
        parse(line.as_bytes())
    }

    #[test]
    fn lines_of_the_protocol_are_read_and_labels_are_put_in_order() {
        let said = read(r#"{"labels":{"b":"2","a":"\u00e9\"/"},"pid":7,"ts":5}"#).unwrap();
        let labels = "{\"a\":\"é\\\"/\",\"b\":\"2\"}".to_owned();
        assert_eq!(said, Said { labels, pid: Some(7), when: When::At(5) });
        let said = read(r#"{"v":1,"start_time":9,"labels":{"a":""},"span_start":3,"span_end":3}"#).unwrap();
        assert_eq!((said.pid, said.when), (None, When::Span(3, 3)));
        let said = read(r#"{"labels":{"a":"1"},"pid":null,"ts":0,"span_start":0,"span_end":0}"#).unwrap();
        assert_eq!((said.pid, said.when), (None, When::Now));
        let said = read("{\"labels\":{\"a\":\"1\"},\"ts\":9,\"span_start\":1,\"span_end\":2}\r").unwrap();
        assert_eq!(said.when, When::Span(1, 2));
    }

    #[test]
    fn whatever_is_not_allowed_is_refused_with_its_reason() {
        let label = |key: &str, value: &str| format!("{{\"labels\":{{\"{key}\":\"{value}\"}}}}");
        for (line, why) in [
            (String::new(), Refusal::Malformed),
            ("{}".into(), Refusal::Malformed),
            ("[1]".into(), Refusal::Malformed),
            ("{\"labels\":{\"a\":1}}".into(), Refusal::Malformed),
            ("{\"labels\":{\"a\":\"1\"}} {}".into(), Refusal::Malformed),
            ("{\"labels\":{\"a\":\"1\"},\"pid\":-1}".into(), Refusal::Malformed),
            ("{\"labels\":{\"a\":\"1\"},\"pid\":4294967296}".into(), Refusal::Malformed),
            ("{\"labels\":{\"a\":\"1\"},\"ts\":1.5}".into(), Refusal::Malformed),
            ("{\"labels\":{\"a\":\"1\"},\"ts\":9223372036854775808}".into(), Refusal::Malformed),
            ("[".repeat(16_000), Refusal::Malformed),
            ("{\"labels\":{}}".into(), Refusal::Labels),
            (label("", "1"), Refusal::Key),
            (label("a b", "1"), Refusal::Key),
            (label("\u{e9}", "1"), Refusal::Key),
            (label(&"k".repeat(65), "1"), Refusal::Key),
            (label("a", &"v".repeat(257)), Refusal::Value),
            (label("a", &"\u{e9}".repeat(129)), Refusal::Value),
            (label("a", "\\n"), Refusal::Value),
            (label("a", "\\u0000"), Refusal::Value),
            (label("a", "\u{7f}"), Refusal::Value),
            ("{\"labels\":{\"a\":\"1\"},\"span_start\":1}".into(), Refusal::Span),
            ("{\"labels\":{\"a\":\"1\"},\"span_end\":1,\"ts\":1}".into(), Refusal::Span),
            ("{\"labels\":{\"a\":\"1\"},\"span_start\":2,\"span_end\":1}".into(), Refusal::Span),
        ] {
            assert_eq!(read(&line), Err(why), "{line:.80}");
        }
        let many = |n: usize| {
            let labels: Vec<String> = (0..n).map(|i| format!("\"k{i}\":\"\"")).collect();
            read(&format!("{{\"labels\":{{{}}}}}", labels.join(",")))
        };
        assert!(many(32).is_ok());
        assert_eq!(many(33), Err(Refusal::Labels));
        assert!(read(&label(&"k".repeat(64), &"v".repeat(256))).is_ok());
    }

    #[test]
    fn a_time_is_placed_in_the_recorders_clock_if_it_is_near() {
        const SECOND: i64 = 1_000_000_000;
        let now = Anchor {
            boot_ns: 100_000 * SECOND as u64,
            real_ns: 1_700_000_000 * SECOND as u64,
            uncertainty_ns: 0,
        };
        let at = |ago: i64| 1_700_000_000 * SECOND - ago;
        let placed = |when: When| when.placed(&now).map(|p| (now.boot_ns - p.begin_ns, p.dur_ns));
        assert_eq!(placed(When::Now), Ok((0, 0)));
        assert_eq!(placed(When::At(at(5))), Ok((5, 0)));
        assert_eq!(placed(When::At(at(-SECOND))), Ok((0, 0)), "clocks may differ a little");
        assert_eq!(placed(When::At(at(-SECOND - 1))), Err(Refusal::Time));
        assert_eq!(placed(When::At(at(3_600 * SECOND))), Ok((3_600 * SECOND as u64, 0)));
        assert_eq!(placed(When::At(at(3_600 * SECOND + 1))), Err(Refusal::Time));
        assert_eq!(placed(When::Span(at(9), at(4))), Ok((9, 5)));
        assert_eq!(placed(When::Span(at(9), at(-4))), Ok((9, 9)));
        assert_eq!(
            placed(When::Span(at(24 * 3_600 * SECOND), at(0))),
            Ok((86_400 * SECOND as u64, 86_400 * SECOND as u64))
        );
        assert_eq!(placed(When::Span(at(24 * 3_600 * SECOND + 1), at(0))), Err(Refusal::Time));
        for extreme in [i64::MIN, -1, 1, i64::MAX] {
            assert_eq!(placed(When::At(extreme)), Err(Refusal::Time));
        }
        let young = Anchor { boot_ns: 10, ..now };
        assert_eq!(When::At(at(11)).placed(&young), Err(Refusal::Time), "before the machine started");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&line);
        }

        #[test]
        fn what_is_kept_is_json_of_allowed_labels_and_fits(
            key in "[a-z .]{0,70}", value in "\\PC{0,80}|[\\x00-\\x7f]{0,80}", pid in any::<Option<u32>>(),
            times in any::<[Option<i64>; 3]>(),
        ) {
            let [ts, span_start, span_end] = times;
            let labels = BTreeMap::from([(key, value)]);
            let line = serde_json::json!({
                "labels": labels, "pid": pid, "ts": ts, "span_start": span_start, "span_end": span_end
            }).to_string();
            if let Ok(said) = parse(line.as_bytes()) {
                prop_assert!(said.labels.len() <= line.len() && !said.labels.contains('\0'));
                prop_assert_eq!(serde_json::from_str::<BTreeMap<String, String>>(&said.labels).unwrap(), labels);
                prop_assert_eq!(said.pid, pid);
            }
        }

        #[test]
        fn whatever_time_is_kept_has_ended_and_is_of_this_boot(
            when in any::<[i64; 2]>(), boot_ns in 0u64..1 << 61, real_ns in 0u64..1 << 62, near in any::<bool>(),
        ) {
            let [mut begin, mut end] = when;
            if near {
                begin = real_ns as i64 - (begin >> 18).abs();
                end = begin + (end >> 20).abs();
            }
            let now = Anchor { boot_ns, real_ns, uncertainty_ns: 0 };
            if begin <= end && let Ok(placed) = When::Span(begin, end).placed(&now) {
                prop_assert!(placed.begin_ns + placed.dur_ns <= boot_ns);
            }
        }
    }
}
