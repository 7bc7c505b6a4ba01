//! What is known of four real databases, by queries on them as they are.

use std::path::PathBuf;

use ingero_format::ops;
use serde_json::Value;

use crate::{
    ingero::read,
    investigate::{Finding, investigate},
    model::{NOT_RECORDED, STATE_UNKNOWN, Trace},
    stats::Stats,
};

pub(super) fn path(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/ingero")).join(name)
}

fn one(name: &str) -> Trace {
    let mut traces = read(&[path(name)]).unwrap();
    assert_eq!(traces.len(), 1);
    traces.remove(0)
}

fn dataloader() -> Trace {
    one("pytorch-dataloader-starvation.db")
}

fn node(n: u32) -> Trace {
    one(&format!("sample-gpu-node-{n:02}.db"))
}

fn findings(traces: &[Trace]) -> Vec<Finding> {
    investigate(traces, None)
}

#[test]
fn every_row_becomes_a_call_an_interval_or_an_event_of_the_host() {
    let d = dataloader();
    assert_eq!((d.calls.len(), d.off_cpu.len(), d.host_events.len()), (115, 3_676, 16));
    let of = |op: u16| d.calls.iter().filter(|c| c.op == op).count();
    let counts = [
        ops::CUDA_MALLOC,
        ops::CUDA_LAUNCH_KERNEL,
        ops::CUDA_STREAM_SYNCHRONIZE,
        ops::CUDA_DEVICE_SYNCHRONIZE,
        ops::CUDA_MEMCPY_ASYNC,
        ops::CU_LAUNCH_KERNEL,
        ops::CU_CTX_SYNCHRONIZE,
        ops::CU_MEM_ALLOC,
    ]
    .map(of);
    assert_eq!(counts, [7, 16, 21, 3, 14, 41, 3, 10]);
    let nodes = [1, 2, 3].map(|n| {
        let t = node(n);
        (t.calls.len(), t.off_cpu.len(), t.host_events.len())
    });
    assert_eq!(nodes, [(0, 99, 101), (40, 62, 98), (36, 58, 106)]);
}

#[test]
fn operations_keep_the_databases_spelling() {
    let names: Vec<String> = Stats::of(&[dataloader()]).ops.into_iter().map(|r| r.op).collect();
    for name in ["cudaStreamSync", "cudaDeviceSync", "cudaLaunchKernel", "cuMemAlloc"] {
        assert!(names.iter().any(|n| n == name), "{name} in {names:?}");
    }
}

#[test]
fn intervals_begin_where_the_thread_left_its_cpu_and_calls_nest() {
    let d = dataloader();
    let driver: Vec<_> = d.calls.iter().filter(|c| c.op == ops::CU_CTX_SYNCHRONIZE).collect();
    let outer = |op: u16, from: i64, to: i64| {
        d.calls.iter().any(|r| r.op == op && r.ts_ns <= from && to <= r.end_ns())
    };
    assert_eq!(driver.len(), 3);
    assert!(driver.iter().all(|c| outer(ops::CUDA_DEVICE_SYNCHRONIZE, c.ts_ns, c.end_ns())));
    assert!(d.facts.damage.is_empty(), "{:?}", d.facts.damage);
    // Read as starting where they end, intervals of one thread would overlap 63 times.
    let overlaps = |t: &Trace| {
        let mut by_thread = t.off_cpu.clone();
        by_thread.sort_by_key(|o| (o.task, o.ts_ns));
        by_thread.windows(2).filter(|w| w[0].task == w[1].task && w[0].end_ns() > w[1].ts_ns).count()
    };
    assert_eq!((overlaps(&d), overlaps(&node(1))), (0, 0));
}

#[test]
fn what_was_not_recorded_is_absent() {
    let d = dataloader();
    assert!(d.off_cpu.iter().all(|o| o.state == STATE_UNKNOWN && o.runqueue_ns == NOT_RECORDED));
    assert!(d.off_cpu.iter().all(|o| !o.preempted() && o.runnable_from_ns() == o.end_ns()));
    let total: i64 = d.off_cpu.iter().map(|o| o.dur_ns).sum();
    let longest = d.off_cpu.iter().map(|o| o.dur_ns).max();
    assert_eq!((total, longest), (1_473_425_940, Some(23_871_386)));
    assert!(d.off_cpu.iter().all(|o| d.pid(o.task) == 2233));
    assert_eq!(Stats::of(&[d]).threads[0].runqueue_ns, 0);
}

#[test]
fn first_launches_hold_most_of_the_launch_time_and_quantiles_are_those_of_the_rows() {
    let stats = Stats::of(&[dataloader()]);
    let op = |name: &str| stats.ops.iter().find(|r| r.op == name).unwrap();
    let launch = op("cudaLaunchKernel");
    assert_eq!((launch.count, launch.total_ns, launch.max_ns), (16, 26_987_203, 25_799_899));
    assert_eq!((launch.first_use_count, launch.first_use_ns), (1, 25_799_899));
    assert_eq!((launch.p50_ns, launch.p99_ns), (73_194, 25_799_899));
    let quantiles = |name: &str| (op(name).p50_ns, op(name).p99_ns);
    assert_eq!(quantiles("cudaStreamSync"), (27_657, 93_587));
    assert_eq!(quantiles("cudaMemcpyAsync"), (34_810_531, 65_000_369));
    assert_eq!(quantiles("cuLaunchKernel"), (27_098, 293_892));
    assert_eq!(quantiles("cuMemAlloc"), (199_187, 714_336));
    for (n, expected) in [(2, (119_866, 154_134)), (3, (180_982, 212_811))] {
        let stats = Stats::of(&[node(n)]);
        assert_eq!((stats.ops[0].p50_ns, stats.ops[0].p99_ns), expected);
    }
}

