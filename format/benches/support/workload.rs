//! Made-up recordings. Each is a list of rows of several sources, by end.

use ingero_format::{
    Row,
    ops::{self, Source},
    row::{flags, origin},
};

use super::{noise::Noise, random::Random};

const CPUS: u64 = 32;
const ENGINES: usize = 8;
/// Threads of an engine, the first of which launches.
const THREADS: usize = 9;
const LAYERS: usize = 32;
const KERNELS: u64 = 30;
const LAUNCHES_PER_LAYER: usize = 10;
const SIZES: u64 = 77;
/// Ns between two calls of one launching thread, half of them less; makes 1.19 M events/s in all.
const GAP_NS: f64 = 2_150.0;
const GAP_WIDTH: f64 = 0.9;
/// Of 100 events, so many are off-CPU intervals.
const SCHED_PERCENT: u64 = 13;

/// Rows of one source.
pub type Stream = (Source, Vec<Row>);

struct Thread {
    pid: u32,
    tid: u32,
    cpu: u64,
    free_ns: u64,
}

struct Engine {
    threads: Vec<Thread>,
    /// Calls of one decode step, over and over.
    step: Vec<Call>,
    at: usize,
    next_ns: u64,
}

#[derive(Clone, Copy)]
struct Call {
    op: u16,
    arg0: u64,
    arg1: u64,
    median_ns: f64,
    /// `arg0` is one of so many sizes, chosen anew each time.
    sizes: u64,
    helper: bool,
}

fn decode_step(engine: u64, random: &mut Random) -> Vec<Call> {
    let stream = 0x5500_0000_1000 + engine * 0x100;
    let kernel = |k: u64| 0x7f00_0000_0000 + engine * 0x100_0000 + k * 0x40;
    let call = |op, arg0, median_ns| Call { op, arg0, arg1: stream, median_ns, sizes: 0, helper: false };
    let layer: Vec<u64> = (0..LAUNCHES_PER_LAYER).map(|_| random.below(KERNELS)).collect();
    let mut step = Vec::new();
    for _ in 0..6 {
        step.push(Call { sizes: SIZES, helper: true, ..call(ops::CU_MEMCPY_HTOD_ASYNC, 0, 6_500.0) });
    }
    for _ in 0..LAYERS {
        let launch = |k: &u64| call(ops::CU_LAUNCH_KERNEL, kernel(*k), 3_200.0 + 90.0 * *k as f64);
        step.extend(layer.iter().map(launch));
    }
    step.extend((0..4).map(|k| call(ops::CU_LAUNCH_KERNEL_EX, kernel(KERNELS + k), 4_800.0)));
    step.push(Call { sizes: SIZES, ..call(ops::CU_MEMCPY_DTOH_ASYNC, 0, 7_000.0) });
    step.push(Call { arg1: 0, ..call(ops::CU_STREAM_SYNCHRONIZE, stream, 90_000.0) });
    step
}

impl Engine {
    fn new(index: usize, random: &mut Random) -> Self {
        let pid = 4_000 + index as u32 * 977;
        let threads = (0..THREADS as u32)
            .map(|t| Thread { pid, tid: pid + t * 3, cpu: random.below(CPUS), free_ns: 0 })
            .collect();
        let step = decode_step(index as u64, random);
        let at = random.below(step.len() as u64) as usize;
        Self { threads, step, at, next_ns: random.below(20_000) }
    }

    fn call(&mut self, random: &mut Random) -> Row {
        let call = self.step[self.at];
        self.at = (self.at + 1) % self.step.len();
        let helper = if call.helper { 1 + random.below(THREADS as u64 - 1) as usize } else { 0 };
        let thread = &mut self.threads[helper];
        if random.once_in(2_000) {
            thread.cpu = random.below(CPUS);
        }
        let dur_ns = random.around(call.median_ns, 0.45);
        let end_ns = self.next_ns + dur_ns;
        self.next_ns = end_ns + random.around(GAP_NS, GAP_WIDTH);
        let arg0 = if call.sizes > 0 {
            256 << (random.below(call.sizes) / 7) | random.below(7) << 5
        } else {
            call.arg0
        };
        let (pid, tid, cpu) = (thread.pid, thread.tid, thread.cpu);
        Row { end_ns, dur_ns, pid, tid, arg0, arg1: call.arg1, op: call.op, origin: cpu, ..Row::default() }
    }
}

