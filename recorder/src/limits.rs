//! Limits that rooms share or that a person may notice, each with its unit and reason. Others stand beside their code.

use std::time::Duration;

/// Longest the drain sleeps. At 100,000 events/s a wake-up costs 24 µs: 50 ms keeps that under 0.1 % of
/// a core and the buffer under 1 MiB.
pub const DRAIN_INTERVAL: Duration = Duration::from_millis(50);
/// BPF ring buffer bytes for each CPU that this process may use (affinity and CPU quota count), and its bounds; ends
/// as a power of two. Its pages are mapped twice and count so in the resident size.
pub const EVENTS_BYTES_PER_CPU: u32 = 512 << 10;
/// Least bytes of it all; see [`EVENTS_BYTES_PER_CPU`].
pub const EVENTS_BYTES_MIN: u32 = 8 << 20;
/// Most bytes of it all; see [`EVENTS_BYTES_PER_CPU`].
pub const EVENTS_BYTES_MAX: u32 = 64 << 20;
/// Threads recorded at once; calls of others are counted as lost. As in `ebpf/probes/src/maps.rs`.
pub const THREADS: u32 = 32_768;
/// Age at which a slot that is not full is sealed, ns, so that a quiet source reaches a segment.
pub const SEAL_AGE_NS: u64 = 5_000_000_000;
/// Sealed slots may wait for the disk this many deep before the drain must drop rows.
pub const SEAL_QUEUE: usize = 64;
/// Matches of predicates that may wait for the thread that makes questions of them; in a turn come at most four, and
/// one for each process that ended.
pub const MATCH_QUEUE: usize = 64;
/// Fewest segments kept, however small the bound: the active one and its predecessor.
pub const MIN_SEGMENTS: usize = 2;
/// Newest segments that are scanned at start.
pub const SEGMENTS_SCANNED: usize = 2;
/// Newest segments that are synced at start after a kill: more were hardly written within one sync interval.
pub const SEGMENTS_SYNCED: usize = 8;
/// Frames of events that must have been scanned at start. A slot of the head is reused after at most as many
/// other slots as there are have been sealed, one frame each: twice that leaves no doubt.
pub const HEAD_FRAMES: usize = 16;
/// Least time between two kernel stacks of one thread, ns: at 2.3 µs a stack, 1.2 % of the thread.
pub const STACK_GAP_NS: u64 = 200_000;
/// Duration from which on a call is slow and gives its user stack, ns.
pub const SLOW_NS: u64 = 1_000_000;
/// Least time between two user stacks of one thread, ns.
pub const USER_STACK_GAP_NS: u64 = 10_000_000;
/// When a process is looked at after it replaced its program: a library is usually mapped by then.
pub const RESCAN_AFTER_EXEC: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_secs(1), Duration::from_secs(5)];
/// How often every process is asked whether it grew; only those that did are read in full.
pub const RESCAN_INTERVAL: Duration = Duration::from_secs(2);
/// How often that is done where the kernel tells every mapping.
pub const SWEEP_INTERVAL: Duration = Duration::from_secs(10);
/// Longest a snapshot waits for events beyond its post-window.
pub const FREEZE_DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// Windows open at once; further requests wait. As many as there may be clients, and some by triggers.
pub const MAX_OPEN_WINDOWS: usize = 2 * MAX_CLIENTS;
/// Windows that have ended and are not written yet. Each holds a copy of the head's used part, at most 8 MiB.
pub const MAX_ENDED_WINDOWS: usize = 2;
/// Longest past that a snapshot may ask for, ns.
pub const MAX_WINDOW_NS: u64 = 24 * 3_600 * 1_000_000_000;
/// Longest post-window that a snapshot may ask for, ns.
pub const MAX_AFTER_NS: u64 = 600 * 1_000_000_000;
/// Clients served at once.
pub const MAX_CLIENTS: usize = 16;
/// How long a client may take to send its request or take its reply's next part.
pub const CLIENT_TIMEOUT: Duration = Duration::from_secs(5);
/// Rest after a connection could not be accepted, e.g. for want of descriptors.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Part by which files are copied into bundles and to clients, bytes.
pub const COPY_BYTES: usize = 256 << 10;
/// Largest ELF symbol table read, symbols: the driver has under a thousand.
pub const MAX_SYMBOLS: usize = 1 << 20;
/// Longest time between two looks at the service: signals, watchdog, status.
pub const SERVICE_INTERVAL: Duration = Duration::from_millis(500);
/// Longest free-text reason of a snapshot, bytes.
pub const MAX_REASON_BYTES: usize = 1024;
