//! Log lines. Under systemd they go to the journal with their priority, and some with fields to search for.

use std::{borrow::Cow, io::Write, os::unix::net::UnixDatagram, sync::OnceLock};

/// Something failed (syslog's `err`).
pub const ERROR: u8 = 3;
/// Something needs attention (`warning`).
pub const WARNING: u8 = 4;
/// Normal life (`info`).
pub const INFO: u8 = 6;

/// The journal's own socket: systemd-journald.service(8), "Journal native protocol".
const SOCKET: &str = "/run/systemd/journal/socket";

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
    line(ERROR, text);
}

/// Something needs attention, or somebody asked for a snapshot.
pub fn warning(text: &str) {
    line(WARNING, text);
}

/// Normal life.
pub fn info(text: &str) {
    line(INFO, text);
}

/// A line with fields of its own, by which `journalctl FIELD=value` finds it. Names are letters and `_`. Without a
/// journal the line alone.
pub fn fields(priority: u8, text: &str, fields: &[(&str, &str)]) {
    if !prefixed() || send(&entry(priority, text, fields)).is_err() {
        line(priority, text);
    }
}

// One `NAME=value` a line: values hold no line breaks, since control characters are escaped.
fn entry(priority: u8, text: &str, fields: &[(&str, &str)]) -> String {
    let mut entry =
        format!("PRIORITY={priority}\nSYSLOG_IDENTIFIER=ingero-recorder\nMESSAGE={}\n", printable(text));
    for (name, value) in fields {
        entry += &format!("{name}={}\n", printable(value));
    }
    entry
}

// Never waits: a journal that does not read must not hold a thread up.
fn send(entry: &str) -> std::io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to(entry.as_bytes(), SOCKET).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_call_themselves_neither_begins_a_line_nor_steers_a_terminal() {
        assert_eq!(printable("/lib/plain é"), "/lib/plain é");
        assert_eq!(printable("a\n<0>b\u{1b}[2J\r"), "a\\n<0>b\\u{1b}[2J\\r");
    }

    #[test]
    fn no_value_can_add_a_field_to_the_journals_entry() {
        let entry = entry(WARNING, "a\nPRIORITY=0", &[("INGERO_REASON", "b\nINGERO_SNAPSHOT=x")]);
        let names: Vec<&str> = entry.lines().filter_map(|line| line.split('=').next()).collect();
        assert_eq!(names, ["PRIORITY", "SYSLOG_IDENTIFIER", "MESSAGE", "INGERO_REASON"]);
    }
}
