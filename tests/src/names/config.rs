//! Keys of the configuration, and options of both programs.

use std::process::Command;

use super::{
    page::{Page, code, read},
    sources::allowed,
    sql::ingeroctl,
    units,
};
use crate::lab::programs;

/// A key as the packaged file has it.
pub(super) struct Key {
    pub section: String,
    pub name: String,
    pub value: String,
}

/// Every key of the packaged file, which has them commented out: `#key = value`.
pub(super) fn keys() -> Vec<Key> {
    let (mut section, mut keys) = (String::new(), Vec::new());
    for line in read("packaging/recorder.toml").lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        }
        let pair = line.strip_prefix('#').and_then(|rest| rest.split_once(" = "));
        let Some((name, value)) = pair.filter(|(name, _)| !name.contains(' ')) else { continue };
        let value = value.split(" #").next().unwrap().trim_end();
        keys.push(Key { section: section.clone(), name: name.to_owned(), value: value.to_owned() });
    }
    keys
}

/// What kind of value a key takes, by its default.
fn kind(key: &Key) -> String {
    let text = key.value.trim_matches('"');
    let is_quoted = key.value.starts_with('"');
    if is_quoted && ingero_format::units::parse_time_ns(text).is_ok() {
        return "time with unit".into();
    }
    if is_quoted && ingero_format::units::parse_size_bytes(text).is_ok() {
        return "size with unit".into();
    }
    match key.value.as_bytes().first() {
        Some(b'0'..=b'9') => "number".into(),
        Some(b't' | b'f') => "true, false".into(),
        Some(b'[') if key.name == "sources" => "list of sources".into(),
        Some(b'[') => "list of texts".into(),
        _ => {
            let values = allowed(&key.section, &key.name, false);
            let shown: Vec<String> = values.iter().map(|value| code(value)).collect();
            let is_word = values.iter().all(|v| v.bytes().all(|b| b.is_ascii_alphanumeric()));
            if shown.is_empty() || !is_word || !values.contains(&text.to_owned()) {
                "text".into()
            } else {
                shown.join(", ")
            }
        }
    }
}

pub(super) fn write(page: &mut Page) {
    page.heading("Configuration", "Keys of `recorder.toml`; `docs/CONFIGURE.md` says what they do.");
    page.table(&["section", "key", "value"]);
    for key in keys() {
        let (place, kind) = (format!("packaging/recorder.toml: [{}] {}", key.section, key.name), kind(&key));
        if kind == "number" {
            units::check(page, &place, &key.name);
        }
        page.row(&[code(&format!("[{}]", key.section)), code(&key.name), kind]);
    }
    page.heading(
        "Command line",
        "Options beside `--help` and `--version`; all of `ingeroctl` takes `--socket` and `--strict`, which are shown where they do something.",
    );
    page.table(&["command", "arguments and options"]);
    let help = ingeroctl(&["--help"]);
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let commands = commands.lines().filter(|l| l.starts_with("  ") && !l.starts_with("   "));
    let commands = commands.map(|line| line.split_whitespace().next().unwrap());
    for command in commands.filter(|command| *command != "help") {
        row(page, &format!("ingeroctl {command}"), &ingeroctl(&[command, "--help"]));
    }
    let output = Command::new(programs().join("ingero-recorder")).arg("--help").output().unwrap();
    row(page, "ingero-recorder", &String::from_utf8(output.stdout).unwrap());
}

/// One command with what its help says it takes.
fn row(page: &mut Page, command: &str, help: &str) {
    let usage = help.split("Usage: ").nth(1).unwrap().split("\n\n").next().unwrap();
    let arguments =
        usage.split_whitespace().filter(|w| w.starts_with('<') || (w.starts_with('[') && *w != "[OPTIONS]"));
    let mut taken: Vec<String> = arguments.map(code).collect();
    for line in help.lines().map(str::trim_start).filter(|line| line.starts_with('-')) {
        let Some(at) = line.find("--") else { continue };
        let option = line[at..].split("  ").next().unwrap().trim();
        let is_common = ["--help", "--version", "--socket", "--strict"].iter().any(|c| option.starts_with(c));
        if !is_common {
            taken.push(code(option));
        }
    }
    page.row(&[code(command), if taken.is_empty() { "–".into() } else { taken.join(", ") }]);
}
