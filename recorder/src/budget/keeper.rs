//! Carries out what the governor decides.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, mpsc::Sender},
    time::{Duration, Instant},
};

use aya::maps::{HashMap as BpfHashMap, MapData};
use ingero_ebpf_abi::{LANES, Lane, Mode, ThreadState};
use ingero_format::{
    ops::{LossCause, Source},
    row::META_CPU,
};

use super::{
    Activity, BudgetReport, Change, Costs, Governor, LaneCost, Limits, Reason, Usage, activity::Watcher,
    own_share::OwnShare,
};
use crate::{
    attach::Prober,
    clock,
    config::Config,
    journal,
    lock::lock,
    news::{BudgetChange, Gap, News},
    progress::Progress,
};

/// How often usage is added up.
const INTERVAL: Duration = Duration::from_secs(1);
/// How often what is left out is told again.
const REPEAT: Duration = Duration::from_secs(5);

/// What a thread had done when it was last looked at.
#[derive(Clone, Copy, Default)]
struct Seen {
    calls: [u32; LANES],
    switches: u32,
    stacks: u32,
}

/// The governor with its eyes and hands.
pub struct Keeper {
    governor: Governor,
    /// Its limits may change while it runs.
    config: Arc<Mutex<Config>>,
    watcher: Watcher,
    costs: Costs,
    report: BudgetReport,
    news: Sender<News>,
    last: Instant,
    seen: HashMap<u32, Seen>,
    progress: Arc<Progress>,
    own: OwnShare,
    repeated: Option<Instant>,
    /// Since when a lane is off, boottime ns.
    off_since: [Option<u64>; LANES],
}

impl Keeper {
    /// Nothing shed yet.
    #[must_use]
    pub fn new(
        config: Arc<Mutex<Config>>,
        costs: Costs,
        (report, activity): (BudgetReport, Activity),
        news: Sender<News>,
        progress: Arc<Progress>,
    ) -> Self {
        let limits = Limits::of(&lock(&config).budget);
        Self {
            governor: Governor::new(limits),
            config,
            watcher: Watcher::new(activity),
            costs,
            report,
            news,
            last: Instant::now(),
            seen: HashMap::new(),
            progress,
            own: OwnShare::default(),
            repeated: None,
            off_since: [None; LANES],
        }
    }

    /// When usage is to be looked at next.
    #[must_use]
    pub fn due(&self) -> Instant {
        self.last + INTERVAL
    }

    /// Looks and acts, if it is time.
    pub fn tick(&mut self, prober: &mut Prober, threads: &BpfHashMap<MapData, u32, ThreadState>) {
        let passed = self.last.elapsed();
        if passed < INTERVAL {
            return;
        }
        self.last = Instant::now();
        let usage = self.usage(threads, passed.as_secs_f64());
        self.watcher.see(&usage);
        let limits = Limits::of(&lock(&self.config).budget);
        self.governor.set_limits(limits);
        let costs: [LaneCost; LANES] = Lane::ALL.map(|lane| self.costs.lane(prober.slow_share(lane)));
        let windows = self.progress.windows();
        let daemon = self.own.look(clock::boot_ns(), clock::process_cpu_ns(), windows);
        let changes = self.governor.tick(clock::boot_ns(), &usage, &costs, daemon);
        for change in &changes {
            self.apply(change, prober);
        }
        self.tell_off_time();
        self.repeat();
        self.report.publish(self.governor.share() * 100.0, self.words());
    }

    fn usage(&mut self, threads: &BpfHashMap<MapData, u32, ThreadState>, seconds: f64) -> Vec<Usage> {
        let mut now = HashMap::new();
        let mut usage = Vec::new();
        for (tid, state) in threads.iter().flatten() {
            let seen = Seen { calls: state.calls_seen, switches: state.switches, stacks: state.stacks };
            // A thread that was not known began at 0.
            let before = self.seen.get(&tid).copied().unwrap_or_default();
            let rate = |now: u32, before: u32| f64::from(now.wrapping_sub(before)) / seconds;
            let mut calls = [0.0; LANES];
            for ((to, now), before) in calls.iter_mut().zip(seen.calls).zip(before.calls) {
                *to = rate(now, before);
            }
            usage.push(Usage {
                pid: state.pid,
                tid,
                calls,
                switches: rate(seen.switches, before.switches),
                stacks: rate(seen.stacks, before.stacks),
            });
            now.insert(tid, seen);
        }
        self.seen = now;
        usage
    }

