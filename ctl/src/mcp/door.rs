//! Who may come in over HTTP.
//!
//! A loopback address may be served without a token: `Host` and `Origin` keep pages in a browser out, but every user
//! of this host can connect, and is told of. Any other address needs a token.

use std::{fs::File, io::Read, net::SocketAddr, os::unix::fs::PermissionsExt, path::Path};

use hyper::{HeaderMap, header};
use subtle::ConstantTimeEq;

use crate::error::Error;

/// Shortest token, bytes: as many as nobody guesses.
const SHORTEST_BYTES: usize = 16;
/// Longest token file, bytes.
const LONGEST_BYTES: u64 = 4_096;

/// An address, and what is asked at it.
#[derive(Clone)]
pub struct Door {
    /// Where to listen.
    pub address: SocketAddr,
    /// Names by which clients may call this host.
    pub hosts: Vec<String>,
    token: Option<Vec<u8>>,
    token_is_open: bool,
}

impl std::fmt::Debug for Door {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door")
            .field("address", &self.address)
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}

/// Reads the token and decides what may be served.
///
/// # Errors
/// [`Error::Usage`] for an address that others reach, without a token; what is wrong with the token's file.
pub fn door(address: SocketAddr, token_file: Option<&Path>, hosts: &[String]) -> Result<Door, Error> {
    let token = token_file.map(token).transpose()?;
    if token.is_none() && !address.ip().is_loopback() {
        return Err(Error::Usage(format!(
            "--http {address}: others can reach this address; give --token-file, or serve 127.0.0.1"
        )));
    }
    let ip = address.ip().to_string();
    let own = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let hosts = own.into_iter().chain([ip]).chain(hosts.iter().cloned()).collect();
    let (token, mode) = token.unzip();
    Ok(Door { address, hosts, token, token_is_open: mode.unwrap_or(0) & 0o077 != 0 })
}

/// The token, and who may read its file. As the recorder does, no more is read than a token may have: what the file says
/// of its length need not be true.
fn token(path: &Path) -> Result<(Vec<u8>, u32), Error> {
    let file = File::open(path).map_err(Error::reading(path))?;
    let mode = file.metadata().map_err(Error::reading(path))?.permissions().mode();
    let mut text = Vec::new();
    file.take(LONGEST_BYTES + 1).read_to_end(&mut text).map_err(Error::reading(path))?;
    let wrong = |what: &str| Error::Usage(format!("--token-file {}: {what}", path.display()));
    if text.len() as u64 > LONGEST_BYTES {
        return Err(wrong("is longer than 4096 bytes; give a file with one line, the token"));
    }
    let token = text.split(|b| *b == b'\n').next().unwrap_or_default().trim_ascii();
    if token.len() < SHORTEST_BYTES || !token.iter().all(u8::is_ascii_graphic) {
        return Err(wrong(
            "the first line must be a token of at least 16 printable characters, e.g. of `openssl rand -hex 32`",
        ));
    }
    Ok((token.to_vec(), mode))
}

impl Door {
    /// What whoever serves should know before somebody else does.
    #[must_use]
    pub fn warning(&self) -> Option<&'static str> {
        match (&self.token, self.token_is_open) {
            (None, _) => Some("every user of this host can ask: give --token-file if there are others"),
            (Some(_), true) => Some("others can read the token's file: chmod 600 it, and make a new token"),
            (Some(_), false) => None,
        }
    }

    /// Lets a request in, or says why not.
    ///
    /// # Errors
    /// The reason, for a response of 401.
    pub fn admit(&self, headers: &HeaderMap) -> Result<(), &'static str> {
        let Some(token) = &self.token else { return Ok(()) };
        let Some(given) = headers.get(header::AUTHORIZATION) else {
            return Err(
                "this server needs a token: send `Authorization: Bearer TOKEN`, from the file given by --token-file",
            );
        };
        let given = given.as_bytes();
        let (Some(scheme), Some(given)) = (given.get(..7), given.get(7..)) else {
            return Err("the Authorization header is no bearer token: send `Authorization: Bearer TOKEN`");
        };
        if !scheme.eq_ignore_ascii_case(b"bearer ") {
            return Err("the Authorization header is no bearer token: send `Authorization: Bearer TOKEN`");
        }
        // How long it takes says nothing of where they differ.
        if bool::from(given.ct_eq(token)) {
            Ok(())
        } else {
            Err("the token is wrong: it must be the first line of the file given by --token-file")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn headers(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        headers
    }

    #[test]
    fn an_address_that_others_reach_needs_a_token() {
        for address in ["0.0.0.0:1", "[::]:1", "192.0.2.1:1"] {
            let refused = door(address.parse().unwrap(), None, &[]).unwrap_err();
            assert!(refused.to_string().contains("--token-file") && refused.exit_code() == 2, "{refused}");
        }
        for address in ["127.0.0.1:1", "[::1]:1", "127.9.9.9:1"] {
            let open = door(address.parse().unwrap(), None, &[]).unwrap();
            assert!(open.warning().unwrap().contains("every user of this host"));
        }
    }

    #[test]
    fn a_token_is_one_long_line_and_only_that_token_is_let_in() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let open = || door("0.0.0.0:1".parse().unwrap(), Some(&file), &[]);
        assert!(open().unwrap_err().to_string().contains("cannot be read"));
        for bad in ["", "short", "0123456789 abcdef01", &"x".repeat(5_000)] {
            fs::write(&file, bad).unwrap();
            assert_eq!(open().unwrap_err().exit_code(), 2, "{bad}");
        }
        // Says that it is empty, and never ends.
        let endless = door("0.0.0.0:1".parse().unwrap(), Some(Path::new("/dev/zero")), &[]).unwrap_err();
        assert!(endless.to_string().contains("longer than 4096 bytes"), "{endless}");
        fs::write(&file, "0123456789abcdef\nmore\n").unwrap();
        let door = open().unwrap();
        assert!(!format!("{door:?}").contains("0123456789abcdef"), "a token is never shown");
        let mode = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        mode(0o644);
        assert!(open().unwrap().warning().unwrap().contains("chmod 600"));
        mode(0o600);
        assert_eq!(open().unwrap().warning(), None);
        assert_eq!(door.admit(&headers("Bearer 0123456789abcdef")), Ok(()));
        assert_eq!(door.admit(&headers("bearer 0123456789abcdef")), Ok(()));
        for bad in
            ["Bearer 0123456789abcdeg", "Bearer 0123456789abcde", "Bearer ", "Basic 0123456789abcdef", "B"]
        {
            let reason = door.admit(&headers(bad)).unwrap_err();
            assert!(reason.contains("token"), "{reason}");
        }
        assert!(door.admit(&HeaderMap::new()).unwrap_err().contains("needs a token"));
    }
}
