//! `docs/NAMES.md`, made from the places where names stand; what disagrees between two places is a fault.
//!
//! Facts are taken where they are in force: from linked tables, from a database that `ingeroctl` made, from its
//! `--help` and its JSON. What cannot be linked (the kernel's side, what a crate keeps to itself) is read as text.

mod causes;
mod config;
mod json;
mod losses;
mod metrics;
mod ops;
mod page;
mod programs;
mod sources;
mod sql;
mod triggers;
mod units;

pub use page::{Page, sources as source_files};

/// The document, and in [`Page::faults`] where two places differ.
pub fn document() -> Page {
    let mut page = Page::default();
    page.line("# Names");
    page.line("");
    page.line("One concept, one name: each name with its homes. Made by code from those homes, not written: after a change");
    page.line("`INGERO_WRITE_NAMES=1 cargo test -p ingero-tests --test names` writes it again. The same test fails where two homes");
    page.line("disagree, and where this file is not what they say. `[x]` is a section of `recorder.toml`.");
    units::times(&mut page);
    sources::write(&mut page);
    ops::write(&mut page);
    programs::write(&mut page);
    losses::write(&mut page);
    causes::write(&mut page);
    triggers::write(&mut page);
    let db = sql::Fixture::new();
    sql::write(&mut page, &db);
    json::write(&mut page, &db);
    metrics::write(&mut page);
    config::write(&mut page);
    units::suffixes(&mut page);
    page.line("");
    page.text.push_str(include_str!("names/exceptions.md"));
    page
}
