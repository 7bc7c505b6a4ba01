use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use ingero_format::{Row, ops};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message;

use super::*;
use crate::{
    config::{Config, Listen},
    freeze::Snapshots,
    metrics::{Tap, meters::MAX_PROCESSES},
    ring::{Layout, SegmentTable, SlotPool},
    storage::{FileSystem, Storage},
    trigger::{Triggers, joint::Joint},
};

/// A recorder without a ring: its drain takes turns and counts.
struct Recorder {
    folder: tempfile::TempDir,
    exports: Exports,
    parts: Arc<StatusParts>,
    stop: Arc<AtomicBool>,
    drain: Option<JoinHandle<u64>>,
}

fn parts(state: &Path) -> StatusParts {
    let storage: Arc<dyn Storage> = Arc::new(FileSystem);
    let layout = Layout::create(&*storage, state).unwrap();
    let config = Arc::new(Mutex::new(Config::parse("").unwrap()));
    StatusParts {
        annotations: Arc::default(),
        progress: Arc::default(),
        registry: Arc::default(),
        table: SegmentTable::default(),
        slots: SlotPool::new(1),
        snapshots: Snapshots::new(Arc::clone(&storage), layout.bundles.clone()),
        storage,
        layout,
        triggers: Triggers::new(channel().0, Arc::clone(&config), Joint::default()),
        config,
        counts: Arc::default(),
        warnings: Vec::new(),
        budget: crate::budget::BudgetReport::default(),
        activity: crate::budget::Activity::default(),
        reload_error: Mutex::default(),
        metrics_error: Mutex::default(),
        cpu: Mutex::default(),
    }
}

impl Recorder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let parts = Arc::new(parts(folder.path()));
        let shared = Shared::default();
        let exports = Exports::new(Arc::clone(&parts), shared.clone(), folder.path().into());
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let drain = std::thread::spawn(move || {
            let (mut tap, mut turns) = (Tap::new(shared), 0);
            while !flag.load(Relaxed) {
                turns += 1;
                // More processes than have places, with names that are no text.
                for pid in 1..=MAX_PROCESSES as u32 + 5 {
                    let row = Row { pid, op: ops::CU_LAUNCH_KERNEL, end_ns: turns, ..Row::default() };
                    tap.see(&row, |pid| format!("a\"b\\c\n{pid}"));
                }
                tap.turn(turns);
                std::thread::sleep(Duration::from_millis(1));
            }
            turns
        });
        Self { folder, exports, parts, stop, drain: Some(drain) }
    }

    fn put(&self, text: &str) -> Result<(), String> {
        let config = Config::parse(text).unwrap().metrics;
        let prepared = self.exports.prepare(&config)?;
        self.exports.apply(&config, prepared);
        Ok(())
    }

    // A request on the socket in the run directory.
    fn ask(&self, request: &str) -> String {
        answer(UnixStream::connect(self.folder.path().join("metrics.sock")).unwrap(), request)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.exports.stop();
        self.stop.store(true, Relaxed);
        let turns = self.drain.take().unwrap().join().unwrap();
        assert!(turns > 0);
    }
}

