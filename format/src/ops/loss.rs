//! Why events are missing.

/// Why events are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(i32)]
pub enum LossCause {
    /// The kernel's ring buffer was full.
    RingbufFull = 1,
    /// A probe fired but its call could not be tracked.
    ProbeMissed = 2,
    /// The head had no free slot because sealing fell behind.
    HeadOverrun = 3,
    /// The disk was full.
    DiskFull = 4,
    /// Writing failed.
    IoError = 5,
    /// Bytes on disk were damaged.
    Corrupt = 6,
    /// No recorder was running.
    RestartGap = 7,
    /// The overhead budget shed them.
    Throttled = 8,
    /// Only some were kept on purpose.
    Sampled = 9,
    /// The recorder was interrupted while it took them.
    Interrupted = 10,
}

impl LossCause {
    /// All causes.
    pub const ALL: [Self; 10] = [
        Self::RingbufFull,
        Self::ProbeMissed,
        Self::HeadOverrun,
        Self::DiskFull,
        Self::IoError,
        Self::Corrupt,
        Self::RestartGap,
        Self::Throttled,
        Self::Sampled,
        Self::Interrupted,
    ];

    /// The name used in SQL, JSON and text.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RingbufFull => "ringbuf_full",
            Self::ProbeMissed => "probe_missed",
            Self::HeadOverrun => "head_overrun",
            Self::DiskFull => "disk_full",
            Self::IoError => "io_error",
            Self::Corrupt => "corrupt",
            Self::RestartGap => "restart_gap",
            Self::Throttled => "throttled",
            Self::Sampled => "sampled",
            Self::Interrupted => "interrupted",
        }
    }

    /// The cause with a number.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|c| *c as i32 == number)
    }
}
