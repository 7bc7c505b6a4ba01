//! The pages for who comes from elsewhere, docs/FROM_*.md: what they show of recordings is what the programs say.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use ingero_tests::lab::programs;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join("docs").join(name)).unwrap()
}

/// As in a pipe: as wide as it is.
fn output_of(program: &str, args: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(programs().join(program));
    command.args(args).current_dir(folder).env_remove("COLUMNS").output().unwrap()
}

fn ingeroctl(args: &[&str], folder: &Path) -> String {
    let output = output_of("ingeroctl", args, folder);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Unpacks a recording of the H100 as `PHASE.ingero`.
fn unpack(phase: &str, folder: &Path) -> String {
    let packed = root().join(format!("tests/fixtures/h100/{phase}.ingero.zst"));
    let name = format!("{phase}.ingero");
    fs::write(folder.join(&name), zstd::decode_all(fs::File::open(packed).unwrap()).unwrap()).unwrap();
    name
}

#[test]
fn the_queries_for_who_knows_perf_give_what_stands_below_them() {
    let (folder, text) = (tempfile::tempdir().unwrap(), page("FROM_PERF.md"));
    let mut asked = 0;
    for rest in text.split("\n```\n$ ingeroctl query ").skip(1) {
        let (command, shown) = rest.split("\n```").next().unwrap().split_once('\n').unwrap();
        let (database, sql) = command.split_once(' ').unwrap();
        let bundle = unpack(database.trim_end_matches(".db"), folder.path());
        ingeroctl(&["convert", &bundle, "-o", database, "--force"], folder.path());
        let said = ingeroctl(&["query", database, sql.trim_matches('"')], folder.path());
        assert_eq!(said.trim_end(), shown.trim_end(), "{command}");
        asked += 1;
    }
    assert_eq!(asked, 3, "queries were found");
}

#[test]
fn the_answers_for_who_runs_vllm_are_those_of_the_recordings() {
    let (folder, text) = (tempfile::tempdir().unwrap(), page("FROM_VLLM.md"));
    for phase in ["cold", "contention", "starvation", "kernel"] {
        let row = text.lines().find(|line| line.contains(&format!("(`{phase}`) | `"))).unwrap();
        let shown = row.rsplit_once("| `").unwrap().1.split_once('`').unwrap().0;
        let said = ingeroctl(&["explain", &unpack(phase, folder.path())], folder.path());
        // An ellipsis stands for the rest of the line.
        let begins = shown.strip_suffix('…').is_some_and(|begin| said.starts_with(begin));
        assert!(begins || said.lines().next() == Some(shown), "{shown}\n{said}");
    }
}

#[test]
fn the_configuration_for_who_runs_vllm_is_one_that_the_recorder_takes() {
    let (folder, text) = (tempfile::tempdir().unwrap(), page("FROM_VLLM.md"));
    let lines = text.split("\n```toml\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(lines.contains("[trigger.ttft]"), "{lines}");
    fs::write(folder.path().join("recorder.toml"), lines).unwrap();
    let taken = output_of("ingero-recorder", &["--config", "recorder.toml", "--check-config"], folder.path());
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
}
