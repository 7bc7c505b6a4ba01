// SPDX-License-Identifier: Apache-2.0
//! Builds the stand-in libraries and programs with the system's C compiler.
//!
//! The `cc` crate only finds the compiler: it makes static archives, and these
//! are shared objects and executables with flags of their own.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};

/// Flags for everything.
const COMMON: &[&str] = &[
    "-std=gnu11",
    "-O2",
    "-g0",
    "-fPIC",
    "-pthread",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-fno-plt",
    "-fno-strict-aliasing",
    "-fvisibility=hidden",
    "-fno-omit-frame-pointer",
    "-mno-omit-leaf-frame-pointer",
    // No two functions at one address, none that is only a jump to another.
    "-fno-optimize-sibling-calls",
];

/// Nothing may come before `push %rbp` at the start of a function.
const X86: &[&str] = &["-fcf-protection=none"];

/// The same, for what only GCC does: work on an early exit before the frame is
/// set up, other instructions scheduled between, and merged equal functions.
const GCC: &[&str] = &["-fno-shrink-wrap", "-fno-schedule-insns2", "-fno-ipa-icf"];

/// The same for Clang. In one word: a wrapper that crosses to old C libraries takes the second for the linker's.
const CLANG: &[&str] = &["-mllvm=-enable-shrink-wrap=false"];

struct Product {
    name: &'static str,
    sources: &'static [&'static str],
    link: &'static [&'static str],
}

/// In the order in which they need each other.
const PRODUCTS: &[Product] = &[
    Product {
        name: "libcuda.so.1",
        sources: &[
            "config.c",
            "gpu.c",
            "context.c",
            "stream.c",
            "event.c",
            "module.c",
            "first_use.c",
            "launch.c",
            "host_func.c",
            "memory.c",
            "copy.c",
            "graph.c",
        ],
        link: &["-shared", "-Wl,-soname,libcuda.so.1"],
    },
    Product {
        name: "libcudart.so.13",
        sources: &["runtime_device.c", "runtime_register.c", "runtime_launch.c", "runtime_memory.c"],
        link: &["-shared", "-Wl,-soname,libcudart.so.13", "-l:libcuda.so.1"],
    },
    Product {
        name: "libnvidia-ml.so.1",
        sources: &["nvml.c"],
        link: &["-shared", "-Wl,-soname,libnvidia-ml.so.1"],
    },
    Product {
        name: "standin-engine",
        sources: &["engine.c", "engine_gpu.c", "engine_requests.c", "prog.c"],
        link: &["-pie", "-l:libcudart.so.13", "-l:libcuda.so.1"],
    },
    Product { name: "standin-calls", sources: &["calls.c", "prog.c"], link: &["-pie", "-l:libcuda.so.1"] },
    Product { name: "standin-hog", sources: &["hog.c", "prog.c"], link: &["-pie"] },
    Product {
        name: "standin-switcher",
        sources: &["switcher.c", "prog.c"],
        link: &["-pie", "-l:libcuda.so.1"],
    },
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=c");

    let out = PathBuf::from(env::var("OUT_DIR")?);
    let source = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("c");
    // A program that carries these files may itself be linked against musl;
    // the stand-in is not, for a real CUDA library never is.
    let target = env::var("TARGET")?.replace("-musl", "-gnu");
    let compiler = cc::Build::new().target(&target).no_default_flags(true).try_get_compiler()?;
    for product in PRODUCTS {
        build(product, &compiler, target.starts_with("x86_64"), &source, &out)
            .map_err(|e| format!("{}: {e}", product.name))?;
    }
    Ok(())
}

/// Compiles and links one product into `out`.
fn build(
    product: &Product,
    compiler: &cc::Tool,
    x86: bool,
    source: &Path,
    out: &Path,
) -> Result<(), Box<dyn Error>> {
    let mut command = compiler.to_command();
    command.args(COMMON);
    if x86 {
        command.args(X86);
    }
    command.args(if compiler.is_like_clang() { CLANG } else { GCC });
    command.arg("-o").arg(out.join(product.name));
    command.args(product.sources.iter().map(|name| source.join(name)));
    command.arg("-L").arg(out);
    command.args(["-Wl,-rpath,$ORIGIN", "-Wl,--build-id=sha1", "-Wl,-z,defs"]);
    command.args(product.link);

    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(format!("the C compiler failed: {status}").into()) }
}
