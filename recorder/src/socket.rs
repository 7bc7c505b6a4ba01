//! A server's socket in the file system: its file replaces one that nobody answers on, and goes when the server ends.

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

/// A listening socket and the file that stands for it.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    file: SocketFile,
}

/// Removes the socket's file when dropped, unless another socket lies there by then.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    id: (u64, u64),
}

impl Socket {
    /// Binds without ever waiting for clients later. The file gets the permission bits `mode` (chmod(2)). A socket on
    /// which nobody answers is replaced; anything else is left alone.
    ///
    /// # Errors
    /// If somebody answers there, something that is no socket lies there, or the file cannot be made with these
    /// permissions.
    pub fn bind(path: &Path, mode: u32) -> io::Result<Self> {
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                let what = "something that is no socket lies there";
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
            }
            Ok(_) if UnixStream::connect(path).is_ok() => {
                return Err(io::Error::new(io::ErrorKind::AddrInUse, "another recorder answers there"));
            }
            Ok(_) => fs::remove_file(path)?,
            Err(_) => {}
        }
        let listener = UnixListener::bind(path)?;
        let file = SocketFile { path: path.to_owned(), id: id(path)? };
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, file })
    }

    /// The socket, and its file to be kept for as long as it is served.
    #[must_use]
    pub fn into_parts(self) -> (UnixListener, SocketFile) {
        (self.listener, self.file)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if id(&self.path).is_ok_and(|id| id == self.id) {
            // One that stays is replaced by the next server.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn id(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        (folder, path)
    }

    #[test]
    fn a_sockets_file_goes_with_its_server() {
        let (_folder, path) = place();
        let (listener, file) = Socket::bind(&path, 0o660).unwrap().into_parts();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert!(UnixStream::connect(&path).is_ok());
        drop((listener, file));
        assert!(!path.exists());
    }

    #[test]
    fn a_socket_that_was_left_is_replaced_and_one_that_answers_is_not() {
        let (_folder, path) = place();
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "as after a kill");
        let _first = Socket::bind(&path, 0o666).unwrap();
        assert!(Socket::bind(&path, 0o660).unwrap_err().to_string().contains("another recorder"));
        assert!(UnixStream::connect(&path).is_ok(), "the first goes on");
    }

    #[test]
    fn what_is_no_socket_or_another_servers_is_left_alone() {
        let (_folder, path) = place();
        fs::write(&path, "kept").unwrap();
        assert!(Socket::bind(&path, 0o660).unwrap_err().to_string().contains("no socket"));
        assert_eq!(fs::read(&path).unwrap(), b"kept");
        fs::remove_file(&path).unwrap();
        let first = Socket::bind(&path, 0o660).unwrap();
        fs::remove_file(&path).unwrap();
        let _second = Socket::bind(&path, 0o660).unwrap();
        drop(first);
        assert!(UnixStream::connect(&path).is_ok());
    }
}
