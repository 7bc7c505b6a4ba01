//! Log lines. Under systemd each begins with its priority, which the journal understands.

use std::{io::Write, sync::OnceLock};

fn prefixed() -> bool {
    static UNDER_JOURNAL: OnceLock<bool> = OnceLock::new();
    *UNDER_JOURNAL.get_or_init(|| std::env::var_os("JOURNAL_STREAM").is_some())
}

fn line(priority: u8, text: &str) {
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
