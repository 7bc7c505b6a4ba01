//! The control socket: one request a connection, framed, bounded in size and time.
//!
//! Served by one small asynchronous runtime on a thread of its own, so that a slow or silent client costs a
//! task and holds up nobody. Access is a matter of the socket's group and mode.

mod answer;
mod server;

pub use answer::Answers;
pub use server::{bind, serve};
