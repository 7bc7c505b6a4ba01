//! Causes that slow units show, and which class of time belongs to which.

use super::{
    decompose::{Class, Piece},
    thread::Slow,
    units::GAP,
};

/// A cause and the classes of time that it owns.
#[derive(Debug)]
pub(super) struct Cause {
    pub name: &'static str,
    pub classes: &'static [Class],
}

/// All causes that slow units show; each class is owned once at most.
pub(super) const CAUSES: [Cause; 13] = [
    Cause { name: "cpu_contention", classes: &[Class::Runnable] },
    Cause { name: "cpu_throttled", classes: &[Class::Throttled] },
    Cause { name: "recorder_self", classes: &[Class::Recorder] },
    Cause { name: "signal_stop", classes: &[Class::Stopped] },
    Cause { name: "blocked_lock", classes: &[Class::Lock] },
    Cause { name: "blocked_io", classes: &[Class::Io] },
    Cause { name: "memory_pressure", classes: &[Class::Memory] },
    Cause { name: "first_use", classes: &[Class::FirstUse] },
    Cause { name: "gpu_wait", classes: &[Class::GpuWait] },
    Cause { name: "collective_wait", classes: &[Class::Collective] },
    Cause { name: STARVED, classes: &[Class::Starved, Class::StarvedAsleep] },
    Cause { name: "allocator", classes: &[Class::Allocator] },
    Cause { name: UNKNOWN, classes: &[Class::OnCpu, Class::Blocked, Class::RunnableAlone] },
];
/// What nothing known explains.
pub(super) const UNKNOWN: &str = "unknown";
/// Who feeds the thread did not.
pub(super) const STARVED: &str = "data_starvation";

impl Cause {
    /// True if waits for the GPU are among its classes.
    pub fn owns_gpu_waits(&self) -> bool {
        self.classes.contains(&Class::GpuWait)
    }

    /// True if a piece of a slow unit is of this cause.
    pub fn owns(&self, slow: &Slow, piece: &Piece) -> bool {
        // Between calls, blocked for a reason not recorded is most likely idle.
        let idle = piece.class == Class::Blocked && slow.key == GAP;
        self.classes.contains(&piece.class) && !(self.name == UNKNOWN && idle)
    }
}
