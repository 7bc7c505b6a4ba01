//! Where the webhook listens, and the token that a request must carry.

use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
    os::unix::{
        fs::PermissionsExt,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

use subtle::ConstantTimeEq;

use crate::config::{Listen, WebhookTrigger};

/// Longest token, bytes.
const MAX_TOKEN_BYTES: usize = 4_096;

/// A bound socket.
#[derive(Debug)]
pub enum Listener {
    /// In the run directory.
    Unix(UnixListener),
    /// On an address.
    Tcp(TcpListener),
}

/// What a request must carry after `Bearer `.
#[derive(Clone)]
pub struct Token(Vec<u8>);

impl Token {
    /// True if `given` is the token. Takes as long for a wrong one as for the right one of the same length.
    #[must_use]
    pub fn is(&self, given: &[u8]) -> bool {
        self.0.ct_eq(given).into()
    }
}

/// Binds what the configuration names. A socket file that nobody answers on is replaced.
///
/// # Errors
/// One line: what, and what to do.
pub fn bind(listen: &Listen, run_dir: &Path) -> Result<Listener, String> {
    match listen {
        Listen::Tcp(address) => tcp(address)
            .map(Listener::Tcp)
            .map_err(|e| format!("[trigger.webhook] listen: {address}: {e}; choose another address or port")),
        Listen::Unix => {
            let path = run_dir.join("webhook.sock");
            unix(&path).map(Listener::Unix).map_err(|e| {
                format!("[trigger.webhook] listen: {}: {e}; choose another --run-dir", path.display())
            })
        }
    }
}

fn tcp(address: &SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn unix(path: &Path) -> io::Result<UnixListener> {
    if UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another recorder answers there"));
    }
    let _ = fs::remove_file(path);
    let listener = UnixListener::bind(path)?;
    // As the control socket: for the unit's group.
    fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Reads the token that the configuration names; `None` if it names none.
///
/// # Errors
/// One line: what, and what to do.
pub fn token(config: &WebhookTrigger) -> Result<Option<Token>, String> {
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let path = match (&config.token_file, &config.token_credential, credentials) {
        (Some(path), _, _) => path.clone(),
        (None, Some(name), Some(directory)) => directory.join(name),
        (None, Some(name), None) => {
            return Err(format!(
                "[trigger.webhook] token_credential: there are no credentials here; add LoadCredential={name}:PATH to the unit, or use token_file"
            ));
        }
        (None, None, _) => return Ok(None),
    };
    read_token(&path).map(Some).map_err(|e| format!("[trigger.webhook] token: {}: {e}", path.display()))
}

fn read_token(path: &Path) -> Result<Token, String> {
    let file = fs::File::open(path).map_err(|e| e.to_string())?;
    let mut text = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, MAX_TOKEN_BYTES as u64 + 1), &mut text)
        .map_err(|e| e.to_string())?;
    let token = text.trim_ascii();
    if token.is_empty() || token.len() > MAX_TOKEN_BYTES || !token.iter().all(u8::is_ascii_graphic) {
        return Err(format!("must hold one word of 1 to {MAX_TOKEN_BYTES} printable characters"));
    }
    Ok(Token(token.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_from_its_file_and_compared_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        fs::write(&path, "s3cret\n").unwrap();
        let config = WebhookTrigger { token_file: Some(path.clone()), ..WebhookTrigger::default() };
        let read = token(&config).unwrap().unwrap();
        assert!(read.is(b"s3cret"));
        for wrong in ["", "s3cre", "s3cret2", "S3cret", "s3cret\n"] {
            assert!(!read.is(wrong.as_bytes()), "{wrong:?}");
        }
        for bad in ["", " \n", "two words", "a\u{7}b", &"x".repeat(MAX_TOKEN_BYTES + 1)] {
            fs::write(&path, bad).unwrap();
            assert!(token(&config).is_err(), "{bad:?}");
        }
        fs::remove_file(&path).unwrap();
        assert!(token(&config).is_err_and(|e| e.contains("token")));
        assert!(token(&WebhookTrigger::default()).unwrap().is_none());
    }

    #[test]
    fn a_credential_without_a_directory_of_credentials_names_the_line_to_add() {
        let config = WebhookTrigger { token_credential: Some("hook".into()), ..WebhookTrigger::default() };
        assert!(token(&config).is_err_and(|e| e.contains("LoadCredential=hook:")));
    }

    #[test]
    fn a_socket_that_was_left_is_replaced_and_one_that_answers_is_not() {
        let dir = tempfile::tempdir().unwrap();
        drop(bind(&Listen::Unix, dir.path()).unwrap());
        let _first = bind(&Listen::Unix, dir.path()).unwrap();
        let mode = fs::metadata(dir.path().join("webhook.sock")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        assert!(bind(&Listen::Unix, dir.path()).unwrap_err().contains("another recorder"));
        let Listener::Tcp(tcp) = bind(&Listen::Tcp("127.0.0.1:0".parse().unwrap()), dir.path()).unwrap()
        else {
            panic!("asked for TCP")
        };
        let taken = Listen::Tcp(tcp.local_addr().unwrap());
        assert!(bind(&taken, dir.path()).unwrap_err().contains("another address"));
    }
}
