//! The socket.

use std::path::{Path, PathBuf};

use crate::{
    config::{AnnotationConfig, AnnotationListen},
    socket::Socket,
};

/// Binds where the configuration says. A socket on which nobody answers is replaced; anything else is left alone.
///
/// # Errors
/// One line: what, and what to do.
pub fn bind(config: &AnnotationConfig, run_dir: &Path) -> Result<Socket, String> {
    let path: PathBuf = match &config.listen {
        AnnotationListen::Unix => run_dir.join("annotate.sock"),
        AnnotationListen::Path(path) => path.clone(),
    };
    Socket::bind(&path, config.mode.0).map_err(|e| {
        format!(
            "[annotations] listen: {}: {e}; make its directory, or choose another path; programs cannot annotate",
            path.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;
    use crate::config::Mode;

    #[test]
    fn a_socket_has_the_mode_that_is_configured_and_one_that_cannot_be_had_is_told_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let config = AnnotationConfig::default();
        let open = AnnotationConfig { mode: Mode(0o666), ..config.clone() };
        let path = dir.path().join("annotate.sock");
        for (config, mode) in [(&config, 0o660), (&open, 0o666)] {
            let _socket = bind(config, dir.path()).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
            assert!(bind(config, dir.path()).unwrap_err().contains("another recorder"));
        }
        let away = AnnotationListen::Path(dir.path().join("none/annotate.sock"));
        let refused = bind(&AnnotationConfig { listen: away, ..config }, dir.path());
        assert!(refused.unwrap_err().contains("make its directory"));
    }
}
