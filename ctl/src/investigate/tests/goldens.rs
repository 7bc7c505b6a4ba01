//! Whole answers, word by word: one story for each cause, and for what may be missing from a recording. A change of the
//! engine that changes what people read shows here as a difference of text. `INGERO_WRITE_GOLDENS=1` writes them again.

use ingero_format::ops::{self, Source};

use super::{causes, chains, host_causes, lost, rhythm, story::*, traps};
use crate::{
    investigate::investigate,
    model::{Loss, NONE, Trace},
};

type Telling = (&'static str, fn() -> Trace);

const STORIES: [Telling; 22] = [
    ("allocator", || host_causes::slow_allocations().finish()),
    ("blocked_io", || lost::way(3)),
    ("blocked_lock", || lost::way(1)),
    ("blocked_lock_between_calls", || lost::way(2)),
    ("collective_wait", || host_causes::slow_collectives().finish()),
    ("cpu_contention", || traps::contended(20).finish()),
    ("cpu_contention_two_threads", two_threads),
    ("cpu_contention_with_holes", with_holes),
    ("cpu_contention_of_a_sample", of_a_sample),
    ("cpu_throttled", || host_causes::throttled().finish()),
    ("data_starvation", || chains::fed_from_disk().finish()),
    ("data_starvation_asleep", || chains::fed_by_a_sleeper().finish()),
    ("first_use", || causes::compiled().finish()),
    ("gpu_wait", || causes::longer_waits().finish()),
    ("launch_rate_drop", || rhythm::dropped().finish()),
    ("memory_pressure", || host_causes::reclaiming().finish()),
    ("oom", || host_causes::killed_for_memory().finish()),
    ("process_exit", || host_causes::killed_by_a_signal().finish()),
    ("recorder_self", || traps::beside_a_recorder().finish()),
    ("signal_stop", || host_causes::stopped().finish()),
    ("sync_storm", || rhythm::storm().finish()),
    ("unknown", || causes::unexplained().finish()),
];

/// Two threads of a process that lose their CPUs, one of them to several tasks.
fn two_threads() -> Trace {
    let mut s = traps::contended(20);
    s.now = BEGIN;
    s.task = WORKER;
    s.steady_until(15_000);
    for i in 0..40 {
        s.preempted(1_000, 5 * MS);
        s.trace.off_cpu.last_mut().unwrap().preemptor = if i % 4 == 0 { LOADER } else { STRESS };
        s.launch(6 * MS);
        s.now += 94_000;
    }
    s.steady_until(20_000);
    s.finish()
}

/// Records of calls and of the scheduler are missing in the middle of an incident.
fn with_holes() -> Trace {
    let mut s = traps::contended(20);
    for (from, source) in [(15_050, Source::Sched), (15_120, Source::Cuda)] {
        let from_ns = BEGIN + from * MS;
        s.trace.losses.push(Loss {
            from_ns,
            to_ns: from_ns + 20 * MS,
            count: 7,
            source: source as u8,
            ..Loss::default()
        });
    }
    s.finish()
}

/// A recording of which only slow calls were kept.
fn of_a_sample() -> Trace {
    let mut s = traps::contended(20);
    s.trace.facts.population = "slow calls and one in a hundred others".into();
    s.call(ops::CU_STREAM_SYNCHRONIZE, MS);
    s.blocked(1_000, MS, DISK, NONE);
    s.finish()
}

fn golden(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/investigate/tests/goldens")
        .join(format!("{name}.json"))
}

#[test]
fn the_whole_answer_to_each_story_is_as_written() {
    for (name, tell) in STORIES {
        let findings = investigate(&[tell()], None);
        let told = serde_json::to_string_pretty(&findings).unwrap() + "\n";
        if std::env::var_os("INGERO_WRITE_GOLDENS").is_some() {
            std::fs::write(golden(name), &told).unwrap();
        }
        let cause = name.split("_of_").next().unwrap();
        assert!(cause.starts_with(findings[0].cause), "{name} is told as {}", findings[0].cause);
        let written = std::fs::read_to_string(golden(name)).unwrap();
        for (line, (written, told)) in written.lines().zip(told.lines()).enumerate() {
            assert_eq!(written, told, "{name}.json, line {}", line + 1);
        }
        assert_eq!(written.len(), told.len(), "{name}.json");
    }
}
