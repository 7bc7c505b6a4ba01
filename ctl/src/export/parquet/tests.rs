use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use parquet::{
    data_type::ByteArray,
    file::reader::{FileReader, SerializedFileReader},
};
use tempfile::TempDir;

use super::{
    column::{Cell, Kind, Spec},
    part::{Part, Shape},
    view::By,
};
use crate::{
    commands::tests::{incident, run, said},
    load::tests::{Draft, launch},
    redact::tests::{TELLS, telltale},
};

struct Made {
    folder: TempDir,
    database: rusqlite::Connection,
}

impl Made {
    fn of(draft: &Draft) -> Self {
        let folder = TempDir::new().unwrap();
        let bundle = draft.write(&folder, "one.ingero");
        let [database, views, again] = ["one.db", "views", "again"].map(|n| word(&folder.path().join(n)));
        said(&["convert", &word(&bundle), "-o", &database]);
        said(&["export", &database, "--format", "parquet", "-o", &views]);
        said(&["export", &word(&bundle), "--format", "parquet", "-o", &again]);
        let made = Self { database: rusqlite::Connection::open(&database).unwrap(), folder };
        let (from_database, from_bundle) = (made.files("views"), made.files("again"));
        assert_eq!(from_database.len(), from_bundle.len());
        for (a, b) in from_database.iter().zip(&from_bundle) {
            assert_eq!(fs::read(a).unwrap(), fs::read(b).unwrap(), "{}", a.display());
        }
        made
    }

    fn count(&self, sql: &str) -> i64 {
        self.database.query_row(sql, [], |r| r.get(0)).unwrap()
    }

    fn files(&self, below: &str) -> Vec<PathBuf> {
        let mut folders = vec![self.folder.path().join(below)];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            let mut entries: Vec<PathBuf> =
                fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
            entries.sort();
            entries.into_iter().for_each(|p| if p.is_dir() { folders.push(p) } else { files.push(p) });
        }
        files
    }

    fn of_view(&self, view: &str) -> Vec<PathBuf> {
        self.files(&format!("views/{view}"))
    }
}

fn word(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn reader(path: &Path) -> SerializedFileReader<fs::File> {
    SerializedFileReader::new(fs::File::open(path).unwrap()).unwrap()
}

fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let reader = reader(path);
    let rows = reader.get_row_iter(None).unwrap().map(Result::unwrap);
    rows.map(|r| r.get_column_iter().map(|(name, value)| (name.clone(), value.to_string())).collect())
        .collect()
}

#[test]
fn every_view_has_its_columns_and_all_its_rows() {
    let made = Made::of(&incident());
    for view in super::views() {
        let mut columns: Vec<String> = Vec::new();
        let mut statement = made.database.prepare(&format!("PRAGMA table_info({view})")).unwrap();
        let names = statement.query_map([], |r| r.get(1)).unwrap();
        columns.extend(names.map(Result::unwrap).filter(|n| n != "node"));
        let mut there = 0;
        for file in made.of_view(view) {
            let reader = reader(&file);
            let about = reader.metadata().file_metadata();
            let names: Vec<_> = about.schema_descr().columns().iter().map(|c| c.name().to_owned()).collect();
            assert_eq!(names, columns, "{view}");
            there += about.num_rows();
        }
        assert_eq!(there, made.count(&format!("SELECT count(*) FROM {view}")), "{view}");
    }
    assert_eq!(made.count("SELECT count(*) FROM off_cpu"), 40, "there is something to compare");
}

