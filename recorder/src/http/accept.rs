//! Accepting clients: one request for each connection, everything that a client can make long or many bounded.

use std::{
    convert::Infallible,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    header::AUTHORIZATION,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::{Semaphore, watch},
    time::timeout,
};

use super::{Listener, Token};
use crate::{journal, limits::ACCEPT_PAUSE, lock::lock};

/// Most bytes of a request's head.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// Longest time for a request's head.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest life of a connection.
pub const CONNECTION_TIMEOUT: Duration = Duration::from_secs(15);
/// Connections at once; further ones wait in the socket's queue.
const MAX_CONNECTIONS: usize = 32;
/// Requests answered at once on threads of their own, where answers block.
const MAX_BLOCKING: usize = 2;

/// The token in force; a reload replaces it while the server runs.
pub type SharedToken = Arc<Mutex<Option<Token>>>;

/// What a request gets.
pub type Answer = Response<Full<Bytes>>;

/// A connection that brought no request.
#[derive(Debug)]
pub enum Bad {
    /// In the time it had.
    TooSlow(&'static str),
    /// But something that is no HTTP.
    Malformed(String),
}

/// What answers requests.
pub trait Respond: Clone + Send + Sync + 'static {
    /// What the journal calls it.
    const NAME: &'static str;

    /// Answers one request.
    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Answer> + Send;

    /// Notes a connection that brought none.
    fn note(&self, bad: Bad);
}

/// True if the request carries the token in force, or if none is asked for.
#[must_use]
pub fn authorised<B>(token: &SharedToken, request: &Request<B>) -> bool {
    let token = lock(token);
    let Some(token) = token.as_ref() else { return true };
    let given = request.headers().get(AUTHORIZATION).map(|value| value.as_bytes()).unwrap_or_default();
    let scheme = given.split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Bearer "));
    scheme.is_some_and(|(_, given)| token.is(given.trim_ascii()))
}

/// Serves until `stop` changes. Blocks the calling thread.
///
/// # Errors
/// If the runtime cannot be set up.
pub fn serve<H: Respond>(
    listener: Listener,
    responder: H,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(MAX_BLOCKING)
        .build()?;
    runtime.block_on(async {
        match listener {
            Listener::Unix(socket) => {
                let (listener, _file) = socket.into_parts();
                let listener = UnixListener::from_std(listener)?;
                let accept = async || listener.accept().await.map(|(stream, _)| stream);
                clients(&responder, accept, &mut stop).await
            }
            Listener::Tcp(listener) => {
                let listener = TcpListener::from_std(listener)?;
                let accept = async || listener.accept().await.map(|(stream, _)| stream);
                clients(&responder, accept, &mut stop).await
            }
        }
    })
}

async fn clients<H: Respond, S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    responder: &H,
    accept: impl AsyncFn() -> io::Result<S>,
    stop: &mut watch::Receiver<bool>,
) -> io::Result<()> {
    let seats = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        // A seat first: when all are taken, further clients wait in the socket's queue.
        let taken = async {
            let seat = Arc::clone(&seats).acquire_owned().await.map_err(io::Error::other)?;
            Ok::<_, io::Error>((seat, accept().await?))
        };
        let (seat, stream) = tokio::select! {
            _ = stop.changed() => return Ok(()),
            taken = taken => match taken {
                Ok(taken) => taken,
                Err(e) => {
                    journal::warning(&format!("{}: {e}", H::NAME));
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        let responder = responder.clone();
        tokio::spawn(async move {
            let _seat = seat;
            connection(&responder, stream).await;
        });
    }
}

async fn connection<H: Respond, S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    responder: &H,
    stream: S,
) {
    let service = service_fn(|request| async { Ok::<_, Infallible>(responder.answer(request).await) });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(READ_TIMEOUT)
        .keep_alive(false)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    // A client that goes away or sends no HTTP is its own affair; one that is slow is counted.
    match timeout(CONNECTION_TIMEOUT, connection).await {
        Err(_) => responder.note(Bad::TooSlow("a connection took too long")),
        Ok(Err(e)) if e.is_timeout() => responder.note(Bad::TooSlow("no request in time")),
        Ok(Err(e)) if e.is_parse() => responder.note(Bad::Malformed(format!("no HTTP request: {e}"))),
        Ok(_) => {}
    }
}
