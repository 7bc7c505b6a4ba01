//! Prints what files of the recorder hold, as JSON: `cargo run -p ingero-format --example dump -- FILE...`
//!
//! The shape is described in `tests/golden/README.md`. What a file is taken for is decided by its name.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "../tests/support/dump.rs"]
mod dump;

use std::{env, fs, path::Path, process::ExitCode};

fn main() -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for file in env::args_os().skip(1) {
        let path = Path::new(&file);
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        match fs::read(path) {
            Ok(bytes) => println!("{:#}", dump::dump(&name, &bytes)),
            Err(e) => {
                eprintln!("{}: {e}", path.display());
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}
