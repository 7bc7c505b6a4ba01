//! What may reach a terminal, a page or a file: names come from other processes.

/// Names come from other processes: what is [`harmful`] must not reach the terminal.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if harmful(c) { '\u{fffd}' } else { c }).collect()
}

/// Whether a character does something else on a terminal than to be seen.
#[must_use]
pub fn harmful(c: char) -> bool {
    c.is_control() || unseen(c)
}

/// Characters without a shape that change how text around them is read or shown.
#[must_use]
pub fn unseen(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// A text that ends a line; nothing, and no blanks before it, if there is none.
pub fn last_column(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("  {}", printable(text)) }
}