#[test]
fn a_row_has_the_values_of_its_view() {
    let made = Made::of(&incident());
    let [file] = made.of_view("off_cpu").try_into().unwrap();
    let rows = rows(&file);
    let mut statement = made.database.prepare("SELECT * FROM off_cpu ORDER BY id").unwrap();
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut expected = statement.query([]).unwrap();
    for row in rows {
        let r = expected.next().unwrap().unwrap();
        for (at, name) in names.iter().enumerate().filter(|(_, name)| *name != "node") {
            let value = match r.get_ref(at).unwrap() {
                rusqlite::types::ValueRef::Null => "null".to_owned(),
                rusqlite::types::ValueRef::Integer(i) => i.to_string(),
                other => format!("\"{}\"", other.as_str().unwrap()),
            };
            assert_eq!(row[name], value, "{name}");
        }
    }
    assert!(expected.next().unwrap().is_none());
}

#[test]
fn neither_paths_nor_rows_tell_a_name_that_was_redacted() {
    let made = Made::of(&telltale());
    let [bundle, database, views] =
        ["one.ingero", "send.db", "send"].map(|n| word(&made.folder.path().join(n)));
    said(&["convert", &bundle, "-o", &database, "--redact"]);
    said(&["export", &database, "--format", "parquet", "-o", &views]);
    let told = |below: &str| -> usize {
        let files = made.files(below);
        let parquet = files.iter().filter(|path| path.extension().is_some_and(|e| e == "parquet"));
        parquet.map(|path| format!("{} {:?}", path.display(), rows(path)).matches(TELLS).count()).sum()
    };
    assert!(told("views") > 40, "{}", told("views"));
    assert_eq!(told("send"), 0);
}

#[test]
fn a_view_without_rows_has_a_file_with_its_columns() {
    let made = Made::of(&Draft::new(1));
    for view in super::views() {
        let files = made.of_view(view);
        let [file] = files.as_slice() else { panic!("{view}: {files:?}") };
        let about = reader(file).metadata().file_metadata().clone();
        assert_eq!(about.num_rows(), made.count(&format!("SELECT count(*) FROM {view}")), "{view}");
        assert!(about.schema_descr().num_columns() > 1, "{view}");
    }
    assert_eq!(made.count("SELECT count(*) FROM cuda_calls"), 0);
    let [calls] = made.of_view("cuda_calls").try_into().unwrap();
    assert!(word(&calls).ends_with("cuda_calls/node=alpha/hour=2023-11-14T22/part-0.parquet"), "{calls:?}");
}

#[test]
fn a_database_of_an_earlier_version_has_no_values_where_it_had_no_column() {
    let made = Made::of(&incident());
    made.database.execute_batch("ALTER TABLE annotations DROP COLUMN sender_uid").unwrap();
    let begin = "(SELECT from_ns FROM node), 5, (SELECT name FROM node), 100, '{}', 7";
    made.database.execute(&format!("INSERT INTO annotations SELECT {begin}"), []).unwrap();
    let [database, old] = ["one.db", "old"].map(|n| word(&made.folder.path().join(n)));
    said(&["export", &database, "--format", "parquet", "-o", &old]);
    let [file] = made.files("old/annotations").try_into().unwrap();
    let [row] = rows(&file).try_into().unwrap();
    assert_eq!((row["sender_pid"].as_str(), row["sender_uid"].as_str()), ("7", "null"));
}

#[test]
fn a_window_across_an_hour_has_a_file_for_each_in_order_of_time() {
    const SECOND: u64 = 1_000_000_000;
    let mut draft = Draft::new(3600);
    // The hour ends 2795 s after the window's begin.
    let calls = [10, 2790, 2794, 2795, 3000].into_iter().zip(0..);
    let calls = calls.map(|(at, seq)| launch(seq, at * SECOND, 5, 0xf1)).collect();
    draft.frames.push((calls, 0));
    let made = Made::of(&draft);
    let [late, early]: [PathBuf; 2] = made.of_view("cuda_calls").try_into().unwrap();
    let (late, early) = if late < early { (early, late) } else { (late, early) };
    assert!(word(&early).contains("hour=2023-11-14T22") && word(&late).contains("hour=2023-11-14T23"));
    let times =
        |path: &Path| -> Vec<i64> { rows(path).iter().map(|r| r["ts_ns"].parse().unwrap()).collect() };
    let (early, late) = (times(&early), times(&late));
    assert_eq!((early.len(), late.len()), (3, 2));
    assert!(early.iter().chain(&late).is_sorted());
    assert_eq!(late[0] % 3_600_000_000_000, 0, "the first of the next hour");
}

