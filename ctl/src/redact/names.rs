//! Values and their pseudonyms.

use std::collections::BTreeMap;

use foldhash::HashMap;

/// What was replaced, by kind.
#[derive(Debug, Default)]
pub struct Names(BTreeMap<&'static str, Kind>);

#[derive(Debug, Default)]
struct Kind {
    numbers: HashMap<String, usize>,
    /// Pseudonyms and values, by number.
    pairs: Vec<(String, String)>,
}

impl Names {
    /// The pseudonym of a value: its kind and its number, from 1. Nothing stays nothing.
    pub fn of(&mut self, kind: &'static str, value: &str) -> String {
        self.shaped(kind, value, |n| format!("{kind}-{n}"))
    }

    /// As [`Self::of`], in a shape that readers of the value expect; `shape` gives each number another text.
    pub fn shaped(&mut self, kind: &'static str, value: &str, shape: impl Fn(usize) -> String) -> String {
        if value.is_empty() {
            return String::new();
        }
        shape(self.number(kind, value, &shape))
    }

    /// The number of a value; `shape` is the text that stands for it in [`Self::kinds`].
    pub fn number(&mut self, kind: &'static str, value: &str, shape: impl Fn(usize) -> String) -> usize {
        let kind = self.0.entry(kind).or_default();
        if let Some(number) = kind.numbers.get(value) {
            return *number;
        }
        let number = kind.pairs.len() + 1;
        kind.numbers.insert(value.to_owned(), number);
        kind.pairs.push((shape(number), value.to_owned()));
        number
    }

    /// Each kind with its pseudonyms and their values, by number.
    pub fn kinds(&self) -> impl Iterator<Item = (&'static str, &[(String, String)])> {
        self.0.iter().map(|(name, kind)| (*name, kind.pairs.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_one_pseudonym_of_its_kind_and_nothing_has_none() {
        let mut names = Names::default();
        let told = ["b", "a", "b", ""].map(|value| names.of("process", value));
        assert_eq!(told, ["process-1", "process-2", "process-1", ""]);
        assert_eq!(names.of("kernel", "a"), "kernel-1");
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        let kinds: Vec<_> = names.kinds().collect();
        assert_eq!(kinds[0], ("kernel", [pair("kernel-1", "a")].as_slice()));
        assert_eq!(kinds[1].1, [pair("process-1", "b"), pair("process-2", "a")]);
    }
}
