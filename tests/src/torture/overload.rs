//! A recorder that is kept from emptying its buffer for longer and longer, under calls that are counted.

use std::{thread::sleep, time::Duration};

use nix::sys::signal::Signal;

use crate::{Lab, calls};

/// Bytes of the buffer, and what an event takes of it: 64 bytes and the header of 8.
const BUFFER_BYTES: u32 = 1 << 18;
const EVENT_BYTES: u32 = 72;
/// Calls a second.
const RATE: u32 = 40_000;
/// How many buffers' worth of calls are made while the recorder stands still.
const TIMES: [u32; 5] = [1, 2, 5, 10, 20];
const STOPS_EACH: u32 = 3;

/// What came out.
#[derive(Debug)]
pub struct Overloaded {
    /// Calls made, recorded, and told as lost.
    pub calls: [u64; 3],
    /// What of the ring does not add up, in the words of `verify`.
    pub wrong: Option<String>,
}

impl Overloaded {
    /// Whether every call is a row or told as lost.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        let [made, recorded, lost] = self.calls;
        made == recorded + lost && self.wrong.is_none()
    }
}

/// Stops a recorder for 1 to 20 times the time in which calls fill its buffer. Live, as root.
#[must_use]
pub fn run() -> Overloaded {
    let mut lab = Lab::new();
    lab.start_with(&[("INGERO_TEST_EVENTS_BYTES", &BUFFER_BYTES.to_string())]);
    let full = Duration::from_secs(1) * BUFFER_BYTES / EVENT_BYTES / RATE;
    let pause = Duration::from_millis(300);
    let stopped: u32 = TIMES.iter().sum::<u32>() * STOPS_EACH;
    let stops = TIMES.len() as u32 * STOPS_EACH;
    let seconds = full * stopped + pause * (stops + 4);
    let calling = calls::begin(&lab, 2, (RATE as f64 / 2.0 * seconds.as_secs_f64()) as u32, RATE);
    for times in TIMES.iter().flat_map(|times| [times; STOPS_EACH as usize]) {
        sleep(pause);
        lab.signal(Signal::SIGSTOP);
        sleep(full * *times);
        lab.signal(Signal::SIGCONT);
    }
    let counted = calling.end(&lab);
    let report = lab.json(&["verify", lab.path("state").to_str().unwrap()]);
    let of_calls = report["losses"].as_array().into_iter().flatten().filter(|l| l["source"] == "cuda");
    let lost = of_calls.filter_map(|l| l["count"].as_u64()).sum();
    let holds = report["ok"] == true && report["conservation"]["holds"] == true;
    Overloaded {
        calls: [counted.made.values().sum(), counted.recorded.values().sum(), lost],
        wrong: (!holds).then(|| report.to_string()),
    }
}
