//! The server: one request for each connection.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ALLOW, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::{Semaphore, watch},
    time::timeout,
};

use super::{Listener, Token, alerts};
use crate::{
    journal,
    trigger::{Kind, Refusal, Triggers, Verdict},
};

/// Where alerts go; everything else is 404.
const PATH: &str = "/webhook";
/// Largest body. An alert has some hundred bytes, and at most 1,000 of them are read.
const MAX_BODY_BYTES: usize = 1 << 20;
/// Most bytes of a request's head.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// Longest time for a request's head, and for its body.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest life of a connection.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(15);
/// Connections at once; further ones wait in the socket's queue.
const MAX_CONNECTIONS: usize = 32;
/// Rest after a connection could not be accepted, e.g. for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The token in force; a reload replaces it while the server runs.
pub type SharedToken = Arc<Mutex<Option<Token>>>;

/// Serves until `stop` changes. Blocks the calling thread.
///
/// # Errors
/// If the runtime cannot be set up.
pub fn serve(
    listener: Listener,
    triggers: Triggers,
    token: SharedToken,
    mut stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    runtime.block_on(async {
        let hook = Hook { triggers, token };
        let seats = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        match listener {
            Listener::Unix(listener) => {
                let listener = UnixListener::from_std(listener)?;
                let accept = async || listener.accept().await.map(|(stream, _)| stream);
                hook.serve(&seats, accept, &mut stop).await
            }
            Listener::Tcp(listener) => {
                let listener = TcpListener::from_std(listener)?;
                let accept = async || listener.accept().await.map(|(stream, _)| stream);
                hook.serve(&seats, accept, &mut stop).await
            }
        }
    })
}

#[derive(Clone)]
struct Hook {
    triggers: Triggers,
    token: SharedToken,
}

type Answer = Response<Full<Bytes>>;

impl Hook {
    async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        seats: &Arc<Semaphore>,
        accept: impl AsyncFn() -> std::io::Result<S>,
        stop: &mut watch::Receiver<bool>,
    ) -> std::io::Result<()> {
        loop {
            // A seat first: when all are taken, further clients wait in the socket's queue.
            let taken = async {
                let seat = Arc::clone(seats).acquire_owned().await.map_err(std::io::Error::other)?;
                Ok::<_, std::io::Error>((seat, accept().await?))
            };
            let (seat, stream) = tokio::select! {
                _ = stop.changed() => return Ok(()),
                taken = taken => match taken {
                    Ok(taken) => taken,
                    Err(e) => {
                        journal::warning(&format!("webhook: {e}"));
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                },
            };
            let hook = self.clone();
            tokio::spawn(async move {
                let _seat = seat;
                hook.connection(stream).await;
            });
        }
    }

    async fn connection<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(&self, stream: S) {
        let service = service_fn(|request| async { Ok::<_, Infallible>(self.answer(request).await) });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(READ_TIMEOUT)
            .keep_alive(false)
            .max_buf_size(MAX_HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        // A client that goes away or sends no HTTP is its own affair; one that is slow is counted.
        match timeout(CONNECTION_TIMEOUT, connection).await {
            Err(_) => self.triggers.refuse(Kind::Webhook, Refusal::TooSlow, "a connection took too long"),
            Ok(Err(e)) if e.is_timeout() => {
                self.triggers.refuse(Kind::Webhook, Refusal::TooSlow, "no request in time");
            }
            Ok(Err(e)) if e.is_parse() => {
                self.triggers.refuse(Kind::Webhook, Refusal::Malformed, &format!("no HTTP request: {e}"));
            }
            Ok(_) => {}
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        if request.uri().path() != PATH {
            return self.refuse(StatusCode::NOT_FOUND, Refusal::Malformed, "POST to /webhook");
        }
        if request.method() != Method::POST {
            let mut answer =
                self.refuse(StatusCode::METHOD_NOT_ALLOWED, Refusal::Malformed, "POST to /webhook");
            answer.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("POST"));
            return answer;
        }
        if !self.may(&request) {
            let mut answer =
                self.refuse(StatusCode::UNAUTHORIZED, Refusal::Unauthorised, "wrong or no bearer token");
            answer.headers_mut().insert(WWW_AUTHENTICATE, hyper::header::HeaderValue::from_static("Bearer"));
            return answer;
        }
        let claimed =
            request.headers().get(CONTENT_LENGTH).and_then(|l| l.to_str().ok()?.parse::<u64>().ok());
        let too_large = || {
            let detail = format!("the body may have {MAX_BODY_BYTES} bytes");
            self.refuse(StatusCode::PAYLOAD_TOO_LARGE, Refusal::TooLarge, &detail)
        };
        if claimed.is_some_and(|bytes| bytes > MAX_BODY_BYTES as u64) {
            return too_large();
        }
        let body = Limited::new(request.into_body(), MAX_BODY_BYTES).collect();
        match timeout(READ_TIMEOUT, body).await {
            Err(_) => {
                self.refuse(StatusCode::REQUEST_TIMEOUT, Refusal::TooSlow, "the body did not arrive in time")
            }
            Ok(Err(e)) if e.is::<LengthLimitError>() => too_large(),
            Ok(Err(e)) => self.refuse(StatusCode::BAD_REQUEST, Refusal::Malformed, &e.to_string()),
            Ok(Ok(body)) => self.payload(&body.to_bytes()),
        }
    }

    fn may<B>(&self, request: &Request<B>) -> bool {
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(token) = token.as_ref() else { return true };
        let given = request.headers().get(AUTHORIZATION).map(|value| value.as_bytes()).unwrap_or_default();
        let scheme = given.split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Bearer "));
        scheme.is_some_and(|(_, given)| token.is(given.trim_ascii()))
    }

    fn payload(&self, body: &[u8]) -> Answer {
        let alerts = match alerts(body) {
            Ok(alerts) => alerts,
            Err(e) => return self.refuse(StatusCode::BAD_REQUEST, Refusal::Malformed, &e.to_string()),
        };
        let (mut fired, mut joined, mut refused) = (0, 0, BTreeMap::<&str, u64>::new());
        let firing = alerts.iter().filter(|alert| alert.is_firing());
        for alert in firing {
            match self.triggers.ask(Kind::Webhook, alert.ask()) {
                Verdict::Fired => fired += 1,
                Verdict::Joined => joined += 1,
                Verdict::Refused(why) => *refused.entry(why.name()).or_default() += 1,
            }
        }
        let resolved = alerts.iter().filter(|alert| !alert.is_firing()).count();
        // 200 also if nothing was frozen: an Alertmanager tries again on anything else.
        reply(
            StatusCode::OK,
            &json!({ "fired": fired, "coalesced": joined, "refused": refused, "resolved": resolved }),
        )
    }

    fn refuse(&self, status: StatusCode, why: Refusal, detail: &str) -> Answer {
        self.triggers.refuse(Kind::Webhook, why, detail);
        reply(status, &json!({ "error": detail }))
    }
}

fn reply(status: StatusCode, body: &serde_json::Value) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(format!("{body}\n"))));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    answer
}

#[cfg(test)]
mod tests;
