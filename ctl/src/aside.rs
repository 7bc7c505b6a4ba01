//! What is said beside an answer: a line on standard error, and commands to copy under the name by which this program was
//! called.

use std::{ffi::OsString, io::Write};

use crate::printable::printable;

const NAME: &str = "ingeroctl";

/// This program as it was called: by its name, or by the path that was typed.
#[must_use]
pub fn name() -> String {
    named(std::env::args_os().next())
}

// What a shell would not take as one word is not to be copied.
fn named(called: Option<OsString>) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+');
    let called = called.and_then(|name| name.into_string().ok());
    called.filter(|name| !name.is_empty() && name.chars().all(plain)).unwrap_or_else(|| NAME.to_owned())
}

/// A text whose commands, `` `ingeroctl …` ``, can be copied as they stand.
#[must_use]
pub fn to_copy(text: &str) -> String {
    with_name(text, &name())
}

fn with_name(text: &str, name: &str) -> String {
    text.replace(&format!("`{NAME} "), &format!("`{name} "))
}

/// One line on standard error; nobody is left to tell if that fails.
pub fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "{NAME}: {}", to_copy(&printable(what)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_to_copy_begin_with_the_name_that_was_called() {
        let hint = "x: `ingeroctl` is here; make it with `ingeroctl convert` or `ingeroctl import`";
        assert_eq!(with_name(hint, NAME), hint);
        let path = "./target/release/ingeroctl";
        let typed = "x: `ingeroctl` is here; make it with `./target/release/ingeroctl convert` or \
                     `./target/release/ingeroctl import`";
        assert_eq!(with_name(hint, &named(Some(path.into()))), typed);
    }

    #[test]
    fn a_name_that_is_no_word_of_a_shell_is_not_used() {
        for odd in ["", "a b/ingeroctl", "$(x)", "`ingeroctl", "ingero\nctl"] {
            assert_eq!(named(Some(odd.into())), NAME, "{odd:?}");
        }
        assert_eq!(named(None), NAME);
    }
}
