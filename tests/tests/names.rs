//! One concept, one name: `docs/NAMES.md` is what the names' homes say, and they agree.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

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
