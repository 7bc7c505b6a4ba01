//! Where a server listens, and the token that a request must carry.

use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

use subtle::ConstantTimeEq;

use crate::{
    config::{Listen, TokenPlace},
    socket::Socket,
};

/// Longest token, bytes.
const MAX_TOKEN_BYTES: usize = 4_096;

/// A bound socket.
#[derive(Debug)]
pub enum Listener {
    /// In the run directory.
    Unix(Socket),
    /// On an address.
    Tcp(TcpListener),
}

/// What a request must carry after `Bearer ` (RFC 6750).
#[derive(Clone)]
pub struct Token(Vec<u8>);

impl Token {
    /// The word, to be sent to another server.
    #[must_use]
    pub fn word(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// True if `given` is the token. Takes as long for a wrong one as for the right one of the same length.
    #[must_use]
    pub fn is(&self, given: &[u8]) -> bool {
        self.0.ct_eq(given).into()
    }
}

/// A server of the recorder: what the configuration and the run directory call it.
#[derive(Clone, Copy, Debug)]
pub struct Server {
    /// Its section, as `[trigger.webhook]`.
    pub section: &'static str,
    /// Its socket's file in the run directory.
    pub socket: &'static str,
}

impl Server {
    /// Binds what the configuration names. A socket file that nobody answers on is replaced.
    ///
    /// # Errors
    /// One line: what, and what to do.
    pub fn bind(&self, listen: &Listen, run_dir: &Path) -> Result<Listener, String> {
        let section = self.section;
        match listen {
            Listen::Tcp(address) => tcp(address)
                .map(Listener::Tcp)
                .map_err(|e| format!("{section} listen: {address}: {e}; choose another address or port")),
            Listen::Unix => {
                let path = run_dir.join(self.socket);
                // As the control socket: for the unit's group.
                Socket::bind(&path, 0o660).map(Listener::Unix).map_err(|e| {
                    format!("{section} listen: {}: {e}; choose another --run-dir", path.display())
                })
            }
        }
    }
}

fn tcp(address: &SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Reads the token that `section` of the configuration names; `None` if it names none.
///
/// # Errors
/// One line: what, and what to do.
pub fn token(section: &str, place: TokenPlace<'_>) -> Result<Option<Token>, String> {
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let path = match (place.file, place.credential, credentials) {
        (Some(path), _, _) => path.to_owned(),
        (None, Some(name), Some(directory)) => directory.join(name),
        (None, Some(name), None) => {
            return Err(format!(
                "{section} token_credential: there are no credentials here; add LoadCredential={name}:PATH to the unit, or use token_file"
            ));
        }
        (None, None, _) => return Ok(None),
    };
    read_token(&path).map(Some).map_err(|e| format!("{section} token: {}: {e}", path.display()))
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

    const SERVER: Server = Server { section: "[a]", socket: "a.sock" };

    #[test]
    fn a_token_is_read_from_its_file_and_compared_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        fs::write(&path, "s3cret\n").unwrap();
        let token = || token("[a]", TokenPlace { file: Some(&path), credential: None });
        let read = token().unwrap().unwrap();
        assert!(read.is(b"s3cret"));
        for wrong in ["", "s3cre", "s3cret2", "S3cret", "s3cret\n"] {
            assert!(!read.is(wrong.as_bytes()), "{wrong:?}");
        }
        for bad in ["", " \n", "two words", "a\u{7}b", &"x".repeat(MAX_TOKEN_BYTES + 1)] {
            fs::write(&path, bad).unwrap();
            assert!(token().is_err(), "{bad:?}");
        }
        fs::remove_file(&path).unwrap();
        assert!(token().is_err_and(|e| e.contains("[a] token")));
        assert!(super::token("[a]", TokenPlace::default()).unwrap().is_none());
    }

    #[test]
    fn a_credential_without_a_directory_of_credentials_names_the_line_to_add() {
        let place = TokenPlace { file: None, credential: Some("hook") };
        assert!(token("[a]", place).is_err_and(|e| e.contains("[a]") && e.contains("LoadCredential=hook:")));
    }

    #[test]
    fn an_address_that_is_taken_is_refused_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let _first = SERVER.bind(&Listen::Unix, dir.path()).unwrap();
        assert!(SERVER.bind(&Listen::Unix, dir.path()).unwrap_err().contains("another recorder"));
        let Listener::Tcp(tcp) =
            SERVER.bind(&Listen::Tcp("127.0.0.1:0".parse().unwrap()), dir.path()).unwrap()
        else {
            panic!("asked for TCP")
        };
        let taken = Listen::Tcp(tcp.local_addr().unwrap());
        assert!(SERVER.bind(&taken, dir.path()).unwrap_err().contains("another address"));
    }
}
