//! What the documents for operators say, beside what the programs know.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use ingero_tests::lab::programs;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// A key of the packaged configuration.
struct Key {
    section: String,
    name: String,
    /// As the comment has it: a default, or an example of a key that is off.
    value: String,
}

/// Every key of the packaged configuration, which has them commented out: `#key = value`.
fn keys() -> Vec<Key> {
    let (mut section, mut keys) = (String::new(), Vec::new());
    for line in read("packaging/recorder.toml").lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        }
        let commented = line.strip_prefix('#').and_then(|rest| rest.split_once(" = "));
        let Some((name, value)) = commented.filter(|(name, _)| !name.contains(' ')) else { continue };
        let value = value.split_once(" #").map_or(value, |(value, _)| value).trim_end();
        keys.push(Key { section: section.clone(), name: name.to_owned(), value: value.to_owned() });
    }
    keys
}

#[test]
fn every_key_of_the_configuration_is_described_with_its_default() {
    let keys = keys();
    assert!(keys.len() > 45, "{} keys were found", keys.len());
    let text = read("docs/CONFIGURE.md");
    for Key { section, name, value } in keys {
        // In a section of its own, or in a table of several sections.
        let begin = text.find(&format!("\n## `[{section}]`")).unwrap_or(text.len());
        let own = text.split_at(begin).1.trim_start().split("\n## ").next().unwrap_or_default();
        let row = own.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
        let begins = format!("| `[{section}]` `{name}` |");
        let row = row.or_else(|| text.lines().find(|line| line.starts_with(&begins)));
        let row = row.unwrap_or_else(|| panic!("CONFIGURE.md has no row for [{section}] {name}"));
        assert!(row.contains(&value) || row.contains("not set"), "[{section}] {name} = {value}: {row}");
    }
}

#[test]
fn every_key_of_the_configuration_is_on_its_manual_page() {
    let page = read("packaging/man/recorder.toml.5");
    for Key { section, name, .. } in keys() {
        let of_section = page.split("\n.Sh ").find(|part| part.starts_with(&format!("[{section}]\n")));
        let part = of_section.unwrap_or_else(|| panic!("recorder.toml.5 has no section [{section}]"));
        let is_key = |line: &str| {
            line.strip_prefix(".It Sy ").and_then(|l| l.split(' ').next()) == Some(name.as_str())
        };
        assert!(part.lines().any(is_key), "recorder.toml.5: [{section}] {name}");
    }
}

#[test]
fn every_source_that_can_be_named_is_in_the_documents() {
    let families = ingero_format::ops::OPS.iter().map(|op| ingero_format::ops::family(op.number));
    // Calls of NCCL are of the source `cuda` and have a name of their own; what the recorder adds is not asked for.
    let named: BTreeSet<&str> = families.filter(|name| *name != "meta").chain(["nccl"]).collect();
    let (table, file) = (read("docs/CONFIGURE.md"), read("packaging/recorder.toml"));
    let page = read("packaging/man/recorder.toml.5");
    let page = page.split("\n.It Sy sources").nth(1).unwrap().split("\n.It ").next().unwrap().to_owned();
    let words: Vec<&str> = page.split(|c: char| !c.is_alphanumeric()).collect();
    assert!(named.contains("migrate") && named.len() >= 9, "{named:?}");
    for name in named {
        assert!(table.contains(&format!("\n| `{name}` | ")), "CONFIGURE.md: {name}");
        assert!(file.contains(&format!("\"{name}\"")), "recorder.toml: {name}");
        // In a list with quotation marks the word follows the name of the mark: `\(dqcuda`.
        assert!(words.contains(&name) || words.contains(&&*format!("dq{name}")), "recorder.toml.5: {name}");
    }
}

#[test]
fn every_option_of_the_recorder_is_on_its_manual_page() {
    let help = Command::new(programs().join("ingero-recorder")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let page = read("packaging/man/ingero-recorder.8");
    let options: Vec<&str> =
        help.lines().filter_map(|line| line.split_once("--")?.1.split([' ', ',']).next()).collect();
    assert!(options.contains(&"config") && options.contains(&"version"), "{options:?}");
    for option in options {
        assert!(page.contains(&format!("Fl Fl {option}")), "--{option} is not in ingero-recorder.8");
    }
}

/// README.md and the documents beside each other in docs/.
fn documents() -> Vec<PathBuf> {
    let listed = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = listed.filter(|path| path.extension().is_some_and(|e| e == "md")).collect();
    found.push(root().join("README.md"));
    found
}

/// As web pages of repositories make the anchor of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn has_anchor(text: &str, wanted: &str) -> bool {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#'))).any(|found| found == wanted)
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut links = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            links += 1;
            let (path, part) = link.split_once('#').unwrap_or((link, ""));
            let target =
                if path.is_empty() { document.clone() } else { document.parent().unwrap().join(path) };
            assert!(target.exists(), "{}: {link}", document.display());
            if !part.is_empty() {
                let of = fs::read_to_string(&target).unwrap();
                assert!(has_anchor(&of, part), "{}: {link}: no such heading", document.display());
            }
        }
    }
    assert!(links > 50, "{links} links were found");
}

/// The longest part of a format string that does not vary.
fn fixed_part(literal: &str) -> String {
    let joined: String =
        literal.split("\\\n").enumerate().map(|(i, l)| if i == 0 { l } else { l.trim_start() }).collect();
    let pieces = joined.split('{').enumerate();
    let fixed = pieces.map(|(i, p)| if i == 0 { p } else { p.split_once('}').map_or("", |(_, rest)| rest) });
    fixed.max_by_key(|piece| piece.len()).unwrap_or_default().replace("\\\"", "\"").trim().to_owned()
}

/// What a source file gives to the journal as a warning or an error.
fn journal_lines(source: &str) -> Vec<String> {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let mut found = Vec::new();
    for call in ["journal::warning(", "journal::error(", "journal::fields("] {
        for rest in code.split(call).skip(1) {
            let Some((before, literal)) = rest.split_once('"') else { continue };
            // A variable: its text is made elsewhere.
            if before.contains(')') {
                continue;
            }
            let mut end = literal.match_indices('"').map(|(at, _)| at);
            let end = end.find(|at| !literal.split_at(*at).0.ends_with('\\')).unwrap_or(literal.len());
            found.push(fixed_part(literal.split_at(end).0));
        }
    }
    found
}

#[test]
fn every_warning_and_error_in_the_journal_is_explained() {
    let explained = read("docs/TROUBLESHOOT.md").split_whitespace().collect::<Vec<_>>().join(" ");
    let (mut folders, mut lines) = (vec![root().join("recorder/src")], 0);
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            for line in journal_lines(&fs::read_to_string(&path).unwrap()).iter().filter(|l| l.len() > 5) {
                lines += 1;
                assert!(explained.contains(line.as_str()), "{}: `{line}`", path.display());
            }
        }
    }
    assert!(lines > 40, "{lines} lines were found");
}
