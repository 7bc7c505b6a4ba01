// SPDX-License-Identifier: Apache-2.0
//! A stand-in CUDA driver and runtime with a modelled GPU behind them, and
//! small programs that use them.
//!
//! The files are built from C by this crate's build script and carried inside
//! it, so that one binary can write them out and run them on a host that has
//! no GPU. `README.md` says what the model covers.
#![forbid(unsafe_code)]

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A built file: its name, and what is in it.
struct Embedded {
    name: &'static str,
    bytes: &'static [u8],
}

macro_rules! embedded {
    ($name:literal) => {
        Embedded { name: $name, bytes: include_bytes!(concat!(env!("OUT_DIR"), "/", $name)) }
    };
}

const LIBCUDA: Embedded = embedded!("libcuda.so.1");
const LIBCUDART: Embedded = embedded!("libcudart.so.13");
const LIBNVML: Embedded = embedded!("libnvidia-ml.so.1");
const ENGINE: Embedded = embedded!("standin-engine");
const CALLS: Embedded = embedded!("standin-calls");
const HOG: Embedded = embedded!("standin-hog");
const SWITCHER: Embedded = embedded!("standin-switcher");

/// Where [`unpack`] put each file. The programs find the libraries beside them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// The driver library, `libcuda.so.1`.
    pub libcuda: PathBuf,
    /// The runtime library, `libcudart.so.13`.
    pub libcudart: PathBuf,
    /// The driver's management library, `libnvidia-ml.so.1`: two GPUs with fixed numbers.
    pub libnvml: PathBuf,
    /// `standin-engine`, a small model of an LLM server.
    pub engine: PathBuf,
    /// `standin-calls`, a known number of calls at a known rate.
    pub calls: PathBuf,
    /// `standin-hog`, which takes a CPU away from others.
    pub hog: PathBuf,
    /// `standin-switcher`, which leaves its CPU at a known rhythm.
    pub switcher: PathBuf,
}

/// Writes the libraries and programs into `dir`, which is made if it is not
/// there, with mode 0755.
///
/// A file that is already there is replaced, not overwritten: processes that
/// still use the old one keep it whole.
///
/// In a program that starts children from several threads, unpack before the
/// others start any: a child forked while a file is being written holds it open
/// for a moment, and running that file then fails with "text file busy".
///
/// # Errors
///
/// Fails if a file cannot be written; the error names the file.
pub fn unpack(dir: &Path) -> io::Result<Unpacked> {
    fs::create_dir_all(dir).map_err(|e| at(dir, &e))?;
    Ok(Unpacked {
        libcuda: write(dir, &LIBCUDA)?,
        libcudart: write(dir, &LIBCUDART)?,
        libnvml: write(dir, &LIBNVML)?,
        engine: write(dir, &ENGINE)?,
        calls: write(dir, &CALLS)?,
        hog: write(dir, &HOG)?,
        switcher: write(dir, &SWITCHER)?,
    })
}

/// Tells apart the temporary files of several threads.
static SERIAL: AtomicU64 = AtomicU64::new(0);

/// Writes one file under a temporary name and renames it.
fn write(dir: &Path, file: &Embedded) -> io::Result<PathBuf> {
    let path = dir.join(file.name);
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let pid = std::process::id();
    let temporary = dir.join(format!(".{}.{pid}.{serial}", file.name));
    let written = write_new(&temporary, file.bytes)
        .and_then(|()| fs::rename(&temporary, &path))
        .map_err(|e| at(&path, &e));
    if written.is_err() {
        // The error to report is the first one.
        let _ = fs::remove_file(&temporary);
    }
    written.map(|()| path)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Never through a file or link that someone else put there.
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o755).open(path)?;
    file.write_all(bytes)?;
    // The mode above passes through the umask; this one does not.
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
}

/// The same error, saying where.
fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
