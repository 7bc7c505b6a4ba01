//! A view as a folder of files, one for each machine and hour.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use parquet::errors::Result;

use super::{
    column::{Cell, Spec},
    part::{Part, Shape},
    place,
};

/// Length of an hour, ns.
const HOUR_NS: i64 = 3_600_000_000_000;

/// By what the rows of a view are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Machine and hour.
    Hour,
    /// Machine.
    Node,
    /// Nothing: they are of the whole investigation.
    Nothing,
}

/// A view's name, columns and order.
#[derive(Debug)]
pub struct Definition {
    /// The folder's name.
    pub name: &'static str,
    /// By what its rows are told apart.
    pub by: By,
    /// Its columns, without the machine.
    pub columns: &'static [Spec],
}

/// The machines of an investigation, by number.
#[derive(Debug, Default)]
pub struct Nodes(Vec<String>);

impl Nodes {
    /// The machine's number.
    pub fn number(&mut self, name: &str) -> usize {
        self.0.iter().position(|n| n == name).unwrap_or_else(|| {
            self.0.push(name.to_owned());
            self.0.len() - 1
        })
    }

    /// All names with their numbers.
    pub fn all(&self) -> impl Iterator<Item = (&str, usize)> {
        self.0.iter().enumerate().map(|(number, name)| (name.as_str(), number))
    }

    fn name(&self, number: usize) -> &str {
        self.0.get(number).map_or("", String::as_str)
    }
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows of all views.
    pub rows: u64,
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A view that is being written. Rows come in order of time.
pub struct View<'a> {
    folder: PathBuf,
    by: By,
    shape: Shape,
    nodes: &'a Nodes,
    /// Open files of this hour by machine.
    parts: BTreeMap<usize, Part>,
    hour: i64,
    written: Written,
}

impl<'a> View<'a> {
    /// A view without rows below `folder`.
    ///
    /// # Errors
    /// If its columns have names twice.
    pub fn begin(folder: &Path, of: &Definition, nodes: &'a Nodes) -> Result<Self> {
        let files = if of.by == By::Nothing { 1 } else { nodes.0.len() };
        Ok(Self {
            folder: folder.join(of.name),
            by: of.by,
            shape: Shape::new(of.columns, files)?,
            nodes,
            parts: BTreeMap::new(),
            hour: i64::MIN,
            written: Written::default(),
        })
    }

    /// Adds a row of a machine.
    ///
    /// # Errors
    /// As the files do.
    pub fn row(&mut self, node: usize, ts_ns: i64, cells: &[Cell<'_>]) -> Result<()> {
        self.part(node, ts_ns)?.row(cells)?;
        self.written.rows += 1;
        Ok(())
    }

    fn part(&mut self, node: usize, ts_ns: i64) -> Result<&mut Part> {
        let hour = if self.by == By::Hour { ts_ns.div_euclid(HOUR_NS) } else { 0 };
        if hour != self.hour {
            self.end_hour()?;
            self.hour = hour;
        }
        match self.parts.entry(node) {
            std::collections::btree_map::Entry::Occupied(part) => Ok(part.into_mut()),
            std::collections::btree_map::Entry::Vacant(place) => {
                let mut folder = self.folder.clone();
                if self.by != By::Nothing {
                    folder.push(place::node(self.nodes.name(node)));
                }
                if self.by == By::Hour {
                    folder.push(place::hour(hour));
                }
                fs::create_dir_all(&folder)?;
                Ok(place.insert(Part::create(&folder.join("part-0.parquet"), &self.shape)?))
            }
        }
    }

    fn end_hour(&mut self) -> Result<()> {
        for part in std::mem::take(&mut self.parts).into_values() {
            self.written.bytes += part.close()?;
            self.written.files += 1;
        }
        Ok(())
    }

    /// Ends the view. One without rows has a file without rows, in the hour of `begin_ns`: readers find its columns.
    ///
    /// # Errors
    /// As the files do.
    pub fn end(mut self, begin_ns: i64) -> Result<Written> {
        if self.written.rows == 0 {
            self.part(0, begin_ns)?;
        }
        self.end_hour()?;
        Ok(self.written)
    }
}
