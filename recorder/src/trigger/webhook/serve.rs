//! The server: one request for each connection.

use std::{collections::BTreeMap, time::Duration};

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE},
};
use serde_json::json;
use tokio::time::timeout;

use super::alerts;
use crate::{
    http::{Answer, Bad, Respond, SharedToken, authorised},
    trigger::{Kind, Refusal, Triggers, Verdict},
};

/// Where alerts go; everything else is 404.
const PATH: &str = "/webhook";
/// Largest body. An alert has some hundred bytes, and at most 1,000 of them are read.
const MAX_BODY_BYTES: usize = 1 << 20;
/// Longest time for a request's body.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// What answers alerts.
#[derive(Clone)]
pub struct Hook {
    triggers: Triggers,
    token: SharedToken,
}

impl Respond for Hook {
    const NAME: &'static str = "webhook";

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        self.take(request).await
    }

    fn note(&self, bad: Bad) {
        match bad {
            Bad::TooSlow(detail) => self.triggers.refuse(Kind::Webhook, Refusal::TooSlow, detail),
            Bad::Malformed(detail) => self.triggers.refuse(Kind::Webhook, Refusal::Malformed, &detail),
        }
    }
}

impl Hook {
    /// Asks `triggers` for snapshots, for whoever brings the token in force.
    #[must_use]
    pub fn new(triggers: Triggers, token: SharedToken) -> Self {
        Self { triggers, token }
    }

    async fn take(&self, request: Request<Incoming>) -> Answer {
        if request.uri().path() != PATH {
            return self.refuse(StatusCode::NOT_FOUND, Refusal::Malformed, "POST to /webhook");
        }
        if request.method() != Method::POST {
            let mut answer =
                self.refuse(StatusCode::METHOD_NOT_ALLOWED, Refusal::Malformed, "POST to /webhook");
            answer.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("POST"));
            return answer;
        }
        if !authorised(&self.token, &request) {
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