#[test]
fn no_call_of_the_four_has_off_cpu_time_inside_whatever_the_agent_claimed() {
    for trace in [dataloader(), node(1), node(2), node(3)] {
        assert_eq!(trace.calls.iter().filter(|c| c.off_cpu_count > 0).count(), 0);
        assert!(!trace.annotations.is_empty(), "{}", trace.node);
    }
    let d = dataloader();
    assert_eq!(d.annotations.len(), 316);
    let labels: Value = serde_json::from_str(&d.annotations[0].labels).unwrap();
    assert_eq!((&labels["kind"], &labels["by"]), (&"claim".into(), &"Ingero".into()));
}

#[test]
fn the_dataloader_case_is_a_first_use_and_nothing_about_the_scheduler() {
    let found = findings(&[dataloader()]);
    assert_eq!(found.len(), 1, "{found:?}");
    let f = &found[0];
    assert_eq!((f.cause, f.pid, f.tid, f.severity.name()), ("first_use", 2233, 2233, "LOW"));
    // The first launch of the runtime less a warm one, and two cold ones of the driver.
    assert_eq!(f.attributed_ns, 25_993_499);
    assert_eq!(f.evidence["longest_ns"], 25_799_899 - 73_194);
    assert!(f.evidence["population"].as_str().unwrap().contains("stored rows only"));
}

#[test]
fn a_thread_that_reads_from_disk_is_blocked_io_for_as_long_as_its_reads() {
    let found = findings(&[node(1)]);
    assert_eq!(found.len(), 1, "{found:?}");
    let f = &found[0];
    assert_eq!((f.cause, f.tid, f.severity.name()), ("blocked_io", 1887, "LOW"));
    assert_eq!(f.attributed_ns, 73_728_367);
    assert_eq!(f.evidence["slow_gaps"], 98);
}

#[test]
fn a_loop_that_sleeps_and_what_the_agent_wrote_itself_are_no_findings() {
    for n in [2, 3] {
        assert_eq!(findings(&[node(n)]), []);
    }
}

#[test]
fn three_nodes_are_three_and_nothing_is_attributed_from_one_to_another() {
    let paths = [1, 2, 3].map(|n| path(&format!("sample-gpu-node-{n:02}.db")));
    let traces = read(&paths).unwrap();
    let nodes: Vec<&str> = traces.iter().map(|t| t.node.as_str()).collect();
    assert_eq!(nodes, ["gpu-node-01", "gpu-node-02", "gpu-node-03"]);
    let rows: usize = traces.iter().map(|t| t.calls.len() + t.off_cpu.len() + t.host_events.len()).sum();
    assert_eq!(rows, 600);
    let names: usize = traces.iter().map(|t| t.tasks.iter().filter(|k| !k.comm.is_empty()).count()).sum();
    assert!(names >= 3, "{names}");
    let found = findings(&traces);
    assert_eq!(
        found.iter().map(|f| (f.node.as_str(), f.cause)).collect::<Vec<_>>(),
        [("gpu-node-01", "blocked_io")]
    );
}

#[test]
fn counts_without_rows_are_samples_and_long_silences_are_unknown() {
    let d = dataloader();
    let counted = |source: i64, op: i64, tid: i64| {
        let series = d.series.iter().position(|s| {
            let labels: Value = serde_json::from_str(&s.labels).unwrap();
            s.name == "events_counted"
                && labels["source"] == source
                && labels["op"] == op
                && labels["tid"] == tid
        });
        d.samples.iter().filter(|s| Some(s.series as usize) == series).map(|s| s.value).sum::<f64>()
    };
    assert_eq!(counted(3, 1, 2254), 53_526.0);
    assert_eq!(counted(3, 1, 2233), 3_713.0);
    let all: f64 = (0..d.series.len())
        .filter(|i| d.series[*i].name == "events_counted")
        .flat_map(|i| d.samples.iter().filter(move |s| s.series as usize == i))
        .map(|s| s.value)
        .sum();
    assert_eq!(all, 1_623_496.0);
    let notes = d.facts.notes.join("\n");
    assert!(notes.contains("37 of 3713 switches"), "{notes}");
    assert!(
        notes.contains("no row of any kind for 9.69 s from 53.08 s") || notes.contains("9.69 s"),
        "{notes}"
    );
    assert!(d.losses.iter().any(|l| l.to_ns - l.from_ns == 9_690_146_375));
    let cpu = d.series.iter().position(|s| s.name == "host_cpu_percent").unwrap();
    assert_eq!(d.samples.iter().filter(|s| s.series as usize == cpu && s.value > 90.0).count(), 23);
}

#[test]
fn stacks_sessions_and_population_come_along() {
    let d = dataloader();
    assert_eq!(d.stacks.len(), 21);
    assert_eq!(d.stacks.iter().map(|s| s.frames.len()).sum::<usize>(), 119);
    assert_eq!(d.stacks.iter().flat_map(|s| &s.frames).filter(|f| f.symbol.is_some()).count(), 89);
    assert!(d.facts.gpus[0].contains("RTX 4090") && d.facts.kernel.starts_with("5.15.0-173"));
    let coverage = crate::coverage::Coverage::of(&[d]);
    assert!(!coverage.complete && coverage.calls_undecidable == 115);
    assert!(coverage.population.contains("stored rows only"));
}
