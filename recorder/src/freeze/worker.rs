//! The freezing thread: windows are kept open on it, and become bundles on a thread beside it.

use std::sync::{
    atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    mpsc::{Receiver, channel},
};

use super::freezer::Freezer;
use crate::{journal, trigger::FreezeRequest};

impl Freezer {
    /// Serves requests until told to stop; windows still open then end with what there is.
    pub fn run(self, requests: &Receiver<FreezeRequest>, stop: &AtomicBool) {
        let ((closed, to_deliver), held) = (channel(), AtomicUsize::new(0));
        // On a thread of its own: a bundle takes seconds, and who asks meanwhile wants the past held at once.
        std::thread::scope(|scope| {
            let (this, held) = (&self, &held);
            let deliver = move || {
                for window in to_deliver {
                    this.progress.writing_out(|| this.finish(window));
                    held.fetch_sub(1, Relaxed);
                }
            };
            let started = std::thread::Builder::new().name("bundle".into()).spawn_scoped(scope, deliver);
            if let Err(e) = started {
                journal::error(&format!("cannot start the bundle thread: {e}; no snapshot can be written"));
            }
            self.keep_windows(requests, stop, &closed, held);
            drop(closed);
        });
    }
}
