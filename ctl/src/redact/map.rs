//! The file that leads from pseudonyms back to values: for the owner of the recording alone.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use super::Names;
use crate::error::Error;

/// A file that was made for the map; it is removed unless the map is kept.
#[derive(Debug)]
pub struct MapFile {
    path: PathBuf,
    file: File,
    kept: bool,
}

impl MapFile {
    /// Makes the file, for its owner alone.
    ///
    /// # Errors
    /// If there is one of that name, whatever it is, or none can be made.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = opened.map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => Error::Refused(format!(
                "{}: exists already, and a map is never written over a file; give another --redact-map",
                path.display()
            )),
            _ => Error::writing(path)(e),
        })?;
        Ok(Self { path: path.to_owned(), file, kept: false })
    }

    /// Writes the map: by kind, each pseudonym with its value.
    ///
    /// # Errors
    /// As the system says.
    pub fn write(&mut self, names: &Names) -> Result<(), Error> {
        let written =
            serde_json::to_vec_pretty(&json(names)).map_err(io::Error::from).and_then(|mut text| {
                text.push(b'\n');
                self.file.write_all(&text)?;
                self.file.sync_all()
            });
        written.map_err(Error::writing(&self.path))
    }

    /// The map is wanted: what it leads back from is there.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for MapFile {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed leads back from nothing.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn json(names: &Names) -> Value {
    let kind = |(kind, pairs): (&str, &[(String, String)])| {
        let pairs = pairs.iter().map(|(name, value)| (name.clone(), Value::String(value.clone())));
        (kind.to_owned(), Value::Object(pairs.collect()))
    };
    Value::Object(names.kinds().map(kind).collect::<Map<_, _>>())
}
