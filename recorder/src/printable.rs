//! Text of others, made fit to be shown: what it holds must not begin a line or steer a terminal.

use std::borrow::Cow;

/// With control characters escaped: nothing of it is lost.
#[must_use]
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return text.into();
    }
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escape).collect::<String>().into()
}

/// With a space for each control character, and cut between characters to `most` bytes at most.
#[must_use]
pub fn shortened(text: &str, most: usize) -> String {
    let mut out = String::new();
    for c in text.chars().map(|c| if c.is_control() { ' ' } else { c }) {
        if out.len() + c.len_utf8() > most {
            break;
        }
        out.push(c);
    }
    out
}

/// `: text`, to end a line with; nothing if there is no text.
#[must_use]
pub fn after_colon(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_call_themselves_neither_begins_a_line_nor_steers_a_terminal() {
        assert_eq!(escaped("/lib/plain é"), "/lib/plain é");
        assert_eq!(escaped("a\n<0>b\u{1b}[2J\r"), "a\\n<0>b\\u{1b}[2J\\r");
        assert_eq!(shortened("a\nb\u{1b}[2Jc\u{7f}\u{9b}", 100), "a b [2Jc  ");
        assert_eq!(shortened("éé", 3), "é");
    }

    #[test]
    fn a_line_without_a_reason_has_no_colon() {
        assert_eq!((after_colon("slow").as_str(), after_colon("").as_str()), (": slow", ""));
    }
}
