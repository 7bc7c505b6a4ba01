//! The socket.

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

use crate::config::{AnnotationConfig, AnnotationListen};

/// Binds where the configuration says. A socket on which nobody answers is replaced; anything else is left alone.
///
/// # Errors
/// One line: what, and what to do.
pub fn bind(config: &AnnotationConfig, run_dir: &Path) -> Result<UnixListener, String> {
    let path: PathBuf = match &config.listen {
        AnnotationListen::Unix => run_dir.join("annotate.sock"),
        AnnotationListen::Path(path) => path.clone(),
    };
    listen(&path, config.mode.0).map_err(|e| {
        format!(
            "[annotations] listen: {}: {e}; make its directory, or choose another path; programs cannot annotate",
            path.display()
        )
    })
}

fn listen(path: &Path, mode: u32) -> io::Result<UnixListener> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "something that is no socket lies there",
            ));
        }
        Ok(_) if UnixStream::connect(path).is_ok() => {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "somebody answers there"));
        }
        Ok(_) => fs::remove_file(path)?,
        Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Mode;

    #[test]
    fn a_socket_that_was_left_is_replaced_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let config = AnnotationConfig::default();
        drop(bind(&config, dir.path()).unwrap());
        let first = bind(&config, dir.path()).unwrap();
        let path = dir.path().join("annotate.sock");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert!(bind(&config, dir.path()).unwrap_err().contains("somebody answers"));
        drop(first);
        let open = AnnotationConfig { mode: Mode(0o666), ..config.clone() };
        drop(bind(&open, dir.path()).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o666);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "kept").unwrap();
        assert!(bind(&config, dir.path()).unwrap_err().contains("no socket"));
        assert_eq!(fs::read(&path).unwrap(), b"kept");
        let away = AnnotationListen::Path(dir.path().join("none/annotate.sock"));
        assert!(
            bind(&AnnotationConfig { listen: away, ..config }, dir.path())
                .unwrap_err()
                .contains("make its directory")
        );
    }
}
