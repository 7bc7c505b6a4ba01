//! Tables and views of an investigation, from a database that `ingeroctl` made of a recording.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rusqlite::Connection;
use tempfile::TempDir;

use super::{
    page::{Page, code},
    units,
};
use crate::lab::programs;

/// A recording with a finding, and what was made of it.
pub(super) struct Fixture {
    _folder: TempDir,
    bundle: PathBuf,
    database: PathBuf,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let (bundle, database) = (folder.path().join("one.ingero"), folder.path().join("one.db"));
        let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/h100/contention.ingero.zst");
        fs::write(&bundle, zstd::decode_all(fs::File::open(packed).unwrap()).unwrap()).unwrap();
        let fixture = Self { _folder: folder, bundle, database };
        ingeroctl(&["convert", fixture.bundle(), "-o", fixture.database()]);
        fixture
    }

    pub(super) fn bundle(&self) -> &str {
        self.bundle.to_str().unwrap()
    }

    pub(super) fn database(&self) -> &str {
        self.database.to_str().unwrap()
    }
}

/// What a command says on stdout.
pub(super) fn ingeroctl(args: &[&str]) -> String {
    let output = Command::new(programs().join("ingeroctl")).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A column and whether it holds numbers.
struct Column {
    name: String,
    is_number: bool,
}

fn columns(db: &Connection, table: &str) -> Vec<Column> {
    let mut query = db.prepare(&format!("SELECT name, type FROM pragma_table_info('{table}')")).unwrap();
    let rows = query.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).unwrap();
    let known = rows.map(Result::unwrap).map(|(name, declared)| {
        // An expression has no type of its own: its values have.
        let found = || -> String {
            let sql = format!("SELECT group_concat(DISTINCT typeof({name})) FROM {table}");
            db.query_row(&sql, [], |row| row.get::<_, Option<String>>(0)).unwrap().unwrap_or_default()
        };
        let kind = if declared.is_empty() { found().to_uppercase() } else { declared };
        Column { is_number: kind.contains("INT") || kind.contains("REAL"), name }
    });
    known.collect()
}

pub(super) fn write(page: &mut Page, fixture: &Fixture) {
    let db = Connection::open(fixture.database()).unwrap();
    let sql =
        "SELECT name, type FROM sqlite_master WHERE type IN ('view', 'table') ORDER BY type DESC, rowid";
    let mut query = db.prepare(sql).unwrap();
    let rows = query.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).unwrap();
    page.heading(
        "SQL",
        "Views and tables of an investigation (`ctl/src/sqlite/schema.rs`), as `ingeroctl convert` makes them. Parquet files have the same names.",
    );
    page.table(&["name", "", "columns"]);
    for (table, kind) in rows.map(Result::unwrap) {
        let columns = columns(&db, &table);
        for column in columns.iter().filter(|column| column.is_number) {
            units::check(page, &format!("ctl/src/sqlite/schema.rs: {table}.{}", column.name), &column.name);
        }
        let names: Vec<String> = columns.iter().map(|column| code(&column.name)).collect();
        page.row(&[code(&table), kind, names.join(", ")]);
    }
}
