//! Windows that are open: linked at once, closed when their post-window is over, then handed on to be delivered.
//!
//! Several may be open together, so that a person's short window waits for nobody's long one. Triggers other than
//! commands share one.

use std::{
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
        mpsc::{Receiver, Sender},
    },
    time::Duration,
};

use ingero_format::{Row, segment::Anchor, units::show_ns};

use super::{
    freezer::{Freezer, REMEDY},
    id::snapshot_id,
    links::{FrozenSet, Wanted},
    open_rows::open_rows,
};
use crate::{
    Result, clock,
    config::UserStacks,
    error::IoContext,
    journal,
    limits::{DRAIN_INTERVAL, FREEZE_DRAIN_TIMEOUT, MAX_ENDED_WINDOWS, MAX_OPEN_WINDOWS},
    lock::lock,
    printable::after_colon,
    trigger::FreezeRequest,
};

/// How often the freezer asks whether it is to stop.
const STOP_POLL: Duration = Duration::from_millis(500);
/// How often an open window takes hold of what has been recorded since, ns: no ring turns over in that time.
const HOLD_INTERVAL_NS: u64 = 1_000_000_000;
/// How often it asks whether the drain has come far enough.
const DRAIN_POLL: Duration = Duration::from_millis(10);

/// A window from its first links on.
pub(super) struct Window {
    pub(super) id: String,
    pub(super) anchor: Anchor,
    pub(super) set: FrozenSet,
    /// Who asked; those who joined come in when it closes.
    pub(super) joined: Vec<FreezeRequest>,
    /// Who joined beyond those whose reasons are kept.
    pub(super) unlisted: u64,
    pub(super) frozen_after_ns: u64,
    pub(super) from_ns: u64,
    pub(super) to_ns: u64,
    /// Calls that had not ended.
    pub(super) open: Vec<Row>,
    /// The drain had passed `to_ns` when it was closed.
    pub(super) reached: bool,
    /// When its segments were last linked.
    held_ns: u64,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The post-window goes on.
    Open,
    /// It is over; waits until the drain has passed this moment, at most until that one (boottime ns).
    Draining { past_ns: u64, until_ns: u64 },
    /// All is linked.
    Closed,
}

impl Window {
    fn is_shared(&self) -> bool {
        self.joined.iter().any(|r| !r.person)
    }

    /// What to say if it ends before the time that all who joined asked for.
    pub(super) fn cut_short(&self) -> Option<String> {
        let missing = self.last_to_ns().saturating_sub(self.to_ns);
        (missing > 0).then(|| format!("the window ends {} before the last time asked for", show_ns(missing)))
    }

    fn last_to_ns(&self) -> u64 {
        self.joined.iter().map(|r| r.trigger.at_ns.saturating_add(r.after_ns)).max().unwrap_or(0)
    }
}

impl Freezer {
    /// Keeps windows open until told to stop; then they end with what there is. Finished ones go to `closed`, an
    /// error to those who asked.
    pub(super) fn keep_windows(
        &self,
        requests: &Receiver<FreezeRequest>,
        stop: &AtomicBool,
        closed: &Sender<Window>,
        held: &AtomicUsize,
    ) {
        let (mut windows, mut serial) = (Vec::new(), 0u32);
        while !stop.load(Relaxed) {
            if windows.len() < MAX_OPEN_WINDOWS {
                if let Ok(request) = requests.recv_timeout(pause(&windows)) {
                    serial += 1;
                    self.begin(request, serial, &mut windows);
                }
            } else {
                std::thread::sleep(pause(&windows).min(DRAIN_POLL));
            }
            self.advance(&mut windows, stop, closed, held);
        }
        while !windows.is_empty() {
            self.advance(&mut windows, stop, closed, held);
            std::thread::sleep(DRAIN_POLL);
        }
    }

    // Holds on to the past before anything else.
    fn begin(&self, request: FreezeRequest, serial: u32, windows: &mut Vec<Window>) {
        let anchor = clock::anchor();
        let id = snapshot_id(&anchor, serial);
        let (at_ns, shared) = (request.trigger.at_ns, !request.person);
        let from_ns = at_ns.saturating_sub(request.last_ns);
        let made = FrozenSet::create(std::sync::Arc::clone(&self.storage), &self.layout, &id).at(
            "cannot create",
            &self.layout.frozen,
            REMEDY,
        );
        let linked = made.and_then(|mut set| match self.hold(&mut set, from_ns) {
            Ok(()) => Ok(set),
            Err(e) => {
                set.remove(&self.table);
                Err(e)
            }
        });
        let frozen_after_ns = clock::boot_ns().saturating_sub(at_ns);
        // Only now: the past must not wait for the journal. Whoever asks does not tell it either, or it could come last.
        let (kind, why) = (&request.trigger.kind, after_colon(&request.trigger.reason));
        journal::warning(&format!("{kind}: freezing a snapshot{why}"));
        let joined = vec![request];
        match linked {
            Ok(set) => {
                journal::info(&format!("snapshot {id}: frozen after {}", show_ns(frozen_after_ns)));
                if self.takes_user_stacks() {
                    self.modules.refresh_now(&self.registry.processes());
                }
                windows.push(Window {
                    id,
                    anchor,
                    set,
                    joined,
                    unlisted: 0,
                    frozen_after_ns,
                    from_ns,
                    to_ns: 0,
                    open: Vec::new(),
                    reached: false,
                    held_ns: at_ns,
                    stage: Stage::Open,
                });
            }
            Err(e) => {
                let more = if shared { self.joint.close().requests } else { Vec::new() };
                self.answer(joined.into_iter().chain(more).collect(), 0, &Err(e.to_string()));
            }
        }
    }

