//! The recorder while it runs, and the order of stopping: no new clients; discovery; drain (takes what is
//! left, seals every slot); sealer (closes the segment); flusher; freezer; last the probes, whose removal
//! takes long and by then concerns nothing that was recorded.

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::Receiver,
    },
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use ingero_format::units::show_count;
use sd_notify::NotifyState;

use super::{handover, signals::Signals, told};
use crate::{
    Error, Result, attach::Prober, clock, control::Answers, journal, kernel::Kept, limits::SERVICE_INTERVAL,
    progress::Progress, pulse::Pulse,
};

/// While probes are being removed the service manager is asked for this much more time, about once a second.
const STEP_USEC: u32 = 10_000_000;

/// How often snapshots are looked at for their age.
const EXPIRE_INTERVAL: Duration = Duration::from_secs(60);

/// A thread and the flag that ends it.
pub(super) struct Worker {
    name: &'static str,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Worker {
    /// Starts a thread.
    ///
    /// # Errors
    /// If the system has no room for it.
    pub(super) fn spawn(name: &'static str, work: impl FnOnce(&AtomicBool) + Send + 'static) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let thread = Builder::new()
            .name(name.into())
            .spawn(move || work(&flag))
            .map_err(|e| Error::Other(format!("cannot start the {name} thread: {e}")))?;
        Ok(Self { name, stop, thread })
    }

    fn end(self) {
        self.stop.store(true, Relaxed);
        self.thread.thread().unpark();
        if self.thread.join().is_err() {
            journal::error(&format!("the {} thread had panicked", self.name));
        }
    }

    fn is_dead(&self) -> bool {
        self.thread.is_finished()
    }
}

/// Everything that must be ended, in that order.
pub(super) struct Running {
    pub(super) workers: Vec<Worker>,
    /// The probes, once discovery has ended.
    pub(super) retired: Receiver<Prober>,
    pub(super) stop_control: tokio::sync::watch::Sender<bool>,
    pub(super) answers: Arc<Answers>,
    pub(super) progress: Arc<Progress>,
    /// Of the threads that seal and answer.
    pub(super) pulses: [Arc<Pulse>; 2],
    /// What can be left to the next recorder.
    pub(super) kept: Option<Arc<Kept>>,
    /// The ring's lock.
    pub(super) lock: Box<dyn Any + Send>,
}

impl Running {
    /// Minds signals and the service manager until a signal says stop.
    pub(super) fn mind(&self, signals: &Signals) {
        let watchdog = sd_notify::watchdog_enabled();
        let (mut turns, mut pinged, mut told) = (0, Instant::now(), Instant::now());
        let (mut expired, mut journal) = (Instant::now(), told::Told::default());
        while !signals.stop() {
            signals.wait(SERVICE_INTERVAL);
            if signals.take_snapshot() {
                self.answers.parts.triggers.signal();
            }
            if signals.take_reload() {
                let _ = self.answers.reload();
            }
            // Only a drain that moves on, beside threads that live and do not hang, feeds the watchdog.
            let now = self.progress.turns.load(Relaxed);
            let hangs = self.pulses.iter().any(|pulse| pulse.hangs(clock::boot_ns()));
            let alive = now != turns && !hangs && !self.workers.iter().any(Worker::is_dead);
            if let Some(period) = watchdog
                && alive
                && pinged.elapsed() >= period / 3
            {
                let _ = sd_notify::notify(&[NotifyState::Watchdog]);
                pinged = Instant::now();
            }
            turns = now;
            if told.elapsed() >= Duration::from_secs(1) {
                self.answers.parts.sample_cpu();
                told = Instant::now();
                let _ = sd_notify::notify(&[NotifyState::Status(&told::line(&self.answers.parts))]);
                journal.losses(&self.progress.lost());
            }
            if expired.elapsed() >= EXPIRE_INTERVAL {
                expired = Instant::now();
                self.answers.parts.expire_snapshots();
            }
        }
    }

    /// Stops everything in order; nothing that reached the recorder is lost. If it is to be started again at once,
    /// the probes stay and nothing that happens meanwhile is lost either.
    pub(super) fn stop(self) {
        let stays = self.kept.is_some() && handover::is_restart();
        let _ = self.stop_control.send(true);
        self.answers.watchers.stop();
        self.answers.exports.stop();
        self.workers.into_iter().for_each(Worker::end);
        let (stored, lost) = (self.progress.stored.load(Relaxed), self.progress.lost_total());
        journal::info(&format!(
            "stopped cleanly: {} events stored, {} lost",
            show_count(stored),
            show_count(lost)
        ));
        drop(self.lock);
        let Ok(prober) = self.retired.recv() else { return };
        if stays {
            journal::info("a restart: the probes stay in place");
            prober.leave();
        } else {
            prober.remove(|_| {
                let _ = sd_notify::notify(&[NotifyState::ExtendTimeoutUsec(STEP_USEC)]);
            });
            if let Some(kept) = self.kept {
                kept.remove();
            }
        }
    }
}
