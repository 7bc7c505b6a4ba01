//! The program's own source as text, for tests of how the house is built.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The repository's folder.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Files below a crate's `src` that are part of the program: those named `tests` are not.
///
/// # Panics
/// If they cannot be listed.
#[must_use]
pub fn files(of: &str) -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![root().join(of).join("src")], Vec::new());
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.file_stem().is_some_and(|name| name == "tests") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found
}

/// The program of a source file: without comments, and without its tests, which may look anywhere.
///
/// # Panics
/// If it cannot be read.
#[must_use]
pub fn program(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let whole: String = lines.map(|line| format!("{line}\n")).collect();
    // A module of tests stands last in its file.
    let tests =
        ["#[cfg(test)]\nmod tests", "#[cfg(test)]\npub mod tests", "#[cfg(test)]\npub(crate) mod tests"];
    let end = tests.iter().filter_map(|head| whole.find(head)).min().unwrap_or(whole.len());
    whole.split_at(end).0.to_owned()
}
