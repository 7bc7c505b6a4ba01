//! Decides, once a second, what is recorded at which cost. Pure: time and usage come in, changes come out.

use ingero_ebpf_abi::{LANES, Lane, Mode};

use super::costs::{LaneCost, STACK_NS, SWITCH_NS};
use crate::config::Budget;

/// How long a limit must be passed before something is shed, ns.
const OVER_NS: u64 = 2_000_000_000;
/// Share of the limit that must suffice after a step back.
const ROOM: f64 = 0.7;
/// Shortest time that a lane in [`Mode::Duty`] is on, ns.
const ON_NS: u64 = 1_000_000_000;
/// Least share of time that is worth it.
const LEAST_DUTY: f64 = 0.05;
/// What is left, a second later, of the rate at which a lane that is off was last seen: half of it in 14 s.
const FADING: f64 = 0.95;
/// A lane below this share of what the dearest thread pays is left alone.
const NEGLIGIBLE: f64 = 0.05;
/// What an event costs the recorder's own CPU, ns; measured, see `docs/measurements/2026-11-22-daemon-cost.md`.
const EVENT_NS: f64 = 190.0;
/// A lane that takes less than this share of the recorder's own CPU is left alone when that is too much.
const WORTH_IT: f64 = 0.1;
/// Stacks are shed if they are at least this share of what the dearest thread pays.
const STACKS_MATTER: f64 = 0.1;

/// What may be spent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Of a recorded thread's time, 0 to 1; infinite: no limit.
    pub thread: f64,
    /// Of one core by the recorder, 0 to 1; infinite: no limit.
    pub daemon: f64,
    /// How long there must have been room before a step is taken back, ns.
    pub recover_after_ns: u64,
}

impl Limits {
    /// As configured; 100 percent is no limit.
    #[must_use]
    pub fn of(budget: &Budget) -> Self {
        let limit = |percent: f64| if percent >= 100.0 { f64::INFINITY } else { percent / 100.0 };
        Self {
            thread: limit(budget.thread_percent),
            daemon: limit(budget.daemon_percent),
            recover_after_ns: budget.recover_after.0,
        }
    }
}

/// What one thread did in the last second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Its process.
    pub pid: u32,
    /// The thread.
    pub tid: u32,
    /// Calls that met a probe, a second: `[lane]`.
    pub calls: [f64; LANES],
    /// How often it left the CPU, a second.
    pub switches: f64,
    /// Stacks taken of it, a second.
    pub stacks: f64,
}

/// One step of leaving something out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// No stacks.
    Stacks,
    /// A lane in a cheaper mode: before, and from then on.
    Lane(Lane, Mode, Mode),
}

/// What a step was taken for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reason {
    /// What the dearest thread pays, too much or little enough again.
    Thread,
    /// What the recorder takes, as a share of a core: 1 is a whole one.
    Recorder(f64),
}

/// What is to be changed now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// A lane is recorded in another way: from, to, and who made it necessary.
    Mode {
        /// Which.
        lane: Lane,
        /// Before.
        from: Mode,
        /// From now on.
        to: Mode,
        /// The thread that pays most, with what it does.
        dearest: Usage,
        /// Its cost as a share of its time, 0 to 1.
        share: f64,
        /// Whose cost it was.
        reason: Reason,
    },
    /// Stacks are taken no longer (true), or again.
    Stacks(bool),
    /// A lane in [`Mode::Duty`] goes off (true) or on.
    Pause(Lane, bool),
}

#[derive(Clone, Copy, Debug, Default)]
struct LaneState {
    mode: Mode,
    /// In [`Mode::Duty`]: whether it is off just now, since when, and for how long.
    paused: bool,
    since_ns: u64,
    off_ns: u64,
    /// Calls a second of the dearest thread when they were last seen.
    seen: f64,
    /// The same of all threads.
    total: f64,
}

impl LaneState {
    // Goes into a mode; on duty it is on for one second of every `1 / duty`.
    fn enter(&mut self, mode: Mode, now_ns: u64, duty: f64) {
        self.mode = mode;
        self.paused = false;
        if mode == Mode::Duty {
            let duty = duty.clamp(LEAST_DUTY, 0.9);
            self.since_ns = now_ns;
            self.off_ns = (ON_NS as f64 * (1.0 / duty - 1.0)) as u64;
        }
    }

    // The share of time in which it is on.
    fn on(&self) -> f64 {
        match self.mode {
            Mode::Whole | Mode::Entry => 1.0,
            Mode::Duty => ON_NS as f64 / (ON_NS + self.off_ns) as f64,
            Mode::Off => 0.0,
        }
    }
}

/// The state machine: what is shed, and since when too much or little enough is paid.
#[derive(Debug)]
pub struct Governor {
    limits: Limits,
    lanes: [LaneState; LANES],
    stacks_shed: bool,
    /// What the dearest thread paid for stacks a second before they were shed.
    stacks_seen: f64,
    steps: Vec<Step>,
    over_since: Option<u64>,
    under_since: Option<u64>,
    share: f64,
}

