//! What people read: no control characters, and no line longer than the screen.
//!
//! The screen is as wide as `COLUMNS` says, else as the terminal is; a pipe or a file has no width, and nothing that
//! goes there is cut or wrapped. JSON and CSV do not come through here.

use std::{
    cell::Cell,
    io::{self, IsTerminal, Write},
};

use crate::printable::printable;

/// Narrowest screen that is respected.
const NARROWEST: usize = 40;
/// Blanks by which a line that goes on is indented more than its begin.
const INDENT: usize = 4;

thread_local! {
    static COLUMNS: Cell<Option<usize>> = const { Cell::new(None) };
}

/// How wide the screen of this thread is; none if nothing is to be cut or wrapped.
#[must_use]
pub fn columns() -> Option<usize> {
    COLUMNS.get()
}

/// From now on the screen of this thread is so wide.
pub fn set_columns(columns: Option<usize>) {
    COLUMNS.set(columns.map(|c| c.max(NARROWEST)));
}

/// How wide the screen of this process is.
#[must_use]
pub fn measured() -> Option<usize> {
    let asked = std::env::var("COLUMNS").ok().and_then(|c| c.trim().parse().ok()).filter(|c| *c > 0);
    let terminal = || {
        let on_terminal = io::stdout().is_terminal();
        on_terminal.then(|| ratatui::crossterm::terminal::size().ok())?.map(|(columns, _)| columns.into())
    };
    asked.or_else(terminal).filter(|c: &usize| *c > 0)
}

/// Lines on their way to a person.
pub struct Screen<'a> {
    out: &'a mut dyn Write,
    line: Vec<u8>,
}

impl<'a> Screen<'a> {
    /// Writes to `out` line by line.
    pub fn new(out: &'a mut dyn Write) -> Self {
        Self { out, line: Vec::new() }
    }

    fn end_line(&mut self) -> io::Result<()> {
        let line = printable(&String::from_utf8_lossy(&std::mem::take(&mut self.line)));
        match columns() {
            Some(columns) => wrapped(&line, columns).iter().try_for_each(|l| writeln!(self.out, "{l}")),
            None => writeln!(self.out, "{line}"),
        }
    }
}

impl Write for Screen<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|b| *b == b'\n') {
            match part.strip_suffix(b"\n") {
                Some(end) => {
                    self.line.extend(end);
                    self.end_line()?;
                }
                None => self.line.extend(part),
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A line as lines of at most so many characters, broken at blanks where there are any.
fn wrapped(line: &str, columns: usize) -> Vec<String> {
    let mut rest: Vec<char> = line.chars().collect();
    let begin = rest.iter().take_while(|c| **c == ' ').count();
    let indent = " ".repeat((begin + INDENT).min(columns / 2));
    let mut lines = Vec::new();
    while rest.len() > columns {
        let own = if lines.is_empty() { begin } else { indent.len() };
        let blank = (own + 1..=columns).rev().find(|i| rest.get(*i) == Some(&' '));
        let at = blank.unwrap_or(columns);
        let next = rest.split_off(at);
        lines.push(rest.iter().collect::<String>().trim_end().to_owned());
        rest = indent.chars().chain(next.into_iter().skip_while(|c| *c == ' ')).collect();
    }
    let last: String = rest.iter().collect();
    if !last.trim().is_empty() || lines.is_empty() {
        lines.push(last);
    }
    lines
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Does something on a screen of 80 columns.
    pub fn on_80_columns<T>(run: impl FnOnce() -> T) -> T {
        set_columns(Some(80));
        let done = run();
        set_columns(None);
        done
    }

    #[test]
    fn a_long_line_goes_on_below_and_keeps_its_words() {
        let line = format!("  numbers   {}", "cuLaunchKernel ".repeat(12));
        let lines = wrapped(line.trim_end(), 80);
        assert!(lines.len() == 3 && lines.iter().all(|l| l.chars().count() <= 80), "{lines:?}");
        assert!(lines[1].starts_with("      cuLaunchKernel"), "{lines:?}");
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&lines.join(" ")), words(&line));
    }

    #[test]
    fn a_word_without_blanks_is_broken_and_no_character_goes() {
        for line in ["x".repeat(200), format!("{}{}", " ".repeat(90), "ü".repeat(90)), "y".repeat(80)] {
            let lines = wrapped(&line, 80);
            assert!(lines.iter().all(|l| l.chars().count() <= 80), "{lines:?}");
            let solid = |text: &str| text.replace(' ', "");
            assert_eq!(solid(&lines.concat()), solid(&line));
        }
    }

    #[test]
    fn what_is_piped_is_not_wrapped_and_control_characters_never_pass() {
        let mut out = Vec::new();
        write!(Screen::new(&mut out), "a\u{1b}[2J{}\u{202e}\r\nb\n", "x".repeat(100)).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, format!("a\u{fffd}[2J{}\u{fffd}\u{fffd}\nb\n", "x".repeat(100)));
    }
}
