//! A folder of the recorder: what it is, which segments it has, and how its parts are read.
//!
//! One set of rules for all who open one:
//!
//! | found | means |
//! |---|---|
//! | `MANIFEST` | a frozen set; nothing in it ever goes, and what its manifest lists is there |
//! | `RING` | a ring; a recorder may be writing to it, and removes the oldest segments |
//! | segments alone | copied out of a ring; read like one |
//! | none of these, but `ring/RING` | the recorder's state directory; the ring in it is meant |
//!
//! What the asker may not read ends the reading; any other failure is damage of one part.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use ingero_format::{
    FormatError, bundle,
    manifest::{Manifest, SegmentEntry},
    segment::{file_name, number_of},
};

use crate::error::Error;

/// What a folder is.
#[derive(Debug)]
pub enum Kind {
    /// A ring, perhaps a live one.
    Ring,
    /// A frozen set, by its manifest.
    Frozen(Box<Result<Manifest, FormatError>>),
    /// Neither says so.
    Loose,
}

/// A part of a folder.
#[derive(Debug)]
pub enum Part {
    /// As it was when it was read.
    Whole(Vec<u8>),
    /// It is not there: of a segment in a ring, evicted since it was listed.
    Gone,
    /// It should be there and cannot be read; why not.
    Damaged(String),
}

/// A folder with segments.
#[derive(Debug)]
pub struct Folder {
    /// What it is.
    pub kind: Kind,
    /// Its head, which is read before segments are listed: rows may then be seen twice, never missed.
    pub head: Part,
    /// Numbers of its segments, rising: those that are there, and those that a manifest lists.
    pub segments: Vec<u64>,
    path: PathBuf,
}

impl Folder {
    /// Looks into the folder at `path`. It need not have any segments.
    ///
    /// # Errors
    /// If it cannot be listed, or its manifest or head cannot be read.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let inner = path.join("ring");
        let mut folder = Self::at(path)?;
        if matches!(folder.kind, Kind::Loose) && folder.segments.is_empty() && is_there(&inner.join("RING"))?
        {
            folder = Self::at(&inner)?;
        }
        Ok(folder)
    }

    fn at(path: &Path) -> Result<Self, Error> {
        let file = path.join("MANIFEST");
        let kind = if is_there(&file)? {
            let bytes = fs::read(&file).map_err(Error::reading(&file))?;
            Kind::Frozen(Box::new(bundle::read_manifest_file(&bytes)))
        } else if is_there(&path.join("RING"))? {
            Kind::Ring
        } else {
            Kind::Loose
        };
        let mut folder = Self { kind, head: Part::Gone, segments: Vec::new(), path: path.to_owned() };
        folder.head = folder.part("head")?;
        folder.segments = folder.numbers()?;
        Ok(folder)
    }

    fn numbers(&self) -> Result<Vec<u64>, Error> {
        let mut found: BTreeSet<u64> = self.promised().iter().map(|entry| entry.seq).collect();
        for entry in fs::read_dir(&self.path).map_err(Error::reading(&self.path))? {
            let name = entry.map_err(Error::reading(&self.path))?.file_name();
            found.extend(name.to_str().and_then(number_of));
        }
        Ok(found.into_iter().collect())
    }

    /// What a manifest lists.
    #[must_use]
    pub fn promised(&self) -> &[SegmentEntry] {
        match &self.kind {
            Kind::Frozen(manifest) => manifest.as_ref().as_ref().map_or(&[], |m| &m.segments),
            Kind::Ring | Kind::Loose => &[],
        }
    }

    /// How many bytes of segment `seq` belong to the window.
    #[must_use]
    pub fn end_of(&self, seq: u64) -> Option<usize> {
        self.promised().iter().find(|entry| entry.seq == seq).map(|entry| entry.bytes as usize)
    }

    /// Where segment `seq` lies.
    #[must_use]
    pub fn path_of(&self, seq: u64) -> PathBuf {
        self.path.join(file_name(seq))
    }

    /// Reads segment `seq`: [`Part::Gone`] only in a ring, where it was evicted.
    ///
    /// # Errors
    /// If the asker may not read it.
    pub fn segment(&self, seq: u64) -> Result<Part, Error> {
        Ok(match self.part(&file_name(seq))? {
            Part::Gone if matches!(self.kind, Kind::Frozen(_)) => Part::Damaged("it is missing".to_owned()),
            part => part,
        })
    }

    /// Reads the file `name`.
    ///
    /// # Errors
    /// If the asker may not read it.
    pub fn part(&self, name: &str) -> Result<Part, Error> {
        let path = self.path.join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Part::Whole(bytes)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Part::Gone),
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Err(Error::reading(&path)(e)),
            Err(e) => Ok(Part::Damaged(format!("it cannot be read: {e}"))),
        }
    }
}

fn is_there(path: &Path) -> Result<bool, Error> {
    path.try_exists().map_err(Error::reading(path))
}
