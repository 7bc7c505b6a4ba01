//! Who may reach the recorder's servers: where they listen, and the token that a request must carry.

use std::{net::SocketAddr, path::Path};

use serde::{Deserialize, Deserializer};

use super::text;

/// Longest name of a credential, as systemd allows.
const MAX_CREDENTIAL_BYTES: usize = 255;

/// Where a server of the recorder listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Its socket in the run directory.
    Unix,
    /// An address and port.
    Tcp(SocketAddr),
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "\"unix\" or an address with a port", |t| match (t, t.parse()) {
            ("unix", _) => Ok(Self::Unix),
            (_, Ok(address)) => Ok(Self::Tcp(address)),
            _ => Err(format!(
                "`{t}` is neither \"unix\" nor an address with a port such as \"127.0.0.1:9096\" or \"[::1]:9096\""
            )),
        })
    }
}

/// Checks an address: one that others reach needs a token.
pub(super) fn check(listen: Option<&Listen>, has_token: bool, section: &str) -> Result<(), String> {
    match listen {
        Some(Listen::Tcp(address)) if !address.ip().is_loopback() && !has_token => Err(format!(
            "{section} listen: {address} can be reached from outside; set token_file or token_credential, or listen on \"unix\" or 127.0.0.1"
        )),
        _ => Ok(()),
    }
}

/// Where a token lies: in a file, or in a systemd credential.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenPlace<'a> {
    /// `token_file`
    pub file: Option<&'a Path>,
    /// `token_credential`
    pub credential: Option<&'a str>,
}

impl TokenPlace<'_> {
    /// True if there is to be a token.
    #[must_use]
    pub fn is_some(&self) -> bool {
        self.file.is_some() || self.credential.is_some()
    }

    pub(super) fn check(&self, section: &str) -> Result<(), String> {
        if self.file.is_some() && self.credential.is_some() {
            return Err(format!("{section} token_file, token_credential: one of them, not both"));
        }
        if self.file.is_some_and(|path| !path.is_absolute()) {
            return Err(format!("{section} token_file: must be an absolute path"));
        }
        if self.credential.is_some_and(|name| !plain(name)) {
            return Err(format!(
                "{section} token_credential: a name of letters, digits, `-`, `_` and `.`, as in LoadCredential=NAME:PATH"
            ));
        }
        Ok(())
    }
}

fn plain(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=MAX_CREDENTIAL_BYTES).contains(&name.len()) && name.bytes().all(allowed) && !name.starts_with('.')
}
