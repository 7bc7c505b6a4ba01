//! Talking to the recorder: one request, one reply, and perhaps a file.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use ingero_format::control::{Reply, Request, Snapshot, Status, body_len, from_wire, to_wire};

use crate::{error::Error, output::Output};

/// A snapshot may have to wait for its post-window; nothing else takes long.
const PATIENCE: Duration = Duration::from_secs(900);

/// Sends a request and gives the reply; for [`Reply::File`] the stream holds the bytes that follow.
///
/// # Errors
/// [`Error::Unreachable`] if nobody answers on the socket, [`Error::Refused`] with the recorder's words.
pub fn ask(socket: &Path, request: &Request) -> Result<(Reply, UnixStream), Error> {
    ask_within(socket, request, PATIENCE)
}

/// As [`ask`], for those who cannot wait long.
///
/// # Errors
/// As [`ask`]; [`Error::Unreachable`] too if there is no reply in time.
pub fn ask_within(
    socket: &Path,
    request: &Request,
    patience: Duration,
) -> Result<(Reply, UnixStream), Error> {
    let unreachable = |source| Error::Unreachable { path: socket.display().to_string(), source };
    let mut stream = UnixStream::connect(socket).map_err(unreachable)?;
    stream.set_read_timeout(Some(patience)).map_err(unreachable)?;
    stream.set_write_timeout(Some(patience)).map_err(unreachable)?;
    let wire = to_wire(request).map_err(|e| Error::Usage(e.to_string()))?;
    stream.write_all(&wire).map_err(unreachable)?;
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).map_err(unreachable)?;
    let strange = |e: ingero_format::FormatError| Error::Refused(format!("{}: {e}", socket.display()));
    let mut body = vec![0; body_len(prefix).map_err(strange)?];
    stream.read_exact(&mut body).map_err(unreachable)?;
    match from_wire(&body).map_err(strange)? {
        Reply::Failed { message } => Err(Error::Refused(message)),
        reply => Ok((reply, stream)),
    }
}

/// Asks the recorder about itself.
///
/// # Errors
/// As [`ask`].
pub fn status(socket: &Path) -> Result<Status, Error> {
    match ask(socket, &Request::Status)?.0 {
        Reply::Status(status) => Ok(*status),
        reply => Err(odd(&reply)),
    }
}

/// Takes a snapshot of `last_ns` before and `after_ns` beyond now.
///
/// # Errors
/// As [`ask`].
pub fn snapshot(
    socket: &Path,
    last_ns: u64,
    after_ns: u64,
    reason: &str,
    unit: bool,
) -> Result<Snapshot, Error> {
    let request = Request::Snapshot { last_ns, after_ns, reason: reason.to_owned(), unit };
    match ask(socket, &request)?.0 {
        Reply::Snapshot(snapshot) => Ok(snapshot),
        reply => Err(odd(&reply)),
    }
}

/// Fetches a snapshot's bundle into a file that appears under its name only when it is whole.
///
/// # Errors
/// As [`ask`]; [`Error::Exists`] if the file is there; what the file system says.
pub fn fetch(socket: &Path, id: &str, to: &Path) -> Result<u64, Error> {
    let mut file = Output::create(to, false)?;
    let (reply, stream) = ask(socket, &Request::Fetch { id: id.to_owned() })?;
    let Reply::File { bytes } = reply else { return Err(odd(&reply)) };
    let copied = io::copy(&mut stream.take(bytes), &mut file).map_err(Error::writing(to))?;
    if copied != bytes {
        return Err(Error::writing(to)(io::ErrorKind::UnexpectedEof.into()));
    }
    file.finish(to, false)
}

/// A reply that does not belong to the request.
pub fn odd(reply: &Reply) -> Error {
    let kind = match reply {
        Reply::Status(_) => "a status",
        Reply::Snapshot(_) => "a snapshot",
        Reply::Snapshots(_) => "a list",
        Reply::File { .. } => "a file",
        Reply::Done => "nothing",
        Reply::Failed { .. } => "a failure",
    };
    Error::Refused(format!(
        "the recorder answered with {kind}; use ingeroctl and ingero-recorder of one version"
    ))
}
