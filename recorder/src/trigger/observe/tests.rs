use std::sync::mpsc::{Receiver, channel};

use ingero_format::{Row, state::Process};
use proptest::prelude::*;

use super::*;
use crate::{
    trigger::FreezeRequest,
    trigger::{joint::Joint, launch_rate::Drop},
};

fn observer(text: &str) -> (Observer, Receiver<FreezeRequest>) {
    let (requests, asked) = channel();
    let config = Arc::new(Mutex::new(Config::parse(text).unwrap()));
    let triggers = Triggers::new(requests, Arc::clone(&config), Joint::default());
    let registry = Arc::new(Registry::default());
    registry.put(Process { pid: 7, comm: "python3".into(), ..Process::default() });
    (Observer { triggers, registry, config, conditions: Shared::default() }, asked)
}

fn found(what: What, row: Row) -> Match {
    Match { what, row, more: 3 }
}

#[test]
fn a_match_becomes_a_question_that_names_the_process() {
    let text = "[trigger.predicate]\nsync_longer = \"1ms\"\noff_cpu_longer = \"1ms\"\nlaunch_rate_below_percent = 20\noom_kill = \"any\"\n";
    for (what, kind, reason) in [
        (
            What::Sync,
            "sync_longer",
            "cuCtxSynchronize of python3/7 thread 9 took 52.0 ms, and 3 more at once",
        ),
        (
            What::OffCpu,
            "off_cpu_longer",
            "thread 9 of python3/7 was off the CPU for 52.0 ms, and 3 more at once",
        ),
        (What::OomKill, "oom_kill", "python3/7 was killed for want of memory, and 3 more at once"),
        (
            What::LaunchRate(Drop { pid: 7, rate: 10.5, level: 5_000.0 }),
            "launch_rate_drop",
            "launches of python3/7 fell to 10/s from 5,000/s",
        ),
    ] {
        let (observer, asked) = observer(text);
        let row = Row { pid: 7, tid: 9, dur_ns: 52_000_000, op: ops::CU_CTX_SYNCHRONIZE, ..Row::default() };
        observer.take(&found(what, row), |pid| observer.registry.get(pid).map(|p| p.comm));
        let trigger = asked.try_recv().unwrap().trigger;
        assert_eq!((trigger.kind.as_str(), trigger.reason.as_str()), (kind, reason));
    }
}

#[test]
fn only_the_death_of_a_watched_process_that_uses_cuda_is_a_question() {
    let (observer, asked) = observer("[trigger.process]\nnames = [\"py*\"]\n");
    let die = |pid, code, name: Option<&str>| {
        let row = Row { pid, arg0: code, op: ops::EXIT, ..Row::default() };
        observer.take(&Match { what: What::Exit, row, more: 0 }, |_| name.map(str::to_owned));
        let asked: Vec<String> = asked.try_iter().map(|r| r.trigger.reason).collect();
        let _ = observer.triggers.status();
        asked
    };
    assert!(die(1, 9, None).is_empty(), "a compiler that it started");
    assert!(die(2, 9, Some("ray")).is_empty(), "another name");
    assert!(die(3, 15, Some("python3")).is_empty(), "a service manager ended it");
    assert_eq!(die(4, 11, Some("python3")), ["python3/4 was ended by signal 11"]);
}

#[test]
fn an_end_is_abnormal_by_signal_or_status_but_not_by_an_orderly_signal() {
    for (code, how) in [
        (0, None),
        (15, None),
        (2, None),
        (143 << 8, None),
        (130 << 8, None),
        (1 << 8, Some("ended with status 1")),
        (137 << 8, Some("ended with status 137")),
        (9, Some("was ended by signal 9")),
        // With the bit of a core dump.
        (0x80 | 11, Some("was ended by signal 11")),
    ] {
        assert_eq!(abnormal(code).as_deref(), how, "{code:#x}");
    }
}

#[test]
fn somebody_elses_oom_kill_is_a_question_only_on_request() {
    for (text, expected) in [("", 0), ("[trigger.predicate]\noom_kill = \"any\"\n", 1)] {
        let (observer, asked) = observer(text);
        observer.take(&found(What::OomKill, Row { pid: 8, ..Row::default() }), |_| None);
        assert_eq!(asked.try_iter().count(), expected);
    }
}

#[test]
fn patterns_match_as_in_a_shell() {
    for (pattern, name, expected) in [
        ("python3", "python3", true),
        ("python3", "python31", false),
        ("py*", "python3", true),
        ("*::Work*", "VLLM::Worker_TP0", true),
        ("*a*b*c", "xaybzc", true),
        ("*a*b*c", "xaybz", false),
        ("?y", "py", true),
        ("?y", "y", false),
        ("*", "", true),
        ("", "", true),
        ("[a-z]*", "abc", false),
    ] {
        assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
    }
}

proptest! {
    #[test]
    fn stars_match_whatever_stands_in_their_place(a in "[a-c]{0,4}", b in "[a-c]{0,4}", c in "[a-c]{0,4}") {
        let (pattern, name) = (format!("{a}*{c}"), format!("{a}{b}{c}"));
        prop_assert!(matches(&pattern, &name));
        let (longer, plain) = (format!("{a}d"), matches(&a, &name));
        prop_assert!(!matches(&longer, &name));
        prop_assert_eq!(plain, a == name);
    }
}
