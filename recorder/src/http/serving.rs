//! The life of a server: bound before its predecessor goes, changed by a reload, stopped.

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex},
    thread::{Builder, JoinHandle},
};

use tokio::sync::watch;

use super::{Listener, Respond, Server, SharedToken, Token, serve, token};
use crate::{
    config::{Listen, TokenPlace},
    journal,
    lock::lock,
};

struct Running {
    listen: Listen,
    token: SharedToken,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

/// What a new configuration needs and does not have yet.
#[derive(Default)]
pub struct Bound {
    token: Option<Token>,
    listener: Option<Listener>,
}

/// A server that runs on a thread of its own, or none.
#[derive(Default)]
pub struct Serving(Option<Running>);

impl Serving {
    /// Gets what a new configuration needs, so that it can be refused while the old one still runs.
    ///
    /// # Errors
    /// One line: what cannot be had, and what to do.
    pub fn prepare(
        &self,
        server: &Server,
        listen: Option<&Listen>,
        place: TokenPlace<'_>,
        run_dir: &Path,
    ) -> Result<Bound, String> {
        let Some(listen) = listen else { return Ok(Bound::default()) };
        let token = token(server.section, place)?;
        let there = self.0.as_ref().is_some_and(|r| r.listen == *listen && !r.thread.is_finished());
        let listener = (!there).then(|| server.bind(listen, run_dir)).transpose()?;
        Ok(Bound { token, listener })
    }

    /// Puts a configuration to work: ends what it does not name, gives the token to what goes on, and starts what is
    /// new. `failed` is told on the server's thread why it ended by itself. True if a server was started.
    ///
    /// # Errors
    /// If its thread cannot be started: then there is none.
    pub fn apply<H: Respond>(
        &mut self,
        listen: Option<&Listen>,
        bound: Bound,
        handler: impl FnOnce(SharedToken) -> H,
        failed: impl FnOnce(io::Error) + Send + 'static,
    ) -> io::Result<bool> {
        if bound.listener.is_some() || listen.is_none() {
            self.end();
        }
        let Some((listen, listener)) = listen.zip(bound.listener) else {
            if let Some(running) = &self.0 {
                *lock(&running.token) = bound.token;
            }
            return Ok(false);
        };
        let (stop, stopped) = watch::channel(false);
        let token = Arc::new(Mutex::new(bound.token));
        let handler = handler(Arc::clone(&token));
        let run = move || {
            if let Err(e) = serve(listener, handler, stopped) {
                journal::error(&format!("{}: {e}", H::NAME));
                failed(e);
            }
        };
        let thread = Builder::new().name(H::NAME.into()).spawn(run)?;
        self.0 = Some(Running { listen: listen.clone(), token, stop, thread });
        Ok(true)
    }

    /// Ends the server, if one runs, and waits for its end.
    pub fn end(&mut self) {
        if let Some(running) = self.0.take() {
            let _ = running.stop.send(true);
            let _ = running.thread.join();
        }
    }
}