/// 73 threads of 8 engines on 32 CPUs: 87 % CUDA calls of decode steps, 13 % off-CPU intervals.
pub fn decode_mix(events: usize) -> Vec<Stream> {
    let mut random = Random::new(0x1a9e_0001);
    let mut engines: Vec<Engine> = (0..ENGINES).map(|i| Engine::new(i, &mut random)).collect();
    let (mut calls, mut intervals) = (Vec::new(), Vec::new());
    while calls.len() + intervals.len() < events {
        let Some(engine) = engines.iter_mut().min_by_key(|e| e.next_ns) else { break };
        let row = engine.call(&mut random);
        if random.below(100 - SCHED_PERCENT) < SCHED_PERCENT {
            intervals.push(off_cpu(engine, row.end_ns, &mut random));
        }
        calls.push(row);
    }
    vec![(Source::Cuda, numbered(calls)), (Source::Sched, numbered(intervals))]
}

// A thread of the engine comes back onto its CPU about `now_ns`.
fn off_cpu(engine: &mut Engine, now_ns: u64, random: &mut Random) -> Row {
    let other = engine.threads[random.below(THREADS as u64) as usize].tid;
    let thread = &mut engine.threads[random.below(THREADS as u64) as usize];
    let preempted = random.once_in(5);
    let end_ns = now_ns + random.below(900);
    let dur_ns = random
        .around(if preempted { 30_000.0 } else { 120_000.0 }, 1.3)
        .min(end_ns - thread.free_ns.min(end_ns));
    thread.free_ns = end_ns;
    let delay_ns = if preempted { dur_ns } else { random.around(4_000.0, 1.0).min(dur_ns) };
    Row {
        end_ns,
        dur_ns,
        pid: thread.pid,
        tid: thread.tid,
        arg0: delay_ns,
        arg1: if preempted { u64::from(other) } else { u64::from(other) << 32 },
        origin: thread.cpu,
        op: ops::OFF_CPU,
        flags: if preempted { flags::PREEMPTED } else { flags::WOKEN },
        ret: i32::from(!preempted),
        stack: if preempted { 0 } else { 1 + random.below(40) as u32 },
    }
}

/// Two threads that hand one CPU to each other through a pipe: each interval off it is the other's time on it.
pub fn ping_pong(events: usize) -> Vec<Stream> {
    let mut random = Random::new(0x1a9e_0002);
    let mut now_ns = 1_000_000;
    let row = |i: usize| {
        let dur_ns =
            if random.once_in(400) { random.around(9_000.0, 0.6) } else { random.around(2_300.0, 0.03) };
        now_ns += dur_ns;
        let tid = 500 + (i % 2) as u32;
        Row {
            end_ns: now_ns,
            dur_ns,
            pid: 500,
            tid,
            arg0: random.around(610.0, 0.04).min(dur_ns),
            arg1: u64::from(1_001 - tid) << 32,
            origin: 1,
            op: ops::OFF_CPU,
            flags: flags::WOKEN | flags::STACK_SKIPPED,
            ret: 1,
            stack: 0,
        }
    };
    vec![(Source::Sched, numbered((0..events).map(row).collect()))]
}

/// The same switches as tracers record them: a moment each, without how long the thread was off its CPU and how long
/// it waited for it.
pub fn switches_alone(streams: &[Stream]) -> Vec<Stream> {
    let bare = |r: &Row| Row { dur_ns: 0, arg0: 0, ..*r };
    streams.iter().map(|(source, rows)| (*source, rows.iter().map(bare).collect())).collect()
}

// In order of their ends, which is the order they are recorded in; a CPU numbers its rows in that order.
fn numbered(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by_key(|r| r.end_ns);
    let mut next = [0; CPUS as usize];
    for row in &mut rows {
        let cpu = row.origin as usize;
        row.origin = origin(cpu as u16, next[cpu]);
        next[cpu] += 1;
    }
    rows
}
