//! The classes of a unit sum exactly to its duration, whatever the records say.

use ingero_format::ops;
use proptest::prelude::*;

use super::story::{BEGIN, ENGINE, LOADER, STRESS, Story};
use crate::{
    investigate::{decompose, scene::Scene, units},
    model::{ANY_SOURCE, Cursor, FirstUse, HostEvent, Loss, OffCpu, Sample, Series, Threads, Trace},
};

const OPS: [u16; 6] = [
    ops::CU_LAUNCH_KERNEL,
    ops::CU_STREAM_SYNCHRONIZE,
    ops::CU_MODULE_LOAD_DATA,
    ops::CU_MEM_ALLOC,
    ops::CUDA_LAUNCH_KERNEL,
    0x0700,
];

fn story(
    calls: Vec<(i64, i64, usize, bool)>,
    off: Vec<(i64, i64, i64, u32, i32)>,
    holes: Vec<(i64, i64)>,
) -> Story {
    let mut s = Story::of(1);
    for (at, dur, op, first) in calls {
        s.now = BEGIN + at;
        let call = s.call(OPS[op % OPS.len()], dur);
        call.first_use = if first { FirstUse::Certain } else { FirstUse::No };
    }
    let mut end = 0;
    for (gap, dur, runqueue, stack, state) in off {
        end += gap;
        s.trace.off_cpu.push(OffCpu {
            ts_ns: BEGIN + end,
            dur_ns: dur,
            runqueue_ns: runqueue,
            task: ENGINE,
            waker: LOADER,
            preemptor: if state == 2 { crate::model::NONE } else { STRESS },
            stack,
            state,
            cpu: 0,
            flags: 0,
        });
        end += dur;
    }
    for (from, dur) in holes {
        let (from_ns, to_ns) = (BEGIN + from, BEGIN + from + dur);
        s.trace.losses.push(Loss { from_ns, to_ns, source: ANY_SOURCE, ..Loss::default() });
    }
    s.trace.sort();
    s
}

/// Reclaims and disk reads of the thread, and a count of throttling that rises.
fn happen(trace: &mut Trace, host: Vec<(i64, i64, bool)>, throttled: Option<u32>) {
    for (at, dur_ns, reclaim) in host {
        let op = if reclaim { ops::DIRECT_RECLAIM } else { ops::BLOCK_IO };
        trace.host_events.push(HostEvent {
            ts_ns: BEGIN + at,
            dur_ns,
            op,
            task: ENGINE,
            ..HostEvent::default()
        });
    }
    let Some(us) = throttled else { return };
    trace.processes[0].cgroup = "/a".into();
    let (name, labels) = ("cgroup_cpu_throttled_us_total".into(), "{\"cgroup\":\"/a\"}".into());
    trace.series.push(Series { pid: 0, name, labels });
    let sample = |ts_ns, us: u32| Sample { ts_ns, series: 0, value: f64::from(us) / 1000.0 };
    trace.samples.extend([sample(BEGIN - 1, 0), sample(BEGIN + 6_000, us)]);
}

proptest! {
    #[test]
    fn classes_sum_to_the_duration_and_pieces_neither_overlap_nor_leave_a_hole(
        calls in prop::collection::vec((0..5_000i64, 0..2_000i64, 0..6usize, any::<bool>()), 1..40),
        off in prop::collection::vec((0..300i64, 0..400i64, 0..500i64, 0..6u32, 0..5i32), 0..30),
        holes in prop::collection::vec((0..6_000i64, 0..300i64), 0..6),
        host in prop::collection::vec((0..6_000i64, 0..500i64, any::<bool>()), 0..8),
        throttled in prop::option::of(0..3_000u32),
    ) {
        let mut trace = story(calls, off, holes).trace;
        happen(&mut trace, host, throttled);
        let threads = Threads::of(&trace);
        let scene = Scene::of(&trace, &threads);
        let thread = threads.by_tid(100).unwrap();
        let mut at = i64::MIN;
        let mut cursor = Cursor::default();
        for unit in units::of(thread.calls) {
            prop_assert!(unit.from_ns >= at, "units overlap");
            at = unit.to_ns;
            let mut pieces = Vec::new();
            decompose::pieces(&scene, thread, &unit, &mut cursor, &mut pieces);
            prop_assert_eq!(pieces.iter().map(|p| p.dur_ns()).sum::<i64>(), unit.dur_ns());
            let mut moment = unit.from_ns;
            for piece in pieces {
                prop_assert_eq!(piece.from_ns, moment);
                prop_assert!(piece.to_ns > piece.from_ns);
                moment = piece.to_ns;
            }
            prop_assert_eq!(moment, unit.to_ns);
        }
    }
}

/// Trap 13: stamping one source by its end instead of its start must not go unnoticed.
#[test]
fn trap_13_intervals_shifted_by_their_duration_change_the_answer() {
    let make = |shifted: bool| {
        let mut s = Story::of(20);
        s.steady_until(15_000);
        for _ in 0..50 {
            s.preempted(1_000, 5_000_000);
            s.launch(6_000_000);
            s.now += 94_000;
        }
        s.steady_until(20_000);
        if shifted {
            s.trace.off_cpu.iter_mut().for_each(|o| o.ts_ns += o.dur_ns);
        }
        s.findings()
    };
    assert_ne!(make(false)[0].attributed_ns, make(true)[0].attributed_ns);
}
