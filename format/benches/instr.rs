//! Instructions for each event, counted by callgrind: `cargo bench -p ingero-format --bench instr`.
//!
//! The same input gives the same count on a machine, whatever else runs there. Ends with an error if encoding
//! takes more than it may; without valgrind it says so and does nothing.
#![allow(missing_docs, dead_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod support;

use std::{env, fs, path::Path, process::Command};

use ingero_format::columns::Compressor;
use support::{
    recording::{decode, in_frames, segment},
    workload::decode_mix,
};

const EVENTS: usize = 120_000;
const SLOT_ROWS: usize = 16_383;
/// Instructions that encoding one event may take.
const MOST: f64 = 600.0;
/// Set for the run that is counted.
const CHILD: &str = "INGERO_FORMAT_INSTR";

// What callgrind counts lies inside `recording::encode` and `recording::decode`.
fn work() {
    let mut compressor = Compressor::new().unwrap();
    let mut frames = in_frames(&decode_mix(EVENTS), SLOT_ROWS);
    let bytes = segment(&mut frames, 1, &mut compressor);
    assert!(decode(&bytes) >= EVENTS as u64);
}

fn instructions(function: &str, out: &Path) -> Option<f64> {
    let status = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--dump-instr=no"])
        .arg(format!("--toggle-collect=*recording*{function}*"))
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(env::current_exe().ok()?)
        .env(CHILD, "1")
        .status()
        .ok()?;
    let text = fs::read_to_string(out).ok()?;
    let _ = fs::remove_file(out);
    let total = text.lines().find_map(|l| l.strip_prefix("summary: ").or(l.strip_prefix("totals: ")))?;
    status.success().then_some(total.trim().parse::<f64>().ok()? / EVENTS as f64)
}

fn main() {
    if env::var_os(CHILD).is_some() {
        return work();
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("valgrind is not installed: no instructions counted");
        return;
    }
    let out = env::temp_dir().join(format!("ingero-format-instr-{}", std::process::id()));
    let counts = ["encode", "decode"].map(|f| instructions(f, &out).expect("callgrind gives a total"));
    println!("instructions/event: encode {:.0} (at most {MOST:.0}), decode {:.0}", counts[0], counts[1]);
    if counts[0] > MOST {
        std::process::exit(1);
    }
}
