//! Every threshold of the engine, in one place; the values used are written into `evidence`.

/// A call is slow from this multiple of its usual duration …
pub const SLOW_FACTOR: i64 = 3;
/// … and this much above it, ns, whichever is more.
pub const SLOW_MARGIN_NS: i64 = 50_000;
/// A gap between calls is examined from this multiple of the thread's median gap …
pub const GAP_FACTOR: i64 = 5;
/// … and this length, ns, whichever is more.
pub const GAP_MIN_NS: i64 = 1_000_000;
/// Calls of one kernel needed to know its own usual duration; with fewer, the operation's is used.
pub const NORM_MIN_CALLS: usize = 20;
/// Calls of an operation needed to say how long it usually waits for the GPU.
pub const GPU_NORM_MIN_CALLS: usize = 5;
/// On-CPU multiple of the warm median at which a function first seen counts as first used.
pub const FIRST_USE_FACTOR: i64 = 10;
/// A load this shortly, ns, before a launch on the same thread is evidence of first use.
pub const LOAD_BEFORE_LAUNCH_NS: i64 = 1_000_000;
/// An idle wait this long, ns, before a load ends the work that came before it.
pub const IDLE_BEFORE_LOAD_NS: i64 = 10_000_000;
/// A thread's window is divided into this many parts to find incident and baseline.
pub const BINS: i64 = 100;
/// A part belongs to the incident from this share of the worst part, percent.
pub const HOT_PERCENT: i64 = 25;
/// In units that were not slow, being kept back counts from this length, ns: less is how long a wake-up takes.
pub const MINOR_MIN_NS: i64 = 300_000;
/// Severity is a share of at least this much wall time, ns.
pub const SHARE_MIN_NS: i64 = 5_000_000_000;
/// Share of wall time, per mille, from which a finding is HIGH.
pub const HIGH_PER_MILLE: i64 = 100;
/// … MEDIUM, …
pub const MEDIUM_PER_MILLE: i64 = 20;
/// … LOW, per mille each; below, which is 10 ms at least, there is no finding.
pub const LOW_PER_MILLE: i64 = 2;
/// An unexplained excess is only reported from this share, per mille.
pub const UNKNOWN_PER_MILLE: i64 = 20;
/// Above the baseline by more than this many median absolute deviations.
pub const DEVIATIONS: i64 = 3;
/// A futex wait between calls is a lock's only beyond this multiple of the baseline's longest.
pub const LOCK_GAP_FACTOR: i64 = 3;
/// A wait for work is starvation only beyond this multiple of what it usually is …
pub const STARVED_GAP_FACTOR: i64 = 3;
/// … or, where the one who feeds the thread slept, of the longest in the baseline.
pub const ASLEEP_GAP_FACTOR: i64 = 2;
/// Between two stacks of one kind that are no further apart, ns, waits without a stack are taken for the same.
pub const GUESS_WITHIN_NS: i64 = 1_000_000_000;
/// … unless they are longer than this multiple of those.
pub const GUESS_LENGTH_FACTOR: i64 = 3;
/// Wakers of wakers that are followed.
pub const CHAIN_DEPTH: usize = 8;
/// Affected units of one cause at most this far apart, ns, are one incident; also at least two parts of a window.
pub const MERGE_NS: i64 = 1_000_000_000;
/// With more incidents of one cause on one thread than this, they are one.
pub const MAX_INCIDENTS: usize = 3;
/// Launches dropped if below this share of the usual, percent, …
pub const DROP_PERCENT: i64 = 70;
/// … while the thread spends at least this share of its time on its own work, percent.
pub const BUSY_PERCENT: i64 = 30;
/// Parts of a window with launches near the usual that are needed to know it, percent.
pub const USUAL_PERCENT: i64 = 20;
/// Fewer launches than this in a part of the window say nothing about a rate.
pub const DROP_MIN_LAUNCHES: i64 = 10;
/// Synchronisations are a storm from this multiple of their usual rate …
pub const STORM_FACTOR: i64 = 3;
/// … and from this many a second, …
pub const STORM_PER_SECOND: i64 = 50;
/// … with at most this many launches for each …
pub const STORM_LAUNCHES: i64 = 2;
/// … and of at most this much of the time records missing, percent.
pub const STORM_LOST_PERCENT: i64 = 10;
/// Units a baseline needs.
pub const BASELINE_MIN_UNITS: u32 = 10;
/// Slow units shown in a finding's timeline.
pub const TIMELINE_UNITS: usize = 3;
/// Kernels, actors and operations listed in evidence.
pub const LISTED: usize = 8;
