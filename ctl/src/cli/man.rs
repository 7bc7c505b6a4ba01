//! `ingeroctl man`.

use std::{fs, io::Write, path::PathBuf};

use super::command;
use crate::{
    aside,
    error::{Error, Outcome},
};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder for a page of each command, made if need be; without it the main page goes to standard output.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// Writes the pages.
///
/// # Errors
/// If a file cannot be written, or as `out` does.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome, Error> {
    match &args.output {
        Some(folder) => {
            let pages = || {
                fs::create_dir_all(folder)?;
                clap_mangen::generate_to(command(), folder)
            };
            pages().map_err(Error::writing(folder))?;
            aside::say(&format!("{}: ingeroctl.1 and a page for each command written", folder.display()));
        }
        None => clap_mangen::Man::new(command()).render(out)?,
    }
    Ok(Outcome::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_with_its_options_and_its_example() {
        let folder = tempfile::tempdir().unwrap();
        let pages = folder.path().join("man1");
        run(&Args { output: Some(pages.clone()) }, &mut Vec::new()).unwrap();
        for sub in command().get_subcommands().filter(|sub| sub.get_name() != "help") {
            let page = fs::read_to_string(pages.join(format!("ingeroctl-{}.1", sub.get_name()))).unwrap();
            assert!(page.contains(".SH OPTIONS") && page.contains("Example"), "{page}");
        }
        assert!(fs::read_to_string(pages.join("ingeroctl.1")).unwrap().contains("snapshot"));
    }
}
