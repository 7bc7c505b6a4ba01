//! Rooms, as docs/ARCHITECTURE.md lists them: the modules at the top of each crate, from the bottom up. Code of a room knows
//! only rooms above it in its list, and crates only those that the manifest test in `house.rs` allows.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{collections::BTreeSet, fs, path::PathBuf};

use ingero_tests::source::{files, program, root};

/// The rooms of a crate, lowest first: what stands in backticks in the first column below its heading.
fn listed(of: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    let begin = text.find(&format!("\n### Rooms of `{of}`\n")).unwrap_or_else(|| panic!("no rooms of {of}"));
    let own = text.split_at(begin + 1).1.split("\n#").next().unwrap();
    let cells = own.lines().filter(|line| line.starts_with("| `")).filter_map(|line| line.split('|').nth(1));
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

/// Files of a crate, each with the room it is in.
fn in_rooms(of: &str) -> Vec<(String, PathBuf)> {
    let (source, files) = (root().join(of).join("src"), files(of));
    let room = |path: &PathBuf| {
        let first = path.strip_prefix(&source).unwrap().iter().next().unwrap().to_str().unwrap();
        first.trim_end_matches(".rs").to_owned()
    };
    files.into_iter().map(|path| (room(&path), path)).collect()
}

/// The first names of every path that begins at the crate: `crate::a::b`, and `crate::{a, b::{c}}`.
fn known(text: &str) -> BTreeSet<String> {
    let word =
        |text: &str| -> String { text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let mut found = BTreeSet::new();
    for after in text.split("crate::").skip(1) {
        let Some(inner) = after.strip_prefix('{') else {
            found.insert(word(after));
            continue;
        };
        let (mut depth, mut begins) = (0, true);
        for (at, c) in inner.char_indices() {
            match c {
                '}' if depth == 0 => break,
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => begins = true,
                c if begins && !c.is_whitespace() => {
                    found.insert(word(inner.split_at(at).1));
                    begins = false;
                }
                _ => {}
            }
        }
    }
    found
}

/// What `of` does against its list, one sentence each. Each file stands beside the room that it is in.
fn against(of: &str, rooms: &[String], files: &[(String, PathBuf)]) -> Vec<String> {
    let place = |room: &str| rooms.iter().position(|r| r == room);
    let mut wrong = Vec::new();
    for (room, path) in files {
        if matches!(room.as_str(), "lib" | "main") {
            continue;
        }
        let Some(own) = place(room) else {
            wrong.push(format!("{of}: `{room}` stands in no list of docs/ARCHITECTURE.md"));
            continue;
        };
        for other in known(&program(path)) {
            if place(&other).is_some_and(|theirs| theirs > own) {
                wrong.push(format!("{}: `{room}` knows `{other}`, which lies above it", path.display()));
            }
        }
    }
    let present: BTreeSet<&str> = files.iter().map(|(room, _)| room.as_str()).collect();
    wrong.extend(
        rooms.iter().filter(|r| !present.contains(r.as_str())).map(|r| format!("{of}: `{r}` is gone")),
    );
    wrong
}

#[test]
fn every_room_knows_only_those_below_it() {
    for of in ["format", "recorder", "ctl"] {
        let (rooms, files) = (listed(of), in_rooms(of));
        assert!(rooms.len() > 10 && files.len() > 30, "{of}: {} rooms, {} files", rooms.len(), files.len());
        let wrong = against(of, &rooms, &files);
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

#[test]
fn a_room_that_looks_upwards_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("low.rs");
    let text = "use crate::{\n    base, // high::Nothing\n    high::{Deep, base},\n};\nfn f() { crate::top::g() }\n\
                #[cfg(test)]\nmod tests { use crate::roof; }\n";
    fs::write(&path, text).unwrap();
    let rooms = ["base", "low", "high", "top", "roof"].map(str::to_owned);
    let files = rooms.clone().map(|room| (room, path.clone()));
    let wrong = against("x", &rooms, &files[1..2]);
    let told: Vec<bool> = ["high", "top", "roof", "base"]
        .map(|room| wrong.iter().any(|w| w.contains(&format!("`low` knows `{room}`"))))
        .to_vec();
    assert_eq!(told, [true, true, false, false], "{wrong:?}");
    assert_eq!(wrong.iter().filter(|w| w.contains("is gone")).count(), 4, "{wrong:?}");
}

/// Every file of the source, by its path from the root.
fn sources() -> Vec<PathBuf> {
    let (mut folders, mut found) =
        (["ctl", "ebpf", "format", "recorder", "tests", "fuzz"].map(|f| root().join(f)).to_vec(), Vec::new());
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() && !matches!(name, "target" | "corpus" | "fixtures" | "golden") {
                folders.push(path);
            } else if path.is_file() {
                found.push(path);
            }
        }
    }
    found
}

/// `a/{b,c}.rs` as its two paths.
fn alternatives(path: &str) -> Vec<String> {
    let Some((before, (inside, after))) =
        path.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
    else {
        return vec![path.to_owned()];
    };
    inside.split(',').map(|one| format!("{before}{one}{after}")).collect()
}

#[test]
fn every_file_and_every_test_that_the_architecture_names_is_there() {
    let text = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    let sources = sources();
    let code: String = sources
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let (mut paths, mut tests) = (0, 0);
    let quoted = text.split("```").step_by(2).flat_map(|prose| prose.split('`').skip(1).step_by(2));
    for quote in quoted {
        let is_path = quote.contains('/') && (quote.ends_with(".rs") || quote.ends_with(".rs}"));
        for path in alternatives(quote).into_iter().filter(|_| is_path) {
            paths += 1;
            assert!(sources.iter().any(|source| source.ends_with(&path)), "no file {path}");
        }
        let is_test =
            quote.matches('_').count() > 4 && quote.chars().all(|c| c.is_alphanumeric() || c == '_');
        if is_test {
            tests += 1;
            assert!(code.contains(&format!("fn {quote}(")), "no test {quote}");
        }
    }
    assert!(paths > 30 && tests > 25, "{paths} paths, {tests} tests");
}
