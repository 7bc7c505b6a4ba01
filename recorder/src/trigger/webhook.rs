//! Alerts over HTTP: what an Alertmanager sends to a webhook receiver, payload version 4.
//!
//! One path, one method, one request for each connection. Everything that a client can make long or slow has a bound,
//! and no answer waits for a freeze.

mod alerts;
mod listen;
mod serve;

pub use alerts::{Alert, BadPayload, alerts};
pub use listen::{Listener, Token, bind, token};
pub use serve::{SharedToken, serve};
