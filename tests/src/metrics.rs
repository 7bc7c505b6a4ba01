//! A metrics page as vLLM has it, written from the names and bounds that its documentation gives, whose requests can be
//! made slow; and hostile pages.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
};

/// Bounds of vLLM's histogram, s.
const BOUNDS: [&str; 22] = [
    "0.001", "0.005", "0.01", "0.02", "0.04", "0.06", "0.08", "0.1", "0.25", "0.5", "0.75", "1.0", "2.5",
    "5.0", "7.5", "10.0", "20.0", "40.0", "80.0", "160.0", "640.0", "2560.0",
];
/// Requests that come between two looks at the page.
const PER_LOOK: u64 = 50;

/// Serves a page until the process ends.
pub struct Engine {
    address: String,
    slow: Arc<AtomicBool>,
}

fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

fn take_request(stream: &TcpStream) {
    let mut lines = BufReader::new(stream).lines();
    while lines.next().is_some_and(|line| line.is_ok_and(|l| !l.is_empty())) {}
}

fn page(fast: u64, slow: u64) -> String {
    let labels = "engine=\"0\",model_name=\"standin/model\"";
    let name = "vllm:time_to_first_token_seconds";
    let mut page =
        format!("# HELP {name} Histogram of time to first token in seconds.\n# TYPE {name} histogram\n");
    for bound in BOUNDS {
        let seconds: f64 = bound.parse().unwrap();
        let count = if seconds < 0.04 { 0 } else { fast } + if seconds < 5.0 { 0 } else { slow };
        page +=
            &format!("{name}_bucket{{engine=\"0\",le=\"{bound}\",model_name=\"standin/model\"}} {count}.0\n");
    }
    let (all, sum) = (fast + slow, fast as f64 * 0.03 + slow as f64 * 4.0);
    page + &format!(
        "{name}_bucket{{engine=\"0\",le=\"+Inf\",model_name=\"standin/model\"}} {all}.0\n\
         {name}_count{{{labels}}} {all}.0\n{name}_sum{{{labels}}} {sum}\n{name}_created{{{labels}}} 1.7953e+09\n"
    )
}

impl Engine {
    /// An engine whose requests are fast.
    pub fn start() -> Self {
        let (listener, address) = listen();
        let slow = Arc::new(AtomicBool::new(false));
        let is_slow = Arc::clone(&slow);
        thread::spawn(move || {
            let (mut fast, mut late) = (0, 0);
            for mut stream in listener.incoming().flatten() {
                take_request(&stream);
                *(if is_slow.load(Relaxed) { &mut late } else { &mut fast }) += PER_LOOK;
                let page = page(fast, late);
                let head =
                    "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n";
                let _ = write!(stream, "{head}Content-Length: {}\r\n\r\n{page}", page.len());
            }
        });
        Self { address, slow }
    }

    /// The page's address.
    pub fn page(&self) -> String {
        format!("http://{}/metrics", self.address)
    }

    /// From now on every request takes four seconds to its first token.
    pub fn slow(&self) {
        self.slow.store(true, Relaxed);
    }

    /// From now on none does.
    pub fn fast(&self) {
        self.slow.store(false, Relaxed);
    }

    /// The address of pages that are in turn endless, binary, of a million series, and of numbers that are none.
    pub fn hostile() -> String {
        let (listener, address) = listen();
        thread::spawn(move || {
            for (turn, mut stream) in listener.incoming().flatten().enumerate() {
                take_request(&stream);
                thread::spawn(move || {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
                    let name = "vllm:time_to_first_token_seconds_bucket";
                    match turn % 4 {
                        0 => while stream.write_all(&[b'x'; 1 << 16]).is_ok() {},
                        1 => drop(stream.write_all(&[0xff, 0, 0x80, b'\n'].repeat(1 << 16))),
                        2 => {
                            let mut lines =
                                (0..1_000_000).map(|i| format!("{name}{{m=\"{i}\",le=\"1\"}} 1\n"));
                            while lines.next().is_some_and(|line| stream.write_all(line.as_bytes()).is_ok()) {
                            }
                        }
                        _ => drop(stream.write_all(format!("{name}{{le=\"1\"}} NaN\n").as_bytes())),
                    }
                });
            }
        });
        format!("http://{address}/metrics")
    }
}
