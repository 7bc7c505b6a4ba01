//! Numbers read at intervals: from rows and texts to series.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{collect::Event, dictionary::Dictionary, finish::Clock};
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
    use proptest::prelude::*;

    use super::*;

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