#[test]
fn whatever_a_machine_calls_itself_its_files_lie_below_the_export() {
    for name in ["../../a/b", "..", "line\nbreak", "nul\0", "a=b&c%2F", "\u{202e}host", &"n".repeat(300)] {
        let mut draft = incident();
        draft.manifest.host.name = name.into();
        let made = Made::of(&draft);
        let [calls] = made.of_view("cuda_calls").try_into().unwrap();
        let below = calls.strip_prefix(made.folder.path().join("views/cuda_calls")).unwrap();
        assert_eq!(below.components().count(), 3, "{}", below.display());
        assert!(word(below).bytes().all(|b| b.is_ascii_graphic()), "{}", below.display());
        let beside: Vec<_> = fs::read_dir(made.folder.path()).unwrap().collect();
        assert_eq!(beside.len(), 4, "{beside:?}");
    }
}

#[test]
fn only_an_export_is_replaced_and_only_by_force() {
    let folder = TempDir::new().unwrap();
    let bundle = word(&incident().write(&folder, "one.ingero"));
    let path = |name: &str| folder.path().join(name);
    let export = |to: &str, more: &[&str]| {
        let to = word(&path(to));
        run(&[&["export", &bundle, "--format", "parquet", "-o", &to], more].concat())
    };
    fs::write(path("file"), "mine").unwrap();
    fs::create_dir(path("mine")).unwrap();
    fs::write(path("mine/thesis"), "mine").unwrap();
    std::os::unix::fs::symlink(path("mine"), path("link")).unwrap();
    for (to, more) in [("file", &[][..]), ("file", &["--force"]), ("mine", &[]), ("mine", &["--force"])] {
        assert_eq!(export(to, more).unwrap_err().exit_code(), 1, "{to} {more:?}");
    }
    assert_eq!(export("link", &["--force"]).unwrap_err().exit_code(), 1);
    assert_eq!(fs::read_to_string(path("mine/thesis")).unwrap(), "mine");
    export("views", &[]).unwrap();
    assert!(export("views", &[]).unwrap_err().to_string().contains("--force"));
    fs::remove_dir_all(path("views/meta")).unwrap();
    export("views", &["--force"]).unwrap();
    assert!(path("views/meta").exists(), "replaced");
    fs::write(&bundle, "no bundle").unwrap();
    export("views", &["--force"]).unwrap_err();
    assert!(path("views/meta").exists(), "a failed export leaves the old one");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 5, "nothing unfinished is left");
}

#[test]
fn long_texts_are_written_before_they_fill_the_memory() {
    const COLUMNS: &[Spec] = &[Spec::new("frames", Kind::Text)];
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("one.parquet");
    let mut part = Part::create(&path, &Shape::new(COLUMNS, 1).unwrap()).unwrap();
    for i in 0..100u8 {
        part.row(&[Cell::Text(&ByteArray::from(vec![b'a' + i % 26; 1 << 20]))]).unwrap();
    }
    part.close().unwrap();
    let about = reader(&path).metadata().clone();
    let most = about.row_groups().iter().map(|g| g.num_rows()).max();
    assert_eq!((about.file_metadata().num_rows(), most), (100, Some(32)));
}

#[test]
fn what_has_a_time_is_told_apart_by_the_hour() {
    for small in &super::small::ALL {
        let timed = small.of.columns.iter().any(|c| matches!(c.name, "ts_ns" | "bucket_ts_ns"));
        assert_eq!(timed, small.of.by == By::Hour, "{}", small.of.name);
    }
}
