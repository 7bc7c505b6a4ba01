//! The Model Context Protocol: the answers of `ingeroctl` for AI assistants.
//!
//! Promises: no tool changes a recording; every answer carries population and coverage, fits
//! [`fit::MESSAGE_BYTES`], and has been freed of what could move a cursor or hide text; every refusal says what to
//! do. An answer about a big window reads what was computed when the database was made, or a bounded number of
//! rows, and says which.
//!
//! | module | job |
//! |---|---|
//! | [`tools`] | one module for each tool |
//! | [`answer`], [`clean`], [`fit`], [`short`] | what every answer has, and how it is made safe and small |
//! | [`params`], [`refusal`] | what is asked, and why not |
//! | [`session`], [`investigation`], [`desk`] | which database, open, and the time asked about |
//! | [`sums`] | counts and quantiles |
//! | [`server`], [`resources`], [`prompt`] | the protocol's side, by the official SDK |
//! | [`command`] | `ingeroctl mcp` |
//! | [`http`], [`door`](mod@door) | who may come in over HTTP |
//!
//! Tests are in `tests` here, and with the official Python client in `tests/mcp`.

mod answer;
mod clean;
pub mod command;
mod desk;
mod door;
mod fit;
mod http;
mod investigation;
mod params;
mod prompt;
mod refusal;
mod resources;
mod server;
mod session;
mod short;
mod sums;
mod tools;

#[cfg(test)]
mod tests;

pub use door::{Door, door};
pub use session::Session;

use std::{io, sync::Arc};

use rmcp::{ServiceExt, transport::io::stdio_pipes};
use server::Server;
use tokio::signal::unix::{SignalKind, signal};

use crate::error::Error;

/// How to serve.
#[derive(Debug)]
pub struct Options {
    /// Over HTTP, through this door; else over stdin and stdout.
    pub door: Option<Door>,
}

/// Serves until the client goes (stdio), or a signal comes.
///
/// # Errors
/// If the address cannot be served or the protocol not be begun.
pub fn serve(session: Session, options: Options) -> Result<(), Error> {
    let failed = |e: io::Error| Error::Refused(format!("mcp: {e}"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("mcp")
        .enable_all()
        .build()
        .map_err(failed)?;
    let server = Server::new(Arc::new(session));
    let served = runtime.block_on(async {
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::select! {
            served = by(server, options.door) => served,
            _ = interrupt.recv() => Ok(()),
            _ = terminate.recv() => Ok(()),
        }
    });
    // A read of stdin or a statement may still be under way; nobody waits for them.
    runtime.shutdown_background();
    served.map_err(failed)
}

async fn by(server: Server, door: Option<Door>) -> io::Result<()> {
    if let Some(door) = door {
        let listener = http::listen(&door).await?;
        // Whoever started us may have asked for any port.
        say(&format!("listening on http://{}{}", listener.local_addr()?, http::PATH));
        if let Some(warning) = door.warning() {
            say(warning);
        }
        return http::serve(server, door, listener).await;
    }
    let running = match server.serve(stdio_pipes()).await {
        Ok(running) => running,
        // The client went before it said a word: nothing was asked, nothing is wrong.
        Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(e) => return Err(io::Error::other(e)),
    };
    running.waiting().await.map(|_| ()).map_err(io::Error::other)
}

/// A line for whoever started us; standard output belongs to the protocol.
fn say(what: &str) {
    use io::Write;
    let _ = writeln!(io::stderr(), "ingeroctl: {what}");
}
