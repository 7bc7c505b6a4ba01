//! Programs that do to their calls what a recorder must survive: each is run without and with the recorder, and
//! must not notice.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
};

use crate::{Lab, standin};

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/harm");

/// The library a program is linked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// The stand-in.
    Standin,
    /// One whose `cuLaunchHostFunc` calls the function inside itself.
    Callback,
}

/// A compiled program and its library.
#[derive(Debug)]
pub struct Subject {
    /// The program.
    pub program: PathBuf,
    library: PathBuf,
}

/// One run.
#[derive(Debug, PartialEq, Eq)]
pub struct Ran {
    /// Exit code or signal.
    pub status: ExitStatus,
    /// Everything on standard output.
    pub output: String,
    /// Calls it says it made, by operation.
    pub made: BTreeMap<String, i64>,
}

/// What became of the calls of one run.
#[derive(Debug, PartialEq, Eq)]
pub struct Kept {
    /// Rows of `cuda_calls`, by operation.
    pub recorded: BTreeMap<String, i64>,
    /// CUDA calls that `losses` counts.
    pub lost: i64,
    /// The causes told.
    pub causes: Vec<String>,
}

/// Compiles sources with the flags that all programs here need.
pub fn compile(compiler: &str, args: &[&str], out: &Path) {
    let mut command = Command::new(compiler);
    command.args(["-O2", "-g", "-Wall", "-Wextra", "-Werror", "-fcf-protection=none", "-pthread"]);
    command.args(["-fno-omit-frame-pointer", "-fno-optimize-sibling-calls", "-o"]).arg(out).args(args);
    let output = command.output().unwrap_or_else(|e| panic!("{compiler}: {e}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

impl Subject {
    /// Compiles a source of `tests/src/harm` into the lab.
    pub fn compile(lab: &Lab, source: &str, library: Library) -> Self {
        let path = |name: &str| format!("{SOURCES}/{name}");
        let library = match library {
            Library::Standin => standin().libcuda.clone(),
            Library::Callback => lab.path("libcuda.so.1"),
        };
        if !library.exists() {
            let shared = ["-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", &path("callback.c")];
            compile("gcc", &shared, &library);
        }
        let program = lab.path(Path::new(source).file_stem().unwrap().to_str().unwrap());
        let folder = library.parent().unwrap().display();
        let (search, rpath) = (format!("-L{folder}"), format!("-Wl,-rpath,{folder}"));
        let args = [&path(source), &search, &rpath, "-l:libcuda.so.1"];
        compile(if source.ends_with(".cpp") { "g++" } else { "gcc" }, &args, &program);
        Self { program, library }
    }

    /// A command that runs it.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(&self.command(args).output().unwrap())
    }

    /// Waits until the recorder has probed its library; gives the process that maps it meanwhile.
    pub fn probed(&self, lab: &Lab) -> Mapper {
        let child = Command::new("sleep").arg("1000").env("LD_PRELOAD", &self.library).spawn().unwrap();
        let mapper = Mapper(child);
        lab.until_covered(mapper.0.id());
        mapper
    }
}

/// A process that keeps a library mapped.
pub struct Mapper(Child);

impl Drop for Mapper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Ran {
    /// Reads what a program left behind.
    pub fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        let mut made = BTreeMap::new();
        for line in out.lines().chain(err.lines()).filter_map(|l| l.strip_prefix("made ")) {
            let (op, n) = line.split_once(' ').unwrap();
            *made.entry(op.to_owned()).or_default() += n.parse::<i64>().unwrap();
        }
        made.retain(|_, n| *n > 0);
        Self { status: output.status, output: out, made }
    }

    /// The calls of all operations.
    pub fn calls(&self) -> i64 {
        self.made.values().sum()
    }
}

impl Kept {
    /// What the lab's recorder has of the operations in question.
    pub fn of(lab: &Lab, subject: &Subject, ran: &Ran) -> Self {
        let db = lab.window("kept", "10m");
        // One that executes itself again is called `exe`; of one that ends at once no name is known.
        let sql = "SELECT op, count(*) FROM cuda_calls WHERE ifnull(comm, '') IN (?1, 'exe', '') GROUP BY op";
        let mut query = db.prepare(sql).unwrap();
        let name = subject.program.file_name().unwrap().to_str().unwrap();
        let rows = query.query_map([name], |r| Ok((r.get::<_, String>(0)?, r.get(1)?))).unwrap();
        let recorded = rows.map(Result::unwrap).filter(|(op, _)| ran.made.contains_key(op)).collect();
        let sql = "SELECT cause, coalesce(sum(count), 0) FROM losses WHERE source = 'cuda' GROUP BY cause";
        let mut query = db.prepare(sql).unwrap();
        let losses = query.query_map([], |r| Ok((r.get::<_, String>(0)?, r.get::<_, i64>(1)?))).unwrap();
        let losses: Vec<(String, i64)> = losses.map(Result::unwrap).collect();
        let lost = losses.iter().map(|(_, n)| n).sum();
        Self { recorded, lost, causes: losses.into_iter().map(|(cause, _)| cause).collect() }
    }

    /// The calls of all operations.
    pub fn calls(&self) -> i64 {
        self.recorded.values().sum()
    }
}

/// Runs a program without and with a recorder, which it must not notice; gives the second run and what was kept of
/// it.
pub fn unnoticed(lab: &mut Lab, subject: &Subject, args: &[&str]) -> (Ran, Kept) {
    let without = subject.run(args);
    lab.start();
    let mapper = subject.probed(lab);
    let with = subject.run(args);
    let name = subject.program.display();
    assert_eq!((&with.status, &with.output), (&without.status, &without.output), "{name} {args:?}");
    let kept = Kept::of(lab, subject, &with);
    drop(mapper);
    lab.stop();
    (with, kept)
}
