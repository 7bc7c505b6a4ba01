//! The page over HTTP.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ALLOW, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE},
};

use super::{collect::Collector, page};
use crate::{
    http::{Answer, Bad, Respond, SharedToken, authorised},
    lock::lock,
};

/// Where the page is; everything else is 404.
const PATH: &str = "/metrics";
/// Who asks again within this time gets the same page: asking often costs the recorder nothing.
const FRESH: Duration = Duration::from_millis(200);

#[derive(Clone)]
pub(super) struct Pages {
    collector: Collector,
    token: SharedToken,
    last: Arc<Mutex<Option<(Instant, Bytes)>>>,
}

impl Pages {
    pub(super) fn new(collector: Collector, token: SharedToken) -> Self {
        Self { collector, token, last: Arc::default() }
    }

    // Blocks until the drain has taken a turn. One page is made at a time; who comes meanwhile gets that one.
    fn page(&self) -> Option<Bytes> {
        let mut last = lock(&self.last);
        if let Some((at, page)) = last.as_ref()
            && at.elapsed() < FRESH
        {
            return Some(page.clone());
        }
        let page = Bytes::from(page::page(self.collector.families()).ok()?);
        *last = Some((Instant::now(), page.clone()));
        Some(page)
    }
}

impl Respond for Pages {
    const NAME: &'static str = "metrics";

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        if request.uri().path() != PATH {
            return plain(StatusCode::NOT_FOUND, "GET /metrics\n");
        }
        if request.method() != Method::GET {
            return with(plain(StatusCode::METHOD_NOT_ALLOWED, "GET /metrics\n"), ALLOW, "GET");
        }
        if !authorised(&self.token, &request) {
            let answer = plain(StatusCode::UNAUTHORIZED, "wrong or no bearer token\n");
            return with(answer, WWW_AUTHENTICATE, "Bearer");
        }
        let pages = self.clone();
        match tokio::task::spawn_blocking(move || pages.page()).await {
            Ok(Some(page)) => with(Response::new(Full::new(page)), CONTENT_TYPE, page::CONTENT_TYPE),
            _ => plain(StatusCode::INTERNAL_SERVER_ERROR, "the page could not be made\n"),
        }
    }

    fn note(&self, _: Bad) {}
}

fn plain(status: StatusCode, text: &'static str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *answer.status_mut() = status;
    with(answer, CONTENT_TYPE, "text/plain; charset=utf-8")
}

fn with(mut answer: Answer, name: hyper::header::HeaderName, value: &'static str) -> Answer {
    answer.headers_mut().insert(name, HeaderValue::from_static(value));
    answer
}
