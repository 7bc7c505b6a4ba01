//! Accepting clients.

use std::{fs, io::Read, path::Path, sync::Arc};

use ingero_format::control::{Reply, Request, body_len, from_wire, to_wire};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};

use super::Answers;
use crate::{
    Error, Result,
    error::IoContext,
    freeze::valid_id,
    journal,
    limits::{ACCEPT_PAUSE, CLIENT_TIMEOUT, COPY_BYTES, MAX_CLIENTS},
    pulse::Pulse,
    socket::Socket,
};

const REMEDY: &str = "choose another --run-dir";
/// How often the loop turns though nobody comes: its sign of life.
const BEAT: std::time::Duration = std::time::Duration::from_secs(1);

/// Makes the socket. Its group (the unit's) may use it.
///
/// # Errors
/// If the directory or the socket cannot be made.
pub fn bind(run_dir: &Path) -> Result<Socket> {
    fs::create_dir_all(run_dir).at("cannot create the directory", run_dir, REMEDY)?;
    let path = run_dir.join("control.sock");
    Socket::bind(&path, 0o660).at("cannot bind", &path, REMEDY)
}

/// Serves clients until `stop` changes. Blocks the calling thread.
///
/// # Errors
/// If the runtime cannot be set up.
pub fn serve(
    socket: Socket,
    answers: Arc<Answers>,
    mut stop: watch::Receiver<bool>,
    pulse: &Pulse,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(MAX_CLIENTS)
        .build()
        .map_err(|e| Error::Other(format!("control socket: {e}")))?;
    let (listener, _file) = socket.into_parts();
    let served = runtime.block_on(async {
        let listener =
            UnixListener::from_std(listener).map_err(|e| Error::Other(format!("control socket: {e}")))?;
        let seats = Arc::new(Semaphore::new(MAX_CLIENTS));
        loop {
            pulse.begin();
            // A seat first: when all are taken, further clients wait in the socket's queue.
            let (seat, stream) = tokio::select! {
                _ = stop.changed() => return Ok(()),
                () = tokio::time::sleep(BEAT) => continue,
                taken = seat_and_client(&seats, &listener) => match taken {
                    Ok(taken) => taken,
                    Err(e) => {
                        journal::warning(&format!("control socket: {e}"));
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                },
            };
            let answers = Arc::clone(&answers);
            tokio::spawn(async move {
                let _seat = seat;
                if let Err(e) = client(stream, answers).await {
                    journal::info(&format!("control socket: {e}"));
                }
            });
        }
    });
    // A client may be waiting for a snapshot that takes minutes: it is not waited for.
    runtime.shutdown_background();
    served
}

async fn seat_and_client(
    seats: &Arc<Semaphore>,
    listener: &UnixListener,
) -> std::io::Result<(OwnedSemaphorePermit, UnixStream)> {
    let seat = Arc::clone(seats).acquire_owned().await.map_err(std::io::Error::other)?;
    Ok((seat, listener.accept().await?.0))
}

async fn client(mut stream: UnixStream, answers: Arc<Answers>) -> std::io::Result<()> {
    let peer = peer(&stream);
    let (reply, file) = match timeout(CLIENT_TIMEOUT, request(&mut stream)).await {
        Err(_) => return Err(std::io::Error::other("a client sent no whole request in time")),
        Ok(Err(e)) if e.kind() == std::io::ErrorKind::InvalidData => {
            (Reply::Failed { message: e.to_string() }, None)
        }
        Ok(Err(e)) => return Err(e),
        // A snapshot takes seconds: it waits on a thread of the runtime's pool, not on this one.
        Ok(Ok(request)) => {
            if let Some(what) = changes(&request) {
                journal::info(&format!("{peer} asks: {what}"));
            }
            tokio::task::spawn_blocking(move || answers.answer(request)).await?
        }
    };
    let wire = to_wire(&reply).map_err(std::io::Error::other)?;
    timed(stream.write_all(&wire)).await?;
    if let (Some(mut file), Reply::File { bytes }) = (file, reply) {
        let mut left = bytes;
        let mut buffer = vec![0; COPY_BYTES];
        while left > 0 {
            let n = file.read(&mut buffer)?.min(left as usize);
            let Some(part) = buffer.get(..n).filter(|p| !p.is_empty()) else { break };
            timed(stream.write_all(part)).await?;
            left -= n as u64;
        }
    }
    timed(stream.shutdown()).await
}

// Who is there, as the kernel says. Who may connect at all is a matter of the socket's mode and group.
fn peer(stream: &UnixStream) -> String {
    stream.peer_cred().map_or_else(
        |_| "somebody".to_owned(),
        |peer| format!("uid {} (process {})", peer.uid(), peer.pid().unwrap_or(0)),
    )
}

// What a request changes, in words; a question changes nothing.
fn changes(request: &Request) -> Option<String> {
    match request {
        Request::Status | Request::Snapshots => None,
        Request::Snapshot { .. } => Some("take a snapshot".to_owned()),
        Request::Fetch { id } => Some(format!("fetch snapshot {}", known(id))),
        Request::Remove { id } => Some(format!("remove snapshot {}", known(id))),
        Request::Pin { id, pinned: true } => Some(format!("pin snapshot {}", known(id))),
        Request::Pin { id, pinned: false } => Some(format!("unpin snapshot {}", known(id))),
        Request::Reload => Some("reload the configuration".to_owned()),
    }
}

// A client's text does not reach the journal as it is.
fn known(id: &str) -> &str {
    if valid_id(id) { id } else { "of no valid id" }
}

async fn timed(work: impl Future<Output = std::io::Result<()>>) -> std::io::Result<()> {
    timeout(CLIENT_TIMEOUT, work)
        .await
        .unwrap_or_else(|_| Err(std::io::Error::other("a client did not read in time")))
}

async fn request(stream: &mut UnixStream) -> std::io::Result<Request> {
    let invalid = |e: ingero_format::FormatError| std::io::Error::new(std::io::ErrorKind::InvalidData, e);
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).await?;
    let mut body = vec![0; body_len(prefix).map_err(invalid)?];
    stream.read_exact(&mut body).await?;
    from_wire(&body).map_err(invalid)
}
