//! An investigation as one HTML file: the answer, a timeline, and tables, for whoever opens it anywhere.
//!
//! Promises: the same database gives the same bytes; the file needs no network and asks for none; what a trace
//! says is text in it, never markup or code; it is no larger than [`MAX_BYTES`], and says what was left out for
//! that. Everything is read through [`rows`], from the views of the contract.
//!
//! | module | part |
//! |---|---|
//! | [`rows`] | rows of the views |
//! | [`collect`], [`thread`], [`grid`], [`longest`], [`names`] | sums and the longest things of each thread |
//! | [`kinds`] | which colour |
//! | [`lanes`], [`counters`], [`waiting`] | what is written of it |
//! | [`content`], [`page`] | the JSON object, and the page around it |
//! | `page/` | the page's own script and style |

mod collect;
mod content;
mod counters;
mod grid;
mod kinds;
mod lanes;
mod longest;
mod names;
mod page;
mod rows;
#[cfg(test)]
mod tests;
mod thread;
mod waiting;

use std::path::Path;

use content::Content;
use lanes::Budget;

use crate::{error::Error, progress::Progress};

/// Largest page.
pub const MAX_BYTES: usize = 5 << 20;
/// How often the budget is halved for a page that would be larger.
const TRIES: usize = 6;

/// What a report is made of.
#[derive(Debug)]
pub struct Report {
    /// The page.
    pub html: String,
    /// False if data was lost or coverage is partial.
    pub complete: bool,
    /// The answer in one sentence.
    pub sentence: String,
}

/// Makes the report of a database.
///
/// # Errors
/// If the database cannot be read.
pub fn report(db: &Path, progress: &Progress) -> Result<Report, Error> {
    within(MAX_BYTES, db, progress)
}

fn within(max_bytes: usize, db: &Path, progress: &Progress) -> Result<Report, Error> {
    let content = Content::of(db, progress)?;
    let mut budget = Budget::FULL;
    let mut html = page::page(&content.title(), &content.json(budget));
    for _ in 0..TRIES {
        if html.len() <= max_bytes {
            break;
        }
        budget = budget.half();
        html = page::page(&content.title(), &content.json(budget));
    }
    Ok(Report { html, complete: content.complete(), sentence: content.sentence() })
}
