use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, channel},
    },
    thread::JoinHandle,
    time::Instant,
};

use tokio::sync::watch;

use super::*;
use crate::{
    config::Config,
    http::{self, Listener},
    trigger::FreezeRequest,
    trigger::joint::Joint,
};

/// A webhook whose freezes nobody makes.
struct Server {
    address: SocketAddr,
    triggers: Triggers,
    asked: Receiver<FreezeRequest>,
    joint: Joint,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn new(token: Option<&str>) -> Self {
        let config = Config::parse("[trigger.webhook]\nlisten = \"unix\"\ncool_down = \"0s\"\n").unwrap();
        let ((requests, asked), joint) = (channel(), Joint::default());
        let triggers = Triggers::new(requests, Arc::new(Mutex::new(config)), joint.clone());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let file = tempfile::NamedTempFile::new().unwrap();
        let token = token.map(|token| {
            std::fs::write(file.path(), token).unwrap();
            let place = crate::config::TokenPlace { file: Some(file.path()), credential: None };
            http::token("[trigger.webhook]", place).unwrap().unwrap()
        });
        let (own, shared) = (triggers.clone(), Arc::new(Mutex::new(token)));
        let serving = move || http::serve(Listener::Tcp(listener), Hook::new(own, shared), stopped).unwrap();
        let thread = Some(std::thread::spawn(serving));
        Self { address, triggers, asked, joint, stop, thread }
    }

    fn send(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        // It may be answered and closed before all is sent.
        let _ = stream.write_all(bytes);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    fn post(&self, headers: &str, body: &str) -> String {
        let head =
            format!("POST /webhook HTTP/1.1\r\nHost: a\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
        self.send(format!("{head}{body}").as_bytes())
    }

    fn refused(&self, reason: &str) -> u64 {
        let status = self.triggers.status();
        let webhook = status.iter().find(|t| t.name == "webhook").unwrap();
        assert_eq!(
            webhook.asked,
            webhook.fired + webhook.coalesced + webhook.refused.iter().map(|r| r.count).sum::<u64>()
        );
        webhook.refused.iter().find(|r| r.reason == reason).map_or(0, |r| r.count)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn alert(fingerprint: &str, status: &str) -> String {
    format!(
        r#"{{"status":"{status}","labels":{{"alertname":"Slow"}},"startsAt":"2026-11-22T14:00:00Z","fingerprint":"{fingerprint}"}}"#
    )
}

fn payload(alerts: &[String]) -> String {
    format!(r#"{{"version":"4","status":"firing","alerts":[{}]}}"#, alerts.join(","))
}

#[test]
fn firing_alerts_fire_once_and_resolved_ones_never() {
    let server = Server::new(None);
    let body = payload(&[alert("a", "firing"), alert("b", "firing"), alert("c", "resolved")]);
    let answer = server.post("", &body);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let counts: serde_json::Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(counts, json!({ "fired": 1, "coalesced": 1, "refused": {}, "resolved": 1 }));
    assert_eq!(server.asked.try_recv().unwrap().trigger.reason, "alert Slow");
    let _ = server.joint.close();
    let again = server.post("", &body);
    assert!(again.contains(r#""fired":0"#) && again.contains(r#""duplicate":2"#), "{again}");
    assert_eq!(server.refused("duplicate"), 2);
    assert!(server.asked.try_recv().is_err());
}

#[test]
fn without_its_token_nobody_gets_in_and_the_body_is_not_even_read() {
    let server = Server::new(Some("s3cret"));
    let body = payload(&[alert("a", "firing")]);
    for headers in [
        "",
        "Authorization: Bearer wrong\r\n",
        "Authorization: Bearer s3cret2\r\n",
        "Authorization: Basic s3cret\r\n",
        "Authorization: s3cret\r\n",
        "Authorization: Bearer\r\n",
    ] {
        let answer = server.post(headers, &body);
        assert!(
            answer.starts_with("HTTP/1.1 401") && answer.contains("www-authenticate"),
            "{headers}: {answer}"
        );
    }
    let unread = server.send(b"POST /webhook HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n");
    assert!(unread.starts_with("HTTP/1.1 401"), "{unread}");
    assert_eq!(server.refused("unauthorised"), 7);
    let right = server.post("Authorization: bearer  s3cret\r\n", &body);
    assert!(right.starts_with("HTTP/1.1 200"), "{right}");
}

#[test]
fn what_is_no_alert_is_answered_by_its_fault_and_counted() {
    let server = Server::new(None);
    let get = |request: &str| server.send(request.as_bytes());
    assert!(get("GET /webhook HTTP/1.1\r\nHost: a\r\n\r\n").starts_with("HTTP/1.1 405"));
    for path in ["/", "/webhook/", "/../webhook", "/webhook/../../etc/passwd", "//webhook", "/%77ebhook"] {
        let answer = get(&format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{{}}"));
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
    }
    for body in ["", "{", "{}", "null", &"[".repeat(5_000), r#"{"version":"4","alerts":[{"status":"firing""#]
    {
        assert!(server.post("", body).starts_with("HTTP/1.1 400"), "{body}");
    }
    assert!(get("nonsense\r\n\r\n").starts_with("HTTP/1.1 400"));
    let long = format!("POST /webhook HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    assert!(get(&long).starts_with("HTTP/1.1 431"));
    assert!(server.refused("malformed") >= 13);
    assert!(server.asked.try_recv().is_err());
}

#[test]
fn a_huge_body_is_refused_by_its_length_or_once_it_passes_the_limit() {
    let server = Server::new(None);
    let claimed = server.send(b"POST /webhook HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n");
    assert!(claimed.starts_with("HTTP/1.1 413"), "{claimed}");
    let mut chunked = b"POST /webhook HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..40 {
        chunked.extend(b"8000\r\n");
        chunked.extend([b' '; 0x8000]);
        chunked.extend(b"\r\n");
    }
    server.send(&chunked);
    assert_eq!(server.refused("too_large"), 2);
}

#[test]
fn slow_clients_are_let_go_and_keep_nobody_out() {
    let server = Server::new(None);
    let begun = Instant::now();
    let mut silent = TcpStream::connect(server.address).unwrap();
    let mut slow = TcpStream::connect(server.address).unwrap();
    slow.write_all(b"POST /webhook HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{").unwrap();
    let gone = TcpStream::connect(server.address).unwrap();
    drop(gone);
    assert!(server.post("", &payload(&[alert("a", "firing")])).starts_with("HTTP/1.1 200"));
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    let _ = silent.read_to_string(&mut answer);
    assert!(begun.elapsed() < http::CONNECTION_TIMEOUT * 2, "{:?}", begun.elapsed());
    assert_eq!(server.refused("too_slow"), 2);
}

#[test]
fn many_connections_at_once_are_served_in_turn() {
    let server = Server::new(None);
    let open: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    drop(open);
    for i in 0..50 {
        assert!(server.post("", &payload(&[alert(&i.to_string(), "firing")])).starts_with("HTTP/1.1 200"));
    }
}
