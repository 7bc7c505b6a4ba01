//! R9: files that lie. Each has one lie, which its name says; all checksums are right, so that the lie reaches the
//! code behind them.
//!
//! | module | part |
//! |---|---|
//! | [`make`] | honest parts to put lies into |
//! | [`segments`], [`columns`], [`records`] | lies in segments: frames, rows, dictionaries, states, footers |
//! | [`outside`] | lies in head, `RING`, `MANIFEST`, bundle and control messages |
//! | [`times`] | clocks that cannot be true |
//! | [`foreign`] | files of another kind |
//! | [`read`] | every function that reads such bytes |
//! | [`memory`] | how much of it they take |
//! | [`programs`] | the same through `ingeroctl` |

pub mod columns;
pub mod foreign;
pub mod make;
pub mod memory;
pub mod outside;
pub mod programs;
pub mod read;
pub mod records;
pub mod segments;
pub mod times;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use super::record::Run;

/// What a file is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `NNNNNNNNNNNNNNNNNNNN.seg`.
    Segment,
    /// `head`.
    Head,
    /// `RING`.
    Ring,
    /// `MANIFEST`.
    Manifest,
    /// `ID.ingero`.
    Bundle,
    /// What comes through the control socket.
    Control,
}

/// A file that lies.
#[derive(Clone, Debug)]
pub struct Lie {
    /// What it lies about.
    pub name: String,
    /// What it is taken for.
    pub kind: Kind,
    /// The file.
    pub bytes: Vec<u8>,
    /// A word of the reason that a reader must give; empty where nothing need be noticed.
    pub says: &'static str,
    /// Bytes that the file may make a reader allocate by right: a frame's `raw_len`, a record's limit.
    pub declared: usize,
}

impl Lie {
    /// A file that must be noticed.
    #[must_use]
    pub fn new(kind: Kind, name: impl Into<String>, bytes: Vec<u8>, says: &'static str) -> Self {
        Self { name: name.into(), kind, bytes, says, declared: 0 }
    }

    /// The same, allowed to make a reader allocate more.
    #[must_use]
    pub fn declaring(self, declared: usize) -> Self {
        Self { declared, ..self }
    }
}

/// All of them.
#[must_use]
pub fn all() -> Vec<Lie> {
    let parts =
        [segments::lies(), columns::lies(), records::lies(), outside::lies(), times::lies(), foreign::lies()];
    parts.concat()
}

/// Beside what the file declares, bytes.
const ALLOWANCE: usize = 16 << 20;
/// For one file, through every reader. The gate is a second; debug builds on a busy machine get more.
const PATIENCE: Duration = Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 1 });

/// Reads a lying file in every way and gives the first reason.
///
/// # Errors
/// If a reader panics, takes too much memory or time, or notices nothing.
pub fn hear(lie: &Lie) -> Result<String, String> {
    let begun = Instant::now();
    let before = memory::begin();
    let heard = catch_unwind(AssertUnwindSafe(|| read::everything(lie.kind, &lie.bytes)));
    let peak = memory::peak_since(before);
    let reasons = heard.map_err(|_| "a reader panicked".to_owned())?;
    if peak > lie.bytes.len() + lie.declared + ALLOWANCE {
        return Err(format!("{peak} bytes for a file of {}", lie.bytes.len()));
    }
    if begun.elapsed() > PATIENCE {
        return Err(format!("it takes {:?}", begun.elapsed()));
    }
    match reasons.iter().find(|reason| reason.contains(lie.says)) {
        Some(reason) => Ok(reason.clone()),
        None if lie.says.is_empty() => Ok("reads".into()),
        None => Err(format!("nobody says `{}`: {reasons:?}", lie.says)),
    }
}

/// R9: all of them; prints name and reason of each.
#[must_use]
pub fn run() -> Run {
    let lies = all();
    let mut run =
        Run::begin("R9", format!("{} files with one lie each", lies.len()), "a reason, 16 MiB, 1 s");
    std::panic::set_hook(Box::new(|_| {}));
    let mut slowest = Duration::ZERO;
    for lie in &lies {
        let begun = Instant::now();
        match hear(lie) {
            Ok(reason) => println!("{:?} {}: {reason}", lie.kind, lie.name),
            Err(e) => run.failures.push(format!("{:?} {}: {e}", lie.kind, lie.name)),
        }
        slowest = slowest.max(begun.elapsed());
        run.failures.extend(programs::hear(lie).err().map(|e| format!("{:?} {}: {e}", lie.kind, lie.name)));
        run.runs += 1;
    }
    let _ = std::panic::take_hook();
    run.worst = format!("{} ms, {} KiB at once", slowest.as_millis(), memory::highest() >> 10);
    run
}
