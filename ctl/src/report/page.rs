//! One HTML file that needs nothing else and reaches for nothing else.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{json, printable::harmful};

const HTML: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
/// Parts of one script, in the order in which they use each other.
const SCRIPT: [&str; 9] = [
    include_str!("page/words.js"),
    include_str!("page/data.js"),
    include_str!("page/view.js"),
    include_str!("page/draw.js"),
    include_str!("page/lanes.js"),
    include_str!("page/timeline.js"),
    include_str!("page/tables.js"),
    include_str!("page/flame.js"),
    include_str!("page/main.js"),
];

/// Makes the page of a title and its data.
#[must_use]
pub fn page(title: &str, data: &Value) -> String {
    let script = format!("(() => {{\n\"use strict\";\n{}}})();\n", SCRIPT.concat());
    // Nothing but our own script and style runs, whatever a name of the trace says.
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; base-uri 'none'; form-action 'none'",
        hash(&script),
        hash(STYLE),
    );
    let mut out = String::new();
    for part in HTML.split_inclusive("}}") {
        let (text, name) = part.split_once("{{").unwrap_or((part, ""));
        out.push_str(text);
        match name {
            "policy}}" => out.push_str(&policy),
            "title}}" => out.push_str(&text_escaped(title)),
            "style}}" => out.push_str(STYLE),
            "data}}" => out.push_str(&script_escaped(&json::text(data))),
            "script}}" => out.push_str(&script),
            _ => {}
        }
    }
    out
}

fn hash(text: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text.as_bytes())))
}

/// Text of an element.
fn text_escaped(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '"' => "&quot;".to_owned(),
            '\'' => "&#39;".to_owned(),
            c if harmful(c) => "\u{fffd}".to_owned(),
            c => c.to_string(),
        })
        .collect()
}

/// JSON inside a script element: outside of strings JSON has none of these characters.
fn script_escaped(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn data_cannot_end_its_element_and_stays_the_same() {
        let hostile = "</script><script>alert(1)</script><!-- ]]> &lt; \u{2028}";
        let data = json!({ "names": [hostile] });
        let page = page("</title><b>", &data);
        assert_eq!(page.matches("</script").count(), 2, "one for the data, one for the script");
        assert!(!page.contains("alert(1)</") && page.contains("&lt;/title&gt;&lt;b&gt;"));
        let begin = page.find("id=\"data\">").unwrap() + "id=\"data\">".len();
        let end = begin + page[begin..].find("</script").unwrap();
        let read: Value = serde_json::from_str(&page[begin..end]).unwrap();
        assert_eq!(read, data);
    }

    #[test]
    fn the_policy_names_the_hashes_of_script_and_style_as_they_are_written() {
        let page = page("t", &json!({}));
        for (open, close) in [("<style>", "</style>"), ("<script>", "</script>")] {
            let begin = page.find(open).unwrap() + open.len();
            let end = begin + page[begin..].find(close).unwrap();
            assert!(page.contains(&hash(&page[begin..end])), "{open}");
        }
        assert!(page.contains("default-src 'none'"));
    }

    #[test]
    fn the_page_asks_nobody_for_anything() {
        let page = page("t", &json!({}));
        for word in ["http://", "https://", "src=", "@import", "url(", "fetch(", "innerHTML", "eval("] {
            assert!(!page.contains(word), "{word}");
        }
    }
}
