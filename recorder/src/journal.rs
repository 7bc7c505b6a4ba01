//! Log lines. Under systemd they go to the journal with their priority, and some with fields to search for.

use std::{collections::BTreeSet, io::Write, os::unix::net::UnixDatagram, sync::OnceLock};

use crate::printable::escaped;

/// Something failed (`LOG_ERR` of syslog(3)).
pub const ERROR: u8 = 3;
/// Something needs attention (`LOG_WARNING`).
pub const WARNING: u8 = 4;
/// Normal life (`LOG_INFO`).
pub const INFO: u8 = 6;

/// The journal's own socket: systemd-journald.service(8), "Journal native protocol".
const SOCKET: &str = "/run/systemd/journal/socket";

fn prefixed() -> bool {
    static UNDER_JOURNAL: OnceLock<bool> = OnceLock::new();
    *UNDER_JOURNAL.get_or_init(|| std::env::var_os("JOURNAL_STREAM").is_some())
}

fn line(priority: u8, text: &str) {
    let text = escaped(text);
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

/// A line with fields of its own, (name, value), by which `journalctl FIELD=value` finds it. Names are capital letters
/// and `_`. Without a journal the line alone.
pub fn fields(priority: u8, text: &str, fields: &[(&str, &str)]) {
    if !prefixed() || send(&entry(priority, text, fields)).is_err() {
        line(priority, text);
    }
}

// One `NAME=value` a line: values hold no line breaks, since control characters are escaped.
fn entry(priority: u8, text: &str, fields: &[(&str, &str)]) -> String {
    let mut entry =
        format!("PRIORITY={priority}\nSYSLOG_IDENTIFIER=ingero-recorder\nMESSAGE={}\n", escaped(text));
    for (name, value) in fields {
        entry += &format!("{name}={}\n", escaped(value));
    }
    entry
}

// Never waits: a journal that does not read must not hold a thread up.
fn send(entry: &str) -> std::io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to(entry.as_bytes(), SOCKET).map(drop)
}

/// What fails of the things tried at intervals: told when it begins and when it ends, not at every turn.
#[derive(Debug, Default)]
pub struct Failing {
    /// Begins every line.
    whose: &'static str,
    what: BTreeSet<String>,
}

impl Failing {
    /// Nothing fails yet; lines begin with `whose`, such as `trigger ttft: `.
    #[must_use]
    pub fn of(whose: &'static str) -> Self {
        Self { whose, what: BTreeSet::new() }
    }

    /// `what` was tried in vain. True if that is new: then it was told.
    pub fn fails(&mut self, what: &str, why: &str) -> bool {
        let new = !self.what.contains(what) && self.what.insert(what.to_owned());
        if new {
            warning(&format!("{}{what}: {why}", self.whose));
        }
        new
    }

    /// `what` was tried and worked. True if it had failed before: then it was told, with the words of `again`.
    pub fn works(&mut self, what: &str, again: &str) -> bool {
        let ended = self.what.remove(what);
        if ended {
            info(&format!("{}{what}: {again}", self.whose));
        }
        ended
    }

    /// All that fails now, with commas between; `None` if nothing does.
    #[must_use]
    pub fn names(&self) -> Option<String> {
        let names: Vec<&str> = self.what.iter().map(String::as_str).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_when_it_begins_and_when_it_ends_each_thing_for_itself() {
        let mut failing = Failing::default();
        assert!(!failing.works("a", "again"), "it never failed");
        assert_eq!(
            [failing.fails("b", "no"), failing.fails("b", "no"), failing.fails("a", "no")],
            [true, false, true]
        );
        assert_eq!(failing.names().as_deref(), Some("a, b"));
        assert_eq!([failing.works("b", "again"), failing.works("b", "again")], [true, false]);
        assert!(failing.works("a", "again") && failing.names().is_none());
    }

    #[test]
    fn no_value_can_add_a_field_to_the_journals_entry() {
        let entry = entry(WARNING, "a\nPRIORITY=0", &[("INGERO_REASON", "b\nINGERO_SNAPSHOT=x")]);
        let names: Vec<&str> = entry.lines().filter_map(|line| line.split('=').next()).collect();
        assert_eq!(names, ["PRIORITY", "SYSLOG_IDENTIFIER", "MESSAGE", "INGERO_REASON"]);
    }
}