    fn apply(&mut self, change: &Change, prober: &mut Prober) {
        let done = match *change {
            Change::Stacks(shed) => {
                journal::info(if shed {
                    "overhead budget: stacks are not taken any more"
                } else {
                    "overhead budget: stacks are taken again"
                });
                prober.shed_stacks(shed)
            }
            Change::Pause(lane, paused) => {
                prober.pause(lane, paused);
                self.mark_off(lane, paused);
                Ok(())
            }
            Change::Mode { lane, from, to, dearest, share, reason } => {
                let done = prober.set_mode(lane, to);
                self.mark_off(lane, to == Mode::Off);
                let calls = dearest.calls.iter().sum::<f64>() as u64;
                journal::info(&format!(
                    "overhead budget: {} are recorded {} (before: {}): {}",
                    plural(lane),
                    how(to),
                    how(from),
                    match reason {
                        Reason::Thread =>
                            format!("thread {} pays {:.1} % of its time", dearest.tid, share * 100.0),
                        Reason::Recorder(core) =>
                            format!("the recorder takes {:.1} % of a core", core * 100.0),
                    }
                ));
                let _ = self.news.send(News::Budget(BudgetChange {
                    at_ns: clock::boot_ns(),
                    lane,
                    from,
                    to,
                    pid: dearest.pid,
                    tid: dearest.tid,
                    calls_per_second: calls,
                    cost_ppm: (share * 1e6) as u64,
                }));
                done
            }
        };
        if let Err(e) = done {
            journal::error(&e.to_string());
        }
    }

    fn mark_off(&mut self, lane: Lane, off: bool) {
        if let Some(since) = self.off_since.get_mut(lane as usize)
            && off != since.is_some()
        {
            match since.take() {
                Some(from_ns) => tell_off(&self.news, from_ns),
                None => *since = Some(clock::boot_ns()),
            }
        }
    }

    // A lane that stays off is told at least every second: a freeze must not wait for its end.
    fn tell_off_time(&mut self) {
        for since in self.off_since.iter_mut().flatten() {
            tell_off(&self.news, *since);
            *since = clock::boot_ns();
        }
    }

    // What is left out is told again and again, so that every window holds it.
    fn repeat(&mut self) {
        if self.repeated.is_some_and(|at| at.elapsed() < REPEAT) {
            return;
        }
        self.repeated = Some(Instant::now());
        for lane in Lane::ALL {
            let Some(mode) = self.mode(lane) else { continue };
            let (at_ns, from, to) = (clock::boot_ns(), mode, mode);
            let change =
                BudgetChange { at_ns, lane, from, to, pid: 0, tid: 0, calls_per_second: 0, cost_ppm: 0 };
            let _ = self.news.send(News::Budget(change));
        }
    }

    fn mode(&self, lane: Lane) -> Option<Mode> {
        self.governor.steps().iter().rev().find_map(|step| match step {
            super::Step::Lane(of, _, mode) if *of == lane => Some(*mode),
            _ => None,
        })
    }

    fn words(&self) -> Vec<String> {
        let word =
            |lane: Lane, mode: Mode| format!("overhead budget: {} are recorded {}", plural(lane), how(mode));
        let lanes = Lane::ALL.into_iter().filter_map(|lane| Some(word(lane, self.mode(lane)?)));
        let stacks = self.governor.steps().contains(&super::Step::Stacks);
        lanes.chain(stacks.then(|| "overhead budget: stacks are not taken".to_owned())).collect()
    }
}

fn tell_off(news: &Sender<News>, from_ns: u64) {
    let _ = news.send(News::Lost(Gap {
        cpu: META_CPU,
        source: Source::Cuda,
        first_seq: 0,
        count: 0,
        from_ns,
        to_ns: clock::boot_ns(),
        cause: LossCause::Throttled,
    }));
}

fn plural(lane: Lane) -> &'static str {
    match lane {
        Lane::Launch => "launches",
        Lane::Copy => "copies",
        Lane::Memory => "allocations",
        Lane::Rest => "waits and other calls",
    }
}

fn how(mode: Mode) -> &'static str {
    match mode {
        Mode::Whole => "whole",
        Mode::Entry => "without their ends",
        Mode::Duty => "at times, without their ends",
        Mode::Off => "not at all",
    }
}
