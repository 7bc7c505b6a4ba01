//! Libraries with every function that can be probed, under every name it is exported by, made from the table of
//! operations; and a program that calls them all.
//!
//! The functions do nothing but count their entries: that count is the truth. Some call themselves, and those of
//! the runtime call the driver, as the real ones do.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use ingero_format::ops::OPS;

use crate::Program;

/// Layer, file, and what follows an operation's name in exported symbols.
const LIBRARIES: [(&str, &str, &[&str]); 3] = [
    ("driver", "libcuda.so.1", &["", "_v2", "_v3", "_ptsz", "_ptds", "_v2_ptsz"]),
    ("runtime", "libcudart.so.13", &["", "_ptsz", "_v11000"]),
    ("nccl", "libnccl.so.2", &[""]),
];

/// Entries of each operation by layer and name.
pub type Counts = BTreeMap<(String, String), u64>;

/// Builds libraries and program in a folder; gives the program.
#[must_use]
pub fn build(folder: &Path) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    for (layer, file, suffixes) in LIBRARIES {
        let source = folder.join(format!("{layer}.c"));
        fs::write(&source, library(layer, suffixes)).unwrap();
        let link: &[&str] = if layer == "runtime" { &["-l:libcuda.so.1"] } else { &[] };
        let soname = format!("-Wl,-soname,{file}");
        compile(folder, &source, file, &[&["-shared", soname.as_str()], link].concat());
    }
    let source = folder.join("caller.c");
    fs::write(&source, include_str!("every_symbol/caller.c")).unwrap();
    compile(folder, &source, "caller", &["-pthread", "-ldl"]);
    folder.join("caller")
}

fn compile(folder: &Path, source: &Path, product: &str, link: &[&str]) {
    let mut command = Command::new("cc");
    command.args(["-O1", "-fPIC", "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls", "-Wall"]);
    if cfg!(target_arch = "x86_64") {
        command.arg("-fcf-protection=none");
    }
    command.arg("-o").arg(folder.join(product)).arg(source).arg("-L").arg(folder);
    command.arg("-Wl,-rpath,$ORIGIN").args(link);
    assert!(command.status().unwrap().success(), "the C compiler failed on {}", source.display());
}

fn library(layer: &str, suffixes: &[&str]) -> String {
    let names: Vec<String> = OPS
        .iter()
        .filter(|op| op.layer() == layer)
        .flat_map(|op| suffixes.iter().map(move |suffix| format!("{}{suffix}", op.name)))
        .collect();
    let size = names.len();
    let mut text =
        format!("typedef long L;\nint {layer}_size = {size};\nunsigned long {layer}_count[{size}];\n");
    let parameters = "L a, L b, L c, L d, L e, L f, L g, L h, L k";
    if layer == "runtime" {
        writeln!(text, "L cuCtxSynchronize({parameters});\nL cuLaunchKernel({parameters});").unwrap();
    }
    writeln!(text, "const char *const {layer}_name[{size}] = {{").unwrap();
    names.iter().for_each(|name| writeln!(text, "\"{name}\",").unwrap());
    text += "};\n";
    for (i, name) in names.iter().enumerate() {
        // A volatile step after the calls, so that none becomes a jump.
        let inner = match (layer, i % 4) {
            ("runtime", 1) => "cuLaunchKernel(0, 0, 0, 0, 0, 0, 0, 0, 0);".to_owned(),
            ("runtime", 2) => "cuCtxSynchronize(0, 0, 0, 0, 0, 0, 0, 0, 0);".to_owned(),
            (_, 3) => format!("if (a == 1 || a == 2) {name}(a - 1, b, c, d, e, f, g, h, k);"),
            _ => String::new(),
        };
        writeln!(
            text,
            "L {name}({parameters})\n{{\n\t__atomic_fetch_add(&{layer}_count[{i}], 1, __ATOMIC_RELAXED);\n\t{inner}\n\t\
             __asm__ volatile(\"\");\n\treturn {i};\n}}"
        )
        .unwrap();
    }
    text
}

/// Has every function called, and gives the truth.
#[must_use]
pub fn call(program: &mut Program) -> Counts {
    program.say("go");
    let mut counts = Counts::new();
    loop {
        let line = program.line();
        let mut words = line.split(' ');
        match (words.next(), words.next(), words.next()) {
            (Some("COUNT"), Some(symbol), Some(count)) => {
                let op = operation(symbol);
                *counts.entry((op.0.to_owned(), op.1.to_owned())).or_default() +=
                    count.parse::<u64>().unwrap();
            }
            _ => return counts,
        }
    }
}

// The longest operation's name that a symbol begins with, and its layer.
fn operation(symbol: &str) -> (&'static str, &'static str) {
    let known = |op: &&ingero_format::ops::Op| {
        LIBRARIES.iter().any(|(layer, _, suffixes)| {
            op.layer() == *layer && symbol.strip_prefix(op.name).is_some_and(|rest| suffixes.contains(&rest))
        })
    };
    let op = OPS.iter().filter(known).max_by_key(|op| op.name.len()).unwrap();
    (op.layer(), op.name)
}