    fn takes_user_stacks(&self) -> bool {
        let config = lock(&self.config);
        config.probes.user_stacks != UserStacks::Never
    }

    fn hold(&self, set: &mut FrozenSet, from_ns: u64) -> Result<()> {
        set.hold(&self.table, &self.wanted(from_ns)).at("cannot link", &self.layout.frozen, REMEDY)
    }

    fn link(&self, set: &mut FrozenSet, from_ns: u64) -> Result<()> {
        let wanted = self.wanted(from_ns);
        set.link(&self.layout, &self.table, &self.pool, &wanted).at(
            "cannot link",
            &self.layout.frozen,
            REMEDY,
        )
    }

    fn wanted(&self, from_ns: u64) -> Wanted {
        let config = lock(&self.config);
        let max_bytes = config.snapshot.max_bytes.0;
        drop(config);
        Wanted { from_ns, boot_id: clock::boot_id(), max_bytes }
    }

    // Moves every window on as far as it can go now.
    fn advance(
        &self,
        windows: &mut Vec<Window>,
        stop: &AtomicBool,
        closed: &Sender<Window>,
        held: &AtomicUsize,
    ) {
        for mut window in std::mem::take(windows) {
            let now_ns = clock::boot_ns();
            if window.stage == Stage::Open && (now_ns >= self.due_ns(&window) || stop.load(Relaxed)) {
                self.end_post_window(&mut window, now_ns);
            }
            match self.settle(&mut window, now_ns, held.load(Relaxed)) {
                Ok(()) if window.stage == Stage::Closed => {
                    held.fetch_add(1, Relaxed);
                    let _ = closed.send(window);
                }
                Ok(()) => windows.push(window),
                Err(e) => {
                    window.set.remove(&self.table);
                    self.answer(window.joined, window.unlisted, &Err(e.to_string()));
                }
            }
        }
    }

    // Those who join move the end on, but not without end: at most by another post-window.
    fn due_ns(&self, window: &Window) -> u64 {
        let own = window.last_to_ns();
        if !window.is_shared() {
            return own;
        }
        let after_ns = window.joined.iter().map(|r| r.after_ns).max().unwrap_or(0);
        self.joint.to_ns().clamp(own, own.saturating_add(after_ns))
    }

    // Open calls first, then the drain past that moment, then the links: a call that ends in between is in both and
    // the reader drops one; the other way round it could be in neither.
    fn end_post_window(&self, window: &mut Window, now_ns: u64) {
        window.to_ns = self.due_ns(window).min(now_ns);
        if window.is_shared() {
            let more = self.joint.close();
            window.unlisted = more.unlisted;
            window.joined.extend(more.requests);
        }
        let from = window.joined.iter().map(|r| r.trigger.at_ns.saturating_sub(r.last_ns)).min();
        window.from_ns = from.unwrap_or(window.from_ns).min(window.from_ns);
        window.open = open_rows(&self.threads, clock::boot_ns());
        let past_ns = clock::boot_ns();
        let until_ns = past_ns.saturating_add(FREEZE_DRAIN_TIMEOUT.as_nanos() as u64);
        window.stage = Stage::Draining { past_ns, until_ns };
    }

    // Until everything that ended before the window's end has been taken, and every gap in the numbers has either
    // been filled or been told as a loss. The copy of the head is made when it can soon be written.
    fn settle(&self, window: &mut Window, now_ns: u64, held: usize) -> Result<()> {
        // What was in the head at first, and what came since, must not be evicted meanwhile.
        if now_ns.saturating_sub(window.held_ns) >= HOLD_INTERVAL_NS {
            window.held_ns = now_ns;
            self.hold(&mut window.set, window.from_ns)?;
        }
        let Stage::Draining { past_ns, until_ns } = window.stage else { return Ok(()) };
        let drained = self.progress.drained_through_ns.load(Relaxed) >= past_ns;
        window.reached = drained && self.progress.pending_gaps.load(Relaxed) == 0;
        if (window.reached || now_ns >= until_ns) && held < MAX_ENDED_WINDOWS {
            self.link(&mut window.set, window.from_ns)?;
            window.stage = Stage::Closed;
        }
        Ok(())
    }
}

// Until the next window may have to be moved on.
fn pause(windows: &[Window]) -> Duration {
    let now_ns = clock::boot_ns();
    let due = |w: &Window| match w.stage {
        Stage::Open => Duration::from_nanos(w.last_to_ns().saturating_sub(now_ns)),
        Stage::Draining { .. } | Stage::Closed => DRAIN_POLL.min(DRAIN_INTERVAL),
    };
    // A window past its own end is kept open by those who joined.
    let wait = windows.iter().map(due).min().unwrap_or(STOP_POLL);
    wait.clamp(Duration::from_millis(1), STOP_POLL)
}
