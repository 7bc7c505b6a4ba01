//! The door over HTTP, by hand: what a well-behaved client would not send.

use std::{fs, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{Made, runtime};
use crate::mcp::{door, http};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

async fn served(made: &Made, with_token: bool) -> SocketAddr {
    let file = made.folder.path().join("token");
    fs::write(&file, TOKEN).unwrap();
    let door = door("127.0.0.1:0".parse().unwrap(), with_token.then_some(file.as_path()), &[]).unwrap();
    let listener = http::listen(&door).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(http::serve(made.server(), door, listener));
    address
}

/// Sends a request with these headers and gives the whole response.
async fn post(address: SocketAddr, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let host = if headers.contains("Host:") { String::new() } else { format!("Host: {address}\r\n") };
    let request = format!(
        "POST /mcp HTTP/1.1\r\n{host}Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
         Connection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

fn call(tool: &str, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments}}}}}"#
    )
}

#[test]
fn without_the_token_nothing_is_answered_and_the_reason_is_said() {
    let made = Made::incident();
    runtime().block_on(async {
        let address = served(&made, true).await;
        let body = call("get_trace_stats", "{}");
        for (header, reason) in [
            ("", "needs a token"),
            ("Authorization: Bearer wrong\r\n", "the token is wrong"),
            ("Authorization: Basic MDEyMw==\r\n", "no bearer token"),
        ] {
            let response = post(address, header, &body).await;
            assert!(response.starts_with("HTTP/1.1 401 "), "{response}");
            assert!(
                response.contains(reason) && response.to_lowercase().contains("www-authenticate: bearer")
            );
            assert!(!response.contains("population") && !response.contains(TOKEN));
        }
        let right = format!("Authorization: Bearer {TOKEN}\r\n");
        let response = post(address, &right, &body).await;
        assert!(response.starts_with("HTTP/1.1 200 ") && response.contains("population"), "{response}");
    });
}

#[test]
fn a_page_of_another_site_and_another_name_of_this_host_are_kept_out() {
    let made = Made::incident();
    runtime().block_on(async {
        let address = served(&made, false).await;
        let body = call("get_trace_stats", "{}");
        for headers in [
            "Host: evil.example\r\n".to_owned(),
            format!("Host: {address}\r\nOrigin: https://evil.example\r\n"),
            format!("Host: {address}\r\nOrigin: null\r\n"),
        ] {
            let response = post(address, &headers, &body).await;
            assert!(response.starts_with("HTTP/1.1 403 "), "{headers}: {response}");
            assert!(!response.contains("population"));
        }
        for headers in [String::new(), format!("Origin: http://localhost:{}\r\n", address.port())] {
            assert!(post(address, &headers, &body).await.contains("population"), "{headers}");
        }
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("GET /etc HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        assert!(response.starts_with("HTTP/1.1 404 "), "{response}");
    });
}

#[test]
fn clients_that_hang_do_not_keep_others_waiting() {
    let made = Made::incident();
    runtime().block_on(async {
        let address = served(&made, false).await;
        let mut hanging = Vec::new();
        for sent in [
            "",
            "POST /mcp HTTP/1.1\r\nHost:",
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n{",
        ] {
            for _ in 0..10 {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.write_all(sent.as_bytes()).await.unwrap();
                hanging.push(stream);
            }
        }
        let response =
            timeout(Duration::from_secs(5), post(address, "", &call("get_trace_stats", "{}"))).await;
        assert!(response.unwrap().contains("population"));
        let long = "x".repeat((1 << 20) + 1);
        let refused = post(address, "", &long).await;
        assert!(refused.starts_with("HTTP/1.1 413 "), "{}", &refused[..refused.len().min(200)]);
    });
}

#[test]
fn a_client_that_leaves_has_its_statement_stopped() {
    let made = Made::incident();
    runtime().block_on(async {
        let address = served(&made, false).await;
        let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n";
        let body = call("run_sql", &serde_json::json!({"query": endless}).to_string());
        let mut leaving = Vec::new();
        for _ in 0..8 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = format!(
                "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
                 Accept: application/json, text/event-stream\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(request.as_bytes()).await.unwrap();
            leaving.push(stream);
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        drop(leaving);
        // All eight places were taken, each for ten seconds.
        let response = timeout(Duration::from_secs(8), post(address, "", &call("get_off_cpu", "{}"))).await;
        assert!(response.unwrap().contains("population"));
    });
}
