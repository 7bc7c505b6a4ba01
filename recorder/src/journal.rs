//! Log lines. Under systemd each begins with its priority, which the journal understands.

use std::{borrow::Cow, io::Write, sync::OnceLock};

fn prefixed() -> bool {
    static UNDER_JOURNAL: OnceLock<bool> = OnceLock::new();
    *UNDER_JOURNAL.get_or_init(|| std::env::var_os("JOURNAL_STREAM").is_some())
}

// Paths and names of others go in here: what they hold must not begin a line or steer a terminal.
fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return text.into();
    }
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escape).collect::<String>().into()
}

fn line(priority: u8, text: &str) {
    let text = printable(text);
    let mut err = std::io::stderr().lock();
    // A closed stderr must not stop the recorder.
    let _ = if prefixed() {
        writeln!(err, "<{priority}>{text}")
    } else {
        writeln!(err, "ingero-recorder: {text}")
    };
}

/// Something failed.
pub fn error(text: &str) {
    line(3, text);
}

/// Something needs attention, or somebody asked for a snapshot.
pub fn warning(text: &str) {
    line(4, text);
}

/// Normal life.
pub fn info(text: &str) {
    line(6, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_call_themselves_neither_begins_a_line_nor_steers_a_terminal() {
        assert_eq!(printable("/lib/plain é"), "/lib/plain é");
        assert_eq!(printable("a\n<0>b\u{1b}[2J\r"), "a\\n<0>b\\u{1b}[2J\\r");
    }
}
