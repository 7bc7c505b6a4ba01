//! Bytes and time for each event: `cargo bench -p ingero-format`.
//!
//! Ends with an error if the mix, the ping-pong or its switches take more bytes than they may; bytes are the same on every
//! machine. Times are for reading only: no test asserts on them.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod support;

use std::time::Instant;

use ingero_format::columns::Compressor;
use support::{
    entropy,
    recording::{decode, in_frames, own_dictionaries, rows, segment},
    workload::{Stream, decode_mix, ping_pong, switches_alone},
};

/// Bytes that an event may take.
const MIX: f64 = 5.3;
const SWITCHES: f64 = 1.0;
const INTERVALS: f64 = 1.8;
const EVENTS: usize = 600_000;
const REPETITIONS: usize = 5;
/// Rows of 64 bytes in a block of 1 MiB, the size of a head slot.
const SLOT_ROWS: usize = 16_383;
const BLOCKS: [(&str, usize); 4] =
    [("64 KiB", 1_023), ("256 KiB", 4_095), ("1 MiB", SLOT_ROWS), ("4 MiB", 65_535)];

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn time(events: usize, mut work: impl FnMut()) -> f64 {
    let once = |()| {
        let start = Instant::now();
        work();
        start.elapsed().as_nanos() as f64 / events as f64
    };
    median(std::iter::repeat_n((), REPETITIONS).map(once).collect())
}

// One line; gives bytes for each event.
fn measure(name: &str, layout: &str, block: (&str, usize), streams: &[Stream], tick_ns: u32) -> f64 {
    let mut compressor = Compressor::new().unwrap();
    let mut frames = in_frames(streams, block.1);
    let events: usize = frames.iter().map(|f| f.1.len()).sum();
    let bytes = segment(&mut frames, tick_ns, &mut compressor);
    assert!(rows(&bytes).iter().eq(frames.iter().flat_map(|f| &f.1)), "rows differ after decoding");
    let encode_ns = time(events, || drop(segment(&mut frames, tick_ns, &mut compressor)));
    let decode_ns = time(events, || assert_eq!(decode(&bytes), events as u64));
    let each = bytes.len() as f64 / events as f64;
    println!("{name:10} {layout:22} {:8} {each:8.3} {encode_ns:10.1} {decode_ns:10.1}", block.0);
    each
}

fn table(name: &str, streams: &[Stream]) -> f64 {
    let all: usize = streams.iter().map(|s| s.1.len()).sum();
    let span = streams.iter().filter_map(|s| s.1.last()).map(|r| r.end_ns).max().unwrap_or(1);
    println!("\n{name}: {all} events, {:.2} M/s", all as f64 * 1e3 / span as f64);
    let mut least = 0.0;
    for (source, rows) in streams {
        let (times, each) = entropy::estimate(rows);
        println!(
            "  {:7} {:7} events, order-0 entropy {each:.2} B, of which times {times:.2} B",
            source.name(),
            rows.len()
        );
        least += each * rows.len() as f64 / all as f64;
    }
    println!("  all     order-0 entropy {least:.2} B");
    println!(
        "{:10} {:22} {:8} {:>8} {:>10} {:>10}",
        "rows", "layout", "block", "B/event", "encode ns", "decode ns"
    );
    let mut compressor = Compressor::new().unwrap();
    let mut gated = f64::INFINITY;
    for block in BLOCKS {
        let each = measure(name, "segment dictionaries", block, streams, 1);
        if block.1 == SLOT_ROWS {
            gated = each;
        }
        let own = own_dictionaries(&mut in_frames(streams, block.1), &mut compressor);
        println!("{name:10} {:22} {:8} {:8.3}", "own dictionaries", block.0, own as f64 / all as f64);
    }
    for tick_ns in [16, 64] {
        measure(name, &format!("ticks of {tick_ns} ns"), BLOCKS[2], streams, tick_ns);
    }
    gated
}

fn main() {
    let mix = table("mix", &decode_mix(EVENTS));
    let pairs = ping_pong(EVENTS / 2);
    let intervals = table("ping-pong", &pairs);
    let switches = table("switches", &switches_alone(&pairs));
    println!("\nB/event with 1 MiB of rows in each frame: mix {mix:.3} (at most {MIX})");
    println!("ping-pong: {switches:.3} for the switches alone (at most {SWITCHES}), which peers record;");
    println!(
        "{intervals:.3} for intervals (at most {INTERVALS}), which carry how long they and the wait were"
    );
    if mix > MIX || switches > SWITCHES || intervals > INTERVALS {
        std::process::exit(1);
    }
}
