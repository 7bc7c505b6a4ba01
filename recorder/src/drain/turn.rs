//! The drain thread's loop.

use std::{
    os::fd::{AsRawFd, BorrowedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::Receiver,
    },
    time::{Duration, Instant},
};

use aya::maps::{MapData, PerCpuArray, RingBuf};
use ingero_ebpf_abi::{self as abi, CpuCounters, SOURCES};
use ingero_format::ops::{LossCause, Source};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::{Sink, gaps::SETTLE_NS};
use crate::{
    clock,
    continued::Continued,
    limits::{DRAIN_INTERVAL, SEAL_AGE_NS},
    news::{Gap, News},
    progress::Progress,
};

/// Sources whose counters live in the kernel.
const KERNEL_SOURCES: [Source; 4] = [Source::Cuda, Source::Sched, Source::Process, Source::Host];
/// Turns between two looks at the kernel's counters: about a second.
const TURNS_PER_ACCOUNT: u64 = 20;
/// Turns between two clock anchors: about a minute.
const TURNS_PER_ANCHOR: u64 = 1200;

/// Ends a sleep early when the buffer passes its watermark.
///
/// Edge-triggered on purpose: the descriptor reads as ready whenever a byte waits, so that a level-triggered
/// wait on a steady stream would not sleep at all.
///
/// # Errors
/// If the system has no room for it.
pub fn alarm(events: &RingBuf<MapData>) -> nix::Result<Epoll> {
    let alarm = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    // SAFETY: the descriptor belongs to `events`, which outlives this borrow.
    let fd = unsafe { BorrowedFd::borrow_raw(events.as_raw_fd()) };
    alarm.add(fd, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, 0))?;
    Ok(alarm)
}

/// Everything the drain thread owns.
pub struct Drain {
    /// See [`alarm`].
    pub alarm: Epoll,
    /// Records from the kernel.
    pub events: RingBuf<MapData>,
    /// Sequences and losses of the kernel side.
    pub counters: PerCpuArray<MapData, CpuCounters>,
    /// What other threads want written.
    pub news: Receiver<News>,
    /// Where rows go.
    pub sink: Sink,
    /// What other threads may know.
    pub progress: Arc<Progress>,
    /// Of the kernel's losses, how many are written as gaps already: `[cpu][source][cause]`, as [`CpuCounters::lost`].
    pub told: Vec<[[u64; 2]; SOURCES]>,
    /// Events that an earlier run has accounted for.
    pub before: u64,
}

impl Drain {
    /// Goes on where an earlier run of the same counters stopped. Which of the losses untold had which cause is not
    /// known: misses until now count as told.
    pub fn resume(&mut self, from: &Continued) {
        self.before = from.accounted();
        self.told = self.read_counters().iter().map(|counts| counts.lost).collect();
    }

    /// Takes turns until told to stop; then takes what is left and seals everything.
    pub fn run(mut self, stop: &AtomicBool) {
        let mut turn = 0u64;
        while !stop.load(Relaxed) {
            self.wait();
            self.turn(turn);
            turn += 1;
        }
        // Takes what is left, and gives late numbers their time.
        let deadline = Instant::now() + Duration::from_nanos(2 * SETTLE_NS);
        self.turn(0);
        while self.sink.gaps.any() && Instant::now() < deadline {
            std::thread::sleep(DRAIN_INTERVAL);
            self.turn(0);
        }
        for source in Source::ALL {
            self.sink.seal(source);
        }
    }

    fn wait(&self) {
        let timeout = EpollTimeout::try_from(DRAIN_INTERVAL).unwrap_or(EpollTimeout::ZERO);
        let _ = self.alarm.wait(&mut [EpollEvent::empty()], timeout);
    }

    fn turn(&mut self, turn: u64) {
        let now = clock::boot_ns();
        let account =
            (turn.is_multiple_of(TURNS_PER_ACCOUNT) || self.sink.gaps.any()).then(|| self.read_counters());
        while let Some(record) = self.events.next() {
            self.sink.record(&record);
        }
        while let Ok(news) = self.news.try_recv() {
            self.sink.news(news);
        }
        if let Some(counters) = account {
            self.settle(&counters, now);
        }
        if turn.is_multiple_of(TURNS_PER_ANCHOR) {
            self.sink.anchor();
        }
        self.sink.mend_head();
        self.sink.seal_older_than(now.saturating_sub(SEAL_AGE_NS));
        self.progress.pending_gaps.store(self.sink.gaps.pending() as u64, Relaxed);
        self.sink.tidy();
        self.sink.publish();
        self.progress.drained_through(now);
    }

    // Read before the buffer is emptied: whatever they count has then either arrived or is lost.
    fn read_counters(&self) -> Vec<CpuCounters> {
        self.counters.get(&0, 0).map(|values| values.iter().copied().collect()).unwrap_or_default()
    }

    fn settle(&mut self, counters: &[CpuCounters], now: u64) {
        let mut produced = 0;
        for (cpu, counts) in counters.iter().enumerate() {
            for source in KERNEL_SOURCES {
                let count = counts.produced.get(source as usize).copied().unwrap_or(0);
                produced += count;
                self.sink.gaps.produced(cpu as u16, source, count, now);
            }
        }
        self.progress.produced.store(produced.saturating_sub(self.before), Relaxed);
        self.progress.stacks_lost.store(counters.iter().map(|c| c.stacks_lost).sum(), Relaxed);
        self.progress.names_lost.store(counters.iter().map(|c| c.names_lost).sum(), Relaxed);
        for gap in self.sink.gaps.settle(now) {
            for part in self.by_cause(gap, counters) {
                self.sink.lost(&part);
            }
        }
    }

    // The kernel counts causes but not which number had which: shares a gap out by what is still untold.
    fn by_cause(&mut self, gap: Gap, counters: &[CpuCounters]) -> Vec<Gap> {
        let (cpu, source) = (usize::from(gap.cpu), gap.source as usize);
        if self.told.len() <= cpu {
            self.told.resize(cpu + 1, Default::default());
        }
        let counted = counters.get(cpu).and_then(|c| c.lost.get(source)).copied().unwrap_or_default();
        let Some(told) = self.told.get_mut(cpu).and_then(|t| t.get_mut(source)) else { return vec![gap] };
        let missed = abi::LossCause::ProbeMissed as usize;
        let untold =
            counted.get(missed).copied().unwrap_or(0).saturating_sub(told.get(missed).copied().unwrap_or(0));
        let missed_count = untold.min(gap.count);
        if let Some(told) = told.get_mut(missed) {
            *told += missed_count;
        }
        let full = Gap { count: gap.count - missed_count, ..gap };
        let probe = Gap {
            count: missed_count,
            first_seq: gap.first_seq + full.count,
            cause: LossCause::ProbeMissed,
            ..gap
        };
        [full, probe].into_iter().filter(|g| g.count > 0).collect()
    }
}
