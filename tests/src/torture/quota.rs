//! The bound on the state directory, looked at every 100 ms while the real recorder records and freezes.

use std::time::{Duration, Instant};

use ingero_recorder::storage::{FileSystem, Storage};

use crate::{Lab, Program, lab::standin};

/// Bound of the recorder under test, bytes: small, so that it is reached within seconds.
pub const MAX_BYTES: u64 = 24 << 20;

/// Records under load for a time, with a snapshot of all that is held every second; gives the number of looks
/// and the most bytes seen.
///
/// # Errors
/// If the bound was passed.
pub fn run(time: Duration) -> Result<(u64, u64), String> {
    let mut lab = Lab::new();
    std::fs::write(
        lab.path("recorder.toml"),
        format!(
            "[ring]\nmax_bytes = \"{}MiB\"\nkeep_free = \"16MiB\"\nsegment_bytes = \"1MiB\"\n[snapshot]\nmax_bytes = \"6MiB\"\n",
            MAX_BYTES >> 20
        ),
    )
    .unwrap();
    lab.start();
    let args = ["--threads", "4", "--per-thread", "1000000000", "--rate", "60000", "--start-on-stdin"];
    let mut load = Program::start(&standin().calls, args);
    load.line_with("READY");
    lab.until_covered(load.pid());
    load.say("go");
    let state = lab.path("state");
    let (begun, mut frozen) = (Instant::now(), Instant::now());
    let (mut looks, mut most) = (0, 0);
    while begun.elapsed() < time {
        std::thread::sleep(Duration::from_millis(100));
        let bytes = FileSystem.allocated(&state);
        (looks, most) = (looks + 1, most.max(bytes));
        if bytes > MAX_BYTES {
            return Err(format!("{bytes} bytes after {:?}", begun.elapsed()));
        }
        if frozen.elapsed() > Duration::from_secs(1) {
            // Refused when there is no room for it: then too the bound must hold.
            lab.ctl(&["snapshot", "--last", "20s", "--after", "0s"]);
            frozen = Instant::now();
        }
    }
    Ok((looks, most))
}
