//! Aligned columns for a terminal. A table wider than the screen is written in parts.

use std::io::{self, Write};

use crate::{printable::printable, screen};

/// Between two columns.
const GAP: &str = "  ";

/// Rows of text in columns; the first `left` columns are left-aligned, the others right-aligned.
#[derive(Debug)]
pub struct Table {
    left: usize,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with its header row.
    #[must_use]
    pub fn new<const N: usize>(left: usize, header: [&str; N]) -> Self {
        Self { left, rows: vec![header.map(str::to_owned).to_vec()] }
    }

    /// A table with a header made at run time.
    #[must_use]
    pub fn with_header(left: usize, header: Vec<String>) -> Self {
        Self { left, rows: vec![header] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|c| printable(&c)).collect());
    }

    /// Writes it.
    ///
    /// # Errors
    /// As `out` does.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |i: usize| {
            self.rows.iter().filter_map(|r| r.get(i)).map(|c| c.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        match screen::columns() {
            Some(most) if total(&widths) > most => self.in_parts(&widths, most, out),
            _ => self.part(&widths.into_iter().enumerate().collect::<Vec<_>>(), out),
        }
    }

    /// As many columns as fit below each other, each part with the first columns: those that say what a row is of.
    fn in_parts(&self, widths: &[usize], most: usize, out: &mut dyn Write) -> io::Result<()> {
        let keys = if self.left < widths.len() { self.left } else { 1 };
        // Wide enough for two names of CUDA functions, and for what is told of them.
        let of_keys = most * 5 / 8;
        let asked: usize = widths.iter().take(keys).map(|width| width + GAP.len()).sum();
        let shared = (of_keys / keys.max(1)).saturating_sub(GAP.len());
        let longest = if asked <= of_keys { usize::MAX } else { shared };
        let narrow = |(i, width): (usize, &usize)| (i, (*width).min(longest));
        let first: Vec<(usize, usize)> = widths.iter().enumerate().take(keys).map(narrow).collect();
        let room = most - first.iter().map(|(_, width)| width + GAP.len()).sum::<usize>();
        let (mut part, mut used) = (first.clone(), 0);
        for (i, width) in widths.iter().enumerate().skip(keys) {
            let width = (*width).min(room);
            if used > 0 && used + GAP.len() + width > room {
                self.part(&part, out)?;
                writeln!(out)?;
                (part, used) = (first.clone(), 0);
            }
            used += width + if used == 0 { 0 } else { GAP.len() };
            part.push((i, width));
        }
        self.part(&part, out)
    }

    fn part(&self, columns: &[(usize, usize)], out: &mut dyn Write) -> io::Result<()> {
        for row in &self.rows {
            let mut line = String::new();
            for (at, (i, width)) in columns.iter().enumerate() {
                let Some(cell) = row.get(*i) else { continue };
                let (gap, cell) = (if at == 0 { "" } else { GAP }, shortened_to(*width, cell));
                let padding = " ".repeat(width - cell.chars().count());
                if *i < self.left {
                    line.extend([gap, &cell, &padding]);
                } else {
                    line.extend([gap, &padding, &cell]);
                }
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

fn total(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1)
}

/// A text without its middle if it has more than `most` characters: both ends tell names apart.
#[must_use]
pub fn shortened_to(most: usize, text: &str) -> String {
    let chars = text.chars().count();
    if chars <= most {
        return text.to_owned();
    }
    let begin: String = text.chars().take(most / 2).collect();
    let end: String = text.chars().skip(chars - most / 2 + 1).collect();
    format!("{begin}…{end}")
}
