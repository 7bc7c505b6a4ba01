//! Freezes back to back under load, on a ring that is full.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use ingero_format::control::{Reply, Request, Snapshot, body_len, from_wire, to_wire};
use nix::sys::signal::Signal;

use super::large;
use crate::{
    Lab, Program, standin,
    webhook::{self, Place},
};

/// Calls a second meanwhile.
const RATE: u32 = 100_000;
/// Windows that hold the whole ring, beside the short ones.
const WHOLE: u32 = 10;

/// What came out of one path.
#[derive(Debug)]
pub struct Frozen {
    /// Which path.
    pub path: &'static str,
    /// From the trigger to the moment when the past was held, ns; sorted.
    pub frozen_ns: Vec<u64>,
    /// From the trigger to the moment when it was on stable storage; sorted, empty where nobody was told.
    pub durable_ns: Vec<u64>,
    /// Events lost meanwhile.
    pub lost: u64,
}

impl Frozen {
    /// In words.
    #[must_use]
    pub fn line(&self) -> String {
        let ms = |sorted: &[u64], share: f64| {
            let at = ((share * sorted.len() as f64).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
            sorted.get(at).map_or("-".into(), |ns| format!("{:.2}", *ns as f64 / 1e6))
        };
        let of = |sorted: &[u64]| format!("{}/{}/{} ms", ms(sorted, 0.5), ms(sorted, 0.99), ms(sorted, 1.0));
        format!(
            "{}: n={}, frozen p50/p99/max {}, durable {}, {} lost",
            self.path,
            self.frozen_ns.len(),
            of(&self.frozen_ns),
            of(&self.durable_ns),
            self.lost
        )
    }
}

/// Freezes `times` times by each path, and some times the whole ring of `gib` GiB.
///
/// # Errors
/// If the ring cannot be filled.
pub fn run(gib: u64, times: u32) -> Result<Vec<Frozen>, String> {
    let (mut lab, address) = (Lab::new(), webhook::free_address());
    configure(&lab, gib, &address);
    let state = lab.path("state");
    std::fs::create_dir_all(&state).unwrap();
    large::fill(&state, &lab.path("told"), gib << 30)?;
    lab.start();
    let rounds = (RATE / 4 * 3_600).to_string();
    let rate = RATE.to_string();
    let args = ["--threads", "4", "--per-thread", &rounds, "--rate", &rate, "--start-on-stdin"];
    let mut load = Program::start(&standin().calls, args);
    load.line_with("READY");
    lab.until_covered(load.pid());
    load.say("go");
    std::thread::sleep(Duration::from_secs(3));
    let place = webhook::tcp(&address);
    let whole = by_command(&lab, "ctl, whole ring", WHOLE, Duration::from_secs(24 * 3_600));
    Ok(vec![
        whole,
        by_command(&lab, "ctl", times, Duration::from_secs(1)),
        by_log(&lab, "signal", times, |_| lab.signal(Signal::SIGUSR1)),
        by_log(&lab, "webhook", times, |i| alert(&place, i)),
    ])
}

fn configure(lab: &Lab, gib: u64, address: &str) {
    let text = format!(
        "[ring]\nmax_bytes = \"{}GiB\"\nkeep_free = \"16MiB\"\n[budget]\nthread_percent = 100\ndaemon_percent = 100\n\
         [snapshot]\nlast = \"1s\"\nafter = \"0ms\"\nmax_per_hour = 1000000\nmax_bytes = \"{}GiB\"\n\
         [trigger.signal]\ncool_down = \"0s\"\n[trigger.webhook]\nlisten = \"{address}\"\ncool_down = \"0s\"\n",
        gib + 256,
        // Triggers may take as many bytes within an hour.
        255
    );
    std::fs::write(lab.path("recorder.toml"), text).unwrap();
}

fn lost(lab: &Lab) -> u64 {
    lab.json(&["status"])["events"]["lost"].as_u64().unwrap()
}

fn by_command(lab: &Lab, path: &'static str, times: u32, last: Duration) -> Frozen {
    let before = lost(lab);
    let take = |_| {
        let snapshot = ask(lab, last);
        remove_all(lab);
        snapshot
    };
    let taken: Vec<Snapshot> = (0..times).map(take).collect();
    let sorted = |of: fn(&Snapshot) -> u64| {
        let mut all: Vec<u64> = taken.iter().map(of).collect();
        all.sort_unstable();
        all
    };
    Frozen {
        path,
        frozen_ns: sorted(|s| s.frozen_after_ns),
        durable_ns: sorted(|s| s.durable_after_ns),
        lost: lost(lab) - before,
    }
}

fn ask(lab: &Lab, last: Duration) -> Snapshot {
    let (last_ns, reason) = (last.as_nanos() as u64, "back to back".to_owned());
    match request(lab, &Request::Snapshot { last_ns, after_ns: 0, reason, unit: false }) {
        Reply::Snapshot(snapshot) => snapshot,
        other => panic!("{other:?}"),
    }
}

// The disk need not hold them all.
fn remove_all(lab: &Lab) {
    let Reply::Snapshots(list) = request(lab, &Request::Snapshots) else { panic!("no list") };
    for snapshot in list {
        request(lab, &Request::Remove { id: snapshot.id });
    }
}

// As `ingeroctl` asks, without the start of a program.
fn request(lab: &Lab, request: &Request) -> Reply {
    let mut stream = UnixStream::connect(lab.path("run/control.sock")).unwrap();
    stream.write_all(&to_wire(request).unwrap()).unwrap();
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).unwrap();
    let mut body = vec![0; body_len(prefix).unwrap()];
    stream.read_exact(&mut body).unwrap();
    from_wire(&body).unwrap()
}

// Who triggers so is not told: the journal is.
fn by_log(lab: &Lab, path: &'static str, times: u32, fire: impl Fn(u32)) -> Frozen {
    let (before, begun) = (lost(lab), lab.log().len());
    for i in 0..times {
        let (taken, since) = (lab.log().matches(" taken: ").count(), Instant::now());
        fire(i);
        while lab.log().matches(" taken: ").count() == taken {
            assert!(since.elapsed() < Duration::from_secs(60), "no snapshot\n{}", lab.log());
            std::thread::sleep(Duration::from_millis(2));
        }
        remove_all(lab);
    }
    let log = lab.log();
    let mut frozen_ns: Vec<u64> = log[begun..].lines().filter_map(frozen_after).collect();
    frozen_ns.sort_unstable();
    Frozen { path, frozen_ns, durable_ns: Vec::new(), lost: lost(lab) - before }
}

// `snapshot ID: frozen after 1.23 ms`
fn frozen_after(line: &str) -> Option<u64> {
    let (value, unit) = line.split_once(": frozen after ")?.1.split_once(' ')?;
    let factor = match unit {
        "ns" => 1.0,
        "us" => 1e3,
        "ms" => 1e6,
        _ => 1e9,
    };
    Some((value.parse::<f64>().ok()? * factor) as u64)
}

fn alert(place: &Place, i: u32) {
    let answer = webhook::post(place, None, &webhook::firing("Slow", &format!("{i}")));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
