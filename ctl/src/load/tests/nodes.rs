//! Several bundles: of one boot, of two, and of two machines.

use tempfile::TempDir;

use super::{Draft, OFFSET, launch};
use crate::{
    coverage::Coverage,
    load::open_all,
    model::{Spool, Trace},
    progress::Progress,
};

// Processes of two boots were once one process if their numbers were equal.
#[test]
fn windows_of_two_boots_of_a_machine_are_two_nodes_and_each_says_what_its_clocks_were() {
    let folder = TempDir::new().unwrap();
    let mut paths = Vec::new();
    for (boot, node) in [(7, "alpha"), (8, "alpha"), (9, "beta")] {
        let mut draft = Draft::new(1);
        draft.manifest.host.boot_id = [boot; 16];
        draft.manifest.host.name = node.into();
        draft.manifest.anchor.real_ns += u64::from(boot);
        draft.manifest.anchor.uncertainty_ns = u64::from(boot) * 100;
        draft.frames.push((vec![launch(0, 10, 5, 0xf1)], 0));
        paths.push(draft.write(&folder, &format!("{boot}.ingero")));
    }
    let traces = open_all(&paths, &Spool::default(), &Progress::none()).unwrap();
    let nodes: Vec<&str> = traces.iter().map(|t| t.node.as_str()).collect();
    assert_eq!(nodes, ["alpha boot 07070707", "alpha boot 08080808", "beta"]);
    let clocks = |t: &Trace| (t.facts.clocks[0].offset_ns - OFFSET, t.facts.clocks[0].uncertainty_ns);
    assert_eq!(traces.iter().map(clocks).collect::<Vec<_>>(), [(7, 700), (8, 800), (9, 900)]);
    let coverage = Coverage::of(&traces);
    assert_eq!(coverage.clocks.len(), 4);
    assert!(coverage.complete, "clocks that cannot be compared are no loss");
}

#[test]
fn trap_15_calls_that_come_late_add_to_a_bucket_that_was_counted_already_whichever_file_is_read_first() {
    let folder = TempDir::new().unwrap();
    let mut first = Draft::new(1);
    first.frames.push((vec![launch(0, 10, 5, 0xf1), launch(1, 30, 5, 0xf1)], 0));
    // Later in the file than what it is earlier than, and in another file.
    first.frames.push((vec![launch(2, 20, 5, 0xf1)], 0));
    let mut second = Draft::new(1);
    second.frames.push((vec![launch(1, 30, 5, 0xf1), launch(3, 25, 7, 0xf1)], 0));
    let (a, b) = (first.write(&folder, "a.ingero"), second.write(&folder, "b.ingero"));
    for (n, paths) in [[a.clone(), b.clone()], [b, a]].into_iter().enumerate() {
        let traces = open_all(&paths, &Spool::default(), &Progress::none()).unwrap();
        let path = folder.path().join(format!("{n}.db"));
        crate::sqlite::write(&path, false, &traces, &[], &Progress::none()).unwrap();
        let db = rusqlite::Connection::open(&path).unwrap();
        let rates = "SELECT count, total_ns, bucket_ns FROM rates";
        let row: (i64, i64, i64) =
            db.query_row(rates, [], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?))).unwrap();
        assert_eq!((row.0, row.1), (4, 22), "of a bucket of {} ns", row.2);
        let stats = "SELECT count, total_ns FROM op_stats";
        let row: (i64, i64) = db.query_row(stats, [], |r| Ok((r.get(0)?, r.get(1)?))).unwrap();
        assert_eq!(row, (4, 22));
    }
}
