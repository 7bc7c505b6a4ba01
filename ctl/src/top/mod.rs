//! `ingeroctl top`: the status as it moves.
//!
//! ```text
//! recorder --status each interval--> rates::View (pure) --> screen (one frame) --> terminal
//! ```

pub mod command;
mod rates;
mod screen;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::{client, error::Error};
use rates::View;

/// Shows the status until somebody presses `q`; asks anew every `interval`.
///
/// # Errors
/// If the recorder does not answer the first time, or the terminal fails.
pub fn run(socket: &Path, interval: Duration) -> Result<(), Error> {
    // Asked before the screen is taken: an error is then one plain line.
    let mut view = View::first(client::status(socket)?);
    let mut terminal = ratatui::init();
    let shown = watch(&mut terminal, socket, interval, &mut view);
    ratatui::restore();
    shown
}

fn watch(
    terminal: &mut ratatui::DefaultTerminal,
    socket: &Path,
    interval: Duration,
    view: &mut View,
) -> Result<(), Error> {
    let mut due = Instant::now() + interval;
    loop {
        terminal.draw(|frame| screen::draw(frame, view)).map_err(Error::terminal)?;
        if event::poll(due.saturating_duration_since(Instant::now())).map_err(Error::terminal)? {
            match event::read().map_err(Error::terminal)? {
                Event::Key(key) if key.kind == KeyEventKind::Press && is_end(key) => return Ok(()),
                _ => continue,
            }
        }
        if Instant::now() >= due {
            due = Instant::now() + interval;
            match client::status(socket) {
                Ok(status) => view.next(status),
                // It may be restarting: the last picture stays, and says so.
                Err(e) => view.silent(e.to_string()),
            }
        }
    }
}

fn is_end(key: KeyEvent) -> bool {
    let interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    interrupt || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
}
