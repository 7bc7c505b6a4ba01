//! Aligned columns for a terminal.

use std::io::{self, Write};

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
        for row in &self.rows {
            let mut line = String::new();
            for (i, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let gap = if i == 0 { "" } else { "  " };
                let padding = " ".repeat(width - cell.chars().count());
                if i < self.left {
                    line.extend([gap, cell, &padding]);
                } else {
                    line.extend([gap, &padding, cell]);
                }
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Names come from other processes: control characters must not reach the terminal.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
