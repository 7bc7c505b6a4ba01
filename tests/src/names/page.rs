//! The document under way, and ways to read what stands elsewhere.

use std::{fs, path::Path};

/// Text so far, and what was found wrong.
#[derive(Default)]
pub struct Page {
    /// Markdown.
    pub text: String,
    /// One line each, naming both places.
    pub faults: Vec<String>,
}

impl Page {
    /// Adds a line.
    pub fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Begins a section.
    pub fn heading(&mut self, title: &str, about: &str) {
        self.text.push_str(&format!("\n## {title}\n\n"));
        if !about.is_empty() {
            self.text.push_str(&format!("{about}\n\n"));
        }
    }

    /// Begins a table.
    pub fn table(&mut self, columns: &[&str]) {
        self.line(&format!("| {} |", columns.join(" | ")));
        self.line(&format!("|{}", "---|".repeat(columns.len())));
    }

    /// Adds a row of a table.
    pub fn row(&mut self, cells: &[String]) {
        self.line(&format!("| {} |", cells.join(" | ")));
    }

    /// Notes a fault unless two places say the same.
    pub fn agree<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, one: (&str, T), other: (&str, T)) {
        if one.1 != other.1 {
            self.faults.push(format!("{what}: {} has {:?}, {} has {:?}", one.0, one.1, other.0, other.1));
        }
    }

    /// Notes a fault unless it holds.
    pub fn holds(&mut self, holds: bool, fault: impl FnOnce() -> String) {
        if !holds {
            self.faults.push(fault());
        }
    }
}

/// A name as code.
pub fn code(name: &str) -> String {
    if name.is_empty() { "–".to_owned() } else { format!("`{}`", name.replace('|', "\\|")) }
}

/// A file of the repository.
pub fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::read_to_string(root.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Rust files below a folder without their tests: path and text.
pub fn sources(folder: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let (mut folders, mut found) = (vec![root.join(folder)], Vec::new());
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.strip_prefix(root).unwrap().display().to_string();
            if path.is_dir() && !path.ends_with("tests") {
                folders.push(path);
            } else if name.ends_with(".rs") && !name.ends_with("/tests.rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((name, text.split("#[cfg(test)]").next().unwrap().to_owned()));
            }
        }
    }
    found.sort();
    found
}

/// What stands between braces behind `begin`.
pub fn block<'a>(text: &'a str, begin: &str) -> &'a str {
    let (_, rest) = text.split_once(begin).unwrap_or_else(|| panic!("there is no `{begin}`"));
    rest.split_once('{').unwrap().1.split("\n}").next().unwrap()
}

/// Lines `Name = number,` of an enum, or `pub const NAME: u16 = number;` of a module.
pub fn numbered(block: &str) -> Vec<(String, u64)> {
    let lines = block.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    let pairs = lines.filter_map(|line| line.trim_end_matches([',', ';']).split_once(" = "));
    let named = pairs.map(|(name, value)| {
        let name = name.trim_start_matches("pub const ").split(':').next().unwrap();
        let number =
            value.strip_prefix("0x").map_or_else(|| value.parse(), |hex| u64::from_str_radix(hex, 16));
        (name.to_owned(), number.unwrap_or_else(|_| panic!("{name} = {value} is no number")))
    });
    named.collect()
}

/// `FirstUse` as `first_use`.
pub fn snake(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}
