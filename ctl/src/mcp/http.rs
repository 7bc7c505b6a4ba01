//! Streamable HTTP: each request by itself, without sessions that could be forgotten or guessed.
//!
//! Bounds: connections, size and time of a request, time of a connection. A client that hangs costs one place.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Full, Limited, combinators::BoxBody};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{self, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};

use super::{door::Door, server::Server};

/// Connections at once; more wait until one ends.
const CONNECTIONS: usize = 64;
/// Longest that a client may take to send a header, or to begin the next request.
const HEADER_TIME: Duration = Duration::from_secs(15);
/// Longest that a client may take to send a body.
const BODY_TIME: Duration = Duration::from_secs(10);
/// Longest body, bytes: questions are short.
const BODY_BYTES: usize = 1 << 20;
/// Longest life of a connection.
const LIFE: Duration = Duration::from_secs(600);
/// Where the protocol is.
pub const PATH: &str = "/mcp";

type Service = StreamableHttpService<Server, NeverSessionManager>;
type Answer = Response<BoxBody<Bytes, Infallible>>;

/// Takes the address.
///
/// # Errors
/// If it cannot be had.
pub async fn listen(door: &Door) -> io::Result<TcpListener> {
    let taken =
        |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}; give another --http", door.address));
    TcpListener::bind(door.address).await.map_err(taken)
}

/// Serves until the process ends.
///
/// # Errors
/// None in practice: a connection that fails is the client's.
pub async fn serve(server: Server, door: Door, listener: TcpListener) -> io::Result<()> {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(BODY_BYTES)
        .with_allowed_hosts(door.hosts.clone())
        .with_allowed_origins(origins(&door.hosts))
        .enforce_origin_validation();
    let service: Service =
        StreamableHttpService::new(move || Ok(server.clone()), NeverSessionManager::default().into(), config);
    let (door, places) = (Arc::new(door), Arc::new(Semaphore::new(CONNECTIONS)));
    loop {
        let place = Arc::clone(&places).acquire_owned().await.map_err(io::Error::other)?;
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(_) => {
                // Out of files, or a client that left at once: both pass.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (service, door) = (service.clone(), Arc::clone(&door));
        tokio::spawn(async move {
            let _place = place;
            connection(stream, service, door).await;
        });
    }
}

/// Pages served by this host itself, on whatever port, may ask.
fn origins(hosts: &[String]) -> Vec<String> {
    let name = |host: &String| if host.contains(':') { format!("[{host}]") } else { host.clone() };
    hosts.iter().flat_map(|h| ["http", "https"].map(|scheme| format!("{scheme}://{}:*", name(h)))).collect()
}

async fn connection(stream: TcpStream, service: Service, door: Arc<Door>) {
    let answer = service_fn(move |request| {
        let (service, door) = (service.clone(), Arc::clone(&door));
        async move { Ok::<_, Infallible>(self::answer(request, &service, &door).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .serve_connection(TokioIo::new(stream), answer);
    // How a connection ends is the client's affair.
    let _ = timeout(LIFE, connection).await;
}

async fn answer(request: Request<Incoming>, service: &Service, door: &Door) -> Answer {
    if request.uri().path() != PATH {
        return refused(StatusCode::NOT_FOUND, "nothing here; the protocol is at /mcp");
    }
    if let Err(why) = door.admit(request.headers()) {
        let mut refused = refused(StatusCode::UNAUTHORIZED, why);
        refused.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        return refused;
    }
    let (parts, body) = request.into_parts();
    let body = match timeout(BODY_TIME, Limited::new(body, BODY_BYTES).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => return refused(StatusCode::PAYLOAD_TOO_LARGE, "the body is cut, or longer than 1 MiB"),
        Err(_) => return refused(StatusCode::REQUEST_TIMEOUT, "the body did not come within 10 s"),
    };
    service.handle(Request::from_parts(parts, Full::new(body))).await
}

fn refused(status: StatusCode, why: &'static str) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from_static(why.as_bytes())).boxed());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    // What was sent of a body is not read: the connection cannot go on.
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
