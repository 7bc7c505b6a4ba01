//! Every trigger, by one test body, on the real kernel: what it asks for is a snapshot that verifies and holds the load.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed step is a failed test")]

use std::{
    fs,
    io::Write,
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use ingero_format::control::{Request, to_wire};
use ingero_tests::{Lab, Program, live, metrics::Engine, standin, webhook};
use nix::sys::signal::Signal;
use serde_json::Value;

const TOKEN: &str = "a-token-of-this-test";
const PORT_OF_NOBODY: &str = "127.0.0.1:1";

/// Short windows, but longer than the two seconds after which a fall of the launch rate is told; and no rest between two snapshots of one trigger.
fn configure(lab: &Lab, triggers: &str) {
    let text = format!(
        "[ring]\nmax_bytes = \"256MiB\"\nkeep_free = \"16MiB\"\n[budget]\nthread_percent = 100\ndaemon_percent = 100\n\
         [snapshot]\nlast = \"2500ms\"\nafter = \"200ms\"\nmax_per_hour = 1000\nmax_bytes = \"128MiB\"\n\
         [samples]\ninterval = \"200ms\"\nnvml_library = \"{}\"\n{triggers}",
        lab.path("driver/libnvidia-ml.so.1").display()
    );
    fs::write(lab.path("recorder.toml"), text).unwrap();
}

/// The same in force in a recorder that runs.
fn reload(lab: &Lab, triggers: &str) {
    configure(lab, triggers);
    lab.ok(&["reload"]);
}

fn ids(lab: &Lab) -> Vec<String> {
    let list = lab.json(&["snapshots"]);
    let ids = list["snapshots"].as_array().unwrap().iter();
    ids.map(|s| s["id"].as_str().unwrap().to_owned()).collect()
}

fn status_of(lab: &Lab, name: &str) -> Value {
    let status = lab.json(&["status"]);
    let found = status["triggers"].as_array().unwrap().iter().find(|t| t["name"] == name).unwrap().clone();
    let refused: u64 =
        found["refused"].as_array().unwrap().iter().map(|r| r["count"].as_u64().unwrap()).sum();
    let count = |key: &str| found[key].as_u64().unwrap();
    assert_eq!(count("asked"), count("fired") + count("coalesced") + refused, "{found}");
    found
}

/// The body: `cause` leads to a snapshot of trigger `name`, which verifies, accounts for everything, and holds calls
/// from before the trigger and the reason.
fn freezes(lab: &Lab, name: &str, reason: &str, mut cause: impl FnMut()) {
    let (before, fired) = (ids(lab), status_of(lab, name)["fired"].as_u64().unwrap());
    let begun = Instant::now();
    while status_of(lab, name)["fired"].as_u64().unwrap() == fired {
        assert!(begun.elapsed() < Duration::from_secs(60), "{name} did not fire\n{}", lab.log());
        cause();
    }
    lab.until("the snapshot is there", |lab| ids(lab).len() > before.len());
    let new: Vec<String> = ids(lab).into_iter().filter(|id| !before.contains(id)).collect();
    let (bundle, database) = (lab.path(&format!("{name}.ingero")), lab.path(&format!("{name}.db")));
    let _ = fs::remove_file(&bundle);
    lab.ok(&["fetch", &new[0], "-o", bundle.to_str().unwrap()]);
    let report = lab.json(&["verify", bundle.to_str().unwrap()]);
    assert_eq!((&report["ok"], &report["conservation"]["holds"]), (&true.into(), &true.into()), "{report}");
    lab.ok(&["convert", bundle.to_str().unwrap(), "-o", database.to_str().unwrap(), "--force"]);
    let db = rusqlite::Connection::open(&database).unwrap();
    let text: String =
        db.query_row("SELECT value FROM meta WHERE key = 'trigger'", [], |r| r.get(0)).unwrap();
    assert!(text.starts_with(&format!("{name}: ")) && text.contains(reason), "{text}");
    let calls: i64 = db.query_row("SELECT count(*) FROM cuda_calls", [], |r| r.get(0)).unwrap();
    assert!(calls > 100, "{name}: {calls} calls");
    let status = status_of(lab, name);
    assert!(status["armed"] == true && status["last_fired_ts_ns"].as_i64().is_some(), "{status}");
}

/// A load of some 3,000 launches a second.
fn load(lab: &Lab) -> Program {
    let mut load =
        Program::start(&standin().engine, ["--duration", "300", "--step-launches", "8", "--start-on-stdin"]);
    load.line_with("READY");
    lab.until_covered(load.pid());
    load.say("go");
    load
}

fn stop_for(load: &Program, time: Duration) {
    load.signal(Signal::SIGSTOP);
    std::thread::sleep(time);
    load.signal(Signal::SIGCONT);
    std::thread::sleep(Duration::from_millis(300));
}

fn by_people_and_units(lab: &Lab) {
    for (name, more) in [("command", None), ("unit", Some("--unit"))] {
        freezes(lab, name, "by hand", || {
            let args = ["snapshot", "--last", "1s", "--after", "200ms", "--reason", "by hand"];
            lab.ok(&args.into_iter().chain(more).collect::<Vec<_>>());
        });
    }
    freezes(lab, "signal", "SIGUSR1", || {
        lab.signal(Signal::SIGUSR1);
        std::thread::sleep(Duration::from_millis(300));
    });
}

fn by_alerts(lab: &Lab, address: &str) {
    let hook = |listen: &str| {
        let token = lab.path("token").display().to_string();
        format!("[trigger.webhook]\nlisten = \"{listen}\"\ncool_down = \"0s\"\ntoken_file = \"{token}\"\n")
    };
    reload(lab, &hook(address));
    freezes(lab, "webhook", "alert OverTcp", || {
        let answer = webhook::post(&webhook::tcp(address), Some(TOKEN), &webhook::firing("OverTcp", "1"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    });
    reload(lab, &hook("unix"));
    freezes(lab, "webhook", "alert ../../etc/passwd", || {
        let client = webhook::unix(&lab.path("run/webhook.sock"));
        let answer = webhook::post(&client, Some(TOKEN), &webhook::firing("../../etc/passwd", "2"));
        assert!(answer.contains("\"fired\":1"), "{answer}");
    });
    assert!(webhook::connect(&webhook::tcp(address)).is_none(), "the old address is closed");
}

fn by_its_engine(lab: &Lab) {
    let engine = Engine::start();
    let pages = format!("[trigger.ttft]\npages = [\"{}\"]\n", engine.page());
    let rest = "interval = \"200ms\"\nwindow = \"2s\"\nthreshold = \"1s\"\ncool_down = \"0s\"\n";
    reload(lab, &(pages + rest));
    freezes(lab, "ttft", "time to first token", || {
        std::thread::sleep(Duration::from_millis(700));
        engine.slow();
        std::thread::sleep(Duration::from_millis(700));
    });
}

// What stops the load makes a call long, keeps a thread off the CPU, and makes its launches fall.
fn by_conditions_on_rows(lab: &Lab, load: &Program) {
    let (short, long) = (Duration::from_millis(120), Duration::from_millis(2_200));
    reload(lab, "[trigger.predicate]\nsync_longer = \"50ms\"\ncool_down = \"0s\"\n");
    freezes(lab, "sync_longer", "Synchronize of standin-engine/", || stop_for(load, short));
    reload(lab, "[trigger.predicate]\noff_cpu_longer = \"50ms\"\ncool_down = \"0s\"\n");
    freezes(lab, "off_cpu_longer", "was off the CPU for", || stop_for(load, short));
    let rate = "launch_rate_below_percent = 20\nlaunch_rate_min = 100\nlaunch_rate_hold = \"2s\"\n";
    reload(lab, &format!("[trigger.predicate]\n{rate}cool_down = \"0s\"\n"));
    std::thread::sleep(Duration::from_secs(4));
    freezes(lab, "launch_rate_drop", "launches of standin-engine/", || stop_for(load, long));
}

fn by_its_gpus(lab: &Lab) {
    reload(lab, "[trigger.predicate]\ngpu_throttle = true\ngpu_xid = true\ncool_down = \"0s\"\n");
    for (name, file, reason) in [
        ("gpu_throttle", "nvml-is-hot", "GPU 0 began to throttle: hardware thermal slowdown"),
        ("gpu_xid", "nvml-xid", "XID error 79 of GPU GPU-5ca1ab1e"),
    ] {
        let mut done = false;
        freezes(lab, name, reason, || {
            if !std::mem::replace(&mut done, true) {
                // Whole at once: it is looked for a hundred times a second.
                fs::write(lab.path("new"), "79").unwrap();
                fs::rename(lab.path("new"), lab.path("driver").join(file)).unwrap();
            }
            std::thread::sleep(Duration::from_millis(100));
        });
    }
}

fn by_a_death(lab: &Lab, load: &Program) {
    reload(lab, "[trigger.process]\nnames = [\"standin-*\"]\n");
    let mut killed = false;
    freezes(lab, "process", "was ended by signal 9", || {
        if !std::mem::replace(&mut killed, true) {
            load.signal(Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(100));
    });
}

#[test]
fn every_trigger_freezes_a_window_that_verifies_and_holds_the_load() {
    if !live() {
        return;
    }
    let mut lab = Lab::new();
    let address = webhook::free_address();
    fs::write(lab.path("token"), TOKEN).unwrap();
    fs::create_dir(lab.path("driver")).unwrap();
    fs::copy(&standin().libnvml, lab.path("driver/libnvidia-ml.so.1")).unwrap();
    configure(&lab, "");
    lab.start();
    let mut load = load(&lab);
    by_people_and_units(&lab);
    by_alerts(&lab, &address);
    by_its_engine(&lab);
    by_conditions_on_rows(&lab, &load);
    by_its_gpus(&lab);
    by_a_death(&lab, &load);
    load.finish();
    let status = lab.json(&["status"]);
    assert_eq!(status["snapshots"]["failed"], 0, "{status}");
    lab.stop();
    let report = lab.json(&["verify", lab.path("state").to_str().unwrap()]);
    assert_eq!(report["ok"], true, "{report}");
}

#[test]
fn what_is_refused_is_counted_by_reason_and_nothing_of_it_gets_in() {
    if !live() {
        return;
    }
    let mut lab = Lab::new();
    let address = webhook::free_address();
    fs::write(lab.path("token"), TOKEN).unwrap();
    let token = lab.path("token").display().to_string();
    configure(
        &lab,
        &format!(
            "[trigger.webhook]\nlisten = \"{address}\"\ntoken_file = \"{token}\"\n[trigger.signal]\nenabled = false\n"
        ),
    );
    lab.start();
    let client = webhook::tcp(&address);
    let post = |token, body: &str| webhook::post(&client, token, body);
    assert!(post(Some("wrong"), &webhook::firing("a", "1")).starts_with("HTTP/1.1 401"));
    assert!(post(None, &webhook::firing("a", "1")).starts_with("HTTP/1.1 401"));
    assert!(post(Some(TOKEN), "{\"version\":\"4\",").starts_with("HTTP/1.1 400"));
    assert!(post(Some(TOKEN), &" ".repeat(2 << 20)).starts_with("HTTP/1.1 413"));
    let first = post(Some(TOKEN), &webhook::firing("a", "1"));
    assert!(first.contains("\"fired\":1"), "{first}");
    lab.until("it is there", |lab| ids(lab).len() == 1);
    let replayed = post(Some(TOKEN), &webhook::firing("a", "1"));
    assert!(replayed.contains("\"duplicate\":1"), "{replayed}");
    let other = post(Some(TOKEN), &webhook::firing("b", "2"));
    assert!(other.contains("\"cool_down\":1"), "{other}");
    lab.signal(Signal::SIGUSR1);
    lab.until("the signal is refused", |lab| status_of(lab, "signal")["refused"][0]["reason"] == "disarmed");

    let hook = status_of(&lab, "webhook");
    let refused: Vec<(&str, u64)> = hook["refused"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["reason"].as_str().unwrap(), r["count"].as_u64().unwrap()))
        .collect();
    let expected =
        [("duplicate", 1), ("cool_down", 1), ("unauthorised", 2), ("malformed", 1), ("too_large", 1)];
    assert_eq!(refused, expected, "{hook}");
    assert_eq!(ids(&lab).len(), 1, "one snapshot for all of that");
    let text = lab.ok(&["status"]);
    assert!(text.contains("webhook armed, 1 fired") && text.contains("2 unauthorised"), "{text}");
    assert!(lab.log().contains("webhook: no snapshot, wrong or no token"), "{}", lab.log());

    // A reload that cannot be had leaves the old in force.
    configure(&lab, "[trigger.webhook]\nlisten = \"unix\"\ntoken_file = \"/nowhere/token\"\n");
    let refusal = String::from_utf8(lab.ctl(&["reload"]).stderr).unwrap();
    assert!(refusal.contains("/nowhere/token"), "{refusal}");
    assert!(post(Some(TOKEN), &webhook::firing("c", "3")).starts_with("HTTP/1.1 200"));
    reload(&lab, "");
    assert!(webhook::connect(&client).is_none());
    lab.signal(Signal::SIGUSR1);
    lab.until("the signal is armed again", |lab| ids(lab).len() == 2);
}

#[test]
fn a_client_that_goes_away_mid_freeze_and_a_page_that_cannot_be_read_hold_nothing_up() {
    if !live() {
        return;
    }
    let mut lab = Lab::new();
    let hostile = Engine::hostile();
    configure(
        &lab,
        &format!(
            "[trigger.webhook]\nlisten = \"unix\"\ncool_down = \"0s\"\n\
             [trigger.ttft]\npages = [\"http://{PORT_OF_NOBODY}/metrics\", \"{hostile}\"]\ninterval = \"100ms\"\nwindow = \"1s\"\n"
        ),
    );
    lab.start();
    let ask = |last_ns, after_ns, reason: &str| {
        let request = Request::Snapshot { last_ns, after_ns, reason: reason.into(), unit: false };
        let mut stream = UnixStream::connect(lab.path("run/control.sock")).unwrap();
        stream.write_all(&to_wire(&request).unwrap()).unwrap();
        stream
    };
    drop(ask(1_000_000_000, 500_000_000, "gone"));
    // One with a long post-window is open while others come and go.
    let long = ask(1_000_000_000, 6_000_000_000, "long");
    std::thread::sleep(Duration::from_millis(300));
    let begun = Instant::now();
    let short = lab.json(&["snapshot", "--last", "2s", "--after", "100ms", "--reason", "short"]);
    assert!(begun.elapsed() < Duration::from_secs(5), "a short window waits for nobody's long one");
    assert_eq!(short["reason"], "short", "nobody joins a person's window");
    for _ in 0..20 {
        let client = webhook::unix(&lab.path("run/webhook.sock"));
        drop(webhook::connect(&client));
    }
    let answer =
        webhook::post(&webhook::unix(&lab.path("run/webhook.sock")), None, &webhook::firing("still", "1"));
    assert!(answer.contains("\"fired\":1"), "{answer}");
    lab.until("all four are there", |lab| ids(lab).len() == 4);
    drop(long);
    let list = lab.json(&["snapshots"]).to_string();
    for reason in ["\"gone\"", "\"long\"", "\"short\"", "alert still"] {
        assert!(list.contains(reason), "{reason}: {list}");
    }
    let status = lab.json(&["status"]);
    let warnings = status["warnings"].to_string();
    assert!(
        warnings.contains("trigger ttft: cannot be read") && warnings.contains(PORT_OF_NOBODY),
        "{warnings}"
    );
    assert_eq!(status_of(&lab, "ttft")["asked"], 0);
    assert_eq!(status["events"]["lost"], 0);
}

#[test]
fn a_frozen_set_that_somebody_deletes_is_told_and_the_next_snapshot_is_taken() {
    if !live() {
        return;
    }
    let mut lab = Lab::new();
    configure(&lab, "");
    lab.start();
    let frozen = lab.path("state/frozen");
    let sets = || fs::read_dir(&frozen).unwrap().flatten().map(|e| e.path()).collect::<Vec<_>>();
    let output = std::thread::scope(|scope| {
        let asking = scope.spawn(|| lab.ctl(&["snapshot", "--last", "1s", "--after", "1500ms"]));
        lab.until("a set is there", |_| !sets().is_empty());
        fs::remove_dir_all(&sets()[0]).unwrap();
        asking.join().unwrap()
    });
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.trim_end().lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("frozen/"), "{said}");
    lab.ok(&["snapshot", "--last", "1s", "--after", "100ms"]);
    let status = lab.json(&["status"]);
    assert_eq!(
        (&status["snapshots"]["failed"], &status["snapshots"]["taken"]),
        (&1.into(), &1.into()),
        "{status}"
    );
    assert!(sets().is_empty(), "nothing is left of either");
}
