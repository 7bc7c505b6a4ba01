//! One file: rows are collected column by column and written as row groups.

use std::{fs::File, path::Path, sync::Arc};

use parquet::{
    basic::{Compression, Encoding, ZstdLevel},
    errors::Result,
    file::{
        metadata::SortingColumn,
        properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr},
        writer::SerializedFileWriter,
    },
    schema::types::{ColumnPath, Type, TypePtr},
};

use super::column::{Cell, Column, Kind, Spec};

/// Rows of a row group, if there is one file at a time: readers share out work by row groups.
const GROUP_ROWS: usize = 1 << 17;
/// Fewest rows of a row group, however many files are open.
const FEWEST_ROWS: usize = 1 << 12;
/// Bytes of text that a row group is written early for.
const GROUP_TEXT_BYTES: usize = 32 << 20;

/// What the files of a view have in common.
#[derive(Debug)]
pub struct Shape {
    columns: &'static [Spec],
    schema: TypePtr,
    properties: WriterPropertiesPtr,
    group_rows: usize,
}

impl Shape {
    /// The shape of a view's files, up to `files` of which are open at once.
    ///
    /// # Errors
    /// If two columns have one name.
    pub fn new(columns: &'static [Spec], files: usize) -> Result<Self> {
        let fields = columns.iter().map(Spec::schema).collect::<Result<_>>()?;
        let schema = Arc::new(Type::group_type_builder("schema").with_fields(fields).build()?);
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
            .set_statistics_enabled(EnabledStatistics::Page)
            .set_created_by(format!("ingeroctl {}", env!("CARGO_PKG_VERSION")));
        for spec in columns.iter().filter(|spec| spec.kind == Kind::Many) {
            let path = ColumnPath::from(spec.name);
            properties = properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
        }
        if let Some(at) = columns.iter().position(|spec| spec.name == "ts_ns") {
            let column_idx = i32::try_from(at).unwrap_or_default();
            let sorted = SortingColumn { column_idx, descending: false, nulls_first: false };
            properties = properties.set_sorting_columns(Some(vec![sorted]));
        }
        let group_rows = (GROUP_ROWS / files.max(1)).max(FEWEST_ROWS);
        Ok(Self { columns, schema, properties: Arc::new(properties.build()), group_rows })
    }
}

/// A file that is being written.
pub struct Part {
    writer: SerializedFileWriter<File>,
    columns: Vec<Column>,
    rows: usize,
    text_bytes: usize,
    group_rows: usize,
}

impl Part {
    /// A new file.
    ///
    /// # Errors
    /// If it cannot be made, or is there already.
    pub fn create(path: &Path, shape: &Shape) -> Result<Self> {
        let file = File::create_new(path)?;
        let writer =
            SerializedFileWriter::new(file, Arc::clone(&shape.schema), Arc::clone(&shape.properties))?;
        let columns = shape.columns.iter().map(Column::new).collect();
        Ok(Self { writer, columns, rows: 0, text_bytes: 0, group_rows: shape.group_rows })
    }

    /// Adds a row: a cell for each column, in their order.
    ///
    /// # Errors
    /// As the file does.
    pub fn row(&mut self, cells: &[Cell<'_>]) -> Result<()> {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            if let Cell::Text(text) = cell {
                self.text_bytes += text.len();
            }
            column.push(*cell);
        }
        self.rows += 1;
        if self.rows >= self.group_rows || self.text_bytes >= GROUP_TEXT_BYTES {
            self.group()?;
        }
        Ok(())
    }

    fn group(&mut self) -> Result<()> {
        let mut group = self.writer.next_row_group()?;
        for column in &mut self.columns {
            column.write(&mut group)?;
        }
        group.close()?;
        (self.rows, self.text_bytes) = (0, 0);
        Ok(())
    }

    /// Writes what is left and the file's end, durably; gives its bytes.
    ///
    /// # Errors
    /// As the file does.
    pub fn close(mut self) -> Result<u64> {
        if self.rows > 0 {
            self.group()?;
        }
        let file = self.writer.into_inner()?;
        file.sync_all()?;
        Ok(file.metadata()?.len())
    }
}
