//! Strings of a trace, made harmless: a process may call itself anything.
//!
//! Control characters, escape sequences and characters that nobody sees are taken out everywhere. What is left
//! is still text of others; every answer says so.

use serde_json::Value;

use crate::printable::harmful;

/// Longest string of an answer, bytes; what is longer is cut, and its end says so.
pub const LONGEST_BYTES: usize = 2_048;

/// One string.
#[must_use]
pub fn text(text: &str) -> String {
    let seen = |c: char| match c {
        '\t' | '\n' | '\r' => Some(' '),
        c if harmful(c) => None,
        c => Some(c),
    };
    let mut clean: String = text.chars().filter_map(seen).collect();
    if clean.len() > LONGEST_BYTES {
        let whole = clean.len();
        let end = (0..=LONGEST_BYTES - 32).rev().find(|i| clean.is_char_boundary(*i)).unwrap_or(0);
        clean.truncate(end);
        clean.push_str(&format!("… ({whole} bytes)"));
    }
    clean
}

/// Every string of a value, keys too.
pub fn value(value: &mut Value) {
    match value {
        Value::String(s) => {
            if s.len() > LONGEST_BYTES || s.chars().any(harmful) {
                *s = text(s);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(self::value),
        Value::Object(map) => {
            let keys = |k: &String| k.chars().any(harmful);
            if map.keys().any(keys) {
                *map = std::mem::take(map).into_iter().map(|(k, v)| (text(&k), v)).collect();
            }
            map.values_mut().for_each(self::value);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_move_the_cursor_hide_text_or_turn_it_around() {
        assert_eq!(text("a\u{1b}[2J\u{7}b\u{9b}31m"), "a[2Jb31m");
        assert_eq!(text("x\u{202e}gpj.exe\u{200b}\u{e0041}"), "xgpj.exe");
        assert_eq!(text("one\r\ntwo\tthree"), "one  two three");
        assert_eq!(text("<script>'; DROP TABLE call;--"), "<script>'; DROP TABLE call;--");
        assert_eq!(text("größe 数"), "größe 数");
    }

    #[test]
    fn keys_and_nested_strings_are_cleaned_and_long_ones_are_cut_with_a_word() {
        let mut v = serde_json::json!({"k\u{1b}": ["a\u{0}b", {"x": "\u{202e}"}], "n": 1});
        value(&mut v);
        assert_eq!(v, serde_json::json!({"k": ["ab", {"x": ""}], "n": 1}));
        let long = text(&"é".repeat(3_000));
        assert!(long.len() <= LONGEST_BYTES && long.ends_with("… (6000 bytes)"), "{}", long.len());
    }
}
