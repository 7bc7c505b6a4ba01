//! One concept, one name: `docs/NAMES.md` is what the names' homes say, and they agree.

use std::{fs, path::Path};

use ingero_tests::names;

#[test]
fn names_agree_in_all_their_homes_and_are_those_of_the_document() {
    let page = names::document();
    assert!(page.faults.is_empty(), "one concept has two names:\n{}", page.faults.join("\n"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/NAMES.md");
    if std::env::var_os("INGERO_WRITE_NAMES").is_some() {
        fs::write(&path, &page.text).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let differs = written.lines().zip(page.text.lines()).find(|(old, new)| old != new);
    assert!(
        written == page.text,
        "docs/NAMES.md is not what the names' homes say; INGERO_WRITE_NAMES=1 cargo test -p ingero-tests --test names \
         writes it again. First difference, written and found: {differs:#?}"
    );
}

/// Words that say nothing of what a thing is: as the last word of a type's name, or as a module's.
const EMPTY: [&str; 8] = ["manager", "helper", "helpers", "util", "utils", "handler", "misc", "processor"];

#[test]
fn no_module_and_no_type_is_a_manager_helper_or_handler_of_things() {
    let mut types = 0;
    for folder in ["ebpf/abi/src", "ebpf/probes/src", "format/src", "recorder/src", "ctl/src", "tests/src"] {
        for (file, text) in names::source_files(folder) {
            let stem = Path::new(&file).file_stem().unwrap().to_str().unwrap();
            assert!(!EMPTY.contains(&stem), "{file}: a module's name says what it is for");
            for line in text.lines().map(str::trim_start) {
                let line = line.trim_start_matches("pub(super) ").trim_start_matches("pub(crate) ");
                let line = line.trim_start_matches("pub ");
                let kind = ["struct ", "enum ", "trait ", "type ", "mod "]
                    .iter()
                    .find_map(|kind| line.strip_prefix(kind));
                let Some(name) =
                    kind.and_then(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next())
                else {
                    continue;
                };
                types += 1;
                let ends = |word: &&&str| name.to_lowercase().ends_with(**word);
                assert!(EMPTY.iter().find(ends).is_none(), "{file}: `{name}`: what is it for?");
            }
        }
    }
    assert!(types > 300, "{types} types were found");
}
