//! A progress bar on a terminal, and nothing elsewhere.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// Shows how far long work is.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar on standard error if that is a terminal.
    #[must_use]
    pub fn on_terminal() -> Self {
        if std::io::stderr().is_terminal() { Self(ProgressBar::no_length()) } else { Self::none() }
    }

    /// No bar.
    #[must_use]
    pub fn none() -> Self {
        Self(ProgressBar::hidden())
    }

    /// Starts a step of `length` units.
    pub fn begin(&self, length: u64, what: &'static str) {
        if let Ok(style) = ProgressStyle::with_template("{msg:>10} [{bar:40}] {percent}%") {
            self.0.set_style(style);
        }
        self.0.reset();
        self.0.set_length(length);
        self.0.set_message(what);
    }

    /// `position` units are done.
    pub fn at(&self, position: u64) {
        self.0.set_position(position);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
