//! Alerts over HTTP: what an Alertmanager sends to a webhook receiver, payload version 4.
//!
//! One path, one method, one request for each connection. Everything that a client can make long or slow has a bound,
//! and no answer waits for a freeze.

mod alerts;
mod serve;

use crate::http::Server;

pub use alerts::{Alert, BadPayload, alerts};
pub use serve::Hook;

/// Where it is configured and listens.
pub const SERVER: Server = Server { section: "[trigger.webhook]", socket: "webhook.sock" };
