//! A recorder in a PID namespace of its own, as in a container without the host's processes.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::process::Command;

use ingero_tests::{Lab, calls, live, switcher};

const INSIDE: &str = "INGERO_TEST_INSIDE";

#[test]
fn in_a_pid_namespace_of_its_own_every_call_and_switch_is_told_with_the_ids_of_its_proc() {
    if !live() {
        return;
    }
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    let own = std::env::current_exe().unwrap();
    let inner = Command::new("unshare")
        .args(["--pid", "--fork", "--kill-child", "--mount-proc", "--"])
        .arg(own)
        .args(["--exact", "--nocapture"])
        .arg("in_a_pid_namespace_of_its_own_every_call_and_switch_is_told_with_the_ids_of_its_proc")
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said =
        format!("{}\n{}", String::from_utf8_lossy(&inner.stdout), String::from_utf8_lossy(&inner.stderr));
    assert!(inner.status.success(), "{said}");
    assert!(said.contains("inside: "), "{said}");
}

fn inside() {
    // Ids given out in a new namespace are small; those of the host's are not what /proc shows here.
    assert!(std::process::id() < 1000);
    let lab = Lab::recording();
    assert!(lab.log().contains("processes of one PID namespace are seen"), "{}", lab.log());
    let counted = calls::count(&lab, 4, 2_000, 50_000);
    assert_eq!((&counted.recorded, counted.lost), (&counted.made, 0));
    let seen = switcher::measure(&lab, 2);
    assert!(seen.error() < 0.01, "{seen:?}");
    assert!(seen.intervals > 200, "{seen:?}");
    assert!(seen.hog_named > 0.5, "{seen:?}");
    let db = lab.window("ids", "60s");
    let strangers: i64 = db
        .query_row("SELECT count(*) FROM off_cpu WHERE pid > 100000 OR preemptor_pid > 100000", [], |r| {
            r.get(0)
        })
        .unwrap();
    assert_eq!(strangers, 0);
    println!("inside: {seen:?}, {:?}", counted.recorded);
}
