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
    /// First argument on the stack (the seventh).
    S0 = 7,
    /// Second argument on the stack.
    S1 = 8,
    /// Third argument on the stack (`cuLaunchKernel`: the stream).
    S2 = 9,
    /// The stream inside a `CUlaunchConfig` that the first argument points to.
    ConfigStream = 10,
}

/// Attach cookie of a uprobe pair: the operation and where its values are.
///
/// ```text
/// bits  0..16  op           number from the operation table (`format::ops`)
/// bits 16..20  arg0         an [`Arg`], recorded as `arg0`
/// bits 20..24  arg1         an [`Arg`], recorded as `arg1` unless `out` is set
/// bits 24..28  out          an [`Arg`] holding a pointer; `*pointer` at return becomes `arg1`
/// bits 28..32  name         an [`Arg`] holding a C string that names what `out` returns
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Cookie(pub u64);

impl Cookie {
    /// Packs the four fields.
    #[must_use]
    pub const fn new(op: u16, arg0: Arg, arg1: Arg, out: Arg, name: Arg) -> Self {
        Self(op as u64 | (arg0 as u64) << 16 | (arg1 as u64) << 20 | (out as u64) << 24 | (name as u64) << 28)
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_gives_back_what_was_packed() {
        let cookie = Cookie::new(0xbeef, Arg::A2, Arg::S2, Arg::A0, Arg::ConfigStream);
        assert_eq!(
            (cookie.op(), cookie.arg0(), cookie.arg1(), cookie.out(), cookie.name()),
            (0xbeef, 3, 9, 1, 10)
        );
    }
}