/// Reads the page until it is as it should be: the drain, like any thread of a busy machine, may not get to it at once.
fn page_until(recorder: &Recorder, what: &str, is: impl Fn(&str) -> bool) -> String {
    let begun = Instant::now();
    loop {
        let page = recorder.ask("GET /metrics HTTP/1.1\r\n");
        if is(&page) {
            return page;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "waited in vain until {what}\n{page}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn answer(mut stream: impl Read + Write, request: &str) -> String {
    // It may be answered and closed before all is sent.
    let _ = stream.write_all(format!("{request}Host: a\r\n\r\n").as_bytes());
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

fn sink() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/v1/metrics", listener.local_addr().unwrap());
    (listener, endpoint)
}

/// A collector that takes each request, answers as it is told, and gives head and body of the requests.
fn collector(status: &'static str) -> (String, Receiver<(String, Vec<u8>)>) {
    let ((listener, endpoint), (sender, taken)) = (sink(), channel());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).is_ok_and(|n| n > 0) {}
            let length = head.to_lowercase().split("content-length: ").nth(1).unwrap_or("0").to_owned();
            let length = length.split("\r\n").next().unwrap().parse().unwrap();
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let _ = sender.send((head, body));
            let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    (endpoint, taken)
}

fn sample(page: &str, series: &str) -> f64 {
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{page}")).parse().unwrap()
}

#[test]
fn the_page_has_every_family_and_every_process_on_one_line_each() {
    let recorder = Recorder::new();
    recorder.put("[metrics]\nlisten = \"unix\"\n").unwrap();
    let page = page_until(&recorder, "processes are counted", |page| page.contains("pid=\"64\""));
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("application/openmetrics-text"), "{page}");
    assert!(page.ends_with("# EOF\n"));
    for about in super::super::family::ALL {
        assert!(page.contains(&format!("# HELP {} ", about.name().trim_end_matches("_total"))), "{about:?}");
    }
    let launches: Vec<&str> = page.lines().filter(|l| l.starts_with("ingero_launches_total{")).collect();
    assert_eq!(launches.len(), MAX_PROCESSES + 1);
    let one = sample(&page, "ingero_launches_total{pid=\"1\",comm=\"a\\\"b\\\\c\\n1\"}");
    assert_eq!(sample(&page, "ingero_launches_total{pid=\"other\",comm=\"other\"}"), 5.0 * one);
    assert_eq!(sample(&page, "ingero_recorder_counted_processes"), MAX_PROCESSES as f64);
}

#[test]
fn who_has_no_token_another_path_or_method_gets_no_numbers() {
    let recorder = Recorder::new();
    let token = recorder.folder.path().join("token");
    std::fs::write(&token, "s3cret\n").unwrap();
    let text = format!("[metrics]\nlisten = \"unix\"\ntoken_file = {:?}\n", token.display().to_string());
    recorder.put(&text).unwrap();
    for (request, status) in [
        ("GET /metrics HTTP/1.1\r\n", "401"),
        ("GET /metrics HTTP/1.1\r\nAuthorization: Bearer s3cre\r\n", "401"),
        ("GET /metrics HTTP/1.1\r\nAuthorization: Basic s3cret\r\n", "401"),
        ("POST /metrics HTTP/1.1\r\nAuthorization: Bearer s3cret\r\nContent-Length: 0\r\n", "405"),
        ("GET / HTTP/1.1\r\nAuthorization: Bearer s3cret\r\n", "404"),
        ("\u{1}\u{2}\r\n", "400"),
    ] {
        let answer = recorder.ask(request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request:?}: {answer}");
        assert!(!answer.contains("ingero_"), "{request:?}: {answer}");
    }
    let page = recorder.ask("GET /metrics HTTP/1.1\r\nAuthorization: Bearer s3cret\r\n");
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    // A new token holds from the reload on; one that cannot be read leaves the old in force.
    std::fs::write(&token, "other\n").unwrap();
    recorder.put(&text).unwrap();
    assert!(recorder.ask("GET /metrics HTTP/1.1\r\nAuthorization: Bearer s3cret\r\n").contains(" 401 "));
    std::fs::remove_file(&token).unwrap();
    assert!(recorder.put(&text).is_err_and(|e| e.starts_with("[metrics] token")));
    assert!(recorder.ask("GET /metrics HTTP/1.1\r\nAuthorization: Bearer other\r\n").contains(" 200 "));
}

#[test]
fn the_socket_is_there_while_its_server_runs_and_gone_when_it_is_stopped() {
    let recorder = Recorder::new();
    let path = recorder.folder.path().join("metrics.sock");
    for _ in 0..2 {
        recorder.put("[metrics]\nlisten = \"unix\"\n").unwrap();
        assert!(path.exists() && !recorder.ask("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").is_empty());
        recorder.exports.stop();
        assert!(!path.exists());
    }
}

#[test]
fn an_address_that_is_taken_is_refused_at_reload_and_told_at_start() {
    let recorder = Recorder::new();
    let (taken, _) = sink();
    let text = format!("[metrics]\nlisten = \"{}\"\n", taken.local_addr().unwrap());
    assert!(recorder.put(&text).is_err_and(|e| e.starts_with("[metrics] listen: 127.0.0.1")));
    recorder.exports.start(&Config::parse(&text).unwrap().metrics);
    let warnings = recorder.parts.status().warnings;
    assert!(warnings.iter().any(|w| w.starts_with("[metrics] listen")), "{warnings:?}");
    drop(taken);
    recorder.put(&text).unwrap();
    assert!(recorder.parts.status().warnings.is_empty());
    let address: SocketAddr = Config::parse(&text)
        .unwrap()
        .metrics
        .listen
        .map(|l| match l {
            Listen::Tcp(address) => address,
            Listen::Unix => unreachable!(),
        })
        .unwrap();
    assert!(answer(TcpStream::connect(address).unwrap(), "GET /metrics HTTP/1.1\r\n").contains("# EOF"));
    recorder.put("").unwrap();
    assert!(TcpStream::connect(address).is_err(), "switched off");
}

