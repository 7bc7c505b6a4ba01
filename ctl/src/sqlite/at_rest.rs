//! Opening a file that nobody writes: no lock is taken, and no file beside it is needed.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, Result};

/// Opens for reading only. A database whose writer left rows in a log beside it is opened with that log.
///
/// # Errors
/// What SQLite says.
pub fn open_at_rest(path: &Path) -> Result<Connection> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let written = std::fs::metadata(log).is_ok_and(|m| m.len() > 0);
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => uri.push(*byte as char),
            other => uri.push_str(&format!("%{other:02x}")),
        }
    }
    uri.push_str(if written { "?mode=ro" } else { "?mode=ro&immutable=1" });
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(uri, flags)
}
