//! What `ingeroctl` says beside its answers: on standard error, with commands under the name by which it was called.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use ingero_tests::lab::programs;

fn program() -> PathBuf {
    programs().join("ingeroctl")
}

fn said(name: &str, args: &[&str], folder: &Path) -> (Output, String) {
    let mut command = Command::new(program());
    let output = command.arg0(name).args(args).current_dir(folder).output().unwrap();
    let beside = String::from_utf8(output.stderr.clone()).unwrap();
    (output, beside)
}

/// A recording of the H100, as a bundle and as a database.
fn recording(folder: &Path) {
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/h100/cold.ingero.zst");
    fs::write(folder.join("a.ingero"), zstd::decode_all(fs::File::open(packed).unwrap()).unwrap()).unwrap();
    let (output, beside) = said("ingeroctl", &["convert", "a.ingero", "-o", "a.db"], folder);
    assert!(output.status.success(), "{beside}");
}

#[test]
fn a_question_without_rows_says_so_beside_an_answer_that_keeps_its_format() {
    let folder = tempfile::tempdir().unwrap();
    recording(folder.path());
    let none = "SELECT op, p99_ns FROM op_stats WHERE op = 'none'";
    for (format, answer) in [
        ("csv", "op,p99_ns\r\n"),
        ("json", "{\"columns\":[\"op\",\"p99_ns\"],\"rows\":[],\"truncated\":false}\n"),
    ] {
        let (output, beside) = said("ingeroctl", &["query", "a.db", none, "--format", format], folder.path());
        assert_eq!(
            (beside.as_str(), String::from_utf8(output.stdout).unwrap().as_str()),
            ("ingeroctl: no rows\n", answer)
        );
        assert!(output.status.success());
    }
    let (output, beside) = said("ingeroctl", &["query", "a.db", "SELECT 1"], folder.path());
    assert!(output.status.success() && beside.is_empty(), "{beside}");
}

#[test]
fn a_command_to_copy_begins_with_the_name_that_was_typed() {
    let folder = tempfile::tempdir().unwrap();
    recording(folder.path());
    fs::create_dir(folder.path().join("ring")).unwrap();
    for asked in ["a.ingero", "ring"] {
        for name in ["ingeroctl", "./target/release/ingeroctl"] {
            let (output, beside) = said(name, &["query", asked, "SELECT 1"], folder.path());
            assert_eq!(output.status.code(), Some(3));
            assert!(beside.starts_with(&format!("ingeroctl: {asked}: ")), "{beside}");
            assert!(beside.contains(&format!("`{name} convert ")), "{beside}");
        }
    }
}

#[test]
fn manual_pages_that_were_written_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let (output, beside) = said("ingeroctl", &["man", "-o", "pages"], folder.path());
    assert!(output.status.success() && output.stdout.is_empty());
    assert!(beside.starts_with("ingeroctl: pages: ") && beside.contains("ingeroctl.1"), "{beside}");
    assert!(folder.path().join("pages/ingeroctl.1").exists());
}
