//! Numbers read at intervals: from rows and texts to series.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{clock::Clock, collect::Event, dictionary::Dictionary};
use crate::model::{Sample, Series};

/// Series by pid, name and labels, and their values by time. A row whose text is not known, or whose value is
/// no number, says nothing.
pub(super) fn resolve(rows: &[Event], names: &Dictionary, clock: Clock) -> (Vec<Series>, Vec<Sample>) {
    let mut texts: BTreeMap<(u64, u32), Option<(String, String)>> = BTreeMap::new();
    let mut found: BTreeMap<(String, String, u32), Vec<(i64, f64)>> = BTreeMap::new();
    for Event { epoch, row } in rows {
        let value = f64::from_bits(row.arg0);
        let known = texts
            .entry((*epoch, row.stack))
            .or_insert_with(|| names.text(*epoch, row.stack).map(|text| split(&text)));
        if let Some((name, labels)) = known.as_ref().filter(|_| value.is_finite()) {
            let series = found.entry((name.clone(), labels.clone(), row.pid)).or_default();
            series.push((clock.unix(row.end_ns), value));
        }
    }
    let mut samples = Vec::with_capacity(rows.len());
    let mut list = Vec::with_capacity(found.len());
    for ((name, labels, pid), values) in found {
        let series = list.len() as u32;
        samples.extend(values.into_iter().map(|(ts_ns, value)| Sample { ts_ns, series, value }));
        list.push(Series { pid, name, labels });
    }
    (list, samples)
}

/// `name{a="b"}` into the name and a JSON object of the labels. What is written in another way is a name.
fn split(text: &str) -> (String, String) {
    let labelled = text.split_once('{').and_then(|(name, rest)| Some((name, labels(rest)?)));
    match labelled {
        Some((name, labels)) => (name.to_owned(), Value::Object(labels).to_string()),
        None => (text.to_owned(), "{}".to_owned()),
    }
}

fn labels(mut rest: &str) -> Option<Map<String, Value>> {
    let mut labels = Map::new();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return after.is_empty().then_some(labels);
        }
        let (label, quoted) = rest.split_once("=\"")?;
        let (value, after) = unquoted(quoted)?;
        labels.insert(label.to_owned(), Value::String(value));
        rest = after.strip_prefix(',').unwrap_or(after);
    }
}

// Up to the closing quote: the value without its escapes, and what follows.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use ingero_format::{
        Row, ops,
        row::{META_CPU, origin},
        state::Text,
    };
    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;
    use crate::{
        load::{
            open_all,
            tests::{BEGIN, Draft, meta, read},
        },
        model::Spool,
        progress::Progress,
    };

    fn sample(seq: u64, at: u64, text: u32, value: f64) -> Row {
        let origin = origin(META_CPU, seq);
        Row { stack: text, arg0: value.to_bits(), pid: 0, origin, ..meta(ops::SAMPLE, BEGIN + at) }
    }

    #[test]
    fn samples_of_the_window_have_their_series_and_are_no_events_of_the_host() {
        let mut draft = Draft::new(1);
        let word = |s: &[u8; 8]| u64::from_le_bytes(*s);
        let part = |part, arg0, arg1| Row {
            ret: part,
            flags: 2,
            stack: 7,
            arg0,
            arg1,
            ..meta(ops::TEXT_PART, BEGIN)
        };
        draft.state.texts.push(Text { id: 3, text: "load1".into() });
        draft.frames.push((
            vec![
                part(1, word(b"o=\"b\"}\0\0"), 0),
                part(0, word(b"psi{reso"), word(b"urce_foo")),
                Row { ret: 1, flags: 2, stack: 8, arg0: word(b"half}\0\0\0"), ..meta(ops::TEXT_PART, BEGIN) },
                sample(1, 500, 7, 2.5),
                sample(2, 400, 3, 1.0),
                sample(3, 400, 8, 9.0),
                sample(4, 400, 99, 9.0),
                sample(5, 400, 3, f64::NAN),
                sample(6, 2_000_000_000, 3, 9.0),
                Row { pid: 100, ..sample(7, 600, 3, 4.0) },
            ],
            0,
        ));
        let trace = read(&draft);
        let told: Vec<_> = trace
            .samples
            .iter()
            .map(|s| (&trace.series[s.series as usize], s.ts_ns - trace.from_ns, s.value))
            .map(|(series, at, value)| (series.name.as_str(), series.labels.as_str(), series.pid, at, value))
            .collect();
        let labels = "{\"resource_fooo\":\"b\"}";
        assert_eq!(
            told,
            [("load1", "{}", 0, 400, 1.0), ("psi", labels, 0, 500, 2.5), ("load1", "{}", 100, 600, 4.0)]
        );
        assert!(trace.host_events.is_empty());
    }

    #[test]
    fn samples_of_two_windows_of_one_boot_are_taken_once() {
        let folder = TempDir::new().unwrap();
        let mut first = Draft::new(1);
        first.state.texts.push(Text { id: 3, text: "load1".into() });
        first.frames.push((vec![sample(1, 400, 3, 1.0), sample(2, 500, 3, 2.0)], 0));
        let mut second = first.clone();
        second.manifest.to_ns += 1_000_000_000;
        second.frames[0].0.push(sample(3, 1_500_000_000, 3, 3.0));
        let paths = [first.write(&folder, "a.ingero"), second.write(&folder, "b.ingero")];
        let traces = open_all(&paths, &Spool::default(), &Progress::none()).unwrap();
        assert_eq!(traces[0].samples.iter().map(|s| s.value).collect::<Vec<_>>(), [1.0, 2.0, 3.0]);
        let mut cropped = traces[0].clone();
        cropped.crop(cropped.from_ns + 450, cropped.to_ns);
        assert_eq!(cropped.samples.len(), 2);
    }

    #[test]
    fn a_text_is_a_name_and_a_json_object_of_labels() {
        let pair = |name: &str, labels: &str| (name.to_owned(), labels.to_owned());
        assert_eq!(split("load1"), pair("load1", "{}"));
        assert_eq!(split("psi{resource=\"cpu\"}"), pair("psi", "{\"resource\":\"cpu\"}"));
        let text = "x{b=\"1\",a=\"q\\\"b\\\\n\\n{},\"}";
        assert_eq!(split(text), pair("x", "{\"a\":\"q\\\"b\\\\n\\n{},\",\"b\":\"1\"}"));
    }

    #[test]
    fn a_text_that_is_no_series_is_a_name() {
        for text in ["a{", "a{b}", "a{b=\"c}", "a{b=\"c\"} d", "{", ""] {
            assert_eq!(split(text), (text.to_owned(), "{}".to_owned()));
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_labels_are_always_json(text in "[a-z{}=\"\\\\,\n\u{1}]{0,60}") {
            let (_, labels) = split(&text);
            prop_assert!(serde_json::from_str::<Map<String, Value>>(&labels).is_ok());
        }
    }
}
