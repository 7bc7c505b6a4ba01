//! Inside a room too data flows one way: modules that lie side by side know each other in one direction, so that each can be
//! read, tested and thrown away without the ones above it.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use ingero_tests::source::{files, program, root};

/// A module by its names from the crate's root on.
type Module = Vec<String>;

/// The modules of a crate with their program; `lib` and `main` are their roots and none of them.
fn modules(of: &str) -> BTreeMap<Module, String> {
    let source = root().join(of).join("src");
    let module = |path: &Path| -> Module {
        let inside = path.strip_prefix(&source).unwrap().with_extension("");
        let names = inside.iter().map(|name| name.to_str().unwrap().to_owned());
        names.filter(|name| !matches!(name.as_str(), "mod" | "lib" | "main")).collect()
    };
    let all = files(of).into_iter().map(|path| (module(&path), program(&path)));
    all.filter(|(module, _)| !module.is_empty()).collect()
}

/// `a::{b, c::{d, e}}` as its paths.
fn unfold(tree: &str) -> Vec<String> {
    let Some((before, inner)) = tree.split_once('{') else { return vec![tree.to_owned()] };
    let (mut depth, mut begin, mut parts) = (0, 0, Vec::new());
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                parts.push(&inner[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    let each = parts.into_iter().filter(|part| !part.is_empty());
    each.flat_map(unfold).map(|path| format!("{before}{path}")).collect()
}

/// What stands between `use` and `;`, one path each, without spaces and new names; true beside those that are handed on.
fn imports(text: &str) -> Vec<(bool, String)> {
    let mut found = Vec::new();
    for statement in text.split(';') {
        let Some((before, tree)) = statement.rsplit_once("use ") else { continue };
        let plain = without_new_names(tree);
        let handed_on = before.lines().last().is_some_and(|line| line.trim_start().starts_with("pub"));
        found.extend(unfold(&plain).into_iter().map(|path| (handed_on, path)));
    }
    found
}

// Without spaces, and without the word behind each ` as `.
fn without_new_names(tree: &str) -> String {
    let words = tree.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut pieces = words.split(" as ");
    let first = pieces.next().unwrap_or_default().to_owned();
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let rest = pieces.map(|piece| piece.trim_start_matches(is_name));
    rest.fold(first, |all, piece| all + piece).replace(' ', "")
}

/// Paths in the text that begin at the crate or beside the module, where they stand.
fn mentions(text: &str) -> Vec<String> {
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let words = text.split(|c: char| !is_path(c));
    words
        .filter(|w| ["crate::", "super::", "self::"].iter().any(|p| w.starts_with(p)))
        .map(str::to_owned)
        .collect()
}

/// Which names of a module are really another's, handed on by `pub use`.
fn handed_on(modules: &BTreeMap<Module, String>) -> BTreeMap<(Module, String), Module> {
    let mut found = BTreeMap::new();
    for (module, text) in modules {
        for (_, path) in imports(text).into_iter().filter(|(handed_on, _)| *handed_on) {
            let parts: Vec<&str> = path.split("::").filter(|part| *part != "self").collect();
            let below: Module = module.iter().cloned().chain(parts.iter().map(|p| (*p).to_owned())).collect();
            let home = longest(modules, below);
            if let (Some(home), Some(name)) = (home.filter(|home| home.len() > module.len()), parts.last()) {
                found.insert((module.clone(), (*name).to_owned()), home);
            }
        }
    }
    found
}

/// The module that a path leads to or into.
fn longest(modules: &BTreeMap<Module, String>, mut path: Module) -> Option<Module> {
    while !path.is_empty() && !modules.contains_key(&path) {
        path.pop();
    }
    Some(path).filter(|path| !path.is_empty())
}

/// Where a path leads from inside a module, from the crate's root on.
fn absolute(module: &Module, path: &str) -> Module {
    let mut base = module.clone();
    let mut parts = path.split("::").filter(|part| !part.is_empty()).peekable();
    if parts.next_if_eq(&"crate").is_some() {
        base.clear();
    }
    while parts.next_if(|part| matches!(*part, "super" | "self")).is_some_and(|part| {
        if part == "super" {
            base.pop();
        }
        true
    }) {}
    base.extend(parts.map(str::to_owned));
    base
}

/// Whom each module knows.
fn known(modules: &BTreeMap<Module, String>) -> Vec<(Module, Module)> {
    let handed_on = handed_on(modules);
    let mut found = Vec::new();
    for (module, text) in modules {
        let imported = imports(text).into_iter().map(|(_, path)| path);
        for path in imported.chain(mentions(text)) {
            let whole = absolute(module, &path);
            let Some(mut other) = longest(modules, whole.clone()) else { continue };
            if let Some(home) =
                whole.get(other.len()).and_then(|name| handed_on.get(&(other.clone(), name.clone())))
            {
                other.clone_from(home);
            }
            found.push((module.clone(), other));
        }
    }
    found
}

/// Rooms of which nothing can be read first, one sentence each: what is left when modules that know no neighbour that is
/// left are taken away, again and again.
fn circles(modules: &BTreeMap<Module, String>) -> Vec<String> {
    let known = known(modules);
    let rooms: BTreeSet<&[String]> = modules.keys().map(|module| module.split_last().unwrap().1).collect();
    let mut wrong = Vec::new();
    for room in rooms {
        let side = |module: &Module| module.strip_prefix(room).and_then(<[String]>::first).cloned();
        let mut edges: BTreeSet<(String, String)> = known
            .iter()
            .filter_map(|(from, to)| Some((side(from)?, side(to)?)))
            .filter(|(a, b)| a != b)
            .collect();
        while let Some(last) =
            edges.iter().map(|(_, to)| to).find(|to| !edges.iter().any(|(from, _)| from == *to))
        {
            let last = last.clone();
            edges.retain(|(_, to)| *to != last);
        }
        wrong.extend(
            edges.iter().map(|(from, to)| {
                format!("{}: `{from}` knows `{to}`, and is reached from it", room.join("/"))
            }),
        );
    }
    wrong
}

#[test]
fn in_no_room_do_modules_know_each_other_in_a_circle() {
    for of in ["format", "recorder", "ctl"] {
        let modules = modules(of);
        assert!(modules.len() > 30 && known(&modules).len() > 100, "{of}: {} modules", modules.len());
        let wrong = circles(&modules);
        assert!(wrong.is_empty(), "{of}:\n{}", wrong.join("\n"));
    }
}

#[test]
fn a_circle_is_found_also_through_a_name_that_the_room_hands_on() {
    let crate_of = |modules: [(&str, &str); 4]| -> BTreeMap<Module, String> {
        let names = |path: &str| path.split('/').map(str::to_owned).collect();
        modules.into_iter().map(|(path, text)| (names(path), text.to_owned())).collect()
    };
    let room = "mod low;\nmod high;\nmod apart;\npub use high::{Deep as Name, other};\n";
    let high = "use super::{\n    apart::x,\n    low::{Base, more},\n};\n";
    let line = crate_of([("a", room), ("a/low", "use std::fs;\n"), ("a/high", high), ("a/apart", "")]);
    assert_eq!(circles(&line), Vec::<String>::new());
    for back in ["use crate::a::high::Deep;", "use super::{other, x};", "fn f() { super::high::g() }"] {
        let circle = crate_of([("a", room), ("a/low", back), ("a/high", high), ("a/apart", "")]);
        let wrong = circles(&circle);
        assert_eq!(wrong.len(), 2, "{back}: {wrong:?}");
        assert!(wrong.iter().all(|w| w.contains("low") && w.contains("high")), "{wrong:?}");
    }
}
