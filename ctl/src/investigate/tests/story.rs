//! Traces told step by step: a dispatching thread launches, and things happen to it.

use ingero_format::{
    ops::{self, LossCause, Source},
    row::flags,
};

use crate::{
    derive::{Known, derive},
    investigate::{Finding, investigate},
    model::{Call, Frame, HostEvent, Loss, NONE, OffCpu, Process, Stack, Task, Trace},
};

pub const MS: i64 = 1_000_000;
pub const SECOND: i64 = 1_000 * MS;
/// Begin of every story.
pub const BEGIN: i64 = 1_700_000_000 * SECOND;

/// Tasks of every story, as indexes.
pub const ENGINE: u32 = 0;
pub const LOADER: u32 = 1;
pub const STRESS: u32 = 2;
pub const WORKER: u32 = 3;

/// Stacks of every story.
pub const FUTEX: u32 = 0;
pub const DISK: u32 = 1;
pub const SLEEP: u32 = 2;
pub const EPOLL: u32 = 3;
pub const PIPE: u32 = 4;
pub const SWAP: u32 = 5;

/// A trace being told; `now` moves on with every step.
pub struct Story {
    pub trace: Trace,
    pub now: i64,
    pub looked_up: std::collections::HashSet<(u32, u64)>,
    pub task: u32,
}

impl Story {
    pub fn of(seconds: i64) -> Self {
        let task = |pid, tid, comm: &str| Task { pid, tid, comm: comm.into() };
        let stack = |symbols: &[&str]| Stack {
            kind: "kernel".into(),
            frames: symbols.iter().map(|s| Frame { symbol: Some((*s).into()), ..Frame::default() }).collect(),
        };
        let trace = Trace {
            node: "alpha".into(),
            from_ns: BEGIN,
            to_ns: BEGIN + seconds * SECOND,
            tasks: vec![
                task(100, 100, "engine"),
                task(100, 101, "loader"),
                task(500, 500, "stress"),
                task(100, 102, "worker"),
            ],
            stacks: vec![
                stack(&["__schedule", "futex_wait_queue", "futex_wait"]),
                stack(&["__schedule", "io_schedule", "folio_wait_bit_common", "filemap_read"]),
                stack(&["__schedule", "do_nanosleep", "hrtimer_nanosleep"]),
                stack(&["__schedule", "ep_poll", "do_epoll_wait"]),
                stack(&["__schedule", "anon_pipe_read", "vfs_read"]),
                stack(&["__schedule", "io_schedule", "folio_wait_bit_common", "do_swap_page"]),
            ],
            processes: vec![Process {
                pid: 100,
                start_ns: BEGIN - 100 * SECOND,
                covered_ns: BEGIN - 50 * SECOND,
                ..Process::default()
            }],
            ..Trace::default()
        };
        Self { trace, now: BEGIN, looked_up: Default::default(), task: ENGINE }
    }

    /// A call that begins now.
    pub fn call(&mut self, op: u16, dur_ns: i64) -> &mut Call {
        let call = Call {
            ts_ns: self.now,
            dur_ns,
            op,
            task: self.task,
            kernel: NONE,
            stack: NONE,
            ..Call::default()
        };
        self.trace.calls.push(call);
        self.now += dur_ns;
        self.trace.calls.last_mut().unwrap()
    }

    pub fn launch(&mut self, dur_ns: i64) {
        self.call(ops::CU_LAUNCH_KERNEL, dur_ns).arg0 = 0xf1;
    }

    /// Launches of 5 to 7 us each 400 us, until `ms` after the begin.
    pub fn steady_until(&mut self, ms: i64) {
        let mut n = 0;
        while self.now < BEGIN + ms * MS {
            n += 1;
            self.launch(5_000 + n % 3 * 1_000);
            self.now += 394_000;
        }
    }

    /// Off-CPU from `from` after now, blocked on `stack`, then able to run for `runqueue_ns`.
    pub fn off(&mut self, from: i64, dur_ns: i64, runqueue_ns: i64) -> &mut OffCpu {
        self.trace.off_cpu.push(OffCpu {
            ts_ns: self.now + from,
            dur_ns,
            runqueue_ns,
            task: self.task,
            waker: NONE,
            preemptor: if runqueue_ns > 0 { STRESS } else { NONE },
            stack: NONE,
            state: 1,
            ..OffCpu::default()
        });
        self.trace.off_cpu.last_mut().unwrap()
    }

    /// Preempted by the other process from `from` after now.
    pub fn preempted(&mut self, from: i64, dur_ns: i64) {
        let off = self.off(from, dur_ns, dur_ns);
        (off.state, off.flags) = (0, flags::PREEMPTED);
    }

    /// Blocked from `from` after now.
    pub fn blocked(&mut self, from: i64, dur_ns: i64, stack: u32, waker: u32) {
        let off = self.off(from, dur_ns, 0);
        (off.stack, off.waker, off.flags) = (stack, waker, flags::WOKEN);
    }

    pub fn host(&mut self, op: u16, task: u32, arg0: u64) {
        self.trace.host_events.push(HostEvent { ts_ns: self.now, op, task, arg0, ..HostEvent::default() });
    }

    /// An event of the host that lasts from `from` after now.
    pub fn host_for(&mut self, op: u16, from: i64, dur_ns: i64, arg1: u64) {
        let (ts_ns, task) = (self.now + from, self.task);
        self.trace.host_events.push(HostEvent { ts_ns, dur_ns, op, task, arg1, ..HostEvent::default() });
    }

    /// Does something as another thread.
    pub fn as_task(&mut self, task: u32, act: impl FnOnce(&mut Self)) {
        let own = std::mem::replace(&mut self.task, task);
        act(self);
        self.task = own;
    }

    /// Scheduler events lost from now on.
    pub fn lose_sched(&mut self, dur_ns: i64) {
        self.trace.losses.push(Loss {
            from_ns: self.now,
            to_ns: self.now + dur_ns,
            count: 5,
            cause: LossCause::RingbufFull as i32,
            cpu: 0,
            source: Source::Sched as u8,
        });
    }

    pub fn finish(mut self) -> Trace {
        self.trace.sort();
        let known = Known { launched_before: &Default::default(), looked_up: &self.looked_up };
        derive(&mut self.trace, &known);
        self.trace
    }

    pub fn findings(self) -> Vec<Finding> {
        investigate(&[self.finish()], None)
    }
}
