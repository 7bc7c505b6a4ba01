//! The same files through `ingeroctl`, with little memory.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use ingero_format::segment::file_name;
use tempfile::TempDir;

use super::{
    Kind, Lie,
    make::{manifest, ring, segment_around},
};
use crate::lab::programs;

/// Address space, KiB: the program itself, its stack, and what a reader may take.
const ADDRESS_SPACE_KIB: u32 = 192 << 10;
/// Starting a program on a machine that others share takes its time.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs the commands that read such a file.
///
/// # Errors
/// If one ends by a signal or a panic, says nothing, says more than one line, or leaves half a database behind.
pub fn hear(lie: &Lie) -> Result<(), String> {
    let folder = tempfile::Builder::new().prefix("ingero-lie-").tempdir().unwrap();
    let Some(paths) = place(lie, &folder) else { return Ok(()) };
    for path in &paths {
        let database = folder.path().join("out.db");
        for command in ["verify", "convert"] {
            let mut arguments = vec![command.as_ref(), path.as_os_str()];
            if command == "convert" {
                arguments.extend(["-o".as_ref(), database.as_os_str()]);
            }
            run(&arguments).map_err(|e| format!("{command} {}: {e}", path.display()))?;
            let left = fs::read_dir(folder.path()).unwrap().flatten().count();
            let expected = 1 + usize::from(database.exists());
            if left != expected {
                return Err(format!("{command} left {left} things, {expected} expected"));
            }
        }
        let _ = fs::remove_file(&database);
    }
    Ok(())
}

fn run(arguments: &[&std::ffi::OsStr]) -> Result<(), String> {
    let begun = Instant::now();
    let limited = format!("ulimit -v {ADDRESS_SPACE_KIB}; exec \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &limited, "sh"]).arg(programs().join("ingeroctl")).args(arguments);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.code() {
        Some(0) => {}
        Some(3) if said.trim_end().lines().count() == 1 => {}
        code => return Err(format!("exit {code:?}: {said}")),
    }
    if begun.elapsed() > PATIENCE {
        return Err(format!("it takes {:?}", begun.elapsed()));
    }
    Ok(())
}

// All in one folder, so that what a command leaves behind is seen.
fn place(lie: &Lie, folder: &TempDir) -> Option<Vec<PathBuf>> {
    let input = folder.path().join("in");
    fs::create_dir(&input).unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(input.join(name), bytes).unwrap();
    let honest = segment_around(&[]);
    let alone = |name: &str| vec![input.clone(), input.join(name)];
    let first = &file_name(1);
    Some(match lie.kind {
        Kind::Segment => {
            write("RING", &ring());
            write(first, &honest);
            write(&file_name(2), &lie.bytes);
            alone(&file_name(2))
        }
        Kind::Head => {
            write("RING", &ring());
            write(first, &honest);
            write("head", &lie.bytes);
            vec![input.clone()]
        }
        Kind::Ring => {
            write("RING", &lie.bytes);
            write(first, &honest);
            vec![input.clone()]
        }
        Kind::Manifest => {
            write("MANIFEST", &lie.bytes);
            write(first, &honest);
            vec![input.clone()]
        }
        Kind::Bundle => {
            write("x.ingero", &lie.bytes);
            vec![input.join("x.ingero")]
        }
        Kind::Control => return None,
    })
}

/// An honest file passes all of this.
///
/// # Panics
/// If it does not: then nothing said about lies would mean anything.
pub fn self_check() {
    let folder = tempfile::Builder::new().prefix("ingero-lie-").tempdir().unwrap();
    let path: &Path = folder.path();
    fs::write(path.join("RING"), ring()).unwrap();
    fs::write(path.join(file_name(1)), segment_around(&[])).unwrap();
    let output = Command::new(programs().join("ingeroctl")).arg("verify").arg(path).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(manifest().to_bytes().is_ok());
}
