//! What was read at one moment: numbers under names with labels.

/// Longest text of a name with its labels, bytes: as many as a reader takes of one text in parts of 16.
const MAX_TEXT_BYTES: usize = 1008;
/// Longest value of a label, bytes; of a longer one the end is kept, which tells paths apart.
const MAX_LABEL_BYTES: usize = 512;

/// Numbers by name, in the order they were read.
#[derive(Debug, Default)]
pub struct Readings(Vec<(String, f64)>);

impl Readings {
    /// Adds a number. One that is not finite says nothing and is left out, as is a name that does not fit.
    pub fn add(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        if let Some(name) = series(name, labels).filter(|_| value.is_finite()) {
            self.0.push((name, value));
        }
    }

    /// Adds a number if there is one.
    pub fn maybe(&mut self, name: &str, labels: &[(&str, &str)], value: Option<f64>) {
        if let Some(value) = value {
            self.add(name, labels, value);
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// All, in that order.
    pub fn iter(&self) -> impl Iterator<Item = &(String, f64)> {
        self.0.iter()
    }

    /// True if nothing was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl IntoIterator for Readings {
    type Item = (String, f64);
    type IntoIter = std::vec::IntoIter<Self::Item>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// `name{a="x",b="y"}`, with `\`, `"` and line ends in values escaped by `\`; `name` alone without labels.
/// `None` if it is empty, holds a zero byte (which ends a text on disk) or does not fit.
#[must_use]
pub fn series(name: &str, labels: &[(&str, &str)]) -> Option<String> {
    let mut text = name.to_owned();
    for (i, (label, value)) in labels.iter().enumerate() {
        text.push(if i == 0 { '{' } else { ',' });
        text.push_str(label);
        text.push_str("=\"");
        for c in end_of(value).chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                c => text.push(c),
            }
        }
        text.push('"');
    }
    if !labels.is_empty() {
        text.push('}');
    }
    (!name.is_empty() && text.len() <= MAX_TEXT_BYTES && !text.contains('\0')).then_some(text)
}

fn end_of(value: &str) -> &str {
    let mut from = value.len().saturating_sub(MAX_LABEL_BYTES);
    while !value.is_char_boundary(from) {
        from += 1;
    }
    value.get(from..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_written_as_an_exposition_page_has_them() {
        assert_eq!(series("load1", &[]).as_deref(), Some("load1"));
        let path = [("cgroup", "/a\"b\\c\nd"), ("event", "oom")];
        assert_eq!(series("n", &path).as_deref(), Some("n{cgroup=\"/a\\\"b\\\\c\\nd\",event=\"oom\"}"));
    }

    #[test]
    fn what_cannot_be_written_is_left_out_and_a_long_path_keeps_its_end() {
        assert_eq!(series("", &[]), None);
        assert_eq!(series("a", &[("b", "\0")]), None);
        assert_eq!(series(&"a".repeat(2000), &[]), None);
        let long = format!("{}é/leaf", "x".repeat(5000));
        let kept = series("a", &[("b", &long)]).unwrap();
        assert!(kept.ends_with("é/leaf\"}") && kept.len() < 600, "{kept}");
        let mut readings = Readings::default();
        readings.add("a", &[], f64::NAN);
        readings.add("a", &[], f64::INFINITY);
        readings.maybe("a", &[], None);
        assert!(readings.is_empty());
        readings.maybe("a", &[], Some(1.0));
        assert_eq!(readings.into_iter().collect::<Vec<_>>(), [("a".to_owned(), 1.0)]);
    }
}
