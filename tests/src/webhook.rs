//! A client of the webhook: the requests of an Alertmanager, as its documentation describes them.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

/// Where a webhook listens.
#[derive(Clone, Debug)]
pub enum Place {
    /// Address and port.
    Tcp(String),
    /// A socket file.
    Unix(PathBuf),
}

/// Both directions of a connection.
pub trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// An address.
pub fn tcp(address: &str) -> Place {
    Place::Tcp(address.to_owned())
}

/// A socket file.
pub fn unix(path: &Path) -> Place {
    Place::Unix(path.to_owned())
}

/// An address that nobody listens on.
pub fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// A connection; `None` if nobody listens.
pub fn connect(place: &Place) -> Option<Box<dyn Stream>> {
    match place {
        Place::Tcp(address) => TcpStream::connect(address).ok().map(|s| Box::new(s) as Box<dyn Stream>),
        Place::Unix(path) => UnixStream::connect(path).ok().map(|s| Box::new(s) as Box<dyn Stream>),
    }
}

/// Posts a payload and gives the whole answer.
pub fn post(place: &Place, token: Option<&str>, body: &str) -> String {
    let mut stream = connect(place).unwrap_or_else(|| panic!("nobody listens on {place:?}"));
    let authorization = token.map(|t| format!("Authorization: Bearer {t}\r\n")).unwrap_or_default();
    let head = format!(
        "POST /webhook HTTP/1.1\r\nHost: ingero\r\nUser-Agent: Alertmanager/0.28.1\r\n\
         Content-Type: application/json\r\n{authorization}Content-Length: {}\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes());
    // It may be answered before the body is sent.
    let _ = stream.write_all(body.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// A payload of version 4 with one alert.
pub fn payload(status: &str, name: &str, fingerprint: &str) -> String {
    let labels = serde_json::json!({ "alertname": name, "instance": "gpu-1:8000", "severity": "page" });
    serde_json::json!({
        "version": "4", "groupKey": format!("{{}}:{{alertname={name:?}}}"), "truncatedAlerts": 0, "status": status,
        "receiver": "ingero", "groupLabels": { "alertname": name }, "commonLabels": labels, "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093",
        "alerts": [{
            "status": status, "labels": labels, "annotations": { "summary": "tokens come late" },
            "startsAt": "2026-11-22T14:00:00.000Z", "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus:9090/graph?g0.expr=x", "fingerprint": fingerprint,
        }],
    })
    .to_string()
}

/// The same that fires.
pub fn firing(name: &str, fingerprint: &str) -> String {
    payload("firing", name, fingerprint)
}
