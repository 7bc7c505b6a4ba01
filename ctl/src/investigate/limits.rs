//! Every threshold of the engine, in one place; the values used are written into `evidence`.

/// A call is slow from this multiple of its usual duration …
pub const SLOW_FACTOR: i64 = 3;
/// … and this much above it, whichever is more.
pub const SLOW_MARGIN_NS: i64 = 50_000;
/// A gap between calls is examined from this multiple of the thread's median gap …
pub const GAP_FACTOR: i64 = 5;
/// … and this length, whichever is more.
pub const GAP_MIN_NS: i64 = 1_000_000;
/// Calls of one kernel needed to know its own usual duration; with fewer, the operation's is used.
pub const NORM_MIN_CALLS: usize = 20;
/// Calls of an operation needed to say how long it usually waits for the GPU.
pub const GPU_NORM_MIN_CALLS: usize = 5;
/// On-CPU multiple of the warm median at which a function first seen counts as first used.
pub const FIRST_USE_FACTOR: i64 = 10;
/// A load this shortly before a launch on the same thread is evidence of first use.
pub const LOAD_BEFORE_LAUNCH_NS: i64 = 1_000_000;
/// An idle wait this long before a load ends the work that came before it.
pub const IDLE_BEFORE_LOAD_NS: i64 = 10_000_000;
/// A thread's window is divided into this many parts to find incident and baseline.
pub const BINS: i64 = 100;
/// A part belongs to the incident from this share of the worst part, percent.
pub const HOT_PERCENT: i64 = 10;
/// Severity is a share of at least this much wall time.
pub const SHARE_MIN_NS: i64 = 5_000_000_000;
/// Share of wall time, per mille, from which a finding is HIGH.
pub const HIGH_PER_MILLE: i64 = 100;
/// … MEDIUM.
pub const MEDIUM_PER_MILLE: i64 = 20;
/// … LOW; below there is no finding.
pub const LOW_PER_MILLE: i64 = 2;
/// An unexplained excess is only reported from this share, per mille.
pub const UNKNOWN_PER_MILLE: i64 = 20;
/// A finding needs this many slow units …
pub const MIN_UNITS: usize = 3;
/// … or this much time.
pub const MIN_NS: i64 = 10_000_000;
/// Above the baseline by more than this many median absolute deviations.
pub const DEVIATIONS: i64 = 3;
/// A futex wait between calls is a lock's only beyond this multiple of the baseline's longest.
pub const LOCK_GAP_FACTOR: i64 = 3;
/// Units a baseline needs.
pub const BASELINE_MIN_UNITS: u32 = 10;
/// Slow units shown in a finding's timeline.
pub const TIMELINE_UNITS: usize = 3;
/// Kernels, actors and operations listed in evidence.
pub const LISTED: usize = 8;