#[test]
fn a_collector_gets_all_points_with_the_token_at_each_interval() {
    let recorder = Recorder::new();
    let token = recorder.folder.path().join("token");
    std::fs::write(&token, "s3cret\n").unwrap();
    let (endpoint, taken) = collector("200 OK");
    let text = format!(
        "[metrics]\nlisten = \"unix\"\n[metrics.otlp]\nendpoint = \"{endpoint}\"\ninterval = \"1s\"\ntoken_file = {:?}\n",
        token.display().to_string()
    );
    recorder.put(&text).unwrap();
    for _ in 0..2 {
        let (head, body) = taken.recv_timeout(Duration::from_secs(60)).unwrap();
        let lower = head.to_lowercase();
        assert!(
            head.starts_with("POST /v1/metrics HTTP/1.1\r\n") && head.contains("Bearer s3cret"),
            "{head}"
        );
        assert!(lower.contains("content-type: application/x-protobuf\r\n"), "{head}");
        let request = ExportMetricsServiceRequest::decode(&*body).unwrap();
        let names: Vec<&str> =
            request.resource_metrics[0].scope_metrics[0].metrics.iter().map(|m| m.name.as_str()).collect();
        assert!(names.contains(&"ingero_launches_total") && names.contains(&"ingero_recorder_held_seconds"));
    }
    let exported = |page: &str, result| {
        sample(page, &format!("ingero_recorder_otlp_exports_total{{result=\"{result}\"}}"))
    };
    page_until(&recorder, "exports are counted", |page| exported(page, "ok") >= 2.0);
    let (endpoint, taken) = collector("503 Service Unavailable");
    recorder
        .put(&format!("[metrics]\nlisten = \"unix\"\n[metrics.otlp]\nendpoint = \"{endpoint}\"\n"))
        .unwrap();
    taken.recv_timeout(Duration::from_secs(60)).unwrap();
    page_until(&recorder, "failures are counted", |page| exported(page, "failed") >= 1.0);
}

#[test]
fn a_collector_that_takes_requests_and_never_answers_holds_up_neither_drain_nor_page_nor_stop() {
    let recorder = Recorder::new();
    let (listener, endpoint) = sink();
    recorder
        .put(&format!("[metrics]\nlisten = \"unix\"\n[metrics.otlp]\nendpoint = \"{endpoint}\"\n"))
        .unwrap();
    // It has a request and keeps the connection.
    let (mut stream, _) = listener.accept().unwrap();
    stream.read_exact(&mut [0; 16]).unwrap();
    let launches = |page: &str| sample(page, "ingero_launches_total{pid=\"other\",comm=\"other\"}");
    let first = launches(&recorder.ask("GET /metrics HTTP/1.1\r\n"));
    page_until(&recorder, "the drain goes on counting", |page| launches(page) > first);
    let flag = Arc::clone(&recorder.exports.running.lock().unwrap().pushing.as_ref().unwrap().stop);
    recorder.exports.stop();
    assert!(
        flag.load(Relaxed) && Arc::strong_count(&flag) == 2,
        "told to stop, still there, and not waited for"
    );
    drop(stream);
}

#[test]
fn a_slot_reused_before_its_rows_were_durable_is_told_with_what_it_means_for_a_power_loss() {
    let folder = tempfile::tempdir().unwrap();
    let source = parts(folder.path());
    let slots = &source.slots;
    let taken = slots.acquire(0).unwrap();
    assert!(source.status().warnings.is_empty());
    slots.sealed(taken);
    assert_eq!(slots.acquire(0), Some(taken));
    let warnings = source.status().warnings;
    assert!(warnings.iter().any(|told| told.contains("a power loss at such a moment")), "{warnings:?}");
}
