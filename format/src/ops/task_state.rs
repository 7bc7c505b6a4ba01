//! What a thread was doing off the CPU, from the kernel's bits.

/// What the bits of a task state say (`include/linux/sched.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// It wanted the CPU: it was displaced, or gave way.
    Runnable,
    /// It waited and could be interrupted.
    Sleeping,
    /// It waited and could not, as for a disk.
    Uninterruptible,
    /// As that, but it does not count as load: a thread of the kernel without work.
    Idle,
    /// A signal stopped it.
    Stopped,
    /// A debugger held it.
    Traced,
    /// It ended.
    Exiting,
    /// A thread of the kernel that is put aside.
    Parked,
    /// Bits that none of these has.
    Other,
}

impl TaskState {
    /// What the bits say, as `ret` of an off-CPU interval has them.
    #[must_use]
    pub fn of(bits: i32) -> Self {
        const INTERRUPTIBLE: i32 = 0x1;
        const UNINTERRUPTIBLE: i32 = 0x2;
        const STOPPED: i32 = 0x4;
        const TRACED: i32 = 0x8;
        const EXIT: i32 = 0x10 | 0x20 | 0x80;
        const PARKED: i32 = 0x40;
        const NOLOAD: i32 = 0x400;
        match bits {
            s if s & TRACED != 0 => Self::Traced,
            s if s & STOPPED != 0 => Self::Stopped,
            s if s & EXIT != 0 => Self::Exiting,
            s if s & PARKED != 0 => Self::Parked,
            s if s & UNINTERRUPTIBLE != 0 && s & NOLOAD != 0 => Self::Idle,
            s if s & UNINTERRUPTIBLE != 0 => Self::Uninterruptible,
            s if s & INTERRUPTIBLE != 0 => Self::Sleeping,
            0 => Self::Runnable,
            _ => Self::Other,
        }
    }

    /// Its name in SQL, metrics and text.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Runnable => "runnable",
            Self::Sleeping => "sleeping",
            Self::Uninterruptible => "uninterruptible",
            Self::Idle => "idle",
            Self::Stopped => "stopped",
            Self::Traced => "traced",
            Self::Exiting => "exiting",
            Self::Parked => "parked",
            Self::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_of_the_kernel_have_the_names_that_ps_gives_them() {
        let named = [
            (0, "runnable"),
            (1, "sleeping"),
            (2, "uninterruptible"),
            (0x402, "idle"),
            (4, "stopped"),
            (8, "traced"),
            (0x10, "exiting"),
            (0x20, "exiting"),
            (0x80, "exiting"),
            (0x40, "parked"),
            (0x1002, "uninterruptible"),
            (0x2001, "sleeping"),
            (0x2000, "other"),
            (0x104, "stopped"),
        ];
        for (bits, name) in named {
            assert_eq!(TaskState::of(bits).name(), name, "{bits:#x}");
        }
    }
}