impl Governor {
    /// Nothing shed.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            lanes: [LaneState::default(); LANES],
            stacks_shed: false,
            stacks_seen: 0.0,
            steps: Vec::new(),
            over_since: None,
            under_since: None,
            share: 0.0,
        }
    }

    /// Other limits from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// What the dearest thread pays, as a share of its time, 0 to 1.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.share
    }

    /// Steps in force, the newest last.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    fn lane(&self, lane: Lane) -> LaneState {
        self.lanes.get(lane as usize).copied().unwrap_or_default()
    }

    fn lane_mut(&mut self, lane: Lane) -> Option<&mut LaneState> {
        self.lanes.get_mut(lane as usize)
    }

    /// Takes the last second's usage and decides. `now_ns` is boottime, `costs` are `[lane]`, `daemon` is the
    /// recorder's own share of a core, 1 for a whole one.
    pub fn tick(
        &mut self,
        now_ns: u64,
        usage: &[Usage],
        costs: &[LaneCost; LANES],
        daemon: f64,
    ) -> Vec<Change> {
        let cost = |u: &Usage| self.cost(u, costs);
        let dearest = usage.iter().max_by(|a, b| cost(a).total_cmp(&cost(b))).copied().unwrap_or_default();
        self.share = self.cost(&dearest, costs);
        self.remember(&dearest, usage);
        let over = self.share > self.limits.thread || daemon > self.limits.daemon;
        let mut changes = self.cycle(now_ns);
        if over {
            self.under_since = None;
            if now_ns.saturating_sub(*self.over_since.get_or_insert(now_ns)) >= OVER_NS {
                self.over_since = Some(now_ns);
                changes.extend(if self.share > self.limits.thread {
                    self.shed(now_ns, &dearest, costs)
                } else {
                    self.thin(now_ns, &dearest, daemon)
                });
            }
            return changes;
        }
        self.over_since = None;
        let room = self.after_step_back(&dearest, costs) < ROOM * self.limits.thread
            && self.daemon_after_step_back(daemon) < ROOM * self.limits.daemon;
        if self.steps.is_empty() || !room {
            self.under_since = None;
        } else if now_ns.saturating_sub(*self.under_since.get_or_insert(now_ns))
            >= self.limits.recover_after_ns
        {
            self.under_since = Some(now_ns);
            changes.extend(self.step_back(&dearest));
        }
        changes
    }

    // Share of a thread's time, in the present modes. A paused lane counts for what it costs on the whole.
    fn cost(&self, usage: &Usage, costs: &[LaneCost; LANES]) -> f64 {
        let calls: f64 = Lane::ALL.iter().map(|lane| self.lane_cost(*lane, usage, costs)).sum();
        let stacks = if self.stacks_shed { 0.0 } else { usage.stacks * STACK_NS };
        (calls + usage.switches * SWITCH_NS + stacks) / 1e9
    }

    fn lane_cost(&self, lane: Lane, usage: &Usage, costs: &[LaneCost; LANES]) -> f64 {
        let state = self.lane(lane);
        let of = costs.get(lane as usize).copied().unwrap_or_default();
        let calls = usage.calls.get(lane as usize).copied().unwrap_or(0.0);
        if state.mode == Mode::Duty {
            let cycle = (ON_NS + state.off_ns) as f64;
            return calls.max(state.seen) * of.entry_ns * ON_NS as f64 / cycle;
        }
        calls * of.in_mode(state.mode)
    }

    fn remember(&mut self, dearest: &Usage, usage: &[Usage]) {
        for (i, (state, calls)) in self.lanes.iter_mut().zip(dearest.calls).enumerate() {
            if state.mode == Mode::Off {
                // Nobody sees it now: in time it is worth another look.
                state.seen *= FADING;
                state.total *= FADING;
            } else if !state.paused {
                state.seen = calls;
                state.total = usage.iter().filter_map(|u| u.calls.get(i)).sum();
            }
        }
        if !self.stacks_shed {
            self.stacks_seen = dearest.stacks;
        }
    }

    // Lanes on duty go on and off.
    fn cycle(&mut self, now_ns: u64) -> Vec<Change> {
        let mut changes = Vec::new();
        for lane in Lane::ALL {
            let Some(state) = self.lane_mut(lane).filter(|s| s.mode == Mode::Duty) else { continue };
            let due = if state.paused { state.off_ns } else { ON_NS };
            if now_ns.saturating_sub(state.since_ns) >= due {
                state.paused = !state.paused;
                state.since_ns = now_ns;
                changes.push(Change::Pause(lane, state.paused));
            }
        }
        changes
    }

    // The least valuable information goes first.
    fn shed(&mut self, now_ns: u64, dearest: &Usage, costs: &[LaneCost; LANES]) -> Option<Change> {
        let stacks = dearest.stacks * STACK_NS / 1e9;
        if !self.stacks_shed && stacks > STACKS_MATTER * self.share {
            self.stacks_shed = true;
            self.steps.push(Step::Stacks);
            return Some(Change::Stacks(true));
        }
        let (lane, from, to) = self.cheapest_loss(dearest, costs)?;
        let share = self.share;
        let limit = self.limits.thread;
        let entry = costs.get(lane as usize).map_or(0.0, |c| c.entry_ns);
        let state = self.lane_mut(lane)?;
        let whole = (state.seen * entry / 1e9).max(1e-9);
        state.enter(to, now_ns, ROOM * limit / whole);
        self.steps.push(Step::Lane(lane, from, to));
        Some(Change::Mode { lane, from, to, dearest: *dearest, share, reason: Reason::Thread })
    }

    // The recorder's own CPU alone is too much: it pays for rows, and an entry makes one as a pair does. So the busiest
    // lane is recorded at times, or no longer.
    fn thin(&mut self, now_ns: u64, dearest: &Usage, daemon: f64) -> Option<Change> {
        let takes = |state: &LaneState| state.total * state.on() * EVENT_NS / 1e9;
        let busiest = Lane::ALL.into_iter().map(|lane| (lane, takes(&self.lane(lane))));
        let (lane, taken) = busiest.max_by(|a, b| a.1.total_cmp(&b.1))?;
        let from = self.lane(lane).mode;
        let to = if from == Mode::Duty { Mode::Off } else { Mode::Duty };
        if from == Mode::Off || taken < WORTH_IT * daemon {
            return None;
        }
        // What the other lanes and the rest of the recorder take stays.
        let duty = (ROOM * self.limits.daemon - (daemon - taken)) / taken;
        let share = self.share;
        self.lane_mut(lane)?.enter(to, now_ns, duty);
        self.steps.push(Step::Lane(lane, from, to));
        Some(Change::Mode { lane, from, to, dearest: *dearest, share, reason: Reason::Recorder(daemon) })
    }

    // What the recorder itself would take, as a share of a core, if the last step were taken back.
    fn daemon_after_step_back(&self, daemon: f64) -> f64 {
        let Some(Step::Lane(lane, ..)) = self.steps.last() else { return daemon };
        let state = self.lane(*lane);
        daemon + state.total * (1.0 - state.on()) * EVENT_NS / 1e9
    }

    // The step that saves most for what it loses.
    fn cheapest_loss(&self, dearest: &Usage, costs: &[LaneCost; LANES]) -> Option<(Lane, Mode, Mode)> {
        let step = |lane: Lane| {
            let from = self.lane(lane).mode;
            let pays = self.lane_cost(lane, dearest, costs);
            let (to, saved) = match from {
                Mode::Whole => (Mode::Entry, 0.5),
                Mode::Entry => (Mode::Duty, 0.6),
                Mode::Duty => (Mode::Off, 1.0),
                Mode::Off => return None,
            };
            // The last lane holds what explains most.
            let worth = if lane == Lane::Rest { 0.25 } else { 1.0 };
            (pays > NEGLIGIBLE * 1e9 * self.share).then_some((pays * saved * worth, (lane, from, to)))
        };
        let best = Lane::ALL.into_iter().filter_map(step).max_by(|a, b| a.0.total_cmp(&b.0));
        best.map(|(_, step)| step)
    }

    // What the dearest thread would pay if the last step were taken back.
    fn after_step_back(&self, dearest: &Usage, costs: &[LaneCost; LANES]) -> f64 {
        let saved = match self.steps.last() {
            None => 0.0,
            Some(Step::Stacks) => self.stacks_seen * STACK_NS,
            Some(Step::Lane(lane, before, _)) => {
                let (state, of) = (self.lane(*lane), costs.get(*lane as usize).copied().unwrap_or_default());
                let calls = dearest.calls.get(*lane as usize).copied().unwrap_or(0.0).max(state.seen);
                calls * of.in_mode(*before) - self.lane_cost(*lane, dearest, costs)
            }
        };
        self.share + saved / 1e9
    }

    fn step_back(&mut self, dearest: &Usage) -> Option<Change> {
        match self.steps.pop()? {
            Step::Stacks => {
                self.stacks_shed = false;
                Some(Change::Stacks(false))
            }
            Step::Lane(lane, to, from) => {
                let share = self.share;
                let state = self.lane_mut(lane)?;
                let (off_ns, seen, total) = (state.off_ns, state.seen, state.total);
                *state = LaneState { mode: to, off_ns, seen, total, ..LaneState::default() };
                Some(Change::Mode { lane, from, to, dearest: *dearest, share, reason: Reason::Thread })
            }
        }
    }
}

#[cfg(test)]
mod tests;
