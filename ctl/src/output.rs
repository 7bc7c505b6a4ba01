//! Files that are made for people: whole under their name, or not there.

use std::{
    fs,
    io::{self, BufWriter, Write},
    path::Path,
};

use crate::error::Error;

/// Bytes collected before they are written.
const BUFFER_BYTES: usize = 1 << 20;

/// A file that appears under its name complete or not at all.
pub struct Output {
    file: BufWriter<tempfile::NamedTempFile>,
}

impl Output {
    /// A file without a name beside `path`.
    ///
    /// # Errors
    /// If `path` has no file name, exists and `force` is not given, or its folder cannot be written to.
    pub fn create(path: &Path, force: bool) -> Result<Self, Error> {
        if path.file_name().is_none() {
            return Err(Error::Usage(format!("{}: is no file name; give one with -o", path.display())));
        }
        if !force && fs::symlink_metadata(path).is_ok() {
            return Err(Error::Exists { path: path.display().to_string() });
        }
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // As a file gets them that is made in the usual way; the umask takes its part.
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        let file = tempfile::Builder::new()
            .prefix(".new-")
            .permissions(permissions)
            .tempfile_in(folder)
            .map_err(Error::writing(path))?;
        Ok(Self { file: BufWriter::with_capacity(BUFFER_BYTES, file) })
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// As [`Output::create`], if somebody else made the file meanwhile.
    pub fn finish(self, path: &Path, force: bool) -> Result<u64, Error> {
        let file = self.file.into_inner().map_err(|e| Error::writing(path)(e.into_error()))?;
        file.as_file().sync_all().map_err(Error::writing(path))?;
        let bytes = file.as_file().metadata().map_err(Error::writing(path))?.len();
        let named = if force { file.persist(path) } else { file.persist_noclobber(path) };
        match named {
            Ok(_) => Ok(bytes),
            Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => {
                Err(Error::Exists { path: path.display().to_string() })
            }
            Err(e) => Err(Error::writing(path)(e.error)),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
