//! What the recorder tells a probe about the function it sits on.

/// Where a probe finds a value when the function is entered.
///
/// The numbers travel in a [`Cookie`], four bits each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Arg {
    /// The operation has no such value; it is recorded as 0.
    None = 0,
    /// First integer argument.
    A0 = 1,
    /// Second integer argument.
    A1 = 2,
    /// Third integer argument.
    A2 = 3,
    /// Fourth integer argument.
    A3 = 4,
    /// Fifth integer argument.
    A4 = 5,
    /// Sixth integer argument.
    A5 = 6,
    /// First argument on the stack (the seventh, System V AMD64 ABI 3.2.3); 0 on other machines.
    S0 = 7,
    /// Second argument on the stack; likewise.
    S1 = 8,
    /// Third argument on the stack; likewise (`cuLaunchKernel`: the stream).
    S2 = 9,
    /// The stream inside a `CUlaunchConfig` (cuda.h) or `cudaLaunchConfig_t` that the first argument points to.
    ConfigStream = 10,
    /// Bytes: width times height of the `CUDA_MEMCPY2D` (cuda.h) that the first argument points to.
    Copy2D = 11,
    /// Bytes: width times height times depth of the `CUDA_MEMCPY3D` (cuda.h) that the first argument points to.
    Copy3D = 12,
    /// Second argument in the upper, third in the lower 32 bits (`ncclCommInitRank`: ranks, rank).
    Ranks = 13,
}

/// What the first value is multiplied by, to be bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Scale {
    /// By nothing.
    #[default]
    One = 0,
    /// Elements of two bytes.
    Two = 1,
    /// Elements of four bytes.
    Four = 2,
    /// Rows, the fifth argument, of bytes.
    Rows = 3,
    /// Rows of elements of two bytes.
    RowsTwo = 4,
    /// Rows of elements of four bytes.
    RowsFour = 5,
    /// Elements of the `ncclDataType_t` (nccl.h) in the fourth argument.
    TypeA3 = 6,
    /// Elements of the `ncclDataType_t` (nccl.h) in the third argument.
    TypeA2 = 7,
}

/// Operations that are recorded at less cost together when the overhead budget demands it. The number is the
/// index of their mode and of their count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Lane {
    /// Launches of kernels, graphs and host functions.
    Launch = 0,
    /// Copies and fills.
    Copy = 1,
    /// Allocations.
    Memory = 2,
    /// Waits, code, graphs, contexts, collectives.
    Rest = 3,
}

impl Lane {
    /// All, by number: also the order in which they are shed.
    pub const ALL: [Self; LANES] = [Self::Launch, Self::Copy, Self::Memory, Self::Rest];
}

/// Number of [`Lane`]s.
pub const LANES: usize = 4;

/// How the calls of a [`Lane`] are recorded; the kernel side reads it from the map `MODES`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u32)]
pub enum Mode {
    /// Entry and return: one event with its duration.
    #[default]
    Whole = 0,
    /// Entry only.
    Entry = 1,
    /// Entry only, and not all the time.
    Duty = 2,
    /// Not at all.
    Off = 3,
}

/// Attach cookie of a probe (`bpf_get_attach_cookie`, include/uapi/linux/bpf.h): operation, and where its values are.
///
/// ```text
/// bits  0..16  op           number from the operation table (`format::ops`)
/// bits 16..20  arg0         an [`Arg`], recorded as `arg0`
/// bits 20..24  arg1         an [`Arg`], recorded as `arg1` unless `out` is set
/// bits 24..28  out          an [`Arg`] holding a pointer; `*pointer` at return becomes `arg1`
/// bits 28..32  name         an [`Arg`] holding a C string that names what `out` returns
/// bits 32..36  scale        a [`Scale`] of `arg0`
/// bits 36..38  lane         a [`Lane`]
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Cookie(pub u64);

impl Cookie {
    /// Packs operation and values.
    #[must_use]
    pub const fn new(op: u16, arg0: Arg, arg1: Arg, out: Arg, name: Arg) -> Self {
        Self(op as u64 | (arg0 as u64) << 16 | (arg1 as u64) << 20 | (out as u64) << 24 | (name as u64) << 28)
    }

    /// The same with a scale and a lane, which a new one has not.
    #[must_use]
    pub const fn with(self, scale: Scale, lane: Lane) -> Self {
        Self(self.0 | (scale as u64) << 32 | (lane as u64) << 36)
    }

    /// The operation number.
    #[must_use]
    pub const fn op(self) -> u16 {
        self.0 as u16
    }

    /// Selector of `arg0`, an [`Arg`] as a number.
    #[must_use]
    pub const fn arg0(self) -> u8 {
        (self.0 >> 16) as u8 & 15
    }

    /// Selector of `arg1`.
    #[must_use]
    pub const fn arg1(self) -> u8 {
        (self.0 >> 20) as u8 & 15
    }

    /// Selector of the out-pointer.
    #[must_use]
    pub const fn out(self) -> u8 {
        (self.0 >> 24) as u8 & 15
    }

    /// Selector of the name string.
    #[must_use]
    pub const fn name(self) -> u8 {
        (self.0 >> 28) as u8 & 15
    }

    /// The scale of `arg0`, a [`Scale`] as a number.
    #[must_use]
    pub const fn scale(self) -> u8 {
        (self.0 >> 32) as u8 & 15
    }

    /// The lane, a [`Lane`] as a number.
    #[must_use]
    pub const fn lane(self) -> u8 {
        (self.0 >> 36) as u8 & 3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_gives_back_what_was_packed() {
        let cookie = Cookie::new(0xbeef, Arg::A2, Arg::S2, Arg::A0, Arg::ConfigStream)
            .with(Scale::TypeA2, Lane::Memory);
        assert_eq!(
            (cookie.op(), cookie.arg0(), cookie.arg1(), cookie.out(), cookie.name()),
            (0xbeef, 3, 9, 1, 10)
        );
        assert_eq!((cookie.scale(), cookie.lane()), (7, 2));
    }
}
