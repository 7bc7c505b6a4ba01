//! The text that a `/metrics` page holds, Prometheus' text format: one number a line,
//! `name{label="value"} number [time]`.

/// One line of a page.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric<'a> {
    /// Its name.
    pub name: &'a str,
    /// Labels in the page's order, values without escapes.
    pub labels: Vec<(&'a str, String)>,
    /// The number; may be NaN or infinite.
    pub value: f64,
}

/// Most labels of one metric.
const MAX_LABELS: usize = 32;

/// Reads every line that is a metric; comments and what is damaged are passed over.
pub fn parse(page: &str) -> impl Iterator<Item = Metric<'_>> {
    page.lines().filter_map(line)
}

fn line(line: &str) -> Option<Metric<'_>> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    let end = line.find(|c: char| c == '{' || c.is_whitespace())?;
    let (name, mut rest) = line.split_at(end);
    if name.is_empty() {
        return None;
    }
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside.trim_start();
        loop {
            if let Some(after) = rest.strip_prefix('}') {
                rest = after;
                break;
            }
            if labels.len() == MAX_LABELS {
                return None;
            }
            let (label, quoted) = rest.split_once('=')?;
            let (value, after) = quoted_value(quoted.trim_start().strip_prefix('"')?)?;
            labels.push((label.trim(), value));
            let after = after.trim_start();
            rest = after.strip_prefix(',').unwrap_or(after).trim_start();
        }
    }
    Some(Metric { name, labels, value: rest.split_whitespace().next()?.parse().ok()? })
}

// Up to the closing quote: the value without its escapes, and what follows.
fn quoted_value(text: &str) -> Option<(String, &str)> {
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
    use crate::sample::series;

    #[test]
    fn lines_of_a_page_are_read_and_comments_and_damage_passed_over() {
        let page = concat!(
            "# HELP vllm:num_requests_running Number of requests\n",
            "# TYPE vllm:num_requests_running gauge\n",
            "vllm:num_requests_running{engine=\"0\",model_name=\"a\\\"b\\\\c\\nd, {e}\"} 3.0\n",
            "ttft_bucket{le=\"+Inf\",} 12 1700000000000\n",
            "  load 1e-3\n",
            "nan NaN\n",
            "broken{a=\"b} 1\nbroken{a} 1\nbroken\nbroken x\n{a=\"b\"} 1\n",
        );
        let found: Vec<Metric<'_>> = parse(page).collect();
        assert_eq!(found.len(), 4, "{found:?}");
        assert_eq!(found[0].name, "vllm:num_requests_running");
        assert_eq!(found[0].labels[1], ("model_name", "a\"b\\c\nd, {e}".to_owned()));
        assert_eq!(
            found[1],
            Metric { name: "ttft_bucket", labels: vec![("le", "+Inf".into())], value: 12.0 }
        );
        assert_eq!((found[2].name, found[2].value), ("load", 0.001));
        assert!(found[3].value.is_nan());
    }

    #[test]
    fn a_line_with_more_labels_than_anybody_has_is_passed_over() {
        let many: String = (0..100_000).map(|i| format!("a{i}=\"\",")).collect();
        assert_eq!(parse(&format!("x{{{many}}} 1")).count(), 0);
    }

    proptest! {
        #[test]
        fn no_page_makes_it_panic(page in "[a-z{}=\"\\\\, 0-9.\n#é]{0,300}") {
            let _ = parse(&page).count();
        }

        #[test]
        fn what_is_written_reads_back(value in "[^\0\r]{0,40}", number in -1e300..1e300f64) {
            let written = format!("{} {number}", series("name", &[("label", &value), ("b", "")]).unwrap());
            // Other line ends than \n would end the line in a page; nobody has them in a label.
            prop_assume!(written.lines().count() == 1);
            let found: Vec<Metric<'_>> = parse(&written).collect();
            prop_assert_eq!(&found[0].labels, &vec![("label", value), ("b", String::new())]);
            prop_assert_eq!(found[0].value, number);
        }
    }
}
