//! Addresses of real processes and real files.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use ingero_format::bundle::{Module, UserFrame, UserSymbols};

use super::user::resolve;
use crate::discover::{Modules, describe_process};

/// The module of a frame, and the frame.
fn at(symbols: &UserSymbols, address: u64) -> (Module, UserFrame) {
    let frame = symbols.frames.iter().find(|f| f.address == address).unwrap().clone();
    (symbols.modules[frame.module as usize].clone(), frame)
}

/// What is found of some addresses. Only one namer works at a time, so a
/// test may have to wait for another's.
fn found(modules: &Modules, pid: u32, addresses: &[u64]) -> UserSymbols {
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _turn = TURN.lock();
    let wanted: BTreeSet<(u32, u64)> = addresses.iter().map(|address| (pid, *address)).collect();
    resolve(&wanted, modules)
}

#[inline(never)]
extern "C" fn a_function_that_is_asked_for(n: u64) -> u64 {
    std::hint::black_box(n) * 3 + std::hint::black_box(1)
}

#[test]
fn a_function_of_this_program_is_named_by_the_address_behind_a_call_in_it() {
    let modules = Modules::default();
    let me = describe_process(std::process::id()).unwrap();
    modules.refresh(std::slice::from_ref(&me));
    let begin = a_function_that_is_asked_for as *const () as u64;
    let symbols = found(&modules, me.pid, &[begin, begin + 1, begin + 2, 8]);
    let (module, frame) = at(&symbols, begin + 1);
    assert!(frame.symbol.contains("a_function_that_is_asked_for"), "{frame:?}");
    assert_eq!((frame.offset, module.path.as_str()), (1, me.exe.as_str()));
    let (_, frame) = at(&symbols, begin + 2);
    assert!(frame.symbol.contains("a_function_that_is_asked_for"), "{frame:?}");
    assert_eq!(frame.offset, 2);
    // A call that returns to a function's first byte is the last instruction of the one before.
    let (_, frame) = at(&symbols, begin);
    assert!(!frame.symbol.contains("a_function_that_is_asked_for"), "{frame:?}");
    // What lies in no mapping has no entry.
    assert!(symbols.frames.iter().all(|f| f.address != 8));
}

/// A library made by the system's compiler, with the offsets of its functions.
struct Library {
    path: PathBuf,
    offsets: BTreeMap<String, u64>,
}

const SOURCE: &str = "
static int __attribute__((noinline)) hidden_here(int n) { return n * 7 + 1; }
int exported_here(int n) { return hidden_here(n) + hidden_here(n + 1); }
";

impl Library {
    fn compile(folder: &Path, more: &[&str]) -> Self {
        let (source, path) = (folder.join("lib.c"), folder.join("libtested.so"));
        fs::write(&source, SOURCE).unwrap();
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-fno-ipa-ra", "-Wl,--build-id=sha1", "-o"])
            .arg(&path)
            .arg(&source);
        assert!(cc.args(more).status().unwrap().success());
        let listed = Command::new("nm").arg(&path).output().unwrap();
        let mut offsets = BTreeMap::new();
        for line in String::from_utf8(listed.stdout).unwrap().lines() {
            if let [offset, _, name] = line.split_whitespace().collect::<Vec<_>>()[..] {
                offsets.insert(name.to_owned(), u64::from_str_radix(offset, 16).unwrap());
            }
        }
        Self { path, offsets }
    }

    fn strip(&self) {
        assert!(Command::new("strip").arg(&self.path).status().unwrap().success());
    }

    /// A process that maps it, and where it begins there.
    fn mapped(&self, modules: &Modules) -> (Sleeper, u64) {
        let mut sleep = Command::new("sleep");
        sleep.arg("600").env("LD_PRELOAD", &self.path).stdin(Stdio::null());
        let child = Sleeper(sleep.spawn().unwrap());
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < Duration::from_secs(60), "the library is not mapped");
            std::thread::sleep(Duration::from_millis(10));
            let Some(process) = describe_process(child.pid()).filter(|p| p.comm == "sleep") else { continue };
            modules.refresh_now(&[process]);
            let pieces = modules.of(child.pid()).unwrap_or_default();
            let ours = self.path.to_string_lossy();
            if let Some(piece) = pieces.iter().find(|p| p.file.path == ours) {
                return (child, piece.from - piece.file_offset);
            }
        }
    }
}

/// A process that ends with its test.
struct Sleeper(Child);

impl Sleeper {
    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn end(self) -> u32 {
        self.pid()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_process_that_ended_is_named_from_its_files_and_without_them_told_as_file_and_offset() {
    let folder = tempfile::tempdir().unwrap();
    let library = Library::compile(folder.path(), &[]);
    let modules = Modules::default();
    let (child, base) = library.mapped(&modules);
    let pid = child.end();
    let offset = library.offsets["hidden_here"];
    let address = base + offset + 1;
    let symbols = found(&modules, pid, &[address]);
    let (module, frame) = at(&symbols, address);
    assert_eq!((frame.symbol.as_str(), frame.offset, frame.file_offset), ("hidden_here", 1, offset + 1));
    assert_eq!(module.path, library.path.to_string_lossy());
    assert_eq!(module.build_id.len(), 20);
    // Another build at the same place must not lend its names.
    fs::remove_file(&library.path).unwrap();
    Library::compile(folder.path(), &["-DOTHER", "-Dhidden_here=another_name"]);
    let symbols = found(&modules, pid, &[address]);
    let (told, frame) = at(&symbols, address);
    assert_eq!((frame.symbol.as_str(), frame.file_offset, told), ("", offset + 1, module));
    // Something that never ends is not waited for.
    fs::remove_file(&library.path).unwrap();
    assert!(Command::new("mkfifo").arg(&library.path).status().unwrap().success());
    assert_eq!(at(&found(&modules, pid, &[address]), address).1.symbol, "");
}

#[test]
fn in_a_stripped_library_exported_functions_are_named_and_others_told_as_file_and_offset() {
    let folder = tempfile::tempdir().unwrap();
    let library = Library::compile(folder.path(), &[]);
    library.strip();
    let modules = Modules::default();
    let (child, base) = library.mapped(&modules);
    // Deleted while it is mapped: the process still has it.
    fs::remove_file(&library.path).unwrap();
    let [hidden, exported] = ["hidden_here", "exported_here"].map(|name| base + library.offsets[name] + 1);
    let symbols = found(&modules, child.pid(), &[hidden, exported]);
    drop(child);
    assert_eq!(at(&symbols, exported).1.symbol, "exported_here");
    let (module, frame) = at(&symbols, hidden);
    assert_eq!((frame.symbol.as_str(), frame.file_offset), ("", library.offsets["hidden_here"] + 1));
    assert!(module.path.starts_with(&*library.path.to_string_lossy()), "{module:?}");
}

#[test]
fn a_small_library_with_debug_information_gives_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let library = Library::compile(folder.path(), &["-g"]);
    let modules = Modules::default();
    let (child, base) = library.mapped(&modules);
    let address = base + library.offsets["exported_here"] + 1;
    let (_, frame) = at(&found(&modules, child.pid(), &[address]), address);
    drop(child);
    assert!(frame.file.ends_with("lib.c"), "{frame:?}");
    assert_eq!((frame.symbol.as_str(), frame.line), ("exported_here", 3));
}

#[test]
fn nothing_is_said_of_a_process_that_nobody_looked_at() {
    let symbols = found(&Modules::default(), 7, &[0x1000]);
    assert!(symbols.frames.is_empty() && symbols.modules.is_empty());
}
